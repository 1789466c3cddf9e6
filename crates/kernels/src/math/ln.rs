//! `ln(x)`.
//!
//! 1. `x = 2^e m` with m in [0.756, 1.512), subnormal x multiplied by 2^24 first.
//! 2. The eight pieces of that interval that are as many bits wide each have a factor c near the reciprocal of their middle, so
//!    that `ln(m) = ln(1 + r) - ln(c)` with a small `r = c m - 1`. For the three pieces around 1 c is 1, as near to 1 the error
//!    is to be relative to r: there `|r| < 0.137` and exact, elsewhere `|r| < 0.055` and rounded once. Of the numbers near to the
//!    reciprocal c is one whose logarithm is within 2^-31.9 of a multiple of 2^-17.
//! 3. `ln(1 + r) = r + r² P(r)`, P of degree 5, minimax to 0.025 ULP where c is 1.
//! 4. `ln(x) = (e ln 2 - ln(c)) + ln(1 + r)`: the high part of `e ln 2` is a multiple of 2^-17 too, so the first sum is exact;
//!    the rest is below 2^-4 where that is not 0 and the logarithm above 2^-3, so that little but the last addition rounds.
//!
//! What is not a positive normal number takes a branch, one for two vectors, as what a vector has to be compared for takes a
//! tenth of its time with AVX-512, a fifth with AVX2.

use super::exp::{LN2_HIGH, LN2_LOW};
use super::polynomial;
use crate::simd::{Float32, Int32};

/// `(ln(1 + r) - r) / r²` for r from -0.1192 to 0.1368, lowest power first.
const P: [f32; 6] = [-0.5, 0.333_333_02, -0.249_985_19, 0.200_093_42, -0.169_482_56, 0.138_735_18];

/// c of each piece, a multiple of 2^-21: `2^-e c - 1` is exact for e <= 3, as `log1p` wants it.
const FACTORS: [f32; 8] = [1.268_107_9, 1.180_267_3, 1.0, 1.0, 1.0, 0.835_391_04, 0.750_401, 0.690_532_2];

/// -ln(c), a multiple of 2^-17.
const LOGARITHMS: [f32; 8] = [-0.237_525_94, -0.165_740_97, 0.0, 0.0, 0.0, 0.179_855_35, 0.287_147_52, 0.370_292_66];

/// The bits of the least m.
const LOWEST_MANTISSA: i32 = 0x3f41_8000;

/// What [`split`] multiplies e by, so that it needs no shift.
pub(crate) const UNIT: f32 = 8_388_608.0;

/// `2^23 e`, -ln(c) and r.
#[derive(Clone, Copy)]
pub(crate) struct Parts<V> {
    pub(crate) e: V,
    pub(crate) minus_ln_c: V,
    pub(crate) r: V,
}

/// The first stage only has x at hand early.
#[inline(always)]
pub(crate) fn first<V: Float32>(x: [V; 2]) -> [V; 2] {
    x
}

/// Each x and its parts, right where x is a positive normal number.
#[inline(always)]
pub(crate) fn second<V: Float32>([x, y]: [V; 2]) -> [(V, Parts<V>); 2] {
    [(x, parts(x)), (y, parts(y))]
}

/// The natural logarithm. -infinity for either 0, infinity for infinity, NaN below 0 and for NaN.
#[inline(always)]
pub(crate) fn third<V: Float32>([(x, of_x), (y, of_y)]: [(V, Parts<V>); 2]) -> [V; 2] {
    V::apart(
        #[inline(always)]
        || {
            let of_all = |bits| V::Bits::splat(x.token(), bits);
            // Bits from that of the least normal number to that of infinity: one comparison, as the sum wraps for others.
            let least = (x.to_bits() + of_all(0x80_0000)).min(y.to_bits() + of_all(0x80_0000));
            if V::all(of_all(0xff_ffff).lt(least)) { [of_parts(of_x), of_parts(of_y)] } else { [of_any(x), of_any(y)] }
        },
    )
}

#[inline(always)]
fn of_any<V: Float32>(x: V) -> V {
    let subnormal = x.lt(x.constant(f32::MIN_POSITIVE));
    let parts = parts(V::select(subnormal, x * x.constant(16_777_216.0), x));
    let e = V::select(subnormal, parts.e - x.constant(24.0 * UNIT), parts.e);
    specials(x, of_parts(Parts { e, ..parts }), x)
}

#[inline(always)]
fn parts<V: Float32>(x: V) -> Parts<V> {
    let (e, piece) = split(x);
    let m = (x.to_bits() - e).bits_to_float();
    let (c, minus_ln_c) = look_up(piece);
    Parts { e: e.to_float(), minus_ln_c, r: m.mul_add(c, x.constant(-1.0)) }
}

/// 2^23 e and, in the low three bits, the piece of a positive normal x.
#[inline(always)]
pub(crate) fn split<V: Float32>(x: V) -> (V::Bits, V::Bits) {
    let of_all = |bits| V::Bits::splat(x.token(), bits);
    let above = x.to_bits() - of_all(LOWEST_MANTISSA);
    (above & of_all(!0x7f_ffff), above.shift_right::<20>())
}

/// c and -ln(c)
#[inline(always)]
pub(crate) fn look_up<V: Float32>(piece: V::Bits) -> (V, V) {
    (V::look_up(&FACTORS, piece), V::look_up(&LOGARITHMS, piece))
}

/// `e ln 2 - ln(c) + ln(1 + r)`
#[inline(always)]
pub(crate) fn of_parts<V: Float32>(Parts { e, minus_ln_c, r }: Parts<V>) -> V {
    V::apart(
        #[inline(always)]
        || {
            // Exact.
            let sum = e.mul_add(e.constant(LN2_HIGH / UNIT), minus_ln_c);
            let rest = e.mul_add(e.constant(LN2_LOW / UNIT), r);
            // By pairs of terms, as a step of Horner's rule waits for the one before.
            let square = r * r;
            let low = polynomial(r, &[P[0], P[1]]);
            let middle = polynomial(r, &[P[2], P[3]]);
            let high = polynomial(r, &[P[4], P[5]]);
            sum + high.mul_add(square, middle).mul_add(square, low).mul_add(square, rest)
        },
    )
}

/// `y`, the logarithm of `x`, put right where x is not a positive finite number; `infinite` where it is infinity or NaN.
#[inline(always)]
pub(crate) fn specials<V: Float32>(x: V, y: V, infinite: V) -> V {
    let zero = x.constant(0.0);
    let y = V::select(x.lt(x.constant(f32::INFINITY)), y, infinite);
    let y = V::select(x.eq(zero), x.constant(f32::NEG_INFINITY), y);
    V::select(x.lt(zero), x.constant(f32::NAN), y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_as_steps_2_to_4_need_them() {
        let is_multiple = |x: f32, power: i32| (x * 2f32.powi(power)).fract() == 0.0;
        for (piece, (&c, &minus_ln_c)) in (0..).zip(FACTORS.iter().zip(&LOGARITHMS)) {
            assert!(is_multiple(c, 21) && is_multiple(minus_ln_c, 17), "{c} {minus_ln_c}");
            assert!((f64::from(c).ln() + f64::from(minus_ln_c)).abs() <= 2f64.powf(-31.9), "{c} {minus_ln_c}");
            for end in [piece, piece + 1] {
                let m = f32::from_bits((LOWEST_MANTISSA + (end << 20)) as u32);
                let (r, logarithm) = (f64::from(m) * f64::from(c) - 1.0, f64::from(m).ln().abs());
                let is_near = c == 1.0 && r.abs() < 0.137;
                assert!(is_near || r.abs() < 0.055 && logarithm > 0.125, "{piece}: {m} {c}");
            }
        }
        assert!(is_multiple(LN2_HIGH, 17));
    }
}
