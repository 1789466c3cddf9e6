//! Bounds on gradients.

use kernels::KernelSet;

use super::positive;
use crate::error::Result;

/// A bound on the gradients of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Clip {
    /// Each element is at most this away from 0, as `torch.nn.utils.clip_grad_value_` has it.
    Value(f64),
    /// All are scaled alike so that the root n of the sum of their squares, over all parameters, is at most this: by
    /// `limit / (n + 1e-6)` where that is below 1, as `torch.nn.utils.clip_grad_norm_` has it. The sum is taken in f64.
    Norm(f64),
}

impl Clip {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Clip::Value(limit) => positive("the limit of clipping by value", limit),
            Clip::Norm(limit) => positive("the limit of clipping by norm", limit),
        }
    }

    /// A norm that is not finite changes nothing: the update finds out.
    pub(crate) fn apply(self, kernels: &KernelSet, grads: &mut [f32]) {
        match self {
            Clip::Value(limit) => kernels.clip(grads, limit as f32),
            Clip::Norm(limit) => {
                let norm = kernels.sum_squares_f64(grads).sqrt();
                let factor = limit / (norm + 1e-6);
                if factor < 1.0 && norm.is_finite() {
                    kernels.scale(grads, factor as f32);
                }
            }
        }
    }
}
