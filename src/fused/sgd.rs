//! Gradient descent with weight decay, `p = (1 - lr wd) p - lr g`.

use crate::simd::{Float, Simd};

#[inline(always)]
pub(crate) fn sgd<S: Simd>(s: S, params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) {
    let keep = S::F32::splat(s, (-learning_rate).mul_add(weight_decay, 1.0));
    let rate = S::F32::splat(s, learning_rate);
    let lanes = S::F32::LANES;
    let (mut params, mut grads) = (params.chunks_exact_mut(lanes), grads.chunks_exact(lanes));
    for (p, g) in (&mut params).zip(&mut grads) {
        rate.neg_mul_add(S::F32::load(s, g), keep * S::F32::load(s, p)).store(p);
    }
    let (p, g) = (params.into_remainder(), grads.remainder());
    rate.neg_mul_add(S::F32::load_partial(s, g), keep * S::F32::load_partial(s, p)).store_partial(s, p);
}
