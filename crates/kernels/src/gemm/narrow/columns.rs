//! Tiles whose rows are the lanes: A is transposed on its way, four columns at a time, and each element of B is one for all lanes.
//!
//! ```text
//!                    b[k][0]   b[k][1]
//!                  +---------+---------+
//!  a[0..ROWS][k]   | rows of | rows of |   acc = fma(a[i][k], b[k][j], acc) in ascending k, as ever
//!                  | column 0| column 1|
//!                  +---------+---------+
//! ```
//!
//! It takes a load for each element of B and eight shuffles for each four k, but not one lane is idle. On a Zen 2, 64x128x10
//! takes 0.77 of the time of a padded vector a row, 512x512x10 0.74; more than ten sums would not stay in registers.

use super::super::micro::opaque_stride;
use super::{Kernels, Tile};
use crate::simd::{Float, Float32, MAX_LANES, Simd};
use std::mem::MaybeUninit;

/// Columns of A that are transposed together.
const STEP: usize = 4;

/// The depth that is worth it: what has to be done once for each tile is as much as for so many k.
const LEAST_K: usize = 16;

/// The kernel for a C of `n` columns and a depth of `k` where it is worth it, for a B whose rows are `b_stride` apart.
pub(super) fn kernels<S: Simd>(n: usize, k: usize, b_stride: isize) -> Option<Kernels> {
    let columns = columns::<S>();
    // So that all but the last row can be read by whole vectors of columns: what follows a row is the next one.
    let is_readable = n.is_multiple_of(columns) || b_stride == n as isize;
    if !is_readable || k < LEAST_K {
        return None;
    }
    match n.div_ceil(columns) {
        5 => const { of_columns::<S, 5>() },
        _ => None,
    }
}

const fn of_columns<S: Simd, const V: usize>() -> Option<Kernels> {
    let rows = S::F32::COLUMN_ROWS;
    let kernel = kernel::<S, V>;
    if S::COLUMNS { Some(Kernels { rows, kernel, least_rows: rows, least: kernel }) } else { None }
}

/// Columns that a vector holds.
const fn columns<S: Simd>() -> usize {
    S::F32::LANES / S::F32::COLUMN_ROWS
}

/// # Safety
/// - The contract of [`Kernel`], for `COLUMN_ROWS` rows and `V` vectors of columns.
unsafe fn kernel<S: Simd, const V: usize>(tile: &Tile) {
    // SAFETY: the caller promises that the CPU has the features.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            // SAFETY: the caller's promise, passed on.
            unsafe {
                let product = accumulate::<S, V>(s, tile);
                store::<S, V>(s, tile, product);
            }
        },
    );
}

/// # Safety
/// - The contract of [`Kernel`], for `COLUMN_ROWS` rows and `V` vectors of columns.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterators are several times as much to compile")]
unsafe fn accumulate<S: Simd, const V: usize>(s: S, tile: &Tile) -> [S::F32; V] {
    let mut acc = [S::F32::splat(s, 0.0); V];
    let (mut a, mut b) = (tile.a, tile.b);
    // The last row of B ends with its last column.
    let whole = if tile.cols == V * columns::<S>() { tile.k } else { tile.k - 1 } / STEP;
    // In bytes, of which the compiler does not know that: else a step to the next row is a slower instruction, for a tenth of the
    // speed.
    let b_row_bytes = opaque_stride(tile.b_row_stride * size_of::<f32>() as isize);
    for _ in 0..whole {
        // SAFETY: the caller promises so many elements in each row of A, and that so many of each row of B can be read.
        unsafe {
            let [a0, a1, a2, a3] = S::F32::load_columns(s, a, tile.a_stride);
            b = add::<S, V>(&mut acc, a0, b, b_row_bytes);
            b = add::<S, V>(&mut acc, a1, b, b_row_bytes);
            b = add::<S, V>(&mut acc, a2, b, b_row_bytes);
            b = add::<S, V>(&mut acc, a3, b, b_row_bytes);
        }
        a = a.wrapping_add(STEP);
    }
    let left = tile.k - whole * STEP;
    if left > 0 {
        let mut a_block = [0.0; STEP * MAX_LANES];
        let mut b_block = [0.0; STEP * MAX_LANES];
        let (left_of_a, columns_of_b) = (S::F32::tail(s, left), S::F32::tail(s, tile.cols));
        // SAFETY: `left` columns of A and rows of B are left. The blocks hold four elements for each row of A, and for each row of
        // B a whole vector.
        unsafe {
            for (i, rows) in (0..S::F32::COLUMN_ROWS as isize).step_by(4).zip(a_block.chunks_exact_mut(S::F32::LANES)) {
                S::F32::load_quarters_tail(s, a.offset(i * tile.a_stride), tile.a_stride, left_of_a).store(rows);
            }
            for (q, row) in (0..left as isize).zip(b_block.chunks_exact_mut(MAX_LANES)) {
                S::F32::load_tail(s, b.offset(q * tile.b_row_stride), columns_of_b).store(row);
            }
            let fours = S::F32::load_columns(s, a_block.as_ptr(), STEP as isize);
            let mut b = b_block.as_ptr();
            for &a in &fours[..left] {
                b = add::<S, V>(&mut acc, a, b, (MAX_LANES * size_of::<f32>()) as isize);
            }
        }
    }
    acc
}

/// Goes on with all sums by a column of A and a row of B, and returns where the row after it is.
///
/// # Safety
/// - Of the row of B, `V` vectors of columns must be readable.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterators are several times as much to compile")]
unsafe fn add<S: Simd, const V: usize>(
    acc: &mut [S::F32; V],
    a: S::F32,
    mut b: *const f32,
    row_bytes: isize,
) -> *const f32 {
    for v in 0..V {
        // SAFETY: the caller's promise.
        unsafe { (acc[v], b) = acc[v].add_products(a, b, v * columns::<S>()) };
    }
    b.wrapping_byte_offset(row_bytes)
}

/// # Safety
/// - The contract of [`Kernel`], for `COLUMN_ROWS` rows and `V` vectors of columns.
#[inline(always)]
unsafe fn store<S: Simd, const V: usize>(s: S, tile: &Tile, product: [S::F32; V]) {
    let (lanes, rows) = (S::F32::LANES, S::F32::COLUMN_ROWS);
    // By way of memory: column j lies at j * rows, row i then at i * lanes.
    let mut columns = MaybeUninit::<[f32; MAX_LANES * MAX_LANES]>::uninit();
    let mut by_rows = MaybeUninit::<[f32; MAX_LANES * MAX_LANES]>::uninit();
    let (columns, by_rows) = (columns.as_mut_ptr().cast::<f32>(), by_rows.as_mut_ptr().cast::<f32>());
    // SAFETY: both hold LANES columns of `rows`, all of which are written before they are read.
    unsafe {
        for v in 0..rows {
            let product = if v < V { product[v] } else { S::F32::splat(s, 0.0) };
            product.store_ptr(columns.add(v * lanes));
        }
        for i in (0..rows).step_by(S::F32::QUARTER) {
            S::F32::transpose_quarter(s, columns.add(i), rows as isize, by_rows.add(i * lanes), lanes as isize);
        }
    }
    let (alpha, tail) = (S::F32::splat(s, tile.alpha), S::F32::tail(s, tile.cols));
    for i in tile.skip..rows {
        let c = tile.c.wrapping_offset(i as isize * tile.c_row_stride);
        // SAFETY: row i of the product was written; the caller promises that these rows of C are there and ours.
        unsafe {
            let product = S::F32::load_ptr(s, by_rows.add(i * lanes));
            let value = match tile.beta {
                None => alpha * product,
                Some(beta) => {
                    let old = S::F32::load_tail(s, c, tail);
                    alpha.mul_add(product, S::F32::splat(s, beta) * old)
                }
            };
            value.store_tail(c, tail);
        }
    }
}
