//! Binary cross-entropy of logits, `L = Σ_j max(z, 0) - z t + ln(1 + e^-|z|)`.
//!
//! The gradient `σ(z) - t` is computed as `(1 - t) σ(z) - t σ(-z)`, which does not cancel: for a target of 1 it is
//! `-σ(-z)`, also where σ(z) rounds to 1. With `e = exp(-|z|)` both logistics are quotients by `1 + e`, of 1 and of e.
//!
//! With a weight p of positives, and the target smoothed to `t' = (1 - α) t + α / 2`, the loss is
//! `u ln(1 + e^z) + v ln(1 + e^-z)`, `u = 1 - t'` and `v = p t'`; its gradient is `u σ(z) - v σ(-z)`.

use super::element_wise::{Elements, plain, weighted};
use super::options::Weighting;
use crate::math::{exp::exp, relu::relu, softplus::log1p_of_fraction};
use crate::simd::{Float, Float32, Simd};

/// What changes the terms of the loss.
pub(crate) struct Targets<'a> {
    /// p of each column.
    pub(crate) positive_weights: Option<&'a [f32]>,
    /// α
    pub(crate) smoothing: f32,
}

#[inline(always)]
pub(crate) fn bce<S: Simd>(s: S, elements: Elements<'_>, targets: &Targets<'_>, weighting: &mut Weighting<'_>) -> f64 {
    let Targets { positive_weights, smoothing } = *targets;
    let sum = if positive_weights.is_some() || smoothing != 0.0 {
        let (keep, offset) = (S::F32::splat(s, 1.0 - smoothing), S::F32::splat(s, 0.5 * smoothing));
        weighted(
            s,
            elements,
            weighting,
            positive_weights,
            #[inline(always)]
            |z, t, positive| {
                let t = keep.mul_add(t, offset);
                two_sided(z, z.constant(1.0) - t, positive * t)
            },
            #[inline(always)]
            |loss| loss.widen(),
        )
    } else if weighting.is_plain() {
        plain(
            s,
            elements,
            weighting.scale,
            #[inline(always)]
            |z, t| one_sided(z, t),
            #[inline(always)]
            |loss| loss.widen(),
        )
    } else {
        weighted(
            s,
            elements,
            weighting,
            None,
            #[inline(always)]
            |z, t, _| one_sided(z, t),
            #[inline(always)]
            |loss| loss.widen(),
        )
    };
    weighting.scale * sum
}

/// `(e, 1 + e, whether z < 0)`
#[inline(always)]
fn parts<V: Float32>(z: V) -> (V, V, V::Mask) {
    let zero = z.constant(0.0);
    let [e] = exp([zero - z.abs()]);
    (e, z.constant(1.0) + e, z.lt(zero))
}

/// The loss and its gradient for the target t.
#[inline(always)]
pub(crate) fn one_sided<V: Float32>(z: V, t: V) -> (V, V) {
    let one = z.constant(1.0);
    let (e, one_and_e, negative) = parts(z);
    let loss = z.neg_mul_add(t, relu(z)) + log1p_of_fraction(e);
    let (sigmoid, complement) = (V::select(negative, e, one), V::select(negative, one, e));
    (loss, t.neg_mul_add(complement, (one - t) * sigmoid) / one_and_e)
}

/// The same for the weights u of a target of 0 and v of a target of 1.
#[inline(always)]
fn two_sided<V: Float32>(z: V, u: V, v: V) -> (V, V) {
    let (zero, one) = (z.constant(0.0), z.constant(1.0));
    let (e, one_and_e, negative) = parts(z);
    let linear = V::select(negative, v * (zero - z), u * z);
    let loss = (u + v).mul_add(log1p_of_fraction(e), linear);
    let (sigmoid, complement) = (V::select(negative, e, one), V::select(negative, one, e));
    (loss, v.neg_mul_add(complement, u * sigmoid) / one_and_e)
}
