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
/// 2^64: with all of E + t as much larger, t is a normal number.
pub(crate) const SHIFTED_ONE: f32 = 18_446_744_073_709_551_616.0;

/// The logistic function. 0 for -infinity, 1 for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn sigmoid<V: Float32>(x: V) -> V {
    let below = of_negative(x.abs());
    V::select(x.constant(0.0).lt(x), x.constant(1.0) - below, below)
}

/// `σ(-a)` for `a >= 0`.
#[inline(always)]
pub(crate) fn of_negative<V: Float32>(a: V) -> V {
    let (one, shifted_one) = (a.constant(1.0), a.constant(SHIFTED_ONE));
    // The constant first: where a is NaN, the minimum chooses a.
    let (t, q) = quotient::<64, V>(a.constant(HIGHEST).min(a));
    let d = q.mul_add(shifted_one, shifted_one + t);
    let d_low = q.mul_add(shifted_one, (shifted_one - d) + t);
    let w = one / d;
    let remainder = w.neg_mul_add(d_low, w.neg_mul_add(d, one));
    w.mul_add(remainder, w) * t
}
