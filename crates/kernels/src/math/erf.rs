//! The error function, `2/√π ∫ exp(-t²) dt` from 0 to x.
//!
//! For `a = |x|` below 1 an odd polynomial, the first coefficient as 1 and the rest of it. From there on `1 - 2^(a g(a))`
//! with g a polynomial; the power is at most 0.16, so that its errors count little beside the last rounding. The sign
//! is copied from x, so the function is odd.

use super::exp::{exp2_of_rest, reduce_product};
use super::polynomial;
use crate::simd::{Float32, Int32};

/// `erf(a) / a - 1` as a polynomial of a² for a from 0 to 1, lowest power first; minimax to 2^-29.4 of erf.
const Q: [f32; 7] =
    [0.128_379_17, -0.376_126_26, 0.112_835_79, -0.026_853_347, 0.005_187_162, -0.000_799_785_3, 7.806_904e-5];
/// `log2(1 - erf(a)) / a` for a from 1 to 4, lowest power first, minimax to 2^-28.6 of erf.
const G: [f32; 6] = [-1.628_052_6, -0.917_310_8, -0.151_650_76, 0.032_891_396, -0.004_597_853_4, 0.000_303_902_7];
/// From here on the result rounds to 1.
const HIGHEST: f32 = 4.0;

/// The error function. ±0 for ±0, ±1 for ±infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn erf<V: Float32>(x: V) -> V {
    let one = x.constant(1.0);
    let a = x.abs();
    let small = polynomial(a * a, &Q).mul_add(a, a);
    // The constant first: where x is NaN, the minimum chooses x.
    let clamped = x.constant(HIGHEST).min(a);
    let (sum, f) = reduce_product(clamped, polynomial(clamped, &G));
    let t = (sum.to_bits().shift_left::<23>() + one.to_bits()).bits_to_float();
    let large = t.neg_mul_add(exp2_of_rest(f), one);
    V::select(a.lt(one), small, large).copysign(x)
}
