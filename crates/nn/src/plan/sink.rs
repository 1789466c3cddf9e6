//! Where the gradients of parameters go.

use std::ops::Range;

use kernels::fused::RankOne;
use kernels::{KernelSet, MatMut, MatRef};

use super::Update;
use crate::layers::linear::linear_backward_weight;
use crate::layers::norm::{Affine, NormState};

/// What the backward pass gives the gradients of a stage to, once their own parameters are no longer read: from the last
/// parameter in the arena to the first.
pub(super) trait Sink {
    /// The arena of parameters.
    fn params(&self) -> &[f32];

    /// The gradient of the bias at `place` is the sum of the rows of `d_z`.
    fn bias(&mut self, place: &Range<usize>, d_z: &[f32]);

    /// `xᵀ d_z` is the gradient of the weight at `place`, which is a matrix of `shape`.
    fn weight(&mut self, place: &Range<usize>, shape: (usize, usize), x: &[f32], d_z: &[f32]);

    /// The gradients of a norm are the sums of those of `states`.
    fn affine(&mut self, affine: &Affine, states: &[NormState]);
}

/// Stores gradients of all rows, or updates by them at once.
pub(super) struct Direct<'a> {
    pub(super) update: Update,
    pub(super) kernels: &'static KernelSet,
    pub(super) params: &'a mut [f32],
    pub(super) gradients: &'a mut [f32],
    /// Room for the gradient of a bias.
    pub(super) d_bias: &'a mut [f32],
    /// The next row, and room for its product with the first weight, where that is wanted.
    pub(super) next: Option<(&'a [f32], &'a mut [f32])>,
    /// Whether the product was computed in passing.
    pub(super) next_is_there: bool,
}

impl Direct<'_> {
    fn vector(update: Update, kernels: &KernelSet, to: (&mut [f32], &mut [f32]), place: &Range<usize>, d: &[f32]) {
        let (params, gradients) = to;
        match update {
            Update::Store => gradients[place.clone()].copy_from_slice(d),
            Update::Descend { learning_rate, weight_decay } => {
                kernels.sgd(&mut params[place.clone()], d, learning_rate, weight_decay);
            }
        }
    }
}

impl Sink for Direct<'_> {
    fn params(&self) -> &[f32] {
        self.params
    }

    fn bias(&mut self, place: &Range<usize>, d_z: &[f32]) {
        let d_bias = &mut self.d_bias[..place.len()];
        self.kernels.column_sums(place.len(), d_z, d_bias);
        Self::vector(self.update, self.kernels, (self.params, self.gradients), place, d_bias);
    }

    fn weight(&mut self, place: &Range<usize>, (inputs, outputs): (usize, usize), x: &[f32], d_z: &[f32]) {
        let (alpha, beta, arena) = match self.update {
            Update::Store => (1.0, 0.0, &mut *self.gradients),
            Update::Descend { learning_rate, weight_decay } => {
                (-learning_rate, (-learning_rate).mul_add(weight_decay, 1.0), &mut *self.params)
            }
        };
        let d_weight = &mut arena[place.clone()];
        let rows = x.len() / inputs;
        if rows == 1 && beta != 0.0 {
            let step = RankOne { x, d: d_z, rate: -alpha, keep: beta };
            // The first weight lies first.
            match self.next.take_if(|_| place.start == 0) {
                Some((next, product)) => {
                    self.kernels.rank_one_descent_then_product(step, d_weight, next, product);
                    self.next_is_there = true;
                }
                None => self.kernels.rank_one_descent(step, d_weight),
            }
            return;
        }
        let (x, d_z) = (MatRef::from_row_major(x, rows, inputs), MatRef::from_row_major(d_z, rows, outputs));
        let d_weight = MatMut::from_row_major(d_weight, inputs, outputs);
        linear_backward_weight(self.kernels, alpha, x, d_z, beta, d_weight);
    }

    fn affine(&mut self, affine: &Affine, states: &[NormState]) {
        for (d_weight, d_bias) in states.iter().map(NormState::sums) {
            for (place, d) in [(&affine.bias, d_bias), (&affine.weight, d_weight)] {
                Self::vector(self.update, self.kernels, (self.params, self.gradients), place, d);
            }
        }
    }
}
