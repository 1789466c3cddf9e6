//! `ln(1 + x)`.
//!
//! 1. `1 + x`, rounded, tells e as in `ln`, so that `1 + x = 2^e (1 + f)`.
//! 2. `f = 2^-e x + (2^-e - 1)` by one fused step: exact for e <= 24, as both terms are then multiples of the last place
//!    of f, and to a rounding beyond, where the 1 hardly counts. `4 2^-e` and a quarter stand for 2^-e, which would be
//!    subnormal for the largest x.
//! 3. As in `ln`.

use super::ln::{of_parts, specials, split};
use crate::simd::{Float32, Int32};

/// `ln(1 + x)`. Its argument for ±0, -infinity for -1, infinity for infinity, NaN below -1 and for NaN.
#[inline(always)]
pub(crate) fn log1p<V: Float32>(x: V) -> V {
    let sum = x + x.constant(1.0);
    let of_all = |bits| V::Bits::splat(x.token(), bits);
    // Bits from 1 to those of the largest number: one comparison, as the sum wraps for others.
    let ordinary = (sum.to_bits() + of_all(i32::MAX)).lt(of_all(i32::MIN + f32::MAX.to_bits() as i32));
    let y = if V::all(ordinary) { finite(x) } else { specials(sum, finite(x), x) };
    // The logarithm has the sign of x, also where that is -0.
    y.copysign(x)
}

/// `ln(1 + x)` for a finite x above -1, with 0 for -0.
#[inline(always)]
pub(crate) fn finite<V: Float32>(x: V) -> V {
    V::apart(
        #[inline(always)]
        || {
            let (one, quarter) = (x.constant(1.0), x.constant(0.25));
            let (e, _) = split(x + one);
            let factor = (x.constant(4.0).to_bits() - e).bits_to_float();
            let offset = factor.mul_add(quarter, x.constant(-1.0));
            of_parts(e.to_float(), (x * factor).mul_add(quarter, offset))
        },
    )
}
