//! `exp(x)`.
//!
//! 1. `n = round(x / ln 2)`, `r = x - n ln 2` in two steps, ln 2 as a short number whose multiples by n are exact and a
//!    rest; so `exp(x) = 2^n exp(r)` with `|r| <= ln 2 / 2`.
//! 2. `exp(r) = 1 + r (1 + r P(r))`, P of degree 4, minimax to 2^-28.
//! 3. Scaling by 2^n rounds once, so subnormal results and overflow come out as they should.

use super::polynomial;
use crate::simd::{Float32, MAGIC_F32};

/// `1 / ln 2`
pub(crate) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// The first 16 bits of ln 2: products with whole numbers below 2^8 are exact.
pub(crate) const LN2_HIGH: f32 = 0.693_145_75;
/// `ln 2 - LN2_HIGH`
pub(crate) const LN2_LOW: f32 = 1.428_606_8e-6;
/// `(exp(r) - 1 - r) / r²` for `|r| <= ln 2 / 2`, lowest power first: by Remez's exchange, each coefficient rounded to
/// f32 in turn and the rest fitted again.
const P: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_26, 0.008_368_672, 0.001_382_137_7];

/// Below this the result is 0, above [`HIGHEST`] infinite.
const LOWEST: f32 = -104.0;
const HIGHEST: f32 = 89.0;

/// `e^x`. 0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn exp<V: Float32>(x: V) -> V {
    // The constant first: where x is NaN, both choose x.
    over_power(x.constant(HIGHEST).min(x.constant(LOWEST).max(x)), x.constant(0.0))
}

/// `e^x` for x of at most 0, or NaN.
#[inline(always)]
pub(crate) fn not_positive<V: Float32>(x: V) -> V {
    over_power(x.constant(LOWEST).max(x), x.constant(0.0))
}

/// `e^x / 2^n` for a whole number n and |x| < 512 such that the result is between 2^-240 and 2^240.
#[inline(always)]
pub(crate) fn over_power<V: Float32>(x: V, n: V) -> V {
    let magic = x.constant(MAGIC_F32);
    let m = x.mul_add(x.constant(LOG2_E), magic) - magic;
    let r = m.neg_mul_add(x.constant(LN2_LOW), m.neg_mul_add(x.constant(LN2_HIGH), x));
    let one = x.constant(1.0);
    polynomial(r, &P).mul_add(r, one).mul_add(r, one).scale_by_pow2(m - n)
}

/// `(m, q)` with `e^a = (1 + q) / 2^m`, m whole and 1 + q from √½ to √2, for |a| < 2^7. The error of q is relative to
/// q, however small it is.
#[inline(always)]
pub(crate) fn quotient<V: Float32>(a: V) -> (V, V) {
    let magic = a.constant(MAGIC_F32);
    let m = magic - a.mul_add(a.constant(LOG2_E), magic);
    let r = m.mul_add(a.constant(LN2_LOW), m.mul_add(a.constant(LN2_HIGH), a));
    (m, polynomial(r, &P).mul_add(r * r, r))
}
