//! `x Φ(x)`, Φ the distribution function of the normal distribution, `(1 + erf(x / √2)) / 2`.
//!
//! `Φ(-a) = 2^(a g(a)) / 2` with g a polynomial. From `a Φ(-a)` the result is had as in `silu`. The error of g matters by
//! Φ(-a) times as much: that is small beside |x| everywhere, though not beside the results of the negative tail.

use super::exp::{LOG2_E, exp2_of_rest, reduce_product};
use super::polynomial;
use crate::simd::{Float32, Int32};

/// `log2(2 Φ(-a)) / a` for a from 0 to 5.4, lowest power first, minimax to 2^-26.9 of Φ(-a); beyond, it goes on falling.
const G: [f32; 8] = [
    -1.151_105_2,
    -0.459_208_52,
    -0.052_495_245,
    0.007_062_108,
    -0.000_135_946_61,
    -0.000_186_587_84,
    3.946_365_5e-5,
    -2.842_149_6e-6,
];
/// Here the density is `2^-127 / √(2π)`, as for [`HIGHEST`].
const DENSITY_HIGHEST: f32 = 13.266;
/// `1 / √(2π)`
const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
/// Here `a g(a)` is -126, so that [`exp2_or_zero`] gives 0: beside |x| so is Φ(-a).
const HIGHEST: f32 = 9.953;

/// `x Φ(x)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn gelu<V: Float32>(x: V) -> V {
    third(second(first(x)))
}

/// x and `g(|x|)`.
#[inline(always)]
pub(crate) fn first<V: Float32>(x: V) -> (V, V) {
    (x, polynomial(magnitude(x), &G))
}

/// x and `Φ(-|x|)`.
#[inline(always)]
pub(crate) fn second<V: Float32>((x, g): (V, V)) -> (V, V) {
    (x, exp2_or_zero(reduce_product(magnitude(x), g), 0.5))
}

#[inline(always)]
pub(crate) fn third<V: Float32>((x, below): (V, V)) -> V {
    magnitude(x).neg_mul_add(below, x.constant(-0.0).max(x))
}

#[inline(always)]
fn magnitude<V: Float32>(x: V) -> V {
    // The constant first: where x is NaN, the minimum chooses x.
    x.constant(HIGHEST).min(x.abs())
}

/// `2^(n + f)` times a power of two, from what [`reduce_product`] gives. Where that power of two times 2^n has the exponent of
/// 0, it is 0: subnormal results, of which this leaves few, take some CPUs a hundred cycles.
#[inline(always)]
fn exp2_or_zero<V: Float32>((sum, f): (V, V), one: f32) -> V {
    exp2_of_rest(f) * (sum.to_bits().shift_left::<23>() + f.constant(one).to_bits()).bits_to_float()
}

/// `Φ(x) + x φ(x)` with φ the density of the normal distribution, the derivative.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(x: V) -> V {
    // The constants first: where x is NaN, both choose x.
    let x = x.constant(DENSITY_HIGHEST).min(x.constant(-DENSITY_HIGHEST).max(x));
    let (_, below) = second(first(x));
    let cdf = V::select(x.lt(x.constant(0.0)), below, x.constant(1.0) - below);
    let density = exp2_or_zero(reduce_product(x * x, x.constant(-0.5 * LOG2_E)), 1.0) * x.constant(FRAC_1_SQRT_2PI);
    density.mul_add(x, cdf)
}
