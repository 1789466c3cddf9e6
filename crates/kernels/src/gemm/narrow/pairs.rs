//! Tiles of eight rows and two columns a vector: half of the shuffles of [`fours`](super::fours), where a shuffle takes the
//! place of an addition.
//!
//! ```text
//!                 b: 2 elements of row k, in each eighth
//!               +-------+-------+-------+-------+--
//!               | b0 b1 | b0 b1 | b0 b1 | b0 b1 | ...
//!               +-------+-------+-------+-------+--
//!  a, of row    |   0   |   4   |   1   |   5   | ...   acc = fma(a[i][k], b[k][j], acc) in ascending k, as ever
//!               +-------+-------+-------+-------+--
//! ```
//!
//! Four k of four rows are loaded at once, as there; a shuffle of two such vectors spreads one k of eight rows. The sums of two
//! pairs of columns become two vectors of fours. With AVX-512, against `fours`, 64x128x4 takes 0.84 of the time, 64x128x10 and
//! 512x512x10 0.8, 128x64x9 0.82, 128x64x12 0.9.

use super::super::micro::{opaque, opaque_stride};
use super::{Kernels, SIDE, Tile, store_quarters};
use crate::simd::{Float, Float32, MAX_LANES, Simd};

/// Rows of C, and columns, that a vector holds.
const ROWS: usize = 8;
const COLUMNS: usize = 2;

/// The depth that is worth it for up to 4, 8 and 12 columns.
const LEAST_K: [usize; 3] = [4, 16, 32];

/// The kernels for a C of `n` columns and a depth of `k` where they are worth it, for a B whose rows are `b_stride` apart.
pub(super) fn kernels<S: Simd>(n: usize, k: usize, b_stride: isize) -> Option<Kernels> {
    // So that all but the last row can be read by whole pairs: what follows a row is the next one.
    let is_readable = n.is_multiple_of(COLUMNS) || b_stride == n as isize;
    if !is_readable || k < LEAST_K[n.div_ceil(SIDE) - 1] {
        return None;
    }
    match n.div_ceil(COLUMNS) {
        1 => const { of_columns::<S, 1>() },
        2 => const { of_columns::<S, 2>() },
        3 => const { of_columns::<S, 3>() },
        4 => const { of_columns::<S, 4>() },
        5 => const { of_columns::<S, 5>() },
        6 => const { of_columns::<S, 6>() },
        _ => None,
    }
}

const fn of_columns<S: Simd, const P: usize>() -> Option<Kernels> {
    if !S::NARROW_PAIRS {
        return None;
    }
    Some(Kernels { rows: 2 * ROWS, kernel: kernel::<S, 2, P>, least_rows: ROWS, least: kernel::<S, 1, P> })
}

/// # Safety
/// - The contract of [`Kernel`](super::Kernel), for `R` times eight rows and `P` pairs of columns.
unsafe fn kernel<S: Simd, const R: usize, const P: usize>(tile: &Tile) {
    // SAFETY: the caller promises that the CPU has the features.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            // SAFETY: the caller's promise, passed on.
            unsafe {
                let product = accumulate::<S, R, P>(s, tile);
                store::<S, R, P>(s, tile, product);
            }
        },
    );
}

/// # Safety
/// - The contract of [`kernel`].
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators are several times as much to compile, in each of many kernels"
)]
unsafe fn accumulate<S: Simd, const R: usize, const P: usize>(s: S, tile: &Tile) -> [[S::F32; P]; R] {
    let zero = S::F32::splat(s, 0.0);
    let mut acc = [[zero; P]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    let b_row_bytes = opaque_stride(tile.b_row_stride * size_of::<f32>() as isize);
    // Opaque, as the compiler would load more rows of B ahead than there are registers.
    let next = |b: *const f32| opaque(b.wrapping_byte_offset(b_row_bytes));
    let rows = |a: *const f32, i: usize| a.wrapping_offset((i * SIDE) as isize * tile.a_stride);
    // Element J of the four of each row, times a row of B.
    macro_rules! step {
        ($fours:ident, $j:literal, $row:expr) => {
            let row = $row;
            let mut pairs = [zero; R];
            for r in 0..R {
                pairs[r] = S::F32::splat_in_eighths::<$j>($fours[r][0], $fours[r][1]);
            }
            for p in 0..P {
                let b = S::F32::repeat_pair(s, row.wrapping_add(p * COLUMNS));
                for r in 0..R {
                    acc[r][p] = pairs[r].mul_add(b, acc[r][p]);
                }
            }
        };
    }
    // The last row of B ends with its last column.
    let whole = if tile.cols.is_multiple_of(COLUMNS) { tile.k } else { tile.k - 1 } / SIDE;
    // SAFETY: the caller promises that `k` elements follow in each row of A, and that from each of B but the last two can be
    // read wherever a column is; the last is read from a copy that zeros follow.
    unsafe {
        for _ in 0..whole {
            let mut fours = [[zero; 2]; R];
            for r in 0..R {
                fours[r] = [
                    S::F32::load_quarters(s, rows(a, 2 * r), tile.a_stride),
                    S::F32::load_quarters(s, rows(a, 2 * r + 1), tile.a_stride),
                ];
            }
            step!(fours, 0, b);
            b = next(b);
            step!(fours, 1, b);
            b = next(b);
            step!(fours, 2, b);
            b = next(b);
            step!(fours, 3, b);
            b = next(b);
            a = a.wrapping_add(SIDE);
        }
        let left = tile.k - whole * SIDE;
        if left > 0 {
            let tail = S::F32::tail(s, left);
            let mut fours = [[zero; 2]; R];
            for r in 0..R {
                fours[r] = [
                    S::F32::load_quarters_tail(s, rows(a, 2 * r), tile.a_stride, tail),
                    S::F32::load_quarters_tail(s, rows(a, 2 * r + 1), tile.a_stride, tail),
                ];
            }
            let b_row = |j: usize| b.wrapping_offset(j as isize * tile.b_row_stride);
            let mut last = [0.0; MAX_LANES];
            S::F32::load_tail(s, b_row(left - 1), S::F32::tail(s, tile.cols)).store(&mut last);
            let b_row = |j: usize| if j + 1 == left { last.as_ptr() } else { b_row(j) };
            step!(fours, 0, b_row(0));
            if left > 1 {
                step!(fours, 1, b_row(1));
            }
            if left > 2 {
                step!(fours, 2, b_row(2));
            }
            if left > 3 {
                step!(fours, 3, b_row(3));
            }
        }
    }
    acc
}

/// # Safety
/// - The contract of [`kernel`].
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators are several times as much to compile, in each of many kernels"
)]
unsafe fn store<S: Simd, const R: usize, const P: usize>(s: S, tile: &Tile, product: [[S::F32; P]; R]) {
    for r in 0..R {
        for q in 0..P.div_ceil(2) {
            let (first, second) = (product[r][2 * q], product[r][(2 * q + 1).min(P - 1)]);
            let fours = S::F32::join_eighths(first, second);
            let tail = S::F32::tail(s, SIDE.min(tile.cols - q * SIDE));
            for i in 0..2 {
                // SAFETY: the caller promises that these rows of C are there and ours.
                unsafe { store_quarters(s, tile, fours[i], (r * ROWS + i * SIDE, 1), q * SIDE, tail) };
            }
        }
    }
}
