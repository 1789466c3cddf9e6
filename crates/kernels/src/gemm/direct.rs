//! Products of one block: K is too short to be cut, and both operands are read as they lie. Most of training's are, and
//! the small ones among them are over before buffers and blocks would be ready.

use super::band::{ATile, BBlock, Start, band, mr, nr, streams};
use super::problem::BOperand;
use super::{Arithmetic, Problem, blocking, pack};
use crate::simd::{Float, Simd};

/// Whether [`tile`] computes the problem: C is one tile of one vector, so there is nothing to cut and nothing to weigh. That
/// spares 16x16x16 a tenth of its time.
#[inline]
pub(crate) fn is_tile<S: Simd, T: Arithmetic>(problem: &Problem<'_, T>) -> bool {
    let BOperand::View(b) = problem.b else {
        return false;
    };
    let (m, n, k) = problem.shape();
    let lanes = T::Vector::<S>::LANES;
    (1..=S::MR_MASKED).contains(&m)
        && (n == lanes || n < lanes && m < T::Vector::<S>::M_FOR_PADDING_B)
        && blocking::is_one_block::<S, T>(k, n)
        && b.has_contiguous_rows()
        && problem.c.has_contiguous_rows()
}

/// Computes a problem for which [`is_tile`] holds.
#[inline(always)]
pub(crate) fn tile<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>) {
    let BOperand::View(b) = problem.b else {
        unreachable!("B was found to be a view");
    };
    let (m, n, _) = problem.shape();
    let (a, b) = (ATile::new(problem.a), BBlock::as_it_lies(b));
    band::<S, T>(problem.update::<S>(), &a, (m, 1), &b, Start::Zeros, problem.c.reborrow());
    problem.finish_part(s, 0, 0, m, n);
}

/// Whether [`direct`] computes the problem.
#[inline]
pub(crate) fn is_direct<S: Simd, T: Arithmetic>(problem: &Problem<'_, T>) -> bool {
    let BOperand::View(b) = problem.b else {
        return false;
    };
    let a = problem.a;
    let (m, n, k) = problem.shape();
    let nr = nr::<S, T>();
    b.has_contiguous_rows()
        && problem.c.has_contiguous_rows()
        && blocking::is_one_block::<S, T>(k, n)
        && BBlock::<T>::is_readable::<S>(b, m)
        && (a.has_contiguous_rows() || a.row_stride() == 1)
        && !pack::pays_for_a::<S, T>(a, n.div_ceil(nr))
}

/// Computes a problem for which [`is_direct`] holds.
#[inline(always)]
pub(crate) fn direct<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>) {
    let (m, n, k) = problem.shape();
    let BOperand::View(b) = problem.b else {
        unreachable!("B was found to be a view");
    };
    let a = problem.a;
    let b = BBlock::as_it_lies(b);
    let streams = n <= nr::<S, T>() && streams(a);
    let mr = mr(s, a, false, &b, n);
    let update = problem.update::<S>();
    // Divisions are a part of what the smallest products cost.
    let tiles = if m <= mr { 1 } else { blocking::tiles_at_once::<T>(mr, n, k, false) };
    for (i, height, count) in blocking::even_runs(m, mr, tiles) {
        let rows = height * count;
        let a = ATile::new(a.row_range(i, i + rows));
        let a = if streams { a.fetching_next() } else { a };
        band::<S, T>(update, &a, (height, count), &b, Start::Zeros, problem.c.part(i, 0, rows, n));
        problem.finish_part(s, i, 0, rows, n);
    }
}
