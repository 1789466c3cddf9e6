//! The error function, `2/√π ∫ exp(-t²) dt` from 0 to x.
//!
//! For `a = |x|` below 1 an odd polynomial, the first coefficient as 1 and the rest of it. From there on `1 - 2^(a g(a))`
//! with g a polynomial; the power is at most 0.16, so that its errors count little beside the last rounding. The sign
//! is copied from x, so the function is odd.

use super::exp::{exp2_of_rests, reduce_product};
use super::polynomials;
use crate::simd::{Float32, Int32};

/// `erf(a) / a - 1` as a polynomial of a² for a from 0 to 1, lowest power first; minimax to 2^-29.4 of erf.
const Q: [f32; 7] =
    [0.128_379_17, -0.376_126_26, 0.112_835_79, -0.026_853_347, 0.005_187_162, -0.000_799_785_3, 7.806_904e-5];
/// `log2(1 - erf(a)) / a` for a from 1 to 4, lowest power first, minimax to 2^-28.6 of erf.
const G: [f32; 6] = [-1.628_052_6, -0.917_310_8, -0.151_650_76, 0.032_891_396, -0.004_597_853_4, 0.000_303_902_7];
/// From here on the result rounds to 1.
const HIGHEST: f32 = 4.0;

/// Each x, the result where |x| is below 1 but for the sign of 0, and |x|, at most [`HIGHEST`].
#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> [[V; N]; 3] {
    let (mut square, mut clamped) = (x, x);
    for i in 0..N {
        square[i] = x[i] * x[i];
        // The constant first: where x is NaN, the minimum chooses x.
        clamped[i] = x[i].constant(HIGHEST).min(x[i].abs());
    }
    let mut small = polynomials(square, &Q);
    for i in 0..N {
        small[i] = small[i].mul_add(x[i].abs(), x[i].abs());
    }
    [x, small, clamped]
}

/// Each x, the small result, and what [`reduce_product`] makes of the logarithm of the power.
#[inline(always)]
pub(crate) fn second<V: Float32, const N: usize>([x, small, clamped]: [[V; N]; 3]) -> [[V; N]; 4] {
    let g = polynomials(clamped, &G);
    let (mut sum, mut f) = (x, x);
    for i in 0..N {
        (sum[i], f[i]) = reduce_product(clamped[i], g[i]);
    }
    [x, small, sum, f]
}

/// The error function. ±0 for ±0, ±1 for ±infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn third<V: Float32, const N: usize>([x, small, sum, f]: [[V; N]; 4]) -> [V; N] {
    let power = exp2_of_rests(f, 1.0);
    let mut y = x;
    for i in 0..N {
        let one = x[i].constant(1.0);
        let t = (sum[i].to_bits().shift_left::<23>() + one.to_bits()).bits_to_float();
        let large = t.neg_mul_add(power[i], one);
        y[i] = V::select(x[i].abs().lt(one), small[i], large).copysign(x[i]);
    }
    y
}
