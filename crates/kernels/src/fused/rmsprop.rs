//! RMSprop.

use super::update::{constant, update};
use crate::simd::{Float, Float32, Simd};

/// Hinton's RMSprop as [`torch.optim.RMSprop`](https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html) has it,
/// with its defaults; not centred.
///
/// With the mean square v, 0 before the first step: `g += weight_decay p`, `v = alpha v + (1 - alpha) g²`,
/// `p -= learning_rate g / (√v + epsilon)`. With momentum and the velocity b, 0 before the first step:
/// `b = momentum b + g / (√v + epsilon)`, `p -= learning_rate b`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct RmsProp {
    /// The step along the scaled gradient; 0.01.
    pub learning_rate: f64,
    /// How much of the mean of the squares is kept; 0.99.
    pub alpha: f64,
    /// What is added to the root of that mean; 1e-8.
    pub epsilon: f64,
    /// The strength of the penalty `weight_decay/2 Σ p²` that the gradient takes in; 0.
    pub weight_decay: f64,
    /// How much of the velocity is kept; 0, which needs none.
    pub momentum: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp { learning_rate: 1e-2, alpha: 0.99, epsilon: 1e-8, weight_decay: 0.0, momentum: 0.0 }
    }
}

/// `velocity` is empty where there is no momentum.
#[inline(always)]
pub(crate) fn rmsprop<S: Simd>(
    s: S,
    params: &mut [f32],
    grads: &[f32],
    mean_square: &mut [f32],
    velocity: &mut [f32],
    options: &RmsProp,
) -> bool {
    let factors = Factors {
        penalty: constant(s, options.weight_decay),
        alpha: constant(s, options.alpha),
        rest: constant(s, 1.0 - options.alpha),
        epsilon: constant(s, options.epsilon),
    };
    let (rate, momentum) = (constant(s, options.learning_rate), constant(s, options.momentum));
    if options.momentum == 0.0 {
        update(
            s,
            params,
            grads,
            [mean_square],
            #[inline(always)]
            |p, g, [v]| {
                let (g, v) = scaled(p, g, v, factors);
                (rate.neg_mul_add(g, p), [v])
            },
        )
    } else {
        update(
            s,
            params,
            grads,
            [mean_square, velocity],
            #[inline(always)]
            |p, g, [v, b]| {
                let (g, v) = scaled(p, g, v, factors);
                let b = momentum.mul_add(b, g);
                (rate.neg_mul_add(b, p), [v, b])
            },
        )
    }
}

#[derive(Clone, Copy)]
struct Factors<V> {
    penalty: V,
    alpha: V,
    rest: V,
    epsilon: V,
}

/// The scaled gradient and the new mean square.
#[inline(always)]
fn scaled<V: Float32>(p: V, g: V, v: V, factors: Factors<V>) -> (V, V) {
    let g = factors.penalty.mul_add(p, g);
    let v = factors.alpha.mul_add(v, factors.rest * g * g);
    (g / (v.sqrt() + factors.epsilon), v)
}
