//! `1 / (1 + exp(-x))`.
//!
//! With `e = exp(-|x|)` the result is `1 / (1 + e)` for x >= 0 and `e / (1 + e)` below. `e` is carried as a sum of two
//! numbers, and so is the denominator; the quotient is corrected by one step with the exact remainder. Where e is below
//! 2^-28 the denominator is 1 to within rounding and the result is e itself, scaled once so that subnormal results are right.

use super::exp::{P, reduce};
use super::polynomial;
use crate::simd::Float32;

/// Below this `exp(x)` rounds to 0.
const LOWEST: f32 = -104.0;
/// Below this `1 + exp(x)` is 1.
const ONE_DENOMINATOR: f32 = -20.0;

/// The logistic function. 0 for -infinity, 1 for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn sigmoid<V: Float32>(x: V) -> V {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    // The constant first: where x is NaN, the maximum chooses x.
    let z = x.constant(LOWEST).max(zero - x.abs());
    let (n, r) = reduce(z);
    let q = polynomial(r, &P).mul_add(r * r, r);
    let tiny = (q + one).scale_by_pow2(n);

    // The power must be a normal number; where it would not be, e is nothing to 1, or the result is `tiny`.
    let s = x.constant(-126.0).max(n).pow2();
    let e_high = s.mul_add(q, s);
    let e_low = s.mul_add(q, s - e_high);
    let d_high = one + e_high;
    let d_low = (e_high - (d_high - one)) + e_low;
    let negative = x.lt(zero);
    let (n_high, n_low) = (V::select(negative, e_high, one), V::select(negative, e_low, zero));
    let reciprocal = one / d_high;
    let y = n_high * reciprocal;
    let remainder = y.neg_mul_add(d_high, n_high) + y.neg_mul_add(d_low, n_low);
    let y = remainder.mul_add(reciprocal, y);
    V::select(x.lt(x.constant(ONE_DENOMINATOR)), tiny, y)
}
