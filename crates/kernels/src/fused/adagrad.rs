//! Adagrad.

use super::update::{constant, update};
use crate::simd::{Float, Float32, Simd};

/// Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011, as
/// [`torch.optim.Adagrad`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html) has it, with its defaults.
///
/// In step t, counted from 1, with the sum of squares v: `g += weight_decay p`, `v += g²`,
/// `p -= learning_rate / (1 + (t - 1) learning_rate_decay) · g / (√v + epsilon)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Adagrad {
    /// The step along the scaled gradient; 0.01.
    pub learning_rate: f64,
    /// How fast the learning rate falls with the number of steps; 0.
    pub learning_rate_decay: f64,
    /// The strength of the penalty `weight_decay/2 Σ p²` that the gradient takes in; 0.
    pub weight_decay: f64,
    /// The sum of squares before the first step; 0. It is the caller's to fill the state with it.
    pub initial_accumulator: f64,
    /// What is added to the root of the sum; 1e-10.
    pub epsilon: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad {
            learning_rate: 1e-2,
            learning_rate_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator: 0.0,
            epsilon: 1e-10,
        }
    }
}

#[inline(always)]
pub(crate) fn adagrad<S: Simd>(
    s: S,
    params: &mut [f32],
    grads: &[f32],
    sum_squares: &mut [f32],
    step: u64,
    options: &Adagrad,
) -> bool {
    let rate = constant(s, options.learning_rate / (1.0 + (step - 1) as f64 * options.learning_rate_decay));
    let (penalty, epsilon) = (constant(s, options.weight_decay), constant(s, options.epsilon));
    update(
        s,
        params,
        grads,
        [sum_squares],
        #[inline(always)]
        |p, g, [v]| {
            let g = penalty.mul_add(p, g);
            let v = g.mul_add(g, v);
            (rate.neg_mul_add(g / (v.sqrt() + epsilon), p), [v])
        },
    )
}
