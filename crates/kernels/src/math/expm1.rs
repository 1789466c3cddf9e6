//! `exp(x) - 1`.
//!
//! 1. `x = n ln 2 + r` as in `exp`, here with the rounding error of r.
//! 2. `exp(x) - 1 = 2^n ((1 - 2^-n) + r + r²/2 + r³ C(r))`. The difference is exact where it counts, its sum with r carried
//!    with its rounding error, so that little but the last addition rounds. For n = 0, r is x.

use super::exp::{HIGHEST, LN2_HIGH, LN2_LOW, LOG2_E};
use super::polynomial;
use crate::simd::{Float32, MAGIC_F32};

/// `(exp(r) - 1 - r - r²/2) / r³` for `|r| <= ln 2 / 2`, lowest power first, minimax to 2^-33 of `exp(r)`.
const C: [f32; 5] = [0.166_666_66, 0.041_666_456, 0.008_333_548, 0.001_393_587_3, 0.000_197_634_65];
/// Below this the result rounds to -1.
const LOWEST: f32 = -18.0;
/// From here on 2^-n is nothing beside 1.
const LARGE: f32 = 40.0;

/// `e^x - 1`. ±0 for ±0, -1 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn expm1<V: Float32>(x: V) -> V {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    // The constant first: where x is NaN, both choose x.
    let clamped = x.constant(HIGHEST).min(x.constant(LOWEST).max(x));
    let magic = x.constant(MAGIC_F32);
    let n = clamped.mul_add(x.constant(LOG2_E), magic) - magic;
    let high = n.neg_mul_add(x.constant(LN2_HIGH), clamped);
    let r = n.neg_mul_add(x.constant(LN2_LOW), high);
    let r_low = n.neg_mul_add(x.constant(LN2_LOW), high - r);
    let power = (zero - x.constant(LARGE).min(n)).pow2();
    let difference = one - power;
    let sum = difference + r;
    // |difference| >= |r| or difference = 0, so these are the exact errors of both.
    let error = ((difference - sum) + r) + ((one - difference) - power);
    let square = r * r;
    let small = (polynomial(r, &C) * r).mul_add(square, error + r_low);
    let tail = (r * x.constant(0.5)).mul_add(r, small);
    (sum + tail).scale_by_pow2(n).copysign(x)
}
