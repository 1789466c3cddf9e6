//! `ln(1 + x)`.
//!
//! `1 + x` is taken as the exact sum of two numbers u + c, u the rounded one. With `u = 2^e m` as in `ln`, the
//! mantissa's `f = m - 1` is corrected by `2^-e c`, and what that correction rounds away goes into the tail.

use super::ln::{of_parts, split};
use crate::simd::Float32;

/// `ln(1 + x)`. Its argument for ±0, -infinity for -1, infinity for infinity, NaN below -1 and for NaN.
#[inline(always)]
pub(crate) fn log1p<V: Float32>(x: V) -> V {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let u = one + x;
    let x_part = u - one;
    let c = (one - (u - x_part)) + (x - x_part);
    let (e, m) = split(u);
    // The power must be a normal number; where it would not be, c is nothing to u.
    let unscaled = x.constant(-126.0).max(zero - e).pow2();
    let (f, correction) = (m - one, c * unscaled);
    let corrected = f + correction;
    // |correction| <= |f| or f = 0, so this is the exact error of the sum.
    let low = correction - (corrected - f);
    let y = of_parts(e, corrected, low);
    let y = V::select(x.lt(x.constant(-1.0)), x.constant(f32::NAN), y);
    let y = V::select(x.eq(x.constant(-1.0)), x.constant(f32::NEG_INFINITY), y);
    // Below half an ulp of 1 the logarithm is its argument, the sign of a 0 included; infinity and NaN are their own.
    let itself = x.abs().lt(x.constant(f32::EPSILON / 4.0));
    let y = V::select(x.eq(x.constant(f32::INFINITY)), x, y);
    V::select(itself, x, V::select(x.is_nan(), x, y))
}
