//! `x Φ(x)`, Φ the distribution function of the normal distribution, `(1 + erf(x / √2)) / 2`.
//!
//! `Φ(-a) = 2^(a g(a)) / 2` with g a polynomial. From `a Φ(-a)` the result is had as in `silu`. The error of g matters by
//! Φ(-a) times as much: that is small beside |x| everywhere, though not beside the results of the negative tail.

use super::exp::{LOG2_E, exp2_of_rests, reduce_product};
use super::polynomials;
use crate::simd::{Float32, Int32};

/// `log2(2 Φ(-a)) / a` for a from 0 to 5.4, lowest power first, minimax to 2^-26.9 of Φ(-a); beyond, it goes on falling.
const G: [f32; 8] = [
    -1.151_105_2,
    -0.459_208_52,
    -0.052_495_245,
    0.007_062_108,
    -0.000_135_946_61,
    -0.000_186_587_84,
    3.946_365_5e-5,
    -2.842_149_6e-6,
];
/// Here the density is `2^-127 / √(2π)`, as for [`HIGHEST`].
const DENSITY_HIGHEST: f32 = 13.266;
/// `1 / √(2π)`
const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
/// Here `a g(a)` is -126, so that [`exp2_or_zero`] gives 0: beside |x| so is Φ(-a).
const HIGHEST: f32 = 9.953;

/// `x Φ(x)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn gelu<V: Float32>(x: V) -> V {
    let [y] = third(second(first([x])));
    y
}

/// Each x, `a = |x|`, at most [`HIGHEST`], and `g(a)`.
#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> [[V; N]; 3] {
    let mut a = x;
    for a in &mut a {
        // The constant first: where x is NaN, the minimum chooses x.
        *a = a.constant(HIGHEST).min(a.abs());
    }
    [x, a, polynomials(a, &G)]
}

/// Each x, a and `Φ(-a)`.
#[inline(always)]
pub(crate) fn second<V: Float32, const N: usize>([x, a, g]: [[V; N]; 3]) -> [[V; N]; 3] {
    let (mut sum, mut f) = (x, x);
    for i in 0..N {
        (sum[i], f[i]) = reduce_product(a[i], g[i]);
    }
    [x, a, exp2_or_zero([sum, f], 0.5)]
}

#[inline(always)]
pub(crate) fn third<V: Float32, const N: usize>([x, a, below]: [[V; N]; 3]) -> [V; N] {
    let mut y = x;
    for i in 0..N {
        y[i] = a[i].neg_mul_add(below[i], x[i].constant(-0.0).max(x[i]));
    }
    y
}

/// `2^(n + f)` times a power of two, from what [`reduce_product`] gives. Where that power of two times 2^n has the exponent of
/// 0, it is 0: subnormal results, of which this leaves few, take some CPUs a hundred cycles.
#[inline(always)]
fn exp2_or_zero<V: Float32, const N: usize>([sum, f]: [[V; N]; 2], one: f32) -> [V; N] {
    let mut y = exp2_of_rests(f, 1.0);
    for (y, sum) in y.iter_mut().zip(sum) {
        *y = *y * (sum.to_bits().shift_left::<23>() + sum.constant(one).to_bits()).bits_to_float();
    }
    y
}

/// `Φ(x) + x φ(x)` with φ the density of the normal distribution, the derivative.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(x: V) -> V {
    let [y] = stages::third(stages::of_any([x]));
    y
}

/// The [`derivative`] of each.
pub(crate) mod stages {
    use super::*;

    /// Where |x| is less, both powers of two are normal numbers.
    const TAME: f32 = 9.0;

    /// What is known of each x after the first stage: `g(|x|)`, x² and what [`reduce_product`] makes of the density's logarithm.
    #[derive(Clone, Copy)]
    pub(crate) struct Powers<V, const N: usize> {
        x: [V; N],
        g: [V; N],
        square: [V; N],
        density: [[V; N]; 2],
    }

    #[inline(always)]
    pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> Powers<V, N> {
        let (mut a, mut square, mut sum, mut f) = (x, x, x, x);
        for i in 0..N {
            a[i] = x[i].abs();
            square[i] = x[i] * x[i];
            (sum[i], f[i]) = density(square[i]);
        }
        Powers { x, g: polynomials(a, &G), square, density: [sum, f] }
    }

    #[inline(always)]
    fn density<V: Float32>(square: V) -> (V, V) {
        reduce_product(square, square.constant(-0.5 * LOG2_E))
    }

    /// Each x, in bounds, `Φ(-|x|)` and `√(2π) φ(x)`.
    #[inline(always)]
    pub(crate) fn second<V: Float32, const N: usize>(powers: Powers<V, N>) -> [[V; N]; 3] {
        let Powers { x, g, square, density } = powers;
        let mut squares = square[0];
        for square in &square[1..] {
            squares = squares + *square;
        }
        if !V::all(squares.lt(squares.constant(TAME * TAME))) {
            return of_any(x);
        }
        let (mut sum, mut f) = (x, x);
        for i in 0..N {
            (sum[i], f[i]) = reduce_product(x[i].abs(), g[i]);
        }
        [x, exp2_of_normal([sum, f], 0.5), exp2_of_normal(density, 1.0)]
    }

    #[inline(always)]
    pub(super) fn of_any<V: Float32, const N: usize>(x: [V; N]) -> [[V; N]; 3] {
        let (mut x, mut sum, mut f) = (x, x, x);
        for i in 0..N {
            // The constants first: where x is NaN, both choose x.
            x[i] = x[i].constant(DENSITY_HIGHEST).min(x[i].constant(-DENSITY_HIGHEST).max(x[i]));
            (sum[i], f[i]) = density(x[i] * x[i]);
        }
        let [_, _, below] = super::second(super::first(x));
        [x, below, exp2_or_zero([sum, f], 1.0)]
    }

    #[inline(always)]
    pub(crate) fn third<V: Float32, const N: usize>([x, below, power]: [[V; N]; 3]) -> [V; N] {
        let mut y = x;
        for i in 0..N {
            let cdf = V::select(x[i].lt(x[i].constant(0.0)), below[i], x[i].constant(1.0) - below[i]);
            y[i] = (power[i] * x[i].constant(FRAC_1_SQRT_2PI)).mul_add(x[i], cdf);
        }
        y
    }

    /// `2^(n + f)` times a power of two from what [`reduce_product`] gives, where that is a normal number: n is added to the
    /// exponent.
    #[inline(always)]
    fn exp2_of_normal<V: Float32, const N: usize>([sum, f]: [[V; N]; 2], factor: f32) -> [V; N] {
        let mut y = exp2_of_rests(f, factor);
        for (y, sum) in y.iter_mut().zip(sum) {
            *y = (y.to_bits() + sum.to_bits().shift_left::<23>()).bits_to_float();
        }
        y
    }
}
