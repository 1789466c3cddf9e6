//! `tanh(x)`.
//!
//! For `a = |x|` up to 1 an odd polynomial. Beyond, `1 - 2 / (e^2a + 1)`: with `e^2a = E / t` as in `sigmoid` that is
//! `1 - 2t / (t + E)`, whose quotient is at most 0.24, so that its errors count little beside the last rounding and ln 2
//! need not be split. The sign is copied from x, so the function is odd.

use super::exp::LOG2_E;
use super::polynomials;
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
    let [y] = third(second(first([x])));
    y
}

/// Each x, -n in the low bits of a number, and h, with `2 |x| = n ln 2 + 2h`.
#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> ([V; N], [V; N], [V; N]) {
    let (mut sum, mut h) = (x, x);
    for i in 0..N {
        // The constant first: where x is NaN, the minimum chooses x.
        let clamped = x[i].constant(HIGHEST).min(x[i].abs());
        // The low bits of the sum are the exponent of 2t, one more than that of t.
        let magic = x[i].constant(MAGIC_F32 + 128.0);
        sum[i] = clamped.neg_mul_add(x[i].constant(2.0 * LOG2_E), magic);
        h[i] = (sum[i] - magic).mul_add(x[i].constant(0.5 * LN_2), clamped);
    }
    V::in_step(&mut h);
    (x, sum, h)
}

/// x, its square, the result where that is at most 1, but for the sign of 0, and the terms of the quotient elsewhere.
#[inline(always)]
pub(crate) fn second<V: Float32, const N: usize>((x, sum, h): ([V; N], [V; N], [V; N])) -> [[V; N]; 5] {
    let (mut square, mut twice_t) = (x, x);
    for i in 0..N {
        square[i] = x[i] * x[i];
    }
    let mut small = polynomials(square, &Q);
    for i in 0..N {
        small[i] = small[i].mul_add(x[i] * square[i], x[i]);
    }
    let mut d = polynomials(h, &P);
    for i in 0..N {
        let exponent = sum[i].to_bits().shift_left::<23>();
        let t = (exponent - V::Bits::splat(x[i].token(), 1 << 23)).bits_to_float();
        d[i] = d[i].mul_add(h[i], t + x[i].constant(1.0));
        twice_t[i] = exponent.bits_to_float();
    }
    [x, square, small, twice_t, d]
}

#[inline(always)]
pub(crate) fn third<V: Float32, const N: usize>([x, square, small, twice_t, d]: [[V; N]; 5]) -> [V; N] {
    let mut y = x;
    for i in 0..N {
        let one = x[i].constant(1.0);
        let large = one - twice_t[i] / d[i];
        y[i] = V::select(one.lt(square[i]), large, small[i]).copysign(x[i]);
    }
    y
}
