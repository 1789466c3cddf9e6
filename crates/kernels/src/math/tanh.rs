//! `tanh(x)`.
//!
//! With `t = exp(-2|x|) - 1` the magnitude is `-t / (2 + t)`, one formula for all x. t is carried as a sum of two
//! numbers, with the rounding errors of the reduced argument, of the polynomial and of `2^n - 1`; the quotient is corrected
//! by one step with the exact remainder. The sign is copied from x, so the function is odd.

use super::exp::{LN2_HIGH, LN2_LOW, LOG2_E, P};
use super::polynomial;
use crate::simd::Float32;

/// Below half of this the result rounds to -1.
const LOWEST: f32 = -40.0;

/// The hyperbolic tangent. ±0 for ±0, ±1 for ±infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn tanh<V: Float32>(x: V) -> V {
    let (one, two) = (x.constant(1.0), x.constant(2.0));
    // The constant first: where x is NaN, the maximum chooses x.
    let z = x.constant(LOWEST).max(x.constant(-2.0) * x.abs());
    let n = (z * x.constant(LOG2_E)).round_small();
    let partly = n.neg_mul_add(x.constant(LN2_HIGH), z);
    let r = n.neg_mul_add(x.constant(LN2_LOW), partly);
    let r_low = n.neg_mul_add(x.constant(LN2_LOW), partly - r);
    let p = polynomial(r, &P);
    let q = p.mul_add(r * r, r);
    let q_low = p.mul_add(r * r, r - q) + r_low;

    let s = n.pow2();
    let s_less_1 = s - one;
    let s_low = s - (s_less_1 + one);
    let t = s.mul_add(q, s_less_1);
    let t_low = s.mul_add(q, s_less_1 - t) + s.mul_add(q_low, s_low);
    let d = two + t;
    let d_low = (t - (d - two)) + t_low;
    let reciprocal = one / d;
    // The quotient t / d is negative; its sign goes with the last step.
    let y = t * reciprocal;
    let remainder = y.neg_mul_add(d, t) + y.neg_mul_add(d_low, t_low);
    remainder.mul_add(reciprocal, y).copysign(x)
}
