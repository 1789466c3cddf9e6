//! `x / (1 + exp(-x))`.
//!
//! With `e^|v| = E / t` as in `sigmoid`, `|x| σ(-|v|) = |x| / (E + t) t`: one division, scaled by a power of two. That is
//! minus the result where x is below 0; elsewhere it is what x exceeds the result by.

use super::exp::quotient;
use super::sigmoid::{self, SHIFTED_ONE};
use crate::simd::{Float, Float32};

/// Beyond this `x σ(-x)` rounds to 0.
const HIGHEST: f32 = 110.0;

/// `x σ(x)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn silu<V: Float32>(x: V) -> V {
    // The constant first: where x is NaN, the minimum chooses x.
    let a = x.constant(HIGHEST).min(x.abs());
    gated(x, a, a)
}

/// `x σ(v)` for v of the sign of x, from x, |x| and |v|, the latter two of at most [`HIGHEST`].
#[inline(always)]
pub(crate) fn gated<V: Float32>(x: V, x_abs: V, v_abs: V) -> V {
    let (t, q) = quotient::<64, V>(v_abs);
    let shifted_one = x.constant(SHIFTED_ONE);
    let d = q.mul_add(shifted_one, t) + shifted_one;
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
