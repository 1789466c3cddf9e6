//! `ln(1 + x)`.
//!
//! 1. `1 + x`, rounded, tells e and the factor c as in `ln`, so that `1 + x = 2^e (1 + r) / c`.
//! 2. `r = 2^-e c x + (2^-e c - 1)` by one fused step. The term in brackets is exact for e <= 3, as c is a multiple of 2^-21,
//!    and within 2^-25 beyond, where the logarithm is above 2.4.
//! 3. As in `ln`.
//!
//! What is not positive and below 2^125 with 1 added takes a branch, one for two vectors.

use super::ln::{Parts, UNIT, look_up, of_parts, specials, split};
use crate::simd::{Float32, Int32, Simd};

/// Below this e is at most 125, and `2^-e c` a normal number.
const HUGE: f32 = (1u128 << 125) as f32;

/// What huge numbers are divided by.
const HUGE_UNIT: f32 = (1u64 << 63) as f32;

/// The first stage only has x at hand early.
#[inline(always)]
pub(crate) fn first<V: Float32>(x: [V; 2]) -> [V; 2] {
    x
}

/// Whether `1 + x` is positive and below [`HUGE`] for both, and each with its parts, right where it is.
#[inline(always)]
pub(crate) fn second<V: Float32>([x, y]: [V; 2]) -> (bool, [(V, Parts<V>); 2]) {
    let (x1, y1) = (x + x.constant(1.0), y + y.constant(1.0));
    let of_all = |bits| V::Bits::splat(x.token(), bits);
    // Bits from 1 to those of the limit: one comparison, as the sum wraps for others.
    let largest = (x1.to_bits() + of_all(i32::MAX)).max(y1.to_bits() + of_all(i32::MAX));
    let ordinary = V::all(largest.lt(of_all(i32::MIN + HUGE.to_bits() as i32)));
    (ordinary, [(x, parts(x, x1)), (y, parts(y, y1))])
}

/// `ln(1 + x)`. Its argument for ±0, -infinity for -1, infinity for infinity, NaN below -1 and for NaN.
#[inline(always)]
pub(crate) fn third<V: Float32>((ordinary, [(x, of_x), (y, of_y)]): (bool, [(V, Parts<V>); 2])) -> [V; 2] {
    let [of_x, of_y] = if ordinary {
        [of_parts(of_x), of_parts(of_y)]
    } else {
        x.token().run_rare(
            #[inline(always)]
            |_| [of_any(x), of_any(y)],
        )
    };
    // The logarithm has the sign of x, also where that is -0.
    [of_x.copysign(x), of_y.copysign(y)]
}

/// `ln(1 + x)` for x above -1 and below 2^125, with 0 for -0.
#[inline(always)]
pub(crate) fn moderate<V: Float32>(x: V) -> V {
    of_parts(parts(x, x + x.constant(1.0)))
}

#[inline(always)]
fn of_any<V: Float32>(x: V) -> V {
    let huge = x.constant(HUGE).lt(x);
    let scaled = V::select(huge, x * x.constant(1.0 / HUGE_UNIT), x);
    let parts = parts(scaled, scaled + x.constant(1.0));
    let e = V::select(huge, parts.e + x.constant(63.0 * UNIT), parts.e);
    specials(x + x.constant(1.0), of_parts(Parts { e, ..parts }), x)
}

#[inline(always)]
fn parts<V: Float32>(x: V, x1: V) -> Parts<V> {
    let (e, piece) = split(x1);
    let (c, minus_ln_c) = look_up::<V>(piece);
    let c = (c.to_bits() - e).bits_to_float();
    Parts { e: e.to_float(), minus_ln_c, r: x.mul_add(c, c - x.constant(1.0)) }
}
