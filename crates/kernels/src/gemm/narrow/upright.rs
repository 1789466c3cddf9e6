//! Tiles whose rows are the lanes, from an A whose columns are contiguous, as it is where C is the gradient of weights:
//!
//! ```text
//!                       b[k][0]   b[k][1]
//!                     +---------+---------+
//!  a[0..LANES][k]     | rows of | rows of |   acc = fma(a[i][k], b[k][j], acc) in ascending k, as ever
//!  a[LANES..][k]      | column 0| column 1|
//!                     +---------+---------+
//! ```
//!
//! Only the sums are transposed, four columns at a time, on their way from the registers to C. Against tiles of the transpose
//! of C, which are copied to C, 128x64x4 takes 0.5 of the time with AVX-512, 128x64x10 0.7.

use super::super::micro::{PREFETCH_ROWS, opaque_stride};
use super::super::problem::Order;
use super::super::{MatRef, Problem};
use super::{Kernel, Kernels, SIDE, Tile, store_quarters};
use crate::simd::{Float, Float32, Simd};

/// The kernels for a problem that is the transpose of one with few columns, and with vectors of rows in `a`, where they are
/// worth it.
pub(super) fn kernels<S: Simd>(transpose: &Problem<'_, f32>, a: MatRef<'_, f32>) -> Option<Kernels> {
    let (n, m, k) = transpose.shape();
    let fits = transpose.order == Order::Chain
        && k > 0
        && m >= 2 * S::F32::LANES
        && a.has_contiguous_rows()
        && transpose.a.row_stride() == 1
        && transpose.c.row_stride() == 1
        // Those of the transpose are not of its columns.
        && transpose.column_sums.is_none();
    if !fits {
        return None;
    }
    match n {
        2 => const { of_columns::<S, 2>() },
        3 => const { of_columns::<S, 3>() },
        4 => const { of_columns::<S, 4>() },
        5 => const { of_columns::<S, 5>() },
        6 => const { of_columns::<S, 6>() },
        7 => const { of_columns::<S, 7>() },
        8 => const { of_columns::<S, 8>() },
        9 => const { of_columns::<S, 9>() },
        10 => const { of_columns::<S, 10>() },
        11 => const { of_columns::<S, 11>() },
        12 => const { of_columns::<S, 12>() },
        _ => None,
    }
}

/// As many vectors of rows as leave the sums in registers, of which at least eight hide the latency of an addition.
const fn of_columns<S: Simd, const N: usize>() -> Option<Kernels> {
    let ((vectors, kernel), (least, least_kernel)): ((usize, Kernel), (usize, Kernel)) = match N {
        _ if N > S::UPRIGHT_COLUMNS => return None,
        0..=6 => ((4, kernel::<S, 4, N>), (2, kernel::<S, 2, N>)),
        _ => ((2, kernel::<S, 2, N>), (1, kernel::<S, 1, N>)),
    };
    let lanes = S::F32::LANES;
    Some(Kernels { rows: vectors * lanes, kernel, least_rows: least * lanes, least: least_kernel })
}

/// # Safety
/// - The contract of [`Kernel`], for `R` vectors of rows and `N` columns, and an A of contiguous columns.
unsafe fn kernel<S: Simd, const R: usize, const N: usize>(tile: &Tile) {
    // SAFETY: the caller promises that the CPU has the features.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            // SAFETY: the caller's promise, passed on.
            unsafe {
                let product = accumulate::<S, R, N>(s, tile);
                store::<S, R, N>(s, tile, product);
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
unsafe fn accumulate<S: Simd, const R: usize, const N: usize>(s: S, tile: &Tile) -> [[S::F32; N]; R] {
    let zero = S::F32::splat(s, 0.0);
    let mut acc = [[zero; N]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    // In bytes, as in the micro-kernel.
    let a_col_bytes = opaque_stride(tile.a_stride * size_of::<f32>() as isize);
    let b_row_bytes = opaque_stride(tile.b_row_stride * size_of::<f32>() as isize);
    let ahead = PREFETCH_ROWS * tile.a_stride;
    for _ in 0..tile.k {
        let mut column = [zero; R];
        // SAFETY: the caller promises `k` columns of A of so many rows, and as many rows of B of `N` columns.
        unsafe {
            for r in 0..R {
                column[r] = S::F32::load_ptr(s, a.add(r * S::F32::LANES));
                S::F32::prefetch(s, a.wrapping_offset(ahead).wrapping_add(r * S::F32::LANES));
            }
            for j in 0..N {
                let b = S::F32::splat(s, *b.add(j));
                for r in 0..R {
                    acc[r][j] = column[r].mul_add(b, acc[r][j]);
                }
            }
        }
        (a, b) = (a.wrapping_byte_offset(a_col_bytes), b.wrapping_byte_offset(b_row_bytes));
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
unsafe fn store<S: Simd, const R: usize, const N: usize>(s: S, tile: &Tile, product: [[S::F32; N]; R]) {
    for r in 0..R {
        for q in 0..N.div_ceil(SIDE) {
            let column = |j: usize| product[r][(q * SIDE + j).min(N - 1)];
            let rows = S::F32::transpose_in_quarters([column(0), column(1), column(2), column(3)]);
            let tail = S::F32::tail(s, SIDE.min(N - q * SIDE));
            for i in 0..SIDE {
                // SAFETY: the caller promises that these rows of C are there and ours.
                unsafe { store_quarters(s, tile, rows[i], (r * S::F32::LANES + i, SIDE), q * SIDE, tail) };
            }
        }
    }
}
