//! `ln(x)`.
//!
//! 1. `x = 2^e m` with m in [√½, √2), subnormal x multiplied by 2^23 first.
//! 2. `ln(m) = f + f² P(f)` with `f = m - 1`, exact; P of degree 9, minimax to 2^-29.
//! 3. `ln(x) = e ln 2 + ln(m)`: the high part of `e ln 2` is exact and its sum with f is carried with its rounding error,
//!    so that little but the last addition rounds.

use super::polynomial;
use crate::simd::{Float32, Int32};

/// The first 16 bits of ln 2: products with exponents are exact.
const LN2_HIGH: f32 = 0.693_145_75;
/// `ln 2 - LN2_HIGH`
const LN2_LOW: f32 = 1.428_606_8e-6;
/// `(ln(1 + f) - f) / f²` for f in [√½ - 1, √2 - 1], lowest power first.
const P: [f32; 10] = [
    -0.499_999_97,
    0.333_333_3,
    -0.250_004_4,
    0.200_007_32,
    -0.166_493_34,
    0.142_404_85,
    -0.127_260_43,
    0.120_005_64,
    -0.097_628_11,
    0.041_921_593,
];

/// The bits of √½.
const SQRT_HALF: i32 = 0x3f35_04f3;

/// The natural logarithm. -infinity for either 0, infinity for infinity, NaN below 0 and for NaN.
#[inline(always)]
pub(crate) fn ln<V: Float32>(x: V) -> V {
    let zero = x.constant(0.0);
    let subnormal = x.lt(x.constant(f32::MIN_POSITIVE));
    let normal = V::select(subnormal, x * x.constant(8_388_608.0), x);
    let (e, m) = split(normal);
    let e = e - V::select(subnormal, x.constant(23.0), zero);
    specials(x, of_parts(e, m - x.constant(1.0), zero))
}

/// (e, m) with `x = 2^e m` and m in [√½, √2), for a positive normal x.
#[inline(always)]
pub(crate) fn split<V: Float32>(x: V) -> (V, V) {
    let bits = x.to_bits();
    let e = (bits - V::Bits::splat(x.token(), SQRT_HALF)).shift_right::<23>();
    (e.to_float(), (bits - e.shift_left::<23>()).bits_to_float())
}

/// `e ln 2 + ln(1 + f + low)` for f in [√½ - 1, √2 - 1) and a `low` within its rounding error.
#[inline(always)]
pub(crate) fn of_parts<V: Float32>(e: V, f: V, low: V) -> V {
    let tail = (polynomial(f, &P) * f).mul_add(f, low);
    let tail = e.mul_add(e.constant(LN2_LOW), tail);
    let high = e * e.constant(LN2_HIGH);
    let sum = high + f;
    // |high| >= |f| or high = 0, so this is the exact error of the sum.
    let error = f - (sum - high);
    sum + (error + tail)
}

/// Puts right what the formula makes of x = ±0, x < 0, infinity and NaN.
#[inline(always)]
fn specials<V: Float32>(x: V, y: V) -> V {
    let zero = x.constant(0.0);
    let y = V::select(x.eq(zero), x.constant(f32::NEG_INFINITY), y);
    let y = V::select(x.lt(zero), x.constant(f32::NAN), y);
    // Infinity and NaN are their own logarithms.
    let infinite = x.eq(x.constant(f32::INFINITY));
    V::select(infinite, x, V::select(x.is_nan(), x, y))
}
