//! `tanh(x)`.
//!
//! For `a = |x|` up to 1 an odd polynomial. Beyond, `1 - 2 / (e^2a + 1)`: with `e^2a = E / t` as in `sigmoid` that is
//! `1 - 2t / (t + E)`, whose quotient is at most 0.24, so that its errors count little beside the last rounding and ln 2
//! need not be split. The sign is copied from x, so the function is odd.

use super::exp::LOG2_E;
use super::polynomial;
use crate::simd::{Float32, Int32, MAGIC_F32};
use std::f32::consts::LN_2;

/// Beyond this the result rounds to 1.
const HIGHEST: f32 = 10.0;
/// `(tanh(a) - a) / a³` as a polynomial of a² for a from 0 to 1, lowest power first; minimax to 2^-27.6 of tanh.
const Q: [f32; 7] =
    [-0.333_332_96, 0.133_323_46, -0.053_879_846, 0.021_486_69, -0.007_946_067, 0.002_301_290_4, -0.000_358_420_6];
/// `(exp(2h) - 1) / h` for `|h| <= ln 2 / 4`, lowest power first, minimax to 2^-26.1 of `exp(2h)`.
const P: [f32; 6] = [2.0, 1.999_995, 1.333_323_5, 0.667_205_3, 0.267_728_54, 0.076_172_814];

/// The hyperbolic tangent. ±0 for ±0, ±1 for ±infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn tanh<V: Float32>(x: V) -> V {
    third(second(first(x)))
}

/// x, -n in the low bits of a number, and h, with `2 |x| = n ln 2 + 2h`.
#[inline(always)]
pub(crate) fn first<V: Float32>(x: V) -> (V, V, V) {
    // The constant first: where x is NaN, the minimum chooses x.
    let clamped = x.constant(HIGHEST).min(x.abs());
    // The low bits of the sum are the exponent of 2t, one more than that of t.
    let magic = x.constant(MAGIC_F32 + 128.0);
    let sum = clamped.neg_mul_add(x.constant(2.0 * LOG2_E), magic);
    (x, sum, (sum - magic).mul_add(x.constant(0.5 * LN_2), clamped))
}

/// x, the result where |x| is at most 1, and the terms of the quotient.
#[inline(always)]
pub(crate) fn second<V: Float32>((x, sum, h): (V, V, V)) -> (V, V, V, V) {
    let a = x.abs();
    let square = a * a;
    let small = polynomial(square, &Q).mul_add(a * square, a);

    let twice_t = sum.to_bits().shift_left::<23>();
    let t = (twice_t - V::Bits::splat(x.token(), 1 << 23)).bits_to_float();
    let d = polynomial(h, &P).mul_add(h, t + x.constant(1.0));
    (x, small, twice_t.bits_to_float(), d)
}

#[inline(always)]
pub(crate) fn third<V: Float32>((x, small, twice_t, d): (V, V, V, V)) -> V {
    let one = x.constant(1.0);
    let large = one - twice_t / d;
    V::select(one.lt(x.abs()), large, small).copysign(x)
}
