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
    third(second(first(x)))
}

#[inline(always)]
pub(crate) fn first<V: Float32>(x: V) -> Gate<V> {
    Gate::new(x, magnitude(x), SHIFTED_ONE)
}

#[inline(always)]
pub(crate) fn second<V: Float32>(gate: Gate<V>) -> Difference<V> {
    gate.quotient(magnitude(gate.x), SHIFTED_ONE)
}

#[inline(always)]
pub(crate) fn third<V: Float32>(difference: Difference<V>) -> V {
    difference.value()
}

#[inline(always)]
fn magnitude<V: Float>(x: V) -> V {
    // The constant first: where x is NaN, the minimum chooses x.
    x.constant(HIGHEST.into()).min(x.abs())
}

/// What `x σ(v)` takes, in three stages: x, and `e^|v| = E / t` by t, times some power of two, and r.
#[derive(Clone, Copy)]
pub(crate) struct Gate<V> {
    pub(crate) x: V,
    t: V,
    r: V,
}

impl<V: Float32> Gate<V> {
    /// From x and |v| for v of the sign of x. `one` times `2^-n` must be a normal number or, where its exponent is that of 0,
    /// is taken for 0, with n the nearest whole number to `|v| / ln 2`.
    #[inline(always)]
    pub(crate) fn new(x: V, v_abs: V, one: f32) -> Self {
        let (sum, r) = reduce(v_abs);
        let t = (x.constant(one).to_bits() - sum.to_bits().shift_left::<23>()).bits_to_float();
        Gate { x, t, r }
    }

    #[inline(always)]
    pub(crate) fn quotient(self, x_abs: V, one: f32) -> Difference<V> {
        let Gate { x, t, r } = self;
        let d = r.mul_add(slope(r, one), t) + x.constant(one);
        // The product is exact, so only the division rounds, also where the result is subnormal.
        Difference { x, n: x_abs * t, d }
    }
}

/// What is left of x, or of 0 if x is below it, less `n / d`.
#[derive(Clone, Copy)]
pub(crate) struct Difference<V> {
    x: V,
    n: V,
    d: V,
}

impl<V: Float> Difference<V> {
    #[inline(always)]
    pub(crate) fn value(self) -> V {
        let Difference { x, n, d } = self;
        x.constant((-0.0).into()).max(x) - n / d
    }
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
