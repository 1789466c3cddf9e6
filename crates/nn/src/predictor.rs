//! Predictions in memory that is allocated once.

use std::fmt;

use kernels::{Axis, MatMut, MatRef};

use crate::check;
use crate::error::Result;
use crate::layers::linear::linear_forward;
use crate::layers::norm::NormState;
use crate::memory::Buffer;
use crate::model::Model;
use crate::stages::{Op, Stage};

/// Computes the outputs of a model for up to a fixed number of rows at a time, without allocating.
///
/// ```
/// use nn::{Activation, Model, Predictor};
/// # fn main() -> nn::Result<()> {
/// let model = Model::builder(6).linear(64, Activation::Tanh).linear(4, Activation::Identity).build()?;
/// let mut predictor = Predictor::new(&model, 1)?;
/// let outputs = predictor.predict(&[0.1, -0.2, 0.3, 0.0, 0.5, 1.0])?;
/// assert_eq!(outputs.len(), 4);
/// # Ok(())
/// # }
/// ```
pub struct Predictor<'m> {
    model: &'m Model,
    rows: usize,
    /// What the last stage returned, and where the next one writes.
    front: Buffer,
    back: Buffer,
    norms: Vec<Option<NormState>>,
}

impl<'m> Predictor<'m> {
    /// Allocates what predictions for up to `rows` rows need.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(model: &'m Model, rows: usize) -> Result<Self> {
        let stages = &model.stages.list;
        let widest = stages.iter().map(|stage| stage.outputs).max().unwrap_or(0);
        let buffer = || Buffer::zeros("the activations", rows, widest);
        let norm = |stage: &Stage| match &stage.op {
            Op::BatchNorm { norm, running, .. } => {
                let mut state = NormState::new(Axis::Columns, rows, stage.outputs)?;
                let buffers = model.buffers.as_slice();
                state.use_running(norm.eps, &buffers[running.mean.clone()], &buffers[running.variance.clone()]);
                Ok(Some(state))
            }
            Op::LayerNorm { .. } => NormState::new(Axis::Rows, rows, stage.outputs).map(Some),
            _ => Ok(None),
        };
        let norms = stages.iter().map(norm).collect::<Result<_>>()?;
        Ok(Predictor { model, rows, front: buffer()?, back: buffer()?, norms })
    }

    /// The outputs of the last layer, `[rows][outputs]`, for `x`, `[rows][inputs]`: logits for the classification losses.
    ///
    /// # Errors
    /// - [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) unless `x` is a whole number of rows, at most as many as the
    ///   predictor was made for; [`Error::EmptyData`](crate::Error::EmptyData) for none
    /// - [`Error::NonFiniteInput`](crate::Error::NonFiniteInput) for NaN or an infinity in `x`
    pub fn predict(&mut self, x: &[f32]) -> Result<&[f32]> {
        let rows = self.model.check_inputs(x)?.count();
        if rows > self.rows {
            let inputs = self.model.inputs();
            return Err(check::mismatch("the data for this predictor", &[self.rows, inputs], &[rows, inputs]));
        }
        Ok(self.forward(x))
    }

    pub(crate) fn forward(&mut self, x: &[f32]) -> &[f32] {
        let model = self.model;
        let rows = x.len() / model.inputs();
        for (number, (stage, norm)) in model.stages.list.iter().zip(&mut self.norms).enumerate() {
            let input = if number == 0 { x } else { &self.front.as_slice()[..rows * stage.inputs] };
            let output = &mut self.back.as_mut_slice()[..rows * stage.outputs];
            forward(model, stage, norm, input, output);
            std::mem::swap(&mut self.front, &mut self.back);
        }
        &self.front.as_slice()[..rows * model.outputs()]
    }
}

impl fmt::Debug for Predictor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor").field("model", self.model).field("rows", &self.rows).finish_non_exhaustive()
    }
}

fn forward(model: &Model, stage: &Stage, norm: &mut Option<NormState>, x: &[f32], y: &mut [f32]) {
    let (kernels, arena) = (model.kernels, model.arena.as_slice());
    match (&stage.op, norm) {
        (Op::Linear { weight, bias }, _) => {
            let rows = x.len() / stage.inputs;
            let weight = MatRef::from_row_major(&arena[weight.clone()], stage.inputs, stage.outputs);
            let bias = bias.clone().map(|bias| &arena[bias]);
            let x = MatRef::from_row_major(x, rows, stage.inputs);
            let y = MatMut::from_row_major(y, rows, stage.outputs);
            return linear_forward(kernels, weight, bias, stage.activation, x, y);
        }
        (Op::BatchNorm { affine, .. }, Some(state)) => {
            state.normalise(kernels, affine.as_ref().map(|affine| affine.of(arena)), x, y);
        }
        (Op::LayerNorm { norm, affine }, Some(state)) => {
            state.forward(kernels, norm.eps, affine.as_ref().map(|affine| affine.of(arena)), x, y);
        }
        _ => y.copy_from_slice(x),
    }
    kernels.activate_in_place(stage.activation, y);
}
