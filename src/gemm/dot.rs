//! A row or a column of dot products along K, where both operands run along K.
//!
//! The order of one sum is that of [`reduce`](crate::reduce).

use super::{Arithmetic, Problem};
use crate::reduce::dots_with;
use crate::simd::{Float, Simd};

/// Computes a problem with one row or one column whose operands are contiguous along K.
#[inline(always)]
pub(crate) fn dots<S: Simd, T: Arithmetic>(s: S, problem: Problem<'_, T>) {
    // One column: A's rows, each with the one column of B.
    let problem = if problem.b.cols() == 1 { problem } else { problem.transposed() };
    let Problem { alpha, a, b, beta, mut c, epilogue, .. } = problem;
    let b = b.t().row(0);
    let by_four = if S::DOTS == DOTS_MAX { a.rows() / DOTS_MAX * DOTS_MAX } else { 0 };
    for i in (0..by_four).step_by(DOTS_MAX) {
        let rows = [a.row(i), a.row(i + 1), a.row(i + 2), a.row(i + 3)];
        for (i, sum) in (i..).zip(dots_with::<T::Vector<S>, DOTS_MAX>(s, rows, b)) {
            finish(s, alpha, sum, beta, c.get_mut(i, 0));
        }
    }
    for i in by_four..a.rows() {
        let [sum] = dots_with::<T::Vector<S>, 1>(s, [a.row(i)], b);
        finish(s, alpha, sum, beta, c.get_mut(i, 0));
    }
    epilogue.apply(s, c);
}

/// Dot products that share the loads of their common operand, where there are registers for them.
const DOTS_MAX: usize = 4;

/// `c = alpha sum + beta c`
#[inline(always)]
fn finish<S: Simd, T: Arithmetic>(s: S, alpha: T, sum: T, beta: Option<T>, c: &mut T) {
    let (alpha, sum) = (T::Vector::<S>::splat(s, alpha), T::Vector::<S>::splat(s, sum));
    let value = match beta {
        None => alpha * sum,
        Some(beta) => alpha.mul_add(sum, T::Vector::<S>::splat(s, beta) * T::Vector::<S>::splat(s, *c)),
    };
    value.store_partial(s, std::slice::from_mut(c));
}
