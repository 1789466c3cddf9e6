//! Adam and AdamW.

use super::update::{constant, power, update};
use crate::simd::{Float, Float32, Simd};

/// Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, as
/// [`torch.optim.Adam`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html) has it, with its defaults; and
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019: see [`adamw`](Self::adamw).
///
/// In step t, counted from 1, with the moments m and v, 0 before the first: `g += weight_decay p` or, decoupled,
/// `p -= learning_rate weight_decay p`; then `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g²`,
/// `p -= learning_rate / (1 - beta1^t) · m / (√v / √(1 - beta2^t) + epsilon)`.
///
/// The factors are computed in f64, the powers by repeated squaring, and rounded to f32.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Adam {
    /// About the largest change of a parameter in a step; 1e-3.
    pub learning_rate: f64,
    /// How much of the mean of the gradients is kept; 0.9.
    pub beta1: f64,
    /// How much of the mean of their squares is kept; 0.999.
    pub beta2: f64,
    /// What is added to the root of that mean; 1e-8.
    pub epsilon: f64,
    /// The strength of the pull towards 0; 0.
    pub weight_decay: f64,
    /// Whether the weight decay shrinks the parameters themselves, as in AdamW, and does not go through the moments; no.
    pub decoupled_weight_decay: bool,
}

impl Adam {
    /// [`torch.optim.AdamW`](https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html) with its defaults: decoupled
    /// weight decay of 0.01.
    pub fn adamw() -> Self {
        Adam { weight_decay: 1e-2, decoupled_weight_decay: true, ..Adam::default() }
    }
}

impl Default for Adam {
    fn default() -> Self {
        Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled_weight_decay: false,
        }
    }
}

#[inline(always)]
pub(crate) fn adam<S: Simd>(
    s: S,
    params: &mut [f32],
    grads: &[f32],
    moments: [&mut [f32]; 2],
    step: u64,
    options: &Adam,
) -> bool {
    let &Adam { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled_weight_decay } = options;
    let (penalty, keep) =
        if decoupled_weight_decay { (0.0, 1.0 - learning_rate * weight_decay) } else { (weight_decay, 1.0) };
    let (penalty, keep) = (constant(s, penalty), constant(s, keep));
    let rate = constant(s, learning_rate / (1.0 - power(beta1, step)));
    let root_scale = constant(s, 1.0 / (1.0 - power(beta2, step)).sqrt());
    let (beta1, rest1) = (constant(s, beta1), constant(s, 1.0 - beta1));
    let (beta2, rest2) = (constant(s, beta2), constant(s, 1.0 - beta2));
    let epsilon = constant(s, epsilon);
    update(
        s,
        params,
        grads,
        moments,
        #[inline(always)]
        |p, g, [m, v]| {
            let g = penalty.mul_add(p, g);
            let m = beta1.mul_add(m, rest1 * g);
            let v = beta2.mul_add(v, rest2 * g * g);
            let denominator = v.sqrt().mul_add(root_scale, epsilon);
            (rate.neg_mul_add(m / denominator, keep * p), [m, v])
        },
    )
}
