//! `x / (1 + exp(-x))`.
//!
//! With `e^|v| = E / t` as in `sigmoid`, `|x| σ(-|v|) = |x| / (E + t) t`: one division, scaled by a power of two. That is
//! minus the result where x is below 0; elsewhere it is what x exceeds the result by.

use super::exp::{reduce, slope};
use super::sigmoid::{self, SHIFTED_ONE};
use crate::simd::{Float, Float32, Int32};

/// Beyond this `x σ(-x)` rounds to 0.
const HIGHEST: f32 = 110.0;

/// `x σ(x)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn silu<V: Float32>(x: V) -> V {
    // The constant first: where x is NaN, the minimum chooses x.
    let a = x.constant(HIGHEST).min(x.abs());
    gated(x, a, a, SHIFTED_ONE)
}

/// `x σ(v)` for v of the sign of x, from x, |x| and |v|. `one` times `2^-n` must be a normal number or, where its exponent
/// is that of 0, is taken for 0, with n the nearest whole number to `|v| / ln 2`.
#[inline(always)]
pub(crate) fn gated<V: Float32>(x: V, x_abs: V, v_abs: V, one: f32) -> V {
    let (sum, r) = reduce(v_abs);
    let t = (x.constant(one).to_bits() - sum.to_bits().shift_left::<23>()).bits_to_float();
    let d = r.mul_add(slope(r, one), t) + x.constant(one);
    // The product is exact, so only the division rounds, also where the result is subnormal.
    let below = x_abs * t / d;
    x.constant(-0.0).max(x) - below
}

/// `σ(x) + x σ(x) σ(-x)`, the derivative.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(x: V) -> V {
    // The constants first: where x is NaN, both choose x.
    let x = x.constant(HIGHEST).min(x.constant(-HIGHEST).max(x));
    gated_derivative(x, sigmoid::of_negative(x.abs()), x.constant(1.0))
}

/// `σ(v) + x σ(v) σ(-v) v'` from x of the sign of v, `σ(-|v|)` and v'.
#[inline(always)]
pub(crate) fn gated_derivative<V: Float>(x: V, below: V, d_v: V) -> V {
    let above = x.constant(1.0.into()) - below;
    let sigmoid = V::select(x.lt(x.constant(0.0.into())), below, above);
    (below * above).mul_add(x * d_v, sigmoid)
}
