//! An outer product, K = 1: each element of C takes one product, so that the time is that of writing them. Rows are written
//! from end to end, where row tiles would go from page to page: with AVX2 1.5 times as fast for 784x1x128 as by tiles, 1.8
//! times for 256x1x784; with AVX-512 1.19 and 1.1 times, which is within a tenth of what a core that writes lines from the L2
//! cache can do in any order. A few rows share the loads of B, which hold up the lines that come to the L1 cache and leave it.
//! Row by row that costs no more where each line of C is asked for before it is written, and rows whose lines share sets of the
//! L1 cache do not push each other out: with AVX-512 on an Intel CPU 1.02 times as fast for 256x1x784, 1.03 times for
//! 784x1x128, 1.13 times for 64x1x1024. Where the L1 cache holds C, to ask takes up to 1.5 times as long.

use super::blocking::L1_BYTES;
use super::problem::{BOperand, Order};
use super::{Arithmetic, Problem};
use crate::isa::is_amd;
use crate::simd::{Float, Simd};

/// Whether [`outer`] computes the problem.
pub(crate) fn is_outer<S: Simd, T: Arithmetic>(problem: &Problem<'_, T>) -> bool {
    let (_, n, k) = problem.shape();
    let lanes = T::Vector::<S>::LANES;
    // Where a tile of several vectors holds whole rows, tiles write them from end to end, too, and with less around them: 100x1x32
    // takes 1.3 times as long by rows.
    let fits_tiles = S::NV > 1 && (n == lanes || n == S::NV * lanes);
    S::OUTER_ROWS > 0
        && k == 1
        && n >= lanes
        && !fits_tiles
        && problem.order == Order::Chain
        && matches!(problem.b, BOperand::View(b) if b.has_contiguous_rows())
        && problem.c.has_contiguous_rows()
}

/// Computes a problem for which [`is_outer`] holds. A function of its own, so that it has registers of its own.
#[inline(never)]
pub(crate) fn outer<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>) {
    let (m, n, _) = problem.shape();
    let BOperand::View(b) = problem.b else {
        unreachable!("B was found to be a view");
    };
    let (a, c) = (problem.a, problem.c.as_mut_ptr());
    let all = Outer {
        n,
        a_stride: a.row_stride(),
        b: b.as_ptr(),
        c_stride: problem.c.row_stride(),
        alpha: problem.alpha,
        beta: problem.beta,
    };
    s.run(
        #[inline(always)]
        |s| {
            let asks_ahead = S::OUTER_ASKS_AHEAD && m * n * size_of::<T>() > L1_BYTES && !is_amd();
            let mut from = 0;
            while from < m {
                let rows = if m - from >= S::OUTER_ROWS && !asks_ahead { S::OUTER_ROWS } else { 1 };
                let a = a.as_ptr().wrapping_offset(from as isize * a.row_stride());
                let c = c.wrapping_offset(from as isize * all.c_stride);
                // SAFETY: A has `rows` elements in its column from `from` on, B n neighbours in its row, and C as many rows
                // of n neighbours, which are borrowed mutably.
                unsafe {
                    match rows {
                        8 => all.rows::<S, 8, false>(s, a, c),
                        4 => all.rows::<S, 4, false>(s, a, c),
                        _ if asks_ahead => all.rows::<S, 1, true>(s, a, c),
                        _ => all.rows::<S, 1, false>(s, a, c),
                    }
                }
                problem.finish_part(s, from, 0, rows, n);
                from += rows;
            }
        },
    );
}

/// Of 256 to 2048 the best, or close to it.
const AHEAD_BYTES: usize = 512;

/// What is the same for all rows.
struct Outer<T> {
    n: usize,
    a_stride: isize,
    b: *const T,
    c_stride: isize,
    alpha: T,
    beta: Option<T>,
}

impl<T: Arithmetic> Outer<T> {
    /// `R` rows of C, and of A from `a` on; `AHEAD` asks for lines of C that lie [`AHEAD_BYTES`] ahead.
    ///
    /// # Safety
    /// - `R` elements of A, `n` of B and `R` rows of `n` of C must be readable, those of C also writable.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const AHEAD: bool>(&self, s: S, a: *const T, c: *mut T) {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            match self.beta {
                // A product with 1 is exact: the usual call need not compute it.
                None if self.alpha == T::from(1.0) => self.write::<S, R, AHEAD, false, false>(s, a, c),
                None => self.write::<S, R, AHEAD, true, false>(s, a, c),
                Some(_) => self.write::<S, R, AHEAD, true, true>(s, a, c),
            }
        }
    }

    /// [`rows`](Self::rows), where `SCALES` says whether alpha may be other than 1, and `READS` whether there is a beta.
    ///
    /// # Safety
    /// - That of `rows`.
    #[inline(always)]
    unsafe fn write<S: Simd, const R: usize, const AHEAD: bool, const SCALES: bool, const READS: bool>(
        &self,
        s: S,
        a: *const T,
        c: *mut T,
    ) {
        let lanes = T::Vector::<S>::LANES;
        let zero = T::Vector::<S>::splat(s, T::default());
        let all = Splats::<_, SCALES, READS> {
            alpha: T::Vector::<S>::splat(s, self.alpha),
            beta: T::Vector::<S>::splat(s, self.beta.unwrap_or_default()),
        };
        let mut factors = [zero; R];
        for (r, factor) in factors.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *factor = T::Vector::<S>::splat(s, unsafe { *a.offset(r as isize * self.a_stride) });
        }
        let whole = self.n / lanes * lanes;
        for j in (0..whole).step_by(lanes) {
            // SAFETY: the caller's promise, for the columns from j on.
            unsafe {
                let b = T::Vector::<S>::load_ptr(s, self.b.add(j));
                for (r, &factor) in factors.iter().enumerate() {
                    let c = c.offset(r as isize * self.c_stride).add(j);
                    if AHEAD {
                        T::Vector::<S>::prefetch_for_writing(s, c.wrapping_byte_add(AHEAD_BYTES));
                    }
                    let old = if READS { T::Vector::<S>::load_ptr(s, c) } else { zero };
                    all.value(factor, b, old).store_ptr(c);
                }
            }
        }
        if whole < self.n {
            let tail = T::Vector::<S>::tail(s, self.n - whole);
            // SAFETY: as above, for what is left.
            unsafe {
                let b = T::Vector::<S>::load_tail(s, self.b.add(whole), tail);
                for (r, &factor) in factors.iter().enumerate() {
                    let c = c.offset(r as isize * self.c_stride).add(whole);
                    let old = if READS { T::Vector::<S>::load_tail(s, c, tail) } else { zero };
                    all.value(factor, b, old).store_tail(c, tail);
                }
            }
        }
    }
}

/// alpha and beta in all lanes.
struct Splats<V, const SCALES: bool, const READS: bool> {
    alpha: V,
    beta: V,
}

impl<V: Float, const SCALES: bool, const READS: bool> Splats<V, SCALES, READS> {
    /// What becomes of `old`.
    #[inline(always)]
    fn value(&self, a: V, b: V, old: V) -> V {
        let product = a.mul_add(b, a.constant(V::Scalar::default()));
        match (SCALES, READS) {
            (_, true) => self.alpha.mul_add(product, self.beta * old),
            (true, false) => self.alpha * product,
            (false, false) => product,
        }
    }
}
