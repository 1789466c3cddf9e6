//! `ln(x)`.
//!
//! 1. `x = 2^e m` with m in [¾, 1½), subnormal x multiplied by 2^24 first.
//! 2. `ln(m) = f + f² P(f)` with `f = m - 1`, exact; P of degree 8, minimax to 2^-27.5.
//! 3. `ln(x) = e ln 2 + ln(m)`: the high part of `e ln 2` is exact and its sum with f is carried with its rounding error,
//!    so that little but the last addition rounds.
//!
//! What is not a positive normal number takes a branch: it would cost every vector a third of its time.

use super::exp::{LN2_HIGH, LN2_LOW};
use super::polynomial;
use crate::simd::{Float32, Int32};

/// `(ln(1 + f) - f) / f²` for f from -¼ to ½, lowest power first.
const P: [f32; 9] = [
    -0.5,
    0.333_334_54,
    -0.250_001_16,
    0.199_907_18,
    -0.166_464_5,
    0.144_785_32,
    -0.131_693_7,
    0.104_798_034,
    -0.045_179_214,
];

/// The bits of ¾.
const LOWEST_MANTISSA: i32 = 0x3f40_0000;

/// What [`split`] multiplies e by, so that it needs no shift.
pub(crate) const UNIT: f32 = 8_388_608.0;

/// The first stage only has x at hand early.
#[inline(always)]
pub(crate) fn first<V: Float32>(x: V) -> V {
    x
}

/// x, e and f, right where x is a positive normal number.
#[inline(always)]
pub(crate) fn second<V: Float32>(x: V) -> (V, V, V) {
    let (e, m) = split(x);
    (x, e.to_float(), m - x.constant(1.0))
}

/// The natural logarithm. -infinity for either 0, infinity for infinity, NaN below 0 and for NaN.
#[inline(always)]
pub(crate) fn third<V: Float32>((x, e, f): (V, V, V)) -> V {
    V::apart(
        #[inline(always)]
        || {
            let of_all = |bits| V::Bits::splat(x.token(), bits);
            // Bits from that of the least normal number to that of infinity: one comparison, as the sum wraps for others.
            let normal = of_all(0xff_ffff).lt(x.to_bits() + of_all(0x80_0000));
            // Vector by vector: a branch for two of them, who then share a block of code, takes longer.
            if V::all(normal) { of_parts(e, f) } else { of_any(x) }
        },
    )
}

#[inline(always)]
fn of_any<V: Float32>(x: V) -> V {
    let subnormal = x.lt(x.constant(f32::MIN_POSITIVE));
    let (e, m) = split(V::select(subnormal, x * x.constant(16_777_216.0), x));
    let e = e.to_float();
    let e = V::select(subnormal, e - x.constant(24.0 * UNIT), e);
    specials(x, of_parts(e, m - x.constant(1.0)), x)
}

/// (2^23 e, m) with `x = 2^e m` and m in [¾, 1½), for a positive normal x.
#[inline(always)]
pub(crate) fn split<V: Float32>(x: V) -> (V::Bits, V) {
    let bits = x.to_bits();
    let of_exponent = V::Bits::splat(x.token(), !0x7f_ffff);
    let e = (bits - V::Bits::splat(x.token(), LOWEST_MANTISSA)) & of_exponent;
    (e, (bits - e).bits_to_float())
}

/// `e ln 2 + ln(1 + f)` from 2^23 e, for f in [-¼, ½].
#[inline(always)]
pub(crate) fn of_parts<V: Float32>(e: V, f: V) -> V {
    let (high, low) = (e.constant(LN2_HIGH / UNIT), e.constant(LN2_LOW / UNIT));
    // Exact.
    let product = e * high;
    let sum = product + f;
    // |e ln 2| >= |f| or e = 0, so this is the exact error of the sum.
    let error = f - (sum - product);
    sum + polynomial(f, &P).mul_add(f * f, e.mul_add(low, error))
}

/// `y`, the logarithm of `x`, put right where x is not a positive finite number; `infinite` where it is infinity or NaN.
#[inline(always)]
pub(crate) fn specials<V: Float32>(x: V, y: V, infinite: V) -> V {
    let zero = x.constant(0.0);
    let y = V::select(x.lt(x.constant(f32::INFINITY)), y, infinite);
    let y = V::select(x.eq(zero), x.constant(f32::NEG_INFINITY), y);
    V::select(x.lt(zero), x.constant(f32::NAN), y)
}
