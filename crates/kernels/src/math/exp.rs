//! `exp(x)`.
//!
//! 1. `n = round(x / ln 2)`, `r = x - n ln 2` in two steps, ln 2 as a short number whose multiples by n are exact and a
//!    rest; so `exp(x) = 2^n exp(r)` with `|r| <= ln 2 / 2`.
//! 2. `exp(r) = 1 + r + r² P(r)`, P of degree 4, minimax to 2^-28; the sum `1 + r` is carried with its rounding error.
//! 3. Scaling by 2^n rounds once, so subnormal results and overflow come out as they should.

use super::polynomial;
use crate::simd::{Float, Float32};

/// `1 / ln 2`
pub(crate) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// The first 15 bits of ln 2: products with whole numbers below 2^9 are exact.
pub(crate) const LN2_HIGH: f32 = 0.693_145_75;
/// `ln 2 - LN2_HIGH`
pub(crate) const LN2_LOW: f32 = 1.428_606_8e-6;
/// `(exp(r) - 1 - r) / r²` for `|r| <= ln 2 / 2`, lowest power first.
pub(crate) const P: [f32; 5] = [0.499_999_94, 0.166_665_17, 0.041_668_102, 0.008_369_192, 0.001_383_890_2];

/// Below this the result is 0, above [`HIGHEST`] infinite.
const LOWEST: f32 = -104.0;
const HIGHEST: f32 = 89.0;

/// `e^x`. 0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn exp<V: Float32>(x: V) -> V {
    // The constant first: where x is NaN, both choose x.
    let x = x.constant(HIGHEST).min(x.constant(LOWEST).max(x));
    let (n, r) = reduce(x);
    let one = x.constant(1.0);
    let high = one + r;
    // The exact error of that sum.
    let low = (one - high) + r;
    (high + polynomial(r, &P).mul_add(r * r, low)).scale_by_pow2(n)
}

/// (n, r) with `x = n ln 2 + r`.
#[inline(always)]
pub(crate) fn reduce<V: Float<Scalar = f32>>(x: V) -> (V, V) {
    let n = (x * x.constant(LOG2_E)).round_small();
    let r = n.neg_mul_add(x.constant(LN2_HIGH), x);
    (n, n.neg_mul_add(x.constant(LN2_LOW), r))
}
