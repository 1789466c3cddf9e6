//! Binary cross-entropy of logits, `L = Σ_j max(z, 0) - z t + ln(1 + e^-|z|)`.
//!
//! The gradient `σ(z) - t` is computed as `(1 - t) σ(z) - t σ(-z)`, which does not cancel: for a target of 1 it is
//! `-σ(-z)`, also where σ(z) rounds to 1. With `e = exp(-|z|)` both logistics are quotients by `1 + e`, of 1 and of e.

use super::element_wise;
use crate::math::{exp::exp, log1p, relu::relu};
use crate::simd::{Float32, Simd};

#[inline(always)]
pub(crate) fn bce<S: Simd>(s: S, logits: &[f32], target: &[f32], scale: f32, d_logits: &mut [f32]) -> f64 {
    element_wise(
        s,
        logits,
        target,
        d_logits,
        scale,
        #[inline(always)]
        |z, t| one_sided(z, t),
        #[inline(always)]
        |loss| loss.widen(),
    )
}

/// `(e, 1 + e, whether z < 0)`
#[inline(always)]
fn parts<V: Float32>(z: V) -> (V, V, V::Mask) {
    let zero = z.constant(0.0);
    let e = exp(zero - z.abs());
    (e, z.constant(1.0) + e, z.lt(zero))
}

/// The loss and its gradient for the target t.
#[inline(always)]
pub(crate) fn one_sided<V: Float32>(z: V, t: V) -> (V, V) {
    let one = z.constant(1.0);
    let (e, one_and_e, negative) = parts(z);
    let loss = z.neg_mul_add(t, relu(z)) + log1p::finite(e);
    let (sigmoid, complement) = (V::select(negative, e, one), V::select(negative, one, e));
    (loss, t.neg_mul_add(complement, (one - t) * sigmoid) / one_and_e)
}
