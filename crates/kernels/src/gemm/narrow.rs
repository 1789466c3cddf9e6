//! A C of few columns, such as the outputs of a classifier and the gradient of their weights: tiles whose lanes are all used,
//! where those of one row a vector would leave many idle.

mod columns;
mod fours;
mod pairs;
mod upright;

use super::problem::{BOperand, Order};
use super::{Problem, blocking};
use crate::simd::{Float, Float32, Simd};

/// The rows that are worth it.
const LEAST_ROWS: usize = 16;

/// The most columns of any kernel.
const MOST_COLUMNS: usize = 12;

/// Computes a [`Tile`].
///
/// # Safety
/// - The CPU must have the features of the ISA that the kernel was made for.
/// - A must have as many rows as the kernel and `k` columns, at least one, of contiguous elements in its rows or its columns as
///   the kernel has it, B `k` rows of `cols`, and C the rows of A, of `cols` writable elements that nothing else uses.
/// - Of B as many elements as [`Kernels`] was made for must be readable from the start of each row but the last.
type Kernel = unsafe fn(&Tile);

/// The kernel for so many rows at a time, and one for fewer, at the end.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    rows: usize,
    kernel: Kernel,
    least_rows: usize,
    least: Kernel,
}

/// The kernels with which [`narrow`] computes the problem, if that is worth it.
#[inline]
pub(crate) fn kernels<S: Simd>(problem: &Problem<'_, f32>) -> Option<Kernels> {
    let BOperand::View(b) = problem.b else {
        return None;
    };
    if let Some(kernels) = upright::kernels::<S>(problem, b) {
        return Some(kernels);
    }
    let (m, n, k) = problem.shape();
    let fits = problem.order == Order::Chain
        && m >= LEAST_ROWS
        && (2..=MOST_COLUMNS).contains(&n)
        && problem.a.has_contiguous_rows()
        && b.has_contiguous_rows()
        && problem.c.has_contiguous_rows();
    if !fits {
        return None;
    }
    pairs::kernels::<S>(problem, b)
        .or_else(|| columns::kernels::<S>(n, k, b.row_stride()))
        .or_else(|| fours::kernels::<S>(n, k, b.row_stride()))
}

/// Computes a problem with the [`kernels`] for it.
#[inline(never)]
pub(crate) fn narrow<S: Simd>(s: S, problem: &mut Problem<'_, f32>, kernels: Kernels) {
    // Turned when it was prepared, as all but upright tiles want it.
    if !problem.c.has_contiguous_rows() {
        problem.transpose();
    }
    let (m, n, k) = problem.shape();
    let BOperand::View(b) = problem.b else {
        unreachable!("B was found to be a view");
    };
    let kc = blocking::k_block(k);
    for pc in (0..k).step_by(kc) {
        let depth = kc.min(k - pc);
        let (a, b) = (problem.a.col_range(pc, pc + depth), b.row_range(pc, pc + depth));
        let beta = if pc == 0 { problem.beta } else { Some(1.0) };
        let mut i = 0;
        while i < m {
            // The last rows are computed along with rows above them, which are not written again.
            let (kernel, height) = match kernels {
                Kernels { rows, kernel, .. } if m >= rows && m - i > rows / 2 => (kernel, rows),
                Kernels { least_rows, least, .. } => (least, least_rows),
            };
            let (from, to) = (i.min(m - height), m.min(i + height));
            let (a, c) = (a.row_range(from, m), problem.c.part(from, 0, m - from, n));
            let tile = Tile {
                k: depth,
                a: a.as_ptr(),
                a_stride: if a.row_stride() == 1 { a.col_stride() } else { a.row_stride() },
                b: b.as_ptr(),
                b_row_stride: b.row_stride(),
                c_row_stride: c.row_stride(),
                c: { c }.as_mut_ptr(),
                skip: i - from,
                cols: n,
                alpha: problem.alpha,
                beta,
            };
            // SAFETY: `s` proves the features; A has the rows of the tile, C the same of `n` columns, which is borrowed mutably,
            // and B `depth` rows of `n`, from which as much can be read as the kernels were chosen for.
            unsafe { kernel(&tile) };
            if pc + depth == k {
                problem.finish_part(s, i, 0, to - i, n);
            }
            i = to;
        }
    }
}

/// What a kernel works on: rows of A and C from `a` and `c` on.
struct Tile {
    k: usize,
    a: *const f32,
    /// From one row of A to the next, or from one column where those are contiguous.
    a_stride: isize,
    b: *const f32,
    b_row_stride: isize,
    c: *mut f32,
    c_row_stride: isize,
    /// Rows that are not written, from the first one on.
    skip: usize,
    cols: usize,
    alpha: f32,
    /// `None`: C is not read.
    beta: Option<f32>,
}

/// Columns of C that a quarter of a vector holds, one row of them, where it goes to C.
const SIDE: usize = 4;

/// Puts `alpha product + beta C` into four columns of C from `col` on, or as many as `tail` has: quarter i of the product is for
/// row `row + i * step`.
///
/// # Safety
/// - The rows and columns must be there and nothing else use them.
#[inline(always)]
unsafe fn store_quarters<S: Simd>(
    s: S,
    tile: &Tile,
    product: S::F32,
    (row, step): (usize, usize),
    col: usize,
    tail: <S::F32 as Float>::Tail,
) {
    let c = tile.c.wrapping_offset(row as isize * tile.c_row_stride).wrapping_add(col);
    let stride = step as isize * tile.c_row_stride;
    let alpha = S::F32::splat(s, tile.alpha);
    // SAFETY: the caller's promise.
    unsafe {
        let value = match tile.beta {
            None => alpha * product,
            Some(beta) => {
                let old = S::F32::load_quarters_tail(s, c, stride, tail);
                alpha.mul_add(product, S::F32::splat(s, beta) * old)
            }
        };
        let is_new = |i: usize| row + i * step >= tile.skip;
        if is_new(0) {
            value.store_quarter::<0>(c, tail);
        }
        if is_new(1) {
            value.store_quarter::<1>(c.wrapping_offset(stride), tail);
        }
        if is_new(2) {
            value.store_quarter::<2>(c.wrapping_offset(2 * stride), tail);
        }
        if is_new(3) {
            value.store_quarter::<3>(c.wrapping_offset(3 * stride), tail);
        }
    }
}

/// Puts `alpha product + beta C` into a vector of elements from `row` on of a C whose rows follow each other.
///
/// # Safety
/// - They must be there and nothing else use them.
#[inline(always)]
unsafe fn store_whole<S: Simd>(s: S, tile: &Tile, product: S::F32, row: usize) {
    let c = tile.c.wrapping_offset(row as isize * tile.c_row_stride);
    let alpha = S::F32::splat(s, tile.alpha);
    // SAFETY: the caller's promise.
    unsafe {
        let value = match tile.beta {
            None => alpha * product,
            Some(beta) => alpha.mul_add(product, S::F32::splat(s, beta) * S::F32::load_ptr(s, c)),
        };
        value.store_ptr(c);
    }
}
