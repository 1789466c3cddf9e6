//! The part of the table that changes parameters and gradients in place.

use super::{KernelSet, same_length, token};
use crate::fused::{self, Adagrad, Adam, RmsProp, Sgd};
use crate::simd::Simd;

pub(super) struct Updates {
    sgd: fn(&mut [f32], &[f32], f32, f32) -> bool,
    sgd_momentum: fn(&mut [f32], &[f32], &mut [f32], &Sgd) -> bool,
    adam: AdamUpdate,
    rmsprop: RmsPropUpdate,
    adagrad: AdagradUpdate,
    scale: fn(&mut [f32], f32),
    clip: fn(&mut [f32], f32),
}

type AdamUpdate = fn(&mut [f32], &[f32], [&mut [f32]; 2], u64, &Adam) -> bool;
type RmsPropUpdate = fn(&mut [f32], &[f32], &mut [f32], &mut [f32], &RmsProp) -> bool;
type AdagradUpdate = fn(&mut [f32], &[f32], &mut [f32], u64, &Adagrad) -> bool;

entries! {
    sgd(params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) -> bool = fused::sgd::sgd;
    sgd_momentum(params: &mut [f32], grads: &[f32], velocity: &mut [f32], options: &Sgd) -> bool
        = fused::sgd::sgd_momentum;
    adam(params: &mut [f32], grads: &[f32], moments: [&mut [f32]; 2], step: u64, options: &Adam) -> bool
        = fused::adam::adam;
    rmsprop(params: &mut [f32], grads: &[f32], mean_square: &mut [f32], velocity: &mut [f32], options: &RmsProp) -> bool
        = fused::rmsprop::rmsprop;
    adagrad(params: &mut [f32], grads: &[f32], sum_squares: &mut [f32], step: u64, options: &Adagrad) -> bool
        = fused::adagrad::adagrad;
    scale(x: &mut [f32], factor: f32) = fused::update::scale;
    clip(x: &mut [f32], limit: f32) = fused::update::clip;
}

pub(super) const fn table<S: Simd>() -> Updates {
    Updates {
        sgd: sgd::<S>,
        sgd_momentum: sgd_momentum::<S>,
        adam: adam::<S>,
        rmsprop: rmsprop::<S>,
        adagrad: adagrad::<S>,
        scale: scale::<S>,
        clip: clip::<S>,
    }
}

/// An update is one pass over memory. It returns whether every new parameter and state is finite; all are written in
/// either case.
impl KernelSet {
    /// A step of gradient descent, `p = (1 − learning_rate · weight_decay) p − learning_rate g`.
    ///
    /// # Panics
    /// Unless `params` and `grads` have the same length.
    #[track_caller]
    pub fn sgd(&self, params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) -> bool {
        same_length("sgd", ("params", params.len()), ("grads", grads.len()));
        (self.updates.sgd)(params, grads, learning_rate, weight_decay)
    }

    /// A step of gradient descent with momentum, as [`Sgd`] says.
    ///
    /// # Panics
    /// Unless all slices have the same length.
    #[track_caller]
    pub fn sgd_momentum(&self, params: &mut [f32], grads: &[f32], velocity: &mut [f32], options: &Sgd) -> bool {
        same_length("sgd_momentum", ("params", params.len()), ("grads", grads.len()));
        same_length("sgd_momentum", ("params", params.len()), ("velocity", velocity.len()));
        (self.updates.sgd_momentum)(params, grads, velocity, options)
    }

    /// A step of Adam or AdamW, as [`Adam`] says; `moments` are the mean of the gradients and that of their squares, and
    /// `step` counts from 1.
    ///
    /// # Panics
    /// Unless all slices have the same length; if `step` is 0.
    #[track_caller]
    pub fn adam(&self, params: &mut [f32], grads: &[f32], moments: [&mut [f32]; 2], step: u64, options: &Adam) -> bool {
        assert!(step > 0, "adam: step 0, they count from 1");
        same_length("adam", ("params", params.len()), ("grads", grads.len()));
        same_length("adam", ("params", params.len()), ("the first moments", moments[0].len()));
        same_length("adam", ("params", params.len()), ("the second moments", moments[1].len()));
        (self.updates.adam)(params, grads, moments, step, options)
    }

    /// A step of RMSprop, as [`RmsProp`] says; `velocity` is empty where there is no momentum.
    ///
    /// # Panics
    /// Unless all slices have the same length, or `velocity` that of 0 where the momentum is 0.
    #[track_caller]
    pub fn rmsprop(
        &self,
        params: &mut [f32],
        grads: &[f32],
        mean_square: &mut [f32],
        velocity: &mut [f32],
        options: &RmsProp,
    ) -> bool {
        same_length("rmsprop", ("params", params.len()), ("grads", grads.len()));
        same_length("rmsprop", ("params", params.len()), ("mean_square", mean_square.len()));
        let needed = if options.momentum == 0.0 { 0 } else { params.len() };
        same_length("rmsprop", ("a velocity of that momentum", needed), ("velocity", velocity.len()));
        (self.updates.rmsprop)(params, grads, mean_square, velocity, options)
    }

    /// A step of Adagrad, as [`Adagrad`] says; `step` counts from 1.
    ///
    /// # Panics
    /// Unless all slices have the same length; if `step` is 0.
    #[track_caller]
    pub fn adagrad(
        &self,
        params: &mut [f32],
        grads: &[f32],
        sum_squares: &mut [f32],
        step: u64,
        options: &Adagrad,
    ) -> bool {
        assert!(step > 0, "adagrad: step 0, they count from 1");
        same_length("adagrad", ("params", params.len()), ("grads", grads.len()));
        same_length("adagrad", ("params", params.len()), ("sum_squares", sum_squares.len()));
        (self.updates.adagrad)(params, grads, sum_squares, step, options)
    }

    /// `x[i] *= factor`.
    pub fn scale(&self, x: &mut [f32], factor: f32) {
        (self.updates.scale)(x, factor);
    }

    /// `x[i] = min(max(x[i], −limit), limit)`, as `torch.nn.utils.clip_grad_value_` has it; NaN stays.
    pub fn clip(&self, x: &mut [f32], limit: f32) {
        (self.updates.clip)(x, limit);
    }
}
