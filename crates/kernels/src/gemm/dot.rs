//! A row or a column of dot products along K, where both operands run along K.
//!
//! The order of one sum is that of [`reduce`](crate::reduce).

use super::blocking::L2_BYTES;
use super::problem::BOperand;
use super::{Arithmetic, Problem};
use crate::reduce::{ACCUMULATORS, combine, lanes_of_dots, lanes_of_whole_dots};
use crate::simd::{Float, MAX_LANES, Simd};
use std::mem::MaybeUninit;

/// Computes a problem with one row or one column whose operands are contiguous along K. A function of its own, so that it
/// has registers of its own.
#[inline(never)]
pub(crate) fn dots<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>) {
    // One column: A's rows, each with the one column of B.
    if problem.b.cols() != 1 {
        problem.transpose();
    }
    let Problem { alpha, a, b: BOperand::View(b), beta, ref mut c, epilogue, .. } = *problem else {
        unreachable!("a packed operand is taken in chains");
    };
    let (lanes, c_stride) = (T::Vector::<S>::LANES, c.row_stride());
    let streams = a.rows() * a.cols() * size_of::<T>() > L2_BYTES;
    let common = Common { k: a.cols(), a_stride: a.row_stride(), b: b.as_ptr(), c_stride, alpha, beta, streams };
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
        1 => epilogue.transposed().apply_to_part(s, 0, 0, c.reborrow().t(), &mut None),
        _ => epilogue.apply_to_part(s, 0, 0, c.reborrow(), &mut None),
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
    /// Whether A comes from beyond the L2 cache: then it is read in the order in which it lies, row by row.
    streams: bool,
}

/// Dot products that share the loads of their common operand, where there are registers for them.
const DOTS_MAX: usize = 4;

impl<T: Arithmetic> Common<T> {
    /// The dot products of `rows` rows from `a` on with b, one a lane; the lanes past them hold anything.
    ///
    /// # Safety
    /// - `k` elements of each of the `rows` rows, at least one and at most as many as a vector has lanes, and of b must be
    ///   readable.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        let lanes = T::Vector::<S>::LANES;
        // SAFETY: the caller's promise.
        unsafe {
            if self.k <= lanes {
                return self.sums_of_short(s, a, rows);
            }
            match self.k.is_multiple_of(lanes).then_some(self.k / lanes % ACCUMULATORS) {
                Some(0) => self.sums_of_rows::<S, 0, false>(s, a, rows),
                Some(1) => self.sums_of_rows::<S, 1, false>(s, a, rows),
                Some(2) => self.sums_of_rows::<S, 2, false>(s, a, rows),
                Some(_) => self.sums_of_rows::<S, 3, false>(s, a, rows),
                None => self.sums_of_rows::<S, 0, true>(s, a, rows),
            }
        }
    }

    /// Row `i` of `rows`, those past the last being the last again.
    #[inline(always)]
    fn row(&self, a: *const T, i: usize, rows: usize) -> *const T {
        a.wrapping_offset(i.min(rows - 1) as isize * self.a_stride)
    }

    /// [`sums`](Self::sums) for a `k` that a vector holds.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_of_short<S: Simd>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        let zero = T::Vector::<S>::splat(s, T::default());
        let tail = T::Vector::<S>::tail(s, self.k);
        // SAFETY: the caller's promise, as `tail` has k lanes.
        let b = unsafe { T::Vector::<S>::load_tail(s, self.b, tail) };
        let mut sums = [zero; MAX_LANES];
        let sums = &mut sums[..T::Vector::<S>::LANES];
        for (i, sums) in sums.iter_mut().enumerate() {
            let mut acc = [zero; ACCUMULATORS];
            // SAFETY: as above.
            acc[0] = unsafe { T::Vector::<S>::load_tail(s, self.row(a, i, rows), tail) }.mul_add(b, zero);
            *sums = combine(acc);
        }
        T::Vector::<S>::sum_lanes_of_each(sums)
    }

    /// [`sums`](Self::sums) for a `k` of whole vectors, `REST` more than fill all accumulators alike, or for `ANY`.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_of_rows<S: Simd, const REST: usize, const ANY: bool>(
        &self,
        s: S,
        a: *const T,
        rows: usize,
    ) -> T::Vector<S> {
        // SAFETY: the caller's promise.
        unsafe {
            match S::DOTS == DOTS_MAX && !self.streams {
                true => self.sums_of_groups::<S, DOTS_MAX, REST, ANY>(s, a, rows),
                false => self.sums_of_groups::<S, 1, REST, ANY>(s, a, rows),
            }
        }
    }

    /// [`sums_of_rows`](Self::sums_of_rows), so many rows at a time.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_of_groups<S: Simd, const GROUP: usize, const REST: usize, const ANY: bool>(
        &self,
        s: S,
        a: *const T,
        rows: usize,
    ) -> T::Vector<S> {
        let lanes = T::Vector::<S>::LANES;
        // Zeroing them all each time took a tenth of the time of rows of 128.
        let mut sums = MaybeUninit::<[T::Vector<S>; MAX_LANES]>::uninit();
        if rows < lanes {
            sums.write([T::Vector::<S>::splat(s, T::default()); MAX_LANES]);
        }
        let sums = sums.as_mut_ptr().cast::<T::Vector<S>>();
        let mut from = 0;
        while from < rows {
            let mut group = [a; GROUP];
            for (i, row) in group.iter_mut().enumerate() {
                *row = self.row(a, from + i, rows);
            }
            // SAFETY: the caller's promise; the lanes are a multiple of the group.
            unsafe {
                let dots = match ANY {
                    true => lanes_of_dots(s, group, self.b, self.k),
                    false => lanes_of_whole_dots::<_, GROUP, REST>(s, group, self.b, self.k),
                };
                sums.add(from).cast::<[T::Vector<S>; GROUP]>().write(dots);
            }
            from += GROUP;
        }
        // SAFETY: all lanes were written, by groups or before.
        T::Vector::<S>::sum_lanes_of_each(unsafe { std::slice::from_raw_parts(sums, lanes) })
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
