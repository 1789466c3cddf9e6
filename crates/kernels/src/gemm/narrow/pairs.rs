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
//! pairs of columns become two vectors of fours. With AVX-512, against `fours`, 64x128x4 takes 0.6 of the time, 64x128x10 and
//! 512x512x10 0.8, 128x64x9 0.82, 128x64x12 0.9; 256x2x2 takes 0.7 of the time of masked tiles, as a row of C is no store of its
//! own.

use super::super::micro::{LINE_BYTES, opaque, opaque_stride};
use super::super::{MatRef, Problem, blocking};
use super::{Kernel, Kernels, SIDE, Tile, store_quarters, store_whole};
use crate::simd::{Float, Float32, MAX_LANES, Simd};

/// Rows of C, and columns, that a vector holds.
const ROWS: usize = 8;
const COLUMNS: usize = 2;

/// The depth that is worth it for up to 4, 8 and 12 columns, and where a vector of sums is one piece of C.
const LEAST_K: [usize; 3] = [4, 16, 32];
const LEAST_K_FOR_PIECES: usize = 2;

/// The kernels for a problem where they are worth it, all of whose operands have contiguous rows. Inlined: what a call returns is
/// read by loads that wait for its stores, for a tenth of the time of 32x32x8.
#[inline(always)]
pub(super) fn kernels<S: Simd>(problem: &Problem<'_, f32>, b: MatRef<'_, f32>) -> Option<Kernels> {
    let (_, n, k) = problem.shape();
    // So that all but the last row can be read by whole pairs: what follows a row is the next one.
    let is_readable = n.is_multiple_of(COLUMNS) || b.row_stride() == n as isize;
    let in_pieces = (n == COLUMNS || n == SIDE) && problem.c.row_stride() == n as isize;
    let least_k = if in_pieces { LEAST_K_FOR_PIECES } else { LEAST_K[n.div_ceil(SIDE) - 1] };
    if !is_readable || k < least_k {
        return None;
    }
    // 512x512x4 takes 1.27 times as long by 32 rows, whose lines share two sets of the L1 cache.
    let row_bytes = problem.a.row_stride().unsigned_abs() * size_of::<f32>();
    let is_tall = k * size_of::<f32>() <= LINE_BYTES || blocking::lines_in_l1(row_bytes) >= TALL * ROWS;
    match n.div_ceil(COLUMNS) {
        1 if is_tall => const { of_columns::<S, TALL, 1>() },
        2 if is_tall => const { of_columns::<S, TALL, 2>() },
        3 if is_tall && k >= LEAST_K_FOR_TALL_SIXES => const { of_columns::<S, TALL, 3>() },
        1 => const { of_columns::<S, 2, 1>() },
        2 => const { of_columns::<S, 2, 2>() },
        3 => const { of_columns::<S, 2, 3>() },
        4 => const { of_columns::<S, 2, 4>() },
        5 => const { of_columns::<S, 2, 5>() },
        6 => const { of_columns::<S, 2, 6>() },
        _ => None,
    }
}

/// The depth from which on tall tiles of five or six columns are worth it: what they do for the last rows of B costs more.
const LEAST_K_FOR_TALL_SIXES: usize = 48;

/// Eights of rows whose sums hide the latency of an addition, and share the loads of B, where there are few columns; the sums of
/// more columns than 6 would not stay in registers, for 0.8 of the speed.
const TALL: usize = 4;

/// For `R` eights of rows at a time, and half of them at the end.
const fn of_columns<S: Simd, const R: usize, const P: usize>() -> Option<Kernels> {
    if !S::NARROW_PAIRS {
        return None;
    }
    let (least, least_kernel): (usize, Kernel) =
        if R == TALL { (2, kernel::<S, 2, P>) } else { (1, kernel::<S, 1, P>) };
    Some(Kernels { rows: R * ROWS, kernel: kernel::<S, R, P>, least_rows: least * ROWS, least: least_kernel })
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times eight rows and `P` pairs of columns.
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
    let (next_half, apart) = order_of_rows::<P>();
    let stride = apart as isize * tile.a_stride;
    let rows = |a: *const f32, r: usize, half: usize| {
        a.wrapping_offset((r * ROWS + half * next_half) as isize * tile.a_stride)
    };
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
    // read wherever a column is; the last is read from a copy that zeros follow where its last column has no other beside it.
    unsafe {
        for _ in 0..whole {
            let mut fours = [[zero; 2]; R];
            for r in 0..R {
                fours[r] =
                    [S::F32::load_quarters(s, rows(a, r, 0), stride), S::F32::load_quarters(s, rows(a, r, 1), stride)];
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
                    S::F32::load_quarters_tail(s, rows(a, r, 0), stride, tail),
                    S::F32::load_quarters_tail(s, rows(a, r, 1), stride, tail),
                ];
            }
            let b_row = |j: usize| b.wrapping_offset(j as isize * tile.b_row_stride);
            let mut last = [0.0; MAX_LANES];
            let is_copied = !tile.cols.is_multiple_of(COLUMNS);
            if is_copied {
                S::F32::load_tail(s, b_row(left - 1), S::F32::tail(s, tile.cols)).store(&mut last);
            }
            let b_row = |j: usize| if is_copied && j + 1 == left { last.as_ptr() } else { b_row(j) };
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
    let (next_half, apart) = order_of_rows::<P>();
    // Whole rows that follow each other: a vector is one piece of C, where a row is one otherwise.
    let is_dense = tile.cols == P * COLUMNS && tile.c_row_stride == tile.cols as isize && tile.skip == 0;
    for r in 0..R {
        if P == 1 && is_dense {
            // SAFETY: the caller promises that these rows of C are there and ours.
            unsafe { store_whole(s, tile, product[r][0], r * ROWS) };
            continue;
        }
        for q in 0..P.div_ceil(2) {
            let (first, second) = (product[r][2 * q], product[r][(2 * q + 1).min(P - 1)]);
            let fours = S::F32::join_eighths(first, second);
            let tail = S::F32::tail(s, SIDE.min(tile.cols - q * SIDE));
            for i in 0..2 {
                let row = r * ROWS + i * next_half;
                // SAFETY: as above.
                unsafe {
                    if P == 2 && is_dense {
                        store_whole(s, tile, fours[i], row);
                    } else {
                        store_quarters(s, tile, fours[i], (row, apart), q * SIDE, tail);
                    }
                }
            }
        }
    }
}

/// How far the four rows of the second quarters are below those of the first, and the rows of each from each other: so that a vector
/// of sums, of two columns as it is and of four when joined, is of rows that follow each other.
const fn order_of_rows<const P: usize>() -> (usize, usize) {
    if P == 1 { (1, 2) } else { (SIDE, 1) }
}
