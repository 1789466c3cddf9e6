//! `x / (1 + exp(-x))`.
//!
//! With `e^|v| = E / t` as in `sigmoid`, `|x| σ(-|v|) = |x| / (E + t) t`: one division, scaled by a power of two. That is
//! minus the result where x is below 0; elsewhere it is what x exceeds the result by.

use super::exp::{reduce, slopes};
use super::sigmoid::{self, SHIFTED_ONE};
use crate::simd::{Float, Float32, Int32};

/// Beyond this `x σ(-x)` rounds to 0.
const HIGHEST: f32 = 110.0;

/// `x σ(x)`. ±0 for ±0, -0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn silu<V: Float32>(x: V) -> V {
    let [y] = third(second(first([x])));
    y
}

#[inline(always)]
pub(crate) fn first<V: Float32, const N: usize>(x: [V; N]) -> Gates<V, N> {
    let mut x_abs = x;
    for x_abs in &mut x_abs {
        *x_abs = magnitude(*x_abs);
    }
    Gates::new(x, x_abs, x_abs, SHIFTED_ONE)
}

#[inline(always)]
pub(crate) fn second<V: Float32, const N: usize>(gates: Gates<V, N>) -> Differences<V, N> {
    gates.differences(SHIFTED_ONE)
}

#[inline(always)]
pub(crate) fn third<V: Float32, const N: usize>(differences: Differences<V, N>) -> [V; N] {
    differences.values()
}

#[inline(always)]
fn magnitude<V: Float>(x: V) -> V {
    // The constant first: where x is NaN, the minimum chooses x.
    x.constant(HIGHEST.into()).min(x.abs())
}

/// What each `x σ(v)` takes, in three stages: x, and `e^|v| = E / t` by t, times some power of two, and r; n is |x| times that t.
#[derive(Clone, Copy)]
pub(crate) struct Gates<V, const N: usize> {
    x: [V; N],
    n: [V; N],
    t: [V; N],
    r: [V; N],
}

impl<V: Float32, const N: usize> Gates<V, N> {
    /// From each x, |x| and |v| for v of the sign of x. `one` times `2^-k` must be a normal number or, where its exponent is that
    /// of 0, is taken for 0, with k the nearest whole number to `|v| / ln 2`.
    #[inline(always)]
    pub(crate) fn new(x: [V; N], x_abs: [V; N], v_abs: [V; N], one: f32) -> Self {
        let (mut n, mut t, mut r) = (x, x, x);
        for i in 0..N {
            let sum;
            (sum, r[i]) = reduce(v_abs[i]);
            t[i] = (x[i].constant(one).to_bits() - sum.to_bits().shift_left::<23>()).bits_to_float();
            // Exact, so only the division rounds, also where the result is subnormal.
            n[i] = x_abs[i] * t[i];
        }
        V::in_step(&mut r);
        Gates { x, n, t, r }
    }

    #[inline(always)]
    pub(crate) fn differences(self, one: f32) -> Differences<V, N> {
        let Gates { x, n, t, r } = self;
        let mut d = slopes(r, one);
        for i in 0..N {
            d[i] = r[i].mul_add(d[i], t[i]) + x[i].constant(one);
        }
        Differences { x, n, d }
    }
}

/// What is left of each x, or of 0 if x is below it, less `n / d`.
#[derive(Clone, Copy)]
pub(crate) struct Differences<V, const N: usize> {
    x: [V; N],
    n: [V; N],
    d: [V; N],
}

impl<V: Float, const N: usize> Differences<V, N> {
    #[inline(always)]
    pub(crate) fn values(self) -> [V; N] {
        let Differences { x, n, d } = self;
        let mut y = x;
        for i in 0..N {
            y[i] = x[i].constant((-0.0).into()).max(x[i]) - n[i] / d[i];
        }
        y
    }
}

/// `σ(x) + x σ(x) σ(-x)`, the derivative.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(x: V) -> V {
    of_sigmoid(x, sigmoid::sigmoid(sigmoid::minus_abs(x)))
}

/// From `σ(-|x|)`.
#[inline(always)]
fn of_sigmoid<V: Float32>(x: V, below: V) -> V {
    // The constants first: where x is NaN, both choose x.
    let x = x.constant(HIGHEST).min(x.constant(-HIGHEST).max(x));
    gated_derivative(x, below, x.constant(1.0))
}

/// The [`derivative`] of each.
pub(crate) mod stages {
    use super::*;

    /// Each x and the first stage of `σ(-|x|)`.
    #[inline(always)]
    pub(crate) fn first<V: Float32>([x, y]: [V; 2]) -> ([V; 2], sigmoid::Reduced<V>) {
        ([x, y], sigmoid::first([sigmoid::minus_abs(x), sigmoid::minus_abs(y)]))
    }

    #[inline(always)]
    pub(crate) fn second<V: Float32>((x, v): ([V; 2], sigmoid::Reduced<V>)) -> ([V; 2], [sigmoid::Quotient<V>; 2]) {
        (x, sigmoid::second(v))
    }

    #[inline(always)]
    pub(crate) fn third<V: Float32>((x, below): ([V; 2], [sigmoid::Quotient<V>; 2])) -> [V; 2] {
        let below = sigmoid::third(below);
        [of_sigmoid(x[0], below[0]), of_sigmoid(x[1], below[1])]
    }
}

/// `σ(v) + x σ(v) σ(-v) v'` from x of the sign of v, `σ(-|v|)` and v'.
#[inline(always)]
pub(crate) fn gated_derivative<V: Float>(x: V, below: V, d_v: V) -> V {
    let above = x.constant(1.0.into()) - below;
    let sigmoid = V::select(x.lt(x.constant(0.0.into())), below, above);
    (below * above).mul_add(x * d_v, sigmoid)
}
