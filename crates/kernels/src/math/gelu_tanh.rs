//! `x / 2 (1 + tanh u) = x σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`: the approximation of GELU by Hendrycks and Gimpel,
//! "Gaussian Error Linear Units", 2016.

use super::sigmoid;
use super::silu::{Differences, Gates, gated_derivative};
use crate::simd::Float32;

/// `2 √(2/π)` and `0.044715` times that.
const LINEAR: f32 = 1.595_769_2;
const CUBIC: f32 = 0.071_354_814;
/// Here v is 127 ln 2, so that 2^-n is taken for 0: what is left of σ(-v) is nothing beside 2^-24, and would be subnormal,
/// which takes some CPUs a hundred cycles.
const HIGHEST: f32 = 10.03;

/// `x σ(2u)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn gelu_tanh<V: Float32>(x: V) -> V {
    let [y] = third(second(first([x])));
    y
}

#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> Gates<V, N> {
    let (mut x_abs, mut v) = (x, x);
    for (a, v) in x_abs.iter_mut().zip(&mut v) {
        // The constant first: where x is NaN, the minimum chooses x.
        *a = a.constant(HIGHEST).min(a.abs());
        *v = *a * (*a * *a).mul_add(a.constant(CUBIC), a.constant(LINEAR));
    }
    Gates::new(x, x_abs, v, 1.0)
}

#[inline(always)]
pub(crate) fn second<V: Float32, const N: usize>(gates: Gates<V, N>) -> Differences<V, N> {
    gates.differences(1.0)
}

#[inline(always)]
pub(crate) fn third<V: Float32, const N: usize>(differences: Differences<V, N>) -> [V; N] {
    differences.values()
}

/// `σ(v) + x σ(v) σ(-v) v'` with `v = 2u`, the derivative.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(x: V) -> V {
    let [x, minus_abs, d_v] = slopes(x);
    gated_derivative(x, sigmoid::sigmoid(minus_abs), d_v)
}

/// x, in bounds, `-|v|` and v'.
#[inline(always)]
fn slopes<V: Float32>(x: V) -> [V; 3] {
    // The constants first: where x is NaN, both choose x.
    let x = x.constant(HIGHEST).min(x.constant(-HIGHEST).max(x));
    let (square, linear) = (x * x, x.constant(LINEAR));
    let v = x * square.mul_add(x.constant(CUBIC), linear);
    [x, sigmoid::minus_abs(v), square.mul_add(x.constant(3.0 * CUBIC), linear)]
}

/// The [`derivative`] of each.
pub(crate) mod stages {
    use super::*;

    /// Each x, in bounds, v' and the first stage of `σ(-|v|)`.
    #[inline(always)]
    pub(crate) fn first<V: Float32>([x, y]: [V; 2]) -> ([[V; 2]; 2], sigmoid::Reduced<V>) {
        let ([x, v, d_x], [y, w, d_y]) = (slopes(x), slopes(y));
        ([[x, y], [d_x, d_y]], sigmoid::first([v, w]))
    }

    #[inline(always)]
    pub(crate) fn second<V: Float32>(
        (x, v): ([[V; 2]; 2], sigmoid::Reduced<V>),
    ) -> ([[V; 2]; 2], [sigmoid::Quotient<V>; 2]) {
        (x, sigmoid::second(v))
    }

    #[inline(always)]
    pub(crate) fn third<V: Float32>(([x, d_v], below): ([[V; 2]; 2], [sigmoid::Quotient<V>; 2])) -> [V; 2] {
        let below = sigmoid::third(below);
        [gated_derivative(x[0], below[0], d_v[0]), gated_derivative(x[1], below[1], d_v[1])]
    }
}
