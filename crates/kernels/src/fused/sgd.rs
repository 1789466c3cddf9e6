//! Gradient descent with weight decay, `p = (1 - lr wd) p - lr g`, and with momentum.

use super::update::{constant, update};
use crate::simd::{Float, Simd};

/// Gradient descent as [`torch.optim.SGD`](https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html) has it, with
/// its defaults; there is no dampening.
///
/// With the velocity b, 0 before the first step: `g += weight_decay p`, `b = momentum b + g`, then
/// `p -= learning_rate b` or, for Nesterov, `p -= learning_rate (g + momentum b)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Sgd {
    /// The step along the direction; 1e-3.
    pub learning_rate: f64,
    /// How much of the velocity is kept; 0.
    pub momentum: f64,
    /// Whether the gradient is taken as if ahead by the velocity; no.
    pub nesterov: bool,
    /// The strength of the penalty `weight_decay/2 Σ p²` that the gradient takes in; 0.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { learning_rate: 1e-3, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

#[inline(always)]
pub(crate) fn sgd<S: Simd>(s: S, params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) -> bool {
    let keep = S::F32::splat(s, (-learning_rate).mul_add(weight_decay, 1.0));
    let rate = S::F32::splat(s, learning_rate);
    update(
        s,
        params,
        grads,
        [],
        #[inline(always)]
        |p, g, []| (rate.neg_mul_add(g, keep * p), []),
    )
}

#[inline(always)]
pub(crate) fn sgd_momentum<S: Simd>(
    s: S,
    params: &mut [f32],
    grads: &[f32],
    velocity: &mut [f32],
    options: &Sgd,
) -> bool {
    let (rate, momentum) = (constant(s, options.learning_rate), constant(s, options.momentum));
    let penalty = constant(s, options.weight_decay);
    if options.nesterov {
        update(
            s,
            params,
            grads,
            [velocity],
            #[inline(always)]
            |p, g, [b]| {
                let g = penalty.mul_add(p, g);
                let b = momentum.mul_add(b, g);
                (rate.neg_mul_add(momentum.mul_add(b, g), p), [b])
            },
        )
    } else {
        update(
            s,
            params,
            grads,
            [velocity],
            #[inline(always)]
            |p, g, [b]| {
                let b = momentum.mul_add(b, penalty.mul_add(p, g));
                (rate.neg_mul_add(b, p), [b])
            },
        )
    }
}
