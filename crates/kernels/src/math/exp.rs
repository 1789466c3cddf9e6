//! `exp(x)`.
//!
//! 1. `n = round(x / ln 2)`, `r = x - n ln 2`; so `exp(x) = 2^n exp(r)` with `|r| <= ln 2 / 2`. That takes one step, rounded once:
//!    `n ln 2 = 12993 n (ln 2 / 12993)`, the first factor a whole number and the second, as it happens, within 2^-36.9 of an f32.
//! 2. `exp(r) = 1 + r (1 + r P(r))`, P of degree 4, minimax to 2^-28.
//! 3. Scaling by 2^n rounds once, so subnormal results and overflow come out as they should.

use super::{polynomial, polynomials};
use crate::simd::{Float32, Int32, MAGIC_F32};

/// `1 / ln 2`
pub(crate) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// What n is multiplied by: of the numbers for which the whole numbers of [`reduce`] stay exact one whose part of ln 2 is
/// near to an f32.
const UNITS: f32 = 12_993.0;
/// `ln 2 / UNITS`
const LN2_PER_UNIT: f32 = 5.334_774e-5;
/// The first 16 bits of ln 2: products with whole numbers below 2^8 are exact.
pub(crate) const LN2_HIGH: f32 = 0.693_145_75;
/// `ln 2 - LN2_HIGH`
pub(crate) const LN2_LOW: f32 = 1.428_606_8e-6;
/// `(exp(r) - 1 - r) / r²` for `|r| <= ln 2 / 2`, lowest power first: by Remez's exchange, each coefficient rounded to
/// f32 in turn and the rest fitted again.
const P: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_26, 0.008_368_672, 0.001_382_137_7];
/// `(2^f - 1) / f` for `|f| <= ½`, likewise, minimax to 2^-28 of 2^f.
const Q: [f32; 6] =
    [std::f32::consts::LN_2, 0.240_226_5, 0.055_503_596, 0.009_618_062_5, 0.001_339_098_4, 0.000_154_628_96];

/// Below this the result is 0, above [`HIGHEST`] infinite.
pub(crate) const LOWEST: f32 = -104.0;
pub(crate) const HIGHEST: f32 = 89.0;

/// Where |x| is less, the result is a normal number.
pub(crate) const TAME: f32 = 87.0;

/// `e^x` of each. 0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn exp<V: Float32, const N: usize>(x: [V; N]) -> [V; N] {
    V::apart(
        #[inline(always)]
        || {
            if are_below(x, TAME) {
                return normals_over_power(x, x[0].constant(0.0));
            }
            let mut y = x;
            for y in &mut y {
                *y = of_any_argument(*y);
            }
            y
        },
    )
}

/// Whether each |x| is below `bound`.
#[inline(always)]
pub(crate) fn are_below<V: Float32, const N: usize>(x: [V; N], bound: f32) -> bool {
    // As whole numbers, of which the largest is one comparison, magnitudes are in order, and NaN above all of them.
    let mut largest = x[0].abs().to_bits();
    for x in &x[1..] {
        largest = largest.max(x.abs().to_bits());
    }
    V::all(largest.lt(x[0].constant(bound).to_bits()))
}

#[inline(always)]
fn of_any_argument<V: Float32>(x: V) -> V {
    // The constants first: where x is NaN, both choose x.
    let (sum, r) = reduce(x.constant(HIGHEST).min(x.constant(LOWEST).max(x)));
    of_any(sum, r)
}

/// `e^x` of what [`reduce`] makes of it.
#[inline(always)]
pub(crate) fn of_any<V: Float32>(sum: V, r: V) -> V {
    scale(of_rest(r), sum)
}

/// `e^x / 2^p` for a whole p, |x| < 512 and a result of at most 2, rounded once.
#[inline(always)]
pub(crate) fn over_power<V: Float32>(x: V, p: V) -> V {
    V::apart(
        #[inline(always)]
        || {
            let (sum, r) = reduce(x);
            scale(of_rest(r), sum - p)
        },
    )
}

/// The same where the result is a normal number.
#[inline(always)]
pub(crate) fn normal_over_power<V: Float32>(x: V, p: V) -> V {
    V::apart(
        #[inline(always)]
        || {
            let [y] = normals_over_power([x], p);
            y
        },
    )
}

/// [`normal_over_power`] of each. Step by step for all of them, as a step waits for the one before.
#[inline(always)]
pub(crate) fn normals_over_power<V: Float32, const N: usize>(x: [V; N], p: V) -> [V; N] {
    let (mut sums, mut rests) = (x, x);
    for sum in &mut sums {
        *sum = nearest(*sum);
    }
    V::in_step(&mut sums);
    for (r, sum) in rests.iter_mut().zip(&sums) {
        *r = rest(*r, *sum);
    }
    V::in_step(&mut rests);
    for sum in &mut sums {
        *sum = *sum - p;
    }
    normals(sums, rests)
}

/// `e^x` of what [`reduce`] makes of each, where it is a normal number. Step by step for all of them, as a step waits for the
/// one before.
#[inline(always)]
pub(crate) fn normals<V: Float32, const N: usize>(sums: [V; N], rests: [V; N]) -> [V; N] {
    let mut y = polynomials(rests, &P);
    for _ in 0..2 {
        for (y, r) in y.iter_mut().zip(&rests) {
            *y = y.mul_add(*r, r.constant(1.0));
        }
        V::in_step(&mut y);
    }
    // A normal number scaled to a normal number: n, which the low bits of the magic sum are, is added to its exponent.
    for (y, sum) in y.iter_mut().zip(&sums) {
        *y = (y.to_bits() + sum.to_bits().shift_left::<23>()).bits_to_float();
    }
    y
}

/// `(1.5 2^23 + n, r)` with `x = n ln 2 + r`, for |x| < 2^9.
#[inline(always)]
pub(crate) fn reduce<V: Float32>(x: V) -> (V, V) {
    let sum = nearest(x);
    (sum, rest(x, sum))
}

/// `1.5 2^23 + n`
#[inline(always)]
fn nearest<V: Float32>(x: V) -> V {
    x.mul_add(x.constant(LOG2_E), x.constant(MAGIC_F32))
}

/// r
#[inline(always)]
fn rest<V: Float32>(x: V, sum: V) -> V {
    // Exact, as a whole number below 2^24.
    let units = sum.mul_add(x.constant(UNITS), x.constant(-MAGIC_F32 * UNITS));
    units.neg_mul_add(x.constant(LN2_PER_UNIT), x)
}

/// `(1.5 2^23 + n, f)` with `a b = n + f` and `|f| <= ½`, the product not rounded, for |a b| < 2^9.
#[inline(always)]
pub(crate) fn reduce_product<V: Float32>(a: V, b: V) -> (V, V) {
    let magic = a.constant(MAGIC_F32);
    let sum = a.mul_add(b, magic);
    (sum, a.mul_add(b, magic - sum))
}

/// `2^f` for each `|f| <= ½`, times a power of two, which costs nothing.
#[inline(always)]
pub(crate) fn exp2_of_rests<V: Float32, const N: usize>(f: [V; N], factor: f32) -> [V; N] {
    let [a, b, c, d, e, g] = Q;
    let mut y = polynomials(f, &[a * factor, b * factor, c * factor, d * factor, e * factor, g * factor]);
    for (y, f) in y.iter_mut().zip(&f) {
        *y = y.mul_add(*f, f.constant(factor));
    }
    V::in_step(&mut y);
    y
}

/// `e 2^n` rounded once from `1.5 2^23 + n`, for e from ½ to 2 and n from -250 to 128. Where the result is subnormal, it is
/// rounded as the whole number that its bits are, as arithmetic with subnormal results takes some CPUs a hundred cycles.
#[inline(always)]
fn scale<V: Float32>(e: V, sum: V) -> V {
    let implicit_bit = e.constant(8_388_608.0);
    // 2^(n + 149) as `pow2` has it, and so e in units of 2^-149; only right where n is small.
    let power = e.constant(MAGIC_F32 - 100.0).min(sum) + e.constant(149.0 + 127.0);
    let units = e * power.to_bits().shift_left::<23>().bits_to_float();
    let subnormal = (units + implicit_bit).to_bits() - implicit_bit.to_bits();
    // Past the largest number the bits of the sum are above those of infinity.
    let infinity = V::Bits::splat(e.token(), f32::INFINITY.to_bits() as i32);
    let normal = (e.to_bits() + sum.to_bits().shift_left::<23>()).min(infinity);
    let y = V::select(units.lt(implicit_bit), subnormal.bits_to_float(), normal.bits_to_float());
    V::select(e.is_nan(), e, y)
}

/// `e^r` for `|r| <= ln 2 / 2`.
#[inline(always)]
pub(crate) fn of_rest<V: Float32>(r: V) -> V {
    let one = r.constant(1.0);
    polynomial(r, &P).mul_add(r, one).mul_add(r, one)
}

/// `1 - e^-r` for each `|r| <= ln 2 / 2`. The error is relative to it, however small it is.
#[inline(always)]
pub(crate) fn ones_minus_exp<V: Float32, const N: usize>(r: [V; N]) -> [V; N] {
    let mut y = polynomials(r, &[P[0], -P[1], P[2], -P[3], P[4]]);
    for (y, r) in y.iter_mut().zip(&r) {
        *y = y.neg_mul_add(*r * *r, *r);
    }
    y
}

/// `(exp(r) - 1) / r` for each `|r| <= ln 2 / 2`, times a power of two, which costs nothing.
#[inline(always)]
pub(crate) fn slopes<V: Float32, const N: usize>(r: [V; N], factor: f32) -> [V; N] {
    let [a, b, c, d, e] = P;
    polynomials(r, &[factor, a * factor, b * factor, c * factor, d * factor, e * factor])
}
