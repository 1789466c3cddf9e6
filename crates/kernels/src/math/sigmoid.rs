//! `1 / (1 + exp(-x))`.
//!
//! 1. Let `e^-x = E / t` with `t = 2^n` and E between √½ and √2. Then `σ(x) = t / (E + t)`: the numerator is exact, and
//!    one formula serves both signs.
//! 2. `E + t` is carried as the sum of two numbers d and d_low, with `E = 1 - q` not rounded before.
//! 3. `σ(x) = t / (d + d_low)` is one division and one step with its exact remainder.
//!
//! Most arguments are [`TAME`]: for those t needs no care, and multiplying by it is an addition to the exponent, which saves
//! four operations of 26, and changes no bit.
//!
//! What did not help: `q = r U(r)`, whose product the sum takes unrounded, saves an operation, but U is not as fine as r, so
//! that results fall between some neighbours; `1 - w (1 + t) + w q` for the remainder is off by 1.04 units; Estrin's
//! scheme and more vectors at a time take longer; the power of two before the step with the remainder shortens the chain,
//! but rounds subnormal results twice.

use super::exp::{are_below, ones_minus_exp, reduce};
use crate::simd::{Float32, Int32};

/// Below this the result is 0; from [`HIGHEST`] on it rounds to 1.
const LOWEST: f32 = -104.0;
const HIGHEST: f32 = 17.5;
/// Where |x| is less, 1 + t is exact.
const TAME: f32 = 16.0;
/// From here on the result is a normal number.
const NORMAL: f32 = -87.0;
/// 2^64: with all of E + t as much larger, t is a normal number.
pub(crate) const SHIFTED_ONE: f32 = 18_446_744_073_709_551_616.0;

/// `2^n / (d + d_low)`
#[derive(Clone, Copy)]
pub(crate) struct Quotient<V: Float32> {
    /// n, where a float has its exponent.
    exponent: V::Bits,
    d: V,
    d_low: V,
}

/// The logistic function. 0 for -infinity, 1 for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn sigmoid<V: Float32>(x: V) -> V {
    let Quotient { exponent, d, d_low } = quotient(x);
    // The product rounds where it is subnormal, and only there.
    reciprocal(d, d_low) * (exponent + x.constant(1.0).to_bits()).bits_to_float()
}

#[inline(always)]
fn quotient<V: Float32>(x: V) -> Quotient<V> {
    let shifted_one = x.constant(SHIFTED_ONE);
    // The constants first: where x is NaN, both choose x.
    let (sum, r) = reduce(x.constant(HIGHEST).min(x.constant(LOWEST).max(x)));
    let t = sum.to_bits().shift_left::<23>() + shifted_one.to_bits();
    let exponent = t - x.constant(1.0).to_bits();
    let t = t.bits_to_float();
    let [q] = ones_minus_exp([r]);
    let d = q.neg_mul_add(shifted_one, shifted_one + t);
    Quotient { exponent, d, d_low: q.neg_mul_add(shifted_one, (shifted_one - d) + t) }
}

/// `-|x|`
#[inline(always)]
pub(crate) fn minus_abs<V: Float32>(x: V) -> V {
    (x.to_bits() | x.constant(-0.0).to_bits()).bits_to_float()
}

/// `1 / (d + d_low)`
#[inline(always)]
fn reciprocal<V: Float32>(d: V, d_low: V) -> V {
    let [y] = reciprocals([d], [d_low]);
    y
}

/// [`reciprocal`] of each, step by step for all of them.
#[inline(always)]
fn reciprocals<V: Float32, const N: usize>(d: [V; N], d_low: [V; N]) -> [V; N] {
    let (mut w, mut remainder) = (d, d);
    for w in &mut w {
        *w = w.constant(1.0) / *w;
    }
    V::in_step(&mut w);
    for i in 0..N {
        remainder[i] = w[i].neg_mul_add(d[i], d[i].constant(1.0));
    }
    V::in_step(&mut remainder);
    for i in 0..N {
        remainder[i] = w[i].neg_mul_add(d_low[i], remainder[i]);
    }
    V::in_step(&mut remainder);
    for i in 0..N {
        w[i] = w[i].mul_add(remainder[i], w[i]);
    }
    w
}

/// Two vectors x, with the sum and r of [`reduce`].
pub(crate) type Reduced<V> = [(V, (V, V)); 2];

#[inline(always)]
pub(crate) fn first<V: Float32>([x, y]: [V; 2]) -> Reduced<V> {
    let ((sum_x, r_x), (sum_y, r_y)) = (reduce(x), reduce(y));
    let mut r = [r_x, r_y];
    V::in_step(&mut r);
    [(x, (sum_x, r[0])), (y, (sum_y, r[1]))]
}

#[inline(always)]
pub(crate) fn second<V: Float32>([(x, of_x), (y, of_y)]: Reduced<V>) -> [Quotient<V>; 2] {
    if are_below([x, y], TAME) {
        tame_quotients([of_x, of_y])
    } else if V::all(x.constant(NORMAL).lt(x)) && V::all(y.constant(NORMAL).lt(y)) {
        [quotient(x), quotient(y)]
    } else {
        [Quotient::of_value(sigmoid(x)), Quotient::of_value(sigmoid(y))]
    }
}

#[inline(always)]
pub(crate) fn third<V: Float32>([x, y]: [Quotient<V>; 2]) -> [V; 2] {
    let [of_x, of_y] = reciprocals([x.d, y.d], [x.d_low, y.d_low]);
    [x.scale(of_x), y.scale(of_y)]
}

/// As in [`sigmoid`], from each sum and r.
#[inline(always)]
fn tame_quotients<V: Float32>([(sum_x, r_x), (sum_y, r_y)]: [(V, V); 2]) -> [Quotient<V>; 2] {
    let [q_x, q_y] = ones_minus_exp([r_x, r_y]);
    [tame_quotient(sum_x, q_x), tame_quotient(sum_y, q_y)]
}

#[inline(always)]
fn tame_quotient<V: Float32>(sum: V, q: V) -> Quotient<V> {
    let one = q.constant(1.0);
    let exponent = sum.to_bits().shift_left::<23>();
    let t = (exponent + one.to_bits()).bits_to_float();
    let sum = one + t;
    let d = sum - q;
    Quotient { exponent, d, d_low: (sum - d) - q }
}

impl<V: Float32> Quotient<V> {
    /// The one of which [`third`] makes `y`, to the bit.
    #[inline(always)]
    fn of_value(y: V) -> Self {
        let one = y.constant(1.0);
        Quotient { exponent: y.to_bits() - one.to_bits(), d: one, d_low: y.constant(0.0) }
    }
    #[inline(always)]
    fn scale(self, reciprocal: V) -> V {
        (reciprocal.to_bits() + self.exponent).bits_to_float()
    }
}
