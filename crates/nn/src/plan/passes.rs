//! The passes of a step, forward and backward, and their memory.

use kernels::{KernelSet, MatMut, MatRef};

use super::Step;
use super::cut::{Cut, runs};
use super::memory::{Extra, Room, StageMemory};
use super::sink::Sink;
use crate::check;
use crate::error::Result;
use crate::layers::BatchNorm;
use crate::layers::activation::activation_backward;
use crate::layers::dropout::dropout_backward;
use crate::layers::linear::linear_backward_input;
use crate::layers::norm::NormState;
use crate::losses::Targets;
use crate::memory::{Buffer, zeros};
use crate::model::Model;
use crate::stages::{Op, Running, Stage};

pub(super) struct Passes {
    stages: Vec<StageMemory>,
    /// The gradient of what the stage at hand computes before its activation; of the stage before.
    d_z: Buffer,
    d_z_before: Buffer,
    classes: Vec<u32>,
}

impl Passes {
    pub(super) fn new(model: &Model, room: Room) -> Result<Self> {
        let (stages, rows) = (&model.stages.list, room.rows);
        let widest = stages.iter().map(|stage| stage.outputs).max().unwrap_or(0);
        let d_z = || Buffer::zeros("the gradients of the activations", rows, widest);
        let stages = stages.iter().map(|stage| StageMemory::new(stage, room)).collect::<Result<_>>()?;
        Ok(Passes { stages, d_z: d_z()?, d_z_before: d_z()?, classes: zeros("the classes", rows, 1)? })
    }

    /// `product` is that of x with the weight of the first stage, where it is known.
    pub(super) fn forward(&mut self, model: &Model, x: &[f32], product: Option<&[f32]>, step: Step, cut: Cut<'_>) {
        let rows = x.len() / model.inputs();
        for number in 0..self.stages.len() {
            let (before, rest) = self.stages.split_at_mut(number);
            let stage = &model.stages.list[number];
            let input = before.last().map_or(x, |before| &before.output.as_slice()[..rows * stage.inputs]);
            rest[0].forward(model, stage, input, product.filter(|_| number == 0), step, cut);
        }
    }

    /// The outputs of the last stage, and room for their gradients.
    pub(super) fn outputs(&mut self, model: &Model, rows: usize) -> (&[f32], &mut [f32]) {
        let len = rows * model.outputs();
        let outputs = &self.stages[self.stages.len() - 1].output;
        (&outputs.as_slice()[..len], &mut self.d_z.as_mut_slice()[..len])
    }

    /// From the gradients that were written for the outputs of `x` to those of the parameters, which go to `sink`.
    pub(super) fn backward(
        &mut self,
        kernels: &KernelSet,
        all: &[Stage],
        x: &[f32],
        sink: &mut impl Sink,
        cut: Cut<'_>,
    ) {
        let rows = cut.rows();
        let last = all.len() - 1;
        let outputs = rows * all[last].outputs;
        let d_outputs = &mut self.d_z.as_mut_slice()[..outputs];
        activation_backward(kernels, all[last].activation, self.stages[last].kept(outputs), d_outputs);
        // Before the first stage with parameters there is nothing to have gradients for.
        let first = all.iter().position(Stage::has_parameters).unwrap_or(all.len());
        for number in (first..all.len()).rev() {
            let stage = &all[number];
            let (stages, rest) = self.stages.split_at_mut(number);
            let before = stages.last().zip(number.checked_sub(1).map(|before| &all[before]));
            let input = before.map_or(x, |(memory, _)| &memory.output.as_slice()[..rows * stage.inputs]);
            let before = before.filter(|_| number > first);
            let d_z = &mut self.d_z.as_mut_slice()[..rows * stage.outputs];
            match (&stage.op, &mut rest[0].extra) {
                (Op::Linear { weight, bias }, _) => {
                    // Before the weight is updated.
                    if let Some((memory, before)) = before {
                        let rows = cut.rows_of_product();
                        let len = rows * stage.inputs;
                        let d_z = &self.d_z.as_slice()[..rows * stage.outputs];
                        let d_z = MatRef::from_row_major(d_z, rows, stage.outputs);
                        let shape = (stage.inputs, stage.outputs);
                        let weight = MatRef::from_row_major(&sink.params()[weight.clone()], shape.0, shape.1);
                        let kept = MatRef::from_row_major(memory.kept(len), rows, stage.inputs);
                        let d_x = &mut self.d_z_before.as_mut_slice()[..len];
                        let d_x = MatMut::from_row_major(d_x, rows, stage.inputs);
                        linear_backward_input(kernels, weight, d_z, before.activation, kept, d_x);
                    }
                    let d_z = &self.d_z.as_slice()[..rows * stage.outputs];
                    if let Some(bias) = bias {
                        sink.bias(bias, d_z);
                    }
                    sink.weight(weight, (stage.inputs, stage.outputs), input, d_z);
                    std::mem::swap(&mut self.d_z, &mut self.d_z_before);
                    continue;
                }
                (Op::Dropout(_), Extra::Mask(mask)) if before.is_some() => {
                    dropout_backward(&mask.as_slice()[..input.len()], d_z);
                }
                (Op::BatchNorm { affine, .. } | Op::LayerNorm { affine, .. }, Extra::Norms(states)) => {
                    let of_stage = affine.as_ref().map(|affine| affine.of(sink.params()));
                    for (state, rows) in states.iter_mut().zip(runs(cut.sums)) {
                        if rows.is_empty() {
                            state.clear_sums();
                            continue;
                        }
                        let part = rows.start * stage.outputs..rows.end * stage.outputs;
                        state.backward_params(kernels, &input[part.clone()], &d_z[part.clone()]);
                        if before.is_some() {
                            state.backward_input(kernels, of_stage, &input[part.clone()], &mut d_z[part]);
                        }
                    }
                    if let Some(affine) = affine {
                        sink.affine(affine, states);
                    }
                }
                _ => {}
            }
            if let Some((memory, before)) = before {
                activation_backward(kernels, before.activation, memory.kept(d_z.len()), d_z);
            }
        }
    }

    /// Each batch norm with where its running moments lie, and the moments of each run of rows.
    pub(super) fn batch_norms<'a>(
        &'a self,
        stages: &'a [Stage],
    ) -> impl Iterator<Item = (BatchNorm, &'a Running, &'a [NormState])> {
        self.stages.iter().zip(stages).filter_map(|(memory, stage)| match (&stage.op, &memory.extra) {
            (Op::BatchNorm { norm, running, .. }, Extra::Norms(states)) => Some((*norm, running, &states[..])),
            _ => None,
        })
    }

    /// How many of the targets the outputs of the last step meet, in its rows from `first` on.
    pub(super) fn count_correct(&mut self, model: &Model, first: usize, rows: usize, targets: Targets<'_>) -> usize {
        let outputs = self.stages[self.stages.len() - 1].output.as_slice();
        let outputs = &outputs[first * model.outputs()..(first + rows) * model.outputs()];
        model.objective.count_correct(model.kernels, outputs, targets, &mut self.classes[..rows])
    }

    /// The first layer that returned NaN or an infinity in the last step, of `rows` rows.
    pub(super) fn first_non_finite_layer(&self, model: &Model, rows: usize) -> Option<usize> {
        let mut stages = self.stages.iter().zip(&model.stages.list);
        let is_not_finite = |(memory, stage): &(&StageMemory, &Stage)| {
            check::first_non_finite(&memory.output.as_slice()[..rows * stage.outputs]).is_some()
        };
        stages.find(is_not_finite).map(|(_, stage)| stage.layer)
    }
}
