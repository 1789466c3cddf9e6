//! `x Φ(x)`, Φ the distribution function of the normal distribution, `(1 + erf(x / √2)) / 2`.
//!
//! `Φ(-a) = exp(a g(a)) / 2` with g a polynomial. From `a Φ(-a)` the result is had as in `silu`. The error of g matters by
//! Φ(-a) times as much: that is small beside |x| everywhere, though not beside the results of the negative tail.

use super::exp::{of_rest, reduce};
use super::polynomial;
use crate::simd::{Float32, Int32};

/// `ln(2 Φ(-a)) / a` for a from 0 to 5.4, lowest power first, minimax to 2^-26.9 of Φ(-a); beyond, it goes on falling.
const G: [f32; 8] = [
    -0.797_885_3,
    -0.318_299_1,
    -0.036_386_825,
    0.004_894_897,
    -9.407_49e-5,
    -0.000_129_401_64,
    2.736_907_3e-5,
    -1.971_284_3e-6,
];
/// Here the exponent of the density is -127 ln 2, as for [`HIGHEST`].
const DENSITY_HIGHEST: f32 = 13.266;
/// `1 / √(2π)`
const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
/// Here `a g(a)` is -126 ln 2, so that [`exp_or_zero`] gives 0: beside |x| so is Φ(-a).
const HIGHEST: f32 = 9.953;

/// `x Φ(x)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn gelu<V: Float32>(x: V) -> V {
    third(second(first(x)))
}

/// x and `ln(2 Φ(-|x|))`.
#[inline(always)]
pub(crate) fn first<V: Float32>(x: V) -> (V, V) {
    (x, exponent(magnitude(x)))
}

/// x and `Φ(-|x|)`.
#[inline(always)]
pub(crate) fn second<V: Float32>((x, exponent): (V, V)) -> (V, V) {
    (x, exp_or_zero(exponent, 0.5))
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

/// `ln(2 Φ(-a))` for a from 0 to [`HIGHEST`].
#[inline(always)]
fn exponent<V: Float32>(a: V) -> V {
    a * polynomial(a, &G)
}

/// `e^x` times a power of two, for x of at most 0. Where it is that power of two times 2^n, with `x = n ln 2 + r`, that has the
/// exponent of 0, it is 0: subnormal results, of which this leaves few, take some CPUs a hundred cycles.
#[inline(always)]
fn exp_or_zero<V: Float32>(x: V, one: f32) -> V {
    let (sum, r) = reduce(x);
    of_rest(r) * (sum.to_bits().shift_left::<23>() + x.constant(one).to_bits()).bits_to_float()
}

/// `Φ(x) + x φ(x)` with φ the density of the normal distribution, the derivative.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(x: V) -> V {
    // The constants first: where x is NaN, both choose x.
    let x = x.constant(DENSITY_HIGHEST).min(x.constant(-DENSITY_HIGHEST).max(x));
    let below = exp_or_zero(exponent(magnitude(x)), 0.5);
    let cdf = V::select(x.lt(x.constant(0.0)), below, x.constant(1.0) - below);
    let density = exp_or_zero(x * x * x.constant(-0.5), 1.0) * x.constant(FRAC_1_SQRT_2PI);
    density.mul_add(x, cdf)
}
