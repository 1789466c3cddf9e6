//! `ln(1 + exp(x)) = max(x, 0) + ln(1 + e)` with `e = exp(-|x|)`.
//!
//! `ln(1 + e) = e + e² Q(e)` for e from 0 to 1, Q of degree 8: with the sum rounded once, little but the errors of e and of
//! the last addition count.

use super::exp::{self, LOWEST, TAME, reduce};
use super::expm1;
use super::relu::relu;
use super::sigmoid::minus_abs;
use super::{polynomial, polynomials};
use crate::simd::Float32;

/// `(ln(1 + e) - e) / e²` for e from 0 to 1, lowest power first, minimax to 2^-27.5 of the logarithm.
const Q: [f32; 9] = [
    -0.499_999_3,
    0.333_304_64,
    -0.249_580_19,
    0.196_921_02,
    -0.153_448_8,
    0.106_611_28,
    -0.057_457_23,
    0.020_086_242,
    -0.003_290_468_6,
];

/// `ln(1 + e^x)`. 0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn softplus<V: Float32>(x: V) -> V {
    let [y] = third(second(first([x])));
    y
}

/// Each x, and of -|x| the sum and r of [`reduce`].
#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> [[V; N]; 3] {
    let (mut sum, mut r) = (x, x);
    for i in 0..N {
        (sum[i], r[i]) = reduce(minus_abs(x[i]));
    }
    V::in_step(&mut r);
    [x, sum, r]
}

/// Each x and e.
#[inline(always)]
pub(crate) fn second<V: Float32, const N: usize>([x, sum, r]: [[V; N]; 3]) -> [[V; N]; 2] {
    if exp::are_below(x, TAME) {
        return [x, exp::normals(sum, r)];
    }
    let mut e = x;
    for e in &mut e {
        // The constant first: where x is NaN, the maximum chooses x.
        let (sum, r) = reduce(e.constant(LOWEST).max(minus_abs(*e)));
        *e = exp::of_any(sum, r);
    }
    [x, e]
}

#[inline(always)]
pub(crate) fn third<V: Float32, const N: usize>([x, e]: [[V; N]; 2]) -> [V; N] {
    let mut y = polynomials(e, &Q);
    for i in 0..N {
        y[i] = relu(x[i]) + y[i].mul_add(e[i] * e[i], e[i]);
    }
    y
}

/// `ln(1 + e)` for e from 0 to 1.
#[inline(always)]
pub(crate) fn log1p_of_fraction<V: Float32>(e: V) -> V {
    polynomial(e, &Q).mul_add(e * e, e)
}

/// `1 - e^-y`, the derivative where y is the softplus.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(y: V) -> V {
    let zero = y.constant(0.0);
    zero - expm1::expm1(zero - y)
}

/// The [`derivative`] of each.
pub(crate) mod stages {
    use super::*;
    pub(crate) use expm1::second;

    #[inline(always)]
    pub(crate) fn first<V: Float32>(y: [V; 2]) -> [[V; 2]; 4] {
        expm1::first(negated(y))
    }

    #[inline(always)]
    pub(crate) fn third<V: Float32>(terms: [(V, expm1::Terms<V>, V::Bits); 2]) -> [V; 2] {
        negated(expm1::third(terms))
    }

    #[inline(always)]
    fn negated<V: Float32>([x, y]: [V; 2]) -> [V; 2] {
        let zero = x.constant(0.0);
        [zero - x, zero - y]
    }
}
