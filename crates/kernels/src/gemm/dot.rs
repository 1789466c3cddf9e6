//! A row or a column of dot products along K, where both operands run along K.
//!
//! The order of one sum is that of [`reduce`](crate::reduce).

use super::problem::BOperand;
use super::{Arithmetic, Problem};
use crate::reduce::{ACCUMULATORS, combine, lanes_of_dots};
use crate::simd::{Float, MAX_LANES, Simd};

/// Computes a problem with one row or one column whose operands are contiguous along K. A function of its own, so that it
/// has registers of its own.
#[inline(never)]
pub(crate) fn dots<S: Simd, T: Arithmetic>(s: S, problem: Problem<'_, T>) {
    // One column: A's rows, each with the one column of B.
    let problem = if problem.b.cols() == 1 { problem } else { problem.transposed() };
    let Problem { alpha, a, b: BOperand::View(b), beta, mut c, epilogue, .. } = problem else {
        unreachable!("a packed operand is taken in chains");
    };
    let (lanes, c_stride) = (T::Vector::<S>::LANES, c.row_stride());
    let common = Common { k: a.cols(), a_stride: a.row_stride(), b: b.as_ptr(), c_stride, alpha, beta };
    s.run(
        #[inline(always)]
        |s| {
            let (mut from, mut to, mut left) = (a.as_ptr(), c.as_mut_ptr(), a.rows());
            while left > 0 {
                let rows = lanes.min(left);
                // SAFETY: `from` and `to` point to a row of the views A and C, which have at least `rows` more, those of A
                // contiguous along its k columns, as is B; C is borrowed mutably.
                unsafe { common.finish(s, common.sums(s, from, rows), to, rows) };
                from = from.wrapping_offset(rows as isize * common.a_stride);
                to = to.wrapping_offset(rows as isize * c_stride);
                left -= rows;
            }
        },
    );
    // As a row, where it is one, it goes by vectors.
    match c_stride {
        1 => epilogue.transposed().apply_to_part(s, 0, 0, c.t()),
        _ => epilogue.apply_to_part(s, 0, 0, c),
    }
}

/// What is the same for all rows.
struct Common<T> {
    k: usize,
    a_stride: isize,
    b: *const T,
    c_stride: isize,
    alpha: T,
    beta: Option<T>,
}

/// Dot products that share the loads of their common operand, where there are registers for them.
const DOTS_MAX: usize = 4;

impl<T: Arithmetic> Common<T> {
    /// The dot products of `rows` rows from `a` on with b, one a lane; the lanes past them repeat the last.
    ///
    /// # Safety
    /// - `k` elements of each of the `rows` rows, at least one and at most as many as a vector has lanes, and of b must be
    ///   readable.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        let zero = T::Vector::<S>::splat(s, T::default());
        let mut lanes = [zero; MAX_LANES];
        let lanes = &mut lanes[..T::Vector::<S>::LANES];
        let mut row = [a; MAX_LANES];
        for i in 1..lanes.len() {
            row[i] = row[i - 1].wrapping_offset(if i < rows { self.a_stride } else { 0 });
        }
        if self.k <= T::Vector::<S>::LANES {
            let tail = T::Vector::<S>::tail(s, self.k);
            // SAFETY: the caller's promise, as `tail` has k lanes.
            let b = unsafe { T::Vector::<S>::load_tail(s, self.b, tail) };
            for (lanes, row) in lanes.iter_mut().zip(row) {
                let mut acc = [zero; ACCUMULATORS];
                // SAFETY: as above.
                acc[0] = unsafe { T::Vector::<S>::load_tail(s, row, tail) }.mul_add(b, zero);
                *lanes = combine(acc);
            }
        } else if S::DOTS == DOTS_MAX {
            for (lanes, row) in lanes.chunks_exact_mut(DOTS_MAX).zip(row.chunks_exact(DOTS_MAX)) {
                let rows = [row[0], row[1], row[2], row[3]];
                // SAFETY: the caller's promise.
                lanes.copy_from_slice(&unsafe { lanes_of_dots::<T::Vector<S>, DOTS_MAX>(s, rows, self.b, self.k) });
            }
        } else {
            for (lanes, row) in lanes.iter_mut().zip(row).take(rows) {
                // SAFETY: the caller's promise.
                let [sums] = unsafe { lanes_of_dots::<T::Vector<S>, 1>(s, [row], self.b, self.k) };
                *lanes = sums;
            }
        }
        T::Vector::<S>::sum_lanes_of_each(lanes)
    }

    /// `c = alpha sums + beta c`, for as many elements of C as there are `rows`.
    ///
    /// # Safety
    /// - `rows` elements from `c` on, `c_stride` apart, at most as many as a vector has lanes, must be readable and writable.
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, sums: T::Vector<S>, c: *mut T, rows: usize) {
        let mut dense = [T::default(); MAX_LANES];
        let is_dense = self.c_stride == 1;
        let alpha = T::Vector::<S>::splat(s, self.alpha);
        let tail = T::Vector::<S>::tail(s, rows);
        let value = match self.beta {
            None => alpha * sums,
            Some(beta) => {
                if !is_dense {
                    for (i, old) in dense.iter_mut().enumerate().take(rows) {
                        // SAFETY: the caller's promise.
                        *old = unsafe { *c.offset(i as isize * self.c_stride) };
                    }
                }
                let from = if is_dense { c.cast_const() } else { dense.as_ptr() };
                // SAFETY: the caller's promise, or `dense` has as many elements as a vector has lanes.
                let old = unsafe { T::Vector::<S>::load_tail(s, from, tail) };
                alpha.mul_add(sums, T::Vector::<S>::splat(s, beta) * old)
            }
        };
        let to = if is_dense { c } else { dense.as_mut_ptr() };
        // SAFETY: as above.
        unsafe { value.store_tail(to, tail) };
        if !is_dense {
            for (i, &value) in dense.iter().enumerate().take(rows) {
                // SAFETY: the caller's promise.
                unsafe { *c.offset(i as isize * self.c_stride) = value };
            }
        }
    }
}
