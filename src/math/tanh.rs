//! `tanh(x)`.
//!
//! For `a = |x|` below 1 an odd polynomial. From there on `1 - 2 / (e^2a + 1)`: with `e^2a = E / t` as in `sigmoid` that
//! is `1 - 2t / (t + E)`, whose quotient is at most 0.24, so that its errors count little beside the last rounding. The
//! sign is copied from x, so the function is odd.

use super::exp::quotient;
use super::polynomial;
use crate::simd::Float32;

/// Beyond this the result rounds to 1.
const HIGHEST: f32 = 10.0;
/// `(tanh(a) - a) / a³` as a polynomial of a² for a from 0 to 1, lowest power first; minimax to 2^-27.6 of tanh.
const Q: [f32; 7] =
    [-0.333_332_96, 0.133_323_46, -0.053_879_846, 0.021_486_69, -0.007_946_067, 0.002_301_290_4, -0.000_358_420_6];

/// The hyperbolic tangent. ±0 for ±0, ±1 for ±infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn tanh<V: Float32>(x: V) -> V {
    let one = x.constant(1.0);
    let a = x.abs();

    let square = a * a;
    let small = polynomial(square, &Q).mul_add(a * square, a);

    // The constant first: where x is NaN, the minimum chooses x.
    let clamped = x.constant(HIGHEST).min(a);
    let (m, q) = quotient(clamped + clamped);
    let t = m.pow2();
    let large = one - (t + t) / ((one + t) + q);

    V::select(a.lt(one), small, large).copysign(x)
}
