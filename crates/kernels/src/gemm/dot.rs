//! A row or a column of dot products along K, where both operands run along K.
//!
//! The order of one sum: four accumulators of a vector's lanes; vector i of the operands goes to accumulator i mod 4, in
//! ascending i, by fused multiply-add from 0, the last one filled up with zeros; then
//! `(acc0 + acc1) + (acc2 + acc3)`, then the lanes by halves.

use super::{Arithmetic, Problem};
use crate::simd::{Float, Simd};

/// Computes a problem with one row or one column whose operands are contiguous along K.
#[inline(always)]
pub(crate) fn dots<S: Simd, T: Arithmetic>(s: S, problem: Problem<'_, T>) {
    // One column: A's rows, each with the one column of B.
    let problem = if problem.b.cols() == 1 { problem } else { problem.transposed() };
    let Problem { alpha, a, b, beta, mut c, epilogue, .. } = problem;
    let b = b.t().row(0);
    let whole = a.rows() / DOTS_MAX * DOTS_MAX;
    if S::DOTS == DOTS_MAX {
        for i in (0..whole).step_by(DOTS_MAX) {
            let rows = [a.row(i), a.row(i + 1), a.row(i + 2), a.row(i + 3)];
            for (i, sum) in (i..).zip(dot(s, rows, b)) {
                finish(s, alpha, sum, beta, c.get_mut(i, 0));
            }
        }
    }
    for i in if S::DOTS == DOTS_MAX { whole } else { 0 }..a.rows() {
        let [sum] = dot(s, [a.row(i)], b);
        finish(s, alpha, sum, beta, c.get_mut(i, 0));
    }
    epilogue.apply(s, c);
}

/// Dot products that share the loads of their common operand, where there are registers for them.
const DOTS_MAX: usize = 4;
const ACCUMULATORS: usize = 4;

/// The sum of each of the rows of x with y, in every lane.
#[inline(always)]
fn dot<S: Simd, T: Arithmetic, const ROWS: usize>(s: S, x: [&[T]; ROWS], y: &[T]) -> [T::Vector<S>; ROWS] {
    let lanes = T::Vector::<S>::LANES;
    let mut acc = [[T::Vector::<S>::splat(s, T::default()); ACCUMULATORS]; ROWS];
    let group = ACCUMULATORS * lanes;
    let whole = y.len() / group * group;
    for from in (0..whole).step_by(group) {
        for i in 0..ACCUMULATORS {
            let at = from + i * lanes..from + (i + 1) * lanes;
            let y = T::Vector::<S>::load(s, &y[at.clone()]);
            for (acc, x) in acc.iter_mut().zip(x) {
                acc[i] = T::Vector::<S>::load(s, &x[at.clone()]).mul_add(y, acc[i]);
            }
        }
    }
    for (i, from) in (whole..y.len()).step_by(lanes).enumerate() {
        let at = from..y.len().min(from + lanes);
        let y = T::Vector::<S>::load_partial(s, &y[at.clone()]);
        for (acc, x) in acc.iter_mut().zip(x) {
            acc[i] = T::Vector::<S>::load_partial(s, &x[at.clone()]).mul_add(y, acc[i]);
        }
    }
    let mut sums = [T::Vector::<S>::splat(s, T::default()); ROWS];
    for (sum, [a, b, c, d]) in sums.iter_mut().zip(acc) {
        *sum = T::Vector::<S>::splat(s, ((a + b) + (c + d)).sum_lanes());
    }
    sums
}

/// `c = alpha sum + beta c`
#[inline(always)]
fn finish<S: Simd, T: Arithmetic>(s: S, alpha: T, sum: T::Vector<S>, beta: Option<T>, c: &mut T) {
    let alpha = T::Vector::<S>::splat(s, alpha);
    let value = match beta {
        None => alpha * sum,
        Some(beta) => alpha.mul_add(sum, T::Vector::<S>::splat(s, beta) * T::Vector::<S>::splat(s, *c)),
    };
    value.store_partial(s, std::slice::from_mut(c));
}
