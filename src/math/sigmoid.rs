//! `1 / (1 + exp(-x))`.
//!
//! 1. For `a = |x|` let `e^a = E / t` with `t = 2^m`, m <= 0, and `E = 1 + q` between √½ and √2. Then
//!    `σ(-a) = 1 / (1 + e^a) = t / (E + t)`: the numerator is exact.
//! 2. `E + t` is carried as the sum of two numbers d and d_low.
//! 3. `w = 1 / (d + d_low)` is one division and one step with its exact remainder.
//! 4. `σ(-a) = w 2^m`, rounded once, so that subnormal results are right. For x >= 0 it is `1 - σ(-a)`: at least ½, so
//!    that the error of `σ(-a)` counts half or less.

use super::exp::quotient;
use crate::simd::Float32;

/// Beyond this `exp(-a)` rounds to 0.
const HIGHEST: f32 = 104.0;

/// The logistic function. 0 for -infinity, 1 for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn sigmoid<V: Float32>(x: V) -> V {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    // The constant first: where x is NaN, the minimum chooses x.
    let (m, q) = quotient(x.constant(HIGHEST).min(x.abs()));
    let t = one.scale_by_pow2(m);
    let u = one + t;
    let d = u + q;
    // The exact errors of both sums.
    let d_low = (t - (u - one)) + (q - (d - u));
    let w = one / d;
    let remainder = w.neg_mul_add(d_low, w.neg_mul_add(d, one));
    let left = w.mul_add(remainder, w).scale_by_pow2(m);
    V::select(x.lt(zero), left, one - left)
}
