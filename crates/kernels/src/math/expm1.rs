//! `exp(x) - 1`.
//!
//! 1. `x = n ln 2 + r` as in `exp`, here with the rounding error of r.
//! 2. `exp(x) - 1 = 2^n ((1 - 2^-n) + r + r²/2 + r³ C(r))`. The difference is exact where it counts, its sum with r carried
//!    with its rounding error, so that little but the last addition rounds. For n = 0, r is x.
//!
//! Most arguments are [`TAME`]: nothing needs to be kept in bounds, and n is added to the exponent. That changes no bit.

use super::exp::{HIGHEST, LN2_HIGH, LN2_LOW, LOG2_E, are_below};
use super::{polynomial, polynomials};
use crate::simd::{Float32, Int32, MAGIC_F32};

/// `(exp(r) - 1 - r - r²/2) / r³` for `|r| <= ln 2 / 2`, lowest power first, minimax to 2^-33 of `exp(r)`.
const C: [f32; 5] = [0.166_666_66, 0.041_666_456, 0.008_333_548, 0.001_393_587_3, 0.000_197_634_65];
/// Below this the result rounds to -1.
const LOWEST: f32 = -18.0;
/// From here on 2^-n is nothing beside 1.
const LARGE: f32 = 40.0;

/// Where |x| is less, 2^-n, the sum of the terms and the result are normal numbers, or n and so the exponent's change is 0.
const TAME: f32 = 18.0;

/// What `(exp(x) - 1) / 2^n` is the sum of.
#[derive(Clone, Copy)]
pub(crate) struct Terms<V> {
    /// `(1 - 2^-n) + r`
    sum: V,
    /// Its rounding error and that of r.
    low: V,
    r: V,
    /// `r C(r)`
    cubic: V,
}

/// `e^x - 1`. ±0 for ±0, -1 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn expm1<V: Float32>(x: V) -> V {
    V::apart(
        #[inline(always)]
        || {
            // The constant first: where x is NaN, both choose x.
            let clamped = x.constant(HIGHEST).min(x.constant(LOWEST).max(x));
            let [_, [sum], [r], [r_low]] = first([clamped]);
            let n = sum - x.constant(MAGIC_F32);
            let power = (x.constant(0.0) - x.constant(LARGE).min(n)).pow2();
            Terms::new(power, r, r_low, polynomial(r, &C)).value().scale_by_pow2(n).copysign(x)
        },
    )
}

/// Each x, and of `x = n ln 2 + r` the magic sum, which has n in its low bits, r and the rounding error of r.
#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> [[V; N]; 4] {
    let (mut sum, mut r, mut r_low) = (x, x, x);
    for i in 0..N {
        let magic = x[i].constant(MAGIC_F32);
        sum[i] = x[i].mul_add(x[i].constant(LOG2_E), magic);
        let n = sum[i] - magic;
        let high = n.neg_mul_add(x[i].constant(LN2_HIGH), x[i]);
        r[i] = n.neg_mul_add(x[i].constant(LN2_LOW), high);
        r_low[i] = n.neg_mul_add(x[i].constant(LN2_LOW), high - r[i]);
    }
    V::in_step(&mut r_low);
    [x, sum, r, r_low]
}

/// Each x, the terms, and n where a float has its exponent.
#[inline(always)]
pub(crate) fn second<V: Float32>([[x, y], sum, r, r_low]: [[V; 2]; 4]) -> [(V, Terms<V>, V::Bits); 2] {
    if !are_below([x, y], TAME) {
        return [of_value(x), of_value(y)];
    }
    let c = polynomials(r, &C);
    [tame(x, sum[0], r[0], r_low[0], c[0]), tame(y, sum[1], r[1], r_low[1], c[1])]
}

#[inline(always)]
fn of_value<V: Float32>(x: V) -> (V, Terms<V>, V::Bits) {
    let zero = x.constant(0.0);
    (x, Terms { sum: expm1(x), low: zero, r: zero, cubic: zero }, zero.to_bits())
}

#[inline(always)]
fn tame<V: Float32>(x: V, sum: V, r: V, r_low: V, c: V) -> (V, Terms<V>, V::Bits) {
    let exponent = sum.to_bits().shift_left::<23>();
    let power = (x.constant(1.0).to_bits() - exponent).bits_to_float();
    (x, Terms::new(power, r, r_low, c), exponent)
}

#[inline(always)]
pub(crate) fn third<V: Float32>([x, y]: [(V, Terms<V>, V::Bits); 2]) -> [V; 2] {
    [scaled(x), scaled(y)]
}

#[inline(always)]
fn scaled<V: Float32>((x, terms, exponent): (V, Terms<V>, V::Bits)) -> V {
    (terms.value().to_bits() + exponent).bits_to_float().copysign(x)
}

impl<V: Float32> Terms<V> {
    /// From 2^-n, r, the rounding error of r and C(r).
    #[inline(always)]
    fn new(power: V, r: V, r_low: V, c: V) -> Self {
        let one = r.constant(1.0);
        let difference = one - power;
        let sum = difference + r;
        // |difference| >= |r| or difference = 0, so these are the exact errors of both.
        let error = ((difference - sum) + r) + ((one - difference) - power);
        Terms { sum, low: error + r_low, r, cubic: c * r }
    }

    #[inline(always)]
    fn value(self) -> V {
        let Terms { sum, low, r, cubic } = self;
        let small = cubic.mul_add(r * r, low);
        sum + (r * r.constant(0.5)).mul_add(r, small)
    }
}
