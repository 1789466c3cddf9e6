//! A row or a column of dot products along K, where both operands run along K.
//!
//! The order of one sum: four accumulators of a vector's lanes; vector i of the operands goes to accumulator i mod 4, in
//! ascending i, by fused multiply-add from 0, the last one filled up with zeros; then
//! `(acc0 + acc1) + (acc2 + acc3)`, then the lanes by halves.

use super::{Arithmetic, Problem};
use crate::simd::{Float, Simd};

/// Computes a problem with one row or one column whose operands are contiguous along K.
pub(crate) fn dots<S: Simd, T: Arithmetic>(problem: Problem<'_, T>) {
    // One column: A's rows, each with the one column of B.
    let problem = if problem.b.cols() == 1 { problem } else { problem.transposed() };
    let Problem { alpha, a, b, beta, mut c, epilogue, .. } = problem;
    let b = b.t().row(0);
    // SAFETY: this function is reached only through the `KernelSet` of S.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            for i in 0..a.rows() {
                let sum = dot::<S, T>(s, a.row(i), b);
                let c = c.get_mut(i, 0);
                let scale = |x: T| T::Vector::<S>::splat(s, x);
                let value = match beta {
                    None => scale(alpha) * scale(sum),
                    Some(beta) => scale(alpha).mul_add(scale(sum), scale(beta) * scale(*c)),
                };
                value.store_partial(s, std::slice::from_mut(c));
            }
            epilogue.apply(s, c);
        },
    );
}

#[inline(always)]
fn dot<S: Simd, T: Arithmetic>(s: S, x: &[T], y: &[T]) -> T {
    const ACCUMULATORS: usize = 4;
    let lanes = T::Vector::<S>::LANES;
    let mut acc = [T::Vector::<S>::splat(s, T::default()); ACCUMULATORS];
    let (mut x_groups, mut y_groups) = (x.chunks_exact(ACCUMULATORS * lanes), y.chunks_exact(ACCUMULATORS * lanes));
    for (x, y) in (&mut x_groups).zip(&mut y_groups) {
        for (i, acc) in acc.iter_mut().enumerate() {
            let x = T::Vector::<S>::load(s, &x[i * lanes..]);
            *acc = x.mul_add(T::Vector::<S>::load(s, &y[i * lanes..]), *acc);
        }
    }
    let rest = x_groups.remainder().chunks(lanes).zip(y_groups.remainder().chunks(lanes));
    for (acc, (x, y)) in acc.iter_mut().zip(rest) {
        *acc = T::Vector::<S>::load_partial(s, x).mul_add(T::Vector::<S>::load_partial(s, y), *acc);
    }
    let [a, b, c, d] = acc;
    ((a + b) + (c + d)).sum_lanes()
}
