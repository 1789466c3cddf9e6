//! `1 / (1 + exp(-x))`.
//!
//! 1. Let `e^-x = E / t` with `t = 2^n` and E between √½ and √2. Then `σ(x) = t / (E + t)`: the numerator is exact, and
//!    one formula serves both signs.
//! 2. `E + t` is carried as the sum of two numbers d and d_low, with `E = 1 - q` not rounded before.
//! 3. `σ(x) = t / (d + d_low)` is one division and one step with its exact remainder.
//!
//! The division takes long to come and little to compute, so [`Sigmoid`](super::Sigmoid) does it for two vectors while the
//! next two are on the way to it. Most arguments are [`TAME`]: for those t needs no care, which saves three operations of
//! 26, and changes no bit.
//!
//! What did not help: `q = r U(r)`, whose product the sum takes unrounded, saves an operation, but U is not as fine as r, so
//! that results fall between some neighbours; `1 - w (1 + t) + w q` for the remainder is off by 1.04 units; Estrin's
//! scheme and more vectors at a time take longer; the power of two before the step with the remainder shortens the chain,
//! but rounds subnormal results twice.

use super::exp::{one_minus_exp, reduce};
use crate::simd::{Float32, Int32};

/// Below this the result is 0; from [`HIGHEST`] on it rounds to 1.
const LOWEST: f32 = -104.0;
const HIGHEST: f32 = 17.5;
/// The sum of squares below which 1 + t is exact.
const TAME: f32 = 256.0;
/// 2^64: with all of E + t as much larger, t is a normal number.
pub(crate) const SHIFTED_ONE: f32 = 18_446_744_073_709_551_616.0;

/// What the division needs.
#[derive(Clone, Copy)]
pub(crate) struct Quotient<V> {
    t: V,
    d: V,
    d_low: V,
}

/// The logistic function. 0 for -infinity, 1 for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn sigmoid<V: Float32>(x: V) -> V {
    quotient(x).divide()
}

/// `σ(-a)` for `a >= 0`.
#[inline(always)]
pub(crate) fn of_negative<V: Float32>(a: V) -> V {
    sigmoid(a.constant(0.0) - a)
}

/// The quotients of two vectors.
#[inline(always)]
pub(crate) fn quotients<V: Float32>([x, y]: [V; 2]) -> [Quotient<V>; 2] {
    // From 1 on, as squares that are subnormal take some CPUs a hundred cycles. NaN is not tame.
    let squares = y.mul_add(y, x.mul_add(x, x.constant(1.0)));
    if V::all(squares.lt(x.constant(TAME))) { [tame_quotient(x), tame_quotient(y)] } else { [quotient(x), quotient(y)] }
}

#[inline(always)]
fn quotient<V: Float32>(x: V) -> Quotient<V> {
    let shifted_one = x.constant(SHIFTED_ONE);
    // The constants first: where x is NaN, both choose x.
    let (sum, r) = reduce(x.constant(HIGHEST).min(x.constant(LOWEST).max(x)));
    let t = (sum.to_bits().shift_left::<23>() + shifted_one.to_bits()).bits_to_float();
    let q = one_minus_exp(r);
    let d = q.neg_mul_add(shifted_one, shifted_one + t);
    Quotient { t, d, d_low: q.neg_mul_add(shifted_one, (shifted_one - d) + t) }
}

/// The same, up to the power of two, for `|x| < 16`.
#[inline(always)]
fn tame_quotient<V: Float32>(x: V) -> Quotient<V> {
    let one = x.constant(1.0);
    let (sum, r) = reduce(x);
    let t = (sum.to_bits().shift_left::<23>() + one.to_bits()).bits_to_float();
    let q = one_minus_exp(r);
    let sum = one + t;
    let d = sum - q;
    Quotient { t, d, d_low: (sum - d) - q }
}

impl<V: Float32> Quotient<V> {
    #[inline(always)]
    pub(crate) fn divide(self) -> V {
        let Quotient { t, d, d_low } = self;
        let one = d.constant(1.0);
        let w = one / d;
        let remainder = w.neg_mul_add(d_low, w.neg_mul_add(d, one));
        // The product rounds where it is subnormal, and only there.
        w.mul_add(remainder, w) * t
    }
}
