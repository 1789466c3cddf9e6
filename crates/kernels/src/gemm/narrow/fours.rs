//! Tiles of four rows and four columns a vector, so that no lane is idle where a tile of one row would leave most of them so.
//!
//! ```text
//!                 b: 4 elements of row k, in each quarter
//!               +---------+---------+---------+---------+
//!               | b0 … b3 | b0 … b3 | b0 … b3 | b0 … b3 |
//!               +---------+---------+---------+---------+
//!  a, of row    |    0    |    1    |    2    |    3    |   acc = fma(a[i][k], b[k][j], acc) in ascending k, as ever
//!               +---------+---------+---------+---------+
//! ```
//!
//! Four k are loaded at once, from each row to its quarter; a shuffle inside the quarters spreads one of them. Against one row a
//! vector, on a Zen 4 with AVX2, 64x128x4 takes 0.38 of the time, 64x128x8 0.5; the sums of 9 columns and more would not stay
//! in registers.

use super::{Kernel, Kernels, SIDE, Tile, store_quarters};
use crate::simd::{Float, Float32, Simd};

/// The depth that is worth it for up to 4, 8 and 12 columns: a row is stored in as many pieces as it has fours.
const LEAST_K: [usize; 3] = [4, 10, 32];

/// The kernels for a C of `n` columns and a depth of `k` where they are worth it, for a B whose rows are `b_stride` apart.
pub(super) fn kernels<S: Simd>(n: usize, k: usize, b_stride: isize) -> Option<Kernels> {
    // So that all but the last row can be read by whole quarters: what follows a row is the next one.
    let is_readable = n.is_multiple_of(SIDE) || b_stride == n as isize;
    let fours = n.div_ceil(SIDE);
    let least_k = LEAST_K.get(fours - 1)?;
    if !is_readable || k < *least_k {
        return None;
    }
    let kernels = const { &[of_columns::<S, 1>(), of_columns::<S, 2>(), of_columns::<S, 3>()] };
    kernels[fours - 1]
}

const fn of_columns<S: Simd, const Q: usize>() -> Option<Kernels> {
    let (rows, of_rows): (_, Kernel) = match S::NARROW_FOURS[Q - 1] {
        0 => return None,
        1 => (SIDE, kernel::<S, 1, Q>),
        2 => (2 * SIDE, kernel::<S, 2, Q>),
        _ => (4 * SIDE, kernel::<S, 4, Q>),
    };
    Some(Kernels { rows, kernel: of_rows, least_rows: SIDE, least: kernel::<S, 1, Q> })
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times four rows.
unsafe fn kernel<S: Simd, const R: usize, const Q: usize>(tile: &Tile) {
    // SAFETY: the caller promises that the CPU has the features.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            let mut tails = [S::F32::tail(s, SIDE); Q];
            tails[Q - 1] = S::F32::tail(s, tile.cols - (Q - 1) * SIDE);
            // SAFETY: the caller's promise, passed on.
            unsafe {
                let product = accumulate::<S, R, Q>(s, tile, &tails);
                store::<S, R, Q>(s, tile, &tails, product);
            }
        },
    );
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times four rows.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators are several times as much to compile, in each of many kernels"
)]
unsafe fn accumulate<S: Simd, const R: usize, const Q: usize>(
    s: S,
    tile: &Tile,
    tails: &[<S::F32 as Float>::Tail; Q],
) -> [[S::F32; Q]; R] {
    let zero = S::F32::splat(s, 0.0);
    let mut acc = [[zero; Q]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    // Element J of the four of each row, times row J of B.
    macro_rules! step {
        ($fours:ident, $j:literal, |$from:ident, $q:ident| $load:expr) => {
            let row = b.wrapping_offset($j * tile.b_row_stride);
            let mut b_row = [zero; Q];
            for $q in 0..Q {
                let $from = row.wrapping_add($q * SIDE);
                b_row[$q] = $load;
            }
            for r in 0..R {
                let a = $fours[r].splat_in_quarters::<$j>();
                for q in 0..Q {
                    acc[r][q] = a.mul_add(b_row[q], acc[r][q]);
                }
            }
        };
    }
    let rows = |a: *const f32, r: usize| a.wrapping_offset((r * SIDE) as isize * tile.a_stride);
    // SAFETY: the caller promises that `k` elements follow in each row of A, and that from each of B but the last four can be
    // read wherever a column is.
    unsafe {
        let whole = (tile.k - 1) / SIDE;
        for _ in 0..whole {
            let mut fours = [zero; R];
            for r in 0..R {
                fours[r] = S::F32::load_quarters(s, rows(a, r), tile.a_stride);
            }
            step!(fours, 0, |from, q| S::F32::repeat_quarter(s, from));
            step!(fours, 1, |from, q| S::F32::repeat_quarter(s, from));
            step!(fours, 2, |from, q| S::F32::repeat_quarter(s, from));
            step!(fours, 3, |from, q| S::F32::repeat_quarter(s, from));
            (a, b) = (a.wrapping_add(SIDE), b.wrapping_offset(SIDE as isize * tile.b_row_stride));
        }
        let left = tile.k - whole * SIDE;
        let tail = S::F32::tail(s, left);
        let mut fours = [zero; R];
        for r in 0..R {
            fours[r] = S::F32::load_quarters_tail(s, rows(a, r), tile.a_stride, tail);
        }
        step!(fours, 0, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        if left > 1 {
            step!(fours, 1, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        }
        if left > 2 {
            step!(fours, 2, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        }
        if left > 3 {
            step!(fours, 3, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        }
    }
    acc
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times four rows.
#[inline(always)]
unsafe fn store<S: Simd, const R: usize, const Q: usize>(
    s: S,
    tile: &Tile,
    tails: &[<S::F32 as Float>::Tail; Q],
    product: [[S::F32; Q]; R],
) {
    for (r, product) in product.into_iter().enumerate() {
        for (q, (product, &tail)) in product.into_iter().zip(tails).enumerate() {
            // SAFETY: the caller promises that these rows of C are there and ours.
            unsafe { store_quarters(s, tile, product, (r * SIDE, 1), q * SIDE, tail) };
        }
    }
}
