//! A single row of C, from a B whose rows are contiguous, with nothing of what tiles need around them. Either as many
//! columns at a time as registers hold sums of, which hide the latency of the chains; or, where B does not stay
//! in the L2 cache and its rows are longer than these columns, by whole rows of B, so that it is read in the order in
//! which it lies: for 1x1024x1024 1.1 times as fast with AVX-512, 1.4 times with AVX2.

use super::blocking::{L2_BYTES, even_runs, k_block};
use super::micro::opaque;
use super::problem::{BOperand, Order};
use super::{Arithmetic, Problem, scratch};
use crate::simd::{Float, Simd};

/// Whether [`row`] computes the problem.
pub(crate) fn is_row<T: Arithmetic>(problem: &Problem<'_, T>) -> bool {
    let (m, n, _) = problem.shape();
    let b_has_contiguous_rows = matches!(problem.b, BOperand::View(b) if b.col_stride() == 1 || n == 1);
    problem.order == Order::Chain
        && m == 1
        && b_has_contiguous_rows
        && problem.c.has_contiguous_rows()
        && problem.column_sums.is_none()
}

/// Computes a problem for which [`is_row`] holds. A function of its own, so that it has registers of its own.
#[inline(never)]
pub(crate) fn row<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>) {
    let (_, n, k) = problem.shape();
    let Problem { alpha, a, b: BOperand::View(b), beta, ref mut c, ref epilogue, .. } = *problem else {
        unreachable!("B was found to be a view");
    };
    let (lanes, to) = (T::Vector::<S>::LANES, c.as_mut_ptr());
    let row = Row { k, a: a.as_ptr(), a_stride: a.col_stride(), b: b.as_ptr(), b_stride: b.row_stride(), alpha, beta };
    if n > 8 * lanes && n * k * size_of::<T>() > L2_BYTES {
        scratch::with_buffers(|buffers| {
            s.run(
                #[inline(always)]
                |s| {
                    for j in (0..n).step_by(SWEPT_COLUMNS) {
                        let sums = buffers.c.elements(SWEPT_COLUMNS.min(n - j));
                        // SAFETY: as below; the columns from j on are as many as there are sums.
                        unsafe { row.sweep(s, to, j, sums) };
                    }
                },
            );
        });
        return epilogue.apply_to_part(s, 0, 0, c.reborrow(), &mut None);
    }
    s.run(
        #[inline(always)]
        |s| {
            let whole = n / lanes;
            for (from, vectors, _) in even_runs(whole, S::NV_ROW, 1) {
                macro_rules! columns {
                    ($($nv:literal)*) => {
                        match vectors {
                            $($nv if const { $nv <= S::NV_ROW } => {
                                // SAFETY: A has k elements in its row, B k rows of n contiguous elements and C one, which is
                                // borrowed mutably; the columns that each call touches are below n.
                                unsafe { row.columns::<S, $nv>(s, to, from * lanes, lanes) }
                            })*
                            _ => unreachable!("more vectors than are summed side by side"),
                        }
                    };
                }
                columns!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
            }
            if whole * lanes < n {
                // SAFETY: as above.
                unsafe { row.columns::<S, 1>(s, to, whole * lanes, n - whole * lanes) };
            }
        },
    );
    epilogue.apply_to_part(s, 0, 0, c.reborrow(), &mut None);
}

/// The operands.
#[derive(Clone, Copy)]
struct Row<T> {
    k: usize,
    a: *const T,
    a_stride: isize,
    b: *const T,
    b_stride: isize,
    alpha: T,
    beta: Option<T>,
}

/// So many sums stay in the L1 cache while rows of B pass.
const SWEPT_COLUMNS: usize = 2048;

/// Rows of B that pass together, in a sweep for each vector of sums that is loaded and stored. Otherwise what they spare are turns of
/// a loop, but a CPU may [foresee less](Simd::STREAMED_ROW_BYTES): on others 1x784x128 is 1.07 times as fast as one by one.
const ROWS_AT_ONCE: usize = 4;

/// From so many vectors on, rows of B that are close to each other pass one by one where that is a faster
/// [stream](Simd::STREAMED_ROW_BYTES).
const NV_FOR_STREAM: usize = 4;

impl<T: Arithmetic> Row<T> {
    /// Columns from `j` on of C: of the last of `NV` vectors `last` lanes, of the others all. By a copy of the operands, which may stay
    /// in registers.
    ///
    /// # Safety
    /// - `k` elements of A, and as many rows of B with the columns named, must be readable; these of C writable too.
    #[inline(always)]
    unsafe fn columns<S: Simd, const NV: usize>(self, s: S, c: *mut T, j: usize, last: usize) {
        let lanes = T::Vector::<S>::LANES;
        let tail = T::Vector::<S>::tail(s, last);
        let (alpha, zero) = (T::Vector::<S>::splat(s, self.alpha), T::Vector::<S>::splat(s, T::default()));
        let (mut a, mut b) = (self.a, self.b.wrapping_add(j));
        let c = c.wrapping_add(j);
        let mut sums: Option<[T::Vector<S>; NV]> = None;
        let is_stream = NV >= NV_FOR_STREAM && self.b_stride.unsigned_abs() * size_of::<T>() <= S::STREAMED_ROW_BYTES;
        let block = k_block(self.k);
        let mut left = self.k;
        loop {
            let depth = block.min(left);
            let mut acc = [zero; NV];
            let mut passed = 0;
            while passed < depth {
                // SAFETY: the caller's promise: as many rows of B are left.
                passed += unsafe {
                    match depth - passed {
                        ROWS_AT_ONCE.. if !is_stream => {
                            self.add_to::<S, NV, ROWS_AT_ONCE>(s, &mut a, &mut b, tail, &mut acc)
                        }
                        _ => self.add_to::<S, NV, 1>(s, &mut a, &mut b, tail, &mut acc),
                    }
                };
            }
            let mut new = acc;
            for (v, new) in new.iter_mut().enumerate() {
                *new = match (&sums, self.beta) {
                    (Some(sums), _) => alpha.mul_add(*new, sums[v]),
                    (None, Some(beta)) => {
                        // SAFETY: the caller's promise.
                        let old = unsafe { load::<S, T, NV>(s, c, v, tail) };
                        alpha.mul_add(*new, T::Vector::<S>::splat(s, beta) * old)
                    }
                    (None, None) => alpha * *new,
                };
            }
            sums = Some(new);
            left -= depth;
            if left == 0 {
                break;
            }
        }
        for (v, &sum) in sums.iter().flatten().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                match NV {
                    1 => sum.store_tail(c, tail),
                    _ => sum.store_ptr(c.wrapping_add(v * lanes)),
                }
            }
        }
    }

    /// Goes on with each of `NV` vectors of sums by the next `ROWS` rows of B, moves both pointers past them, and returns their
    /// number.
    ///
    /// # Safety
    /// - `ROWS` elements from `a` on, and as many rows from `b` on with the columns of the sums, must be readable.
    #[inline(always)]
    unsafe fn add_to<S: Simd, const NV: usize, const ROWS: usize>(
        &self,
        s: S,
        a: &mut *const T,
        b: &mut *const T,
        tail: <T::Vector<S> as Float>::Tail,
        acc: &mut [T::Vector<S>; NV],
    ) -> usize {
        // SAFETY: the caller's promise.
        let factors = unsafe { self.factors::<S, ROWS>(s, *a) };
        for factor in factors {
            for (v, acc) in acc.iter_mut().enumerate() {
                // SAFETY: the caller's promise; the pointer steps past the end only after the last use.
                *acc = factor.mul_add(unsafe { load::<S, T, NV>(s, *b, v, tail) }, *acc);
            }
            // A pointer and no index to the first row: Intel's cores split what adds, multiplies and loads by an index.
            *b = opaque(b.wrapping_offset(self.b_stride));
        }
        *a = a.wrapping_offset(ROWS as isize * self.a_stride);
        ROWS
    }

    /// `ROWS` elements of A from `a` on, each in all lanes.
    ///
    /// # Safety
    /// - The elements must be readable.
    #[inline(always)]
    unsafe fn factors<S: Simd, const ROWS: usize>(&self, s: S, a: *const T) -> [T::Vector<S>; ROWS] {
        let mut factors = [T::Vector::<S>::splat(s, T::default()); ROWS];
        for (r, factor) in factors.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *factor = T::Vector::<S>::splat(s, unsafe { *a.offset(r as isize * self.a_stride) });
        }
        factors
    }

    /// Columns from `j` on of C, as many as there are `sums`, whose values do not matter.
    ///
    /// # Safety
    /// - `k` elements of A, and as many rows of B with the columns named, must be readable; these of C writable too.
    #[inline(always)]
    unsafe fn sweep<S: Simd>(&self, s: S, c: *mut T, j: usize, sums: &mut [T]) {
        let lanes = T::Vector::<S>::LANES;
        let (mut a, mut b) = (self.a, self.b.wrapping_add(j));
        let block = k_block(self.k);
        let mut beta = self.beta;
        let mut left = self.k;
        while left > 0 {
            let depth = block.min(left);
            sums.fill(T::default());
            let mut passed = 0;
            while passed < depth {
                // SAFETY: the caller's promise: as many rows of B are left.
                passed += unsafe {
                    match depth - passed {
                        ROWS_AT_ONCE.. => self.add_rows::<S, ROWS_AT_ONCE>(s, &mut a, &mut b, sums),
                        _ => self.add_rows::<S, 1>(s, &mut a, &mut b, sums),
                    }
                };
            }
            let alpha = T::Vector::<S>::splat(s, self.alpha);
            for (from, sums) in (j..).step_by(lanes).zip(sums.chunks(lanes)) {
                let (sum, c) = (T::Vector::<S>::load_partial(s, sums), c.wrapping_add(from));
                let tail = T::Vector::<S>::tail(s, sums.len());
                // SAFETY: the caller's promise for C.
                unsafe {
                    let value = match beta {
                        Some(beta) => {
                            let old = T::Vector::<S>::load_tail(s, c, tail);
                            alpha.mul_add(sum, T::Vector::<S>::splat(s, beta) * old)
                        }
                        None => alpha * sum,
                    };
                    value.store_tail(c, tail);
                }
            }
            beta = Some(T::from(1.0));
            left -= depth;
        }
    }

    /// Goes on with each sum by the next `ROWS` rows of B, moves both pointers past them, and returns their number.
    ///
    /// # Safety
    /// - `ROWS` elements from `a` on, and as many rows from `b` on with as many columns as there are sums, must be readable.
    #[inline(always)]
    unsafe fn add_rows<S: Simd, const ROWS: usize>(
        &self,
        s: S,
        a: &mut *const T,
        b: &mut *const T,
        sums: &mut [T],
    ) -> usize {
        let lanes = T::Vector::<S>::LANES;
        // SAFETY: the caller's promise.
        let factors = unsafe { self.factors::<S, ROWS>(s, *a) };
        let whole = sums.len() / lanes * lanes;
        let (groups, rest) = sums.split_at_mut(whole);
        for (from, sums) in (0..).step_by(lanes).zip(groups.chunks_exact_mut(lanes)) {
            let mut sum = T::Vector::<S>::load(s, sums);
            for (r, factor) in factors.iter().enumerate() {
                // SAFETY: the caller's promise: a whole vector of columns.
                sum = factor.mul_add(
                    unsafe { T::Vector::<S>::load_ptr(s, b.offset(r as isize * self.b_stride).add(from)) },
                    sum,
                );
            }
            sum.store(sums);
        }
        if !rest.is_empty() {
            let tail = T::Vector::<S>::tail(s, rest.len());
            let mut sum = T::Vector::<S>::load_partial(s, rest);
            for (r, factor) in factors.iter().enumerate() {
                // SAFETY: the caller's promise: as many columns as are left.
                sum = factor.mul_add(
                    unsafe { T::Vector::<S>::load_tail(s, b.offset(r as isize * self.b_stride).add(whole), tail) },
                    sum,
                );
            }
            sum.store_partial(s, rest);
        }
        *a = a.wrapping_offset(ROWS as isize * self.a_stride);
        *b = b.wrapping_offset(ROWS as isize * self.b_stride);
        ROWS
    }
}

/// Vector `v` of those from `from` on; the only one may be a part.
///
/// # Safety
/// - The vector, or where `NV` is 1 its lanes in `tail`, must be readable.
#[inline(always)]
unsafe fn load<S: Simd, T: Arithmetic, const NV: usize>(
    s: S,
    from: *const T,
    v: usize,
    tail: <T::Vector<S> as Float>::Tail,
) -> T::Vector<S> {
    // SAFETY: the caller's promise.
    unsafe {
        match NV {
            1 => T::Vector::<S>::load_tail(s, from, tail),
            _ => T::Vector::<S>::load_ptr(s, from.wrapping_add(v * T::Vector::<S>::LANES)),
        }
    }
}
