//! A training step in memory that is allocated once: forward, loss, backward and, for plain gradient descent, the update.

use std::ops::Range;

use kernels::fused::RankOne;
use kernels::{Activation, Axis, Kept, KernelSet, MatMut, MatRef};

use crate::batches::Batch;
use crate::check;
use crate::error::{Error, Result};
use crate::layers::activation::activation_backward;
use crate::layers::dropout::{draw_mask, dropout_backward, dropout_forward};
use crate::layers::linear::{linear_backward_input, linear_backward_weight, linear_forward};
use crate::layers::norm::NormState;
use crate::layers::{BatchNorm, LayerNorm};
use crate::losses::{BatchLoss, Targets, WeightedTargets};
use crate::model::Model;
use crate::params::Buffer;
use crate::stages::{Op, Stage};

/// Which step it is, and what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// With the number, what dropout draws from.
    pub(crate) seed: u64,
    /// How many steps came before it in the training.
    pub(crate) number: u64,
    pub(crate) update: Update,
}

/// What a step does with the gradients of the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Update {
    /// Leaves them in [`Plan::gradients`] for an optimiser.
    Store,
    /// `p = (1 − learning_rate weight_decay) p − learning_rate d_p`
    Descend { learning_rate: f32, weight_decay: f32 },
}

/// The most rows for which a step of descent updates each weight by the gemm that computes its gradient, which is then never
/// stored.
///
/// Up to here gemm sums the rows in one chain and adds the sum to the weight by one fused step, as [`KernelSet::sgd`] does
/// with a gradient, so both ways give the same bits. Beyond, it would add several sums one after the other; and there
/// passing over a gradient costs little beside computing it.
const DESCENT_ROWS: usize = 512;

/// All memory of training steps on batches of up to a fixed number of rows: a step itself only computes.
pub(crate) struct Plan {
    stages: Vec<StageMemory>,
    /// The gradient of what the stage at hand computes before its activation; of the stage before.
    d_z: Buffer,
    d_z_before: Buffer,
    /// In the layout of the model; empty where weights are updated without.
    gradients: Buffer,
    d_bias: Buffer,
    classes: Vec<u32>,
    ahead: Ahead,
}

/// The product of the next row with the weight of the first stage, which its update has computed in the same pass.
struct Ahead {
    /// Empty where there is no such weight.
    product: Buffer,
    is_there: bool,
}

/// What a stage keeps from forward to backward.
struct StageMemory {
    output: Buffer,
    /// What the activation was applied to, where its derivative is had from that.
    logits: Option<Buffer>,
    extra: Extra,
}

enum Extra {
    Nothing,
    Mask(Buffer),
    Norm(NormState),
}

impl Plan {
    /// For steps with the kind of `update` on batches of up to `rows` rows.
    pub(crate) fn new(model: &Model, rows: usize, update: Update) -> Result<Self> {
        let stages = &model.stages.list;
        let widest = stages.iter().map(|stage| stage.outputs).max().unwrap_or(0);
        let d_z = || Buffer::zeros("the gradients of the activations", rows, widest);
        let stores = update == Update::Store || rows > DESCENT_ROWS;
        let gradients = if stores { model.arena_len() } else { 0 };
        let mut classes = Vec::new();
        classes.try_reserve_exact(rows).map_err(|_| Error::OutOfMemory { what: "the classes", rows, cols: 1 })?;
        classes.resize(rows, 0);
        let ahead = match stages.first() {
            // The product with a single column is a dot product, which has another order.
            Some(Stage { op: Op::Linear { .. }, outputs, .. }) if *outputs > 1 => *outputs,
            _ => 0,
        };
        let product = Buffer::zeros("a row of products", 1, ahead)?;
        Ok(Plan {
            ahead: Ahead { product, is_there: false },
            stages: stages.iter().map(|stage| StageMemory::new(stage, rows)).collect::<Result<_>>()?,
            d_z: d_z()?,
            d_z_before: d_z()?,
            gradients: Buffer::zeros("the gradients", 1, gradients)?,
            d_bias: Buffer::zeros("the gradient of a bias", 1, widest)?,
            classes,
        })
    }

    /// The loss of a batch. If it is finite, the update is done and batch norms have seen the batch; else the model is as
    /// before.
    ///
    /// # Errors
    /// [`Error::BatchTooSmall`] for one row and a model with batch norm.
    pub(crate) fn step(&mut self, model: &mut Model, batch: Batch<'_>, step: Step) -> Result<BatchLoss> {
        let rows = batch.x.len() / model.inputs();
        model.check_batch(rows)?;
        self.forward(model, batch.x, step);
        let loss = self.loss(model, rows, batch.targets);
        if loss.mean.is_finite() {
            self.backward(model, batch, step.update);
            self.track(model, rows);
        }
        Ok(loss)
    }

    /// The next step may be on any rows and any weights: what the last one did for its successor does not count.
    pub(crate) fn forget_next(&mut self) {
        self.ahead.is_there = false;
    }

    fn forward(&mut self, model: &Model, x: &[f32], step: Step) {
        let rows = x.len() / model.inputs();
        for number in 0..self.stages.len() {
            let (before, rest) = self.stages.split_at_mut(number);
            let stage = &model.stages.list[number];
            let input = before.last().map_or(x, |before| &before.output.as_slice()[..rows * stage.inputs]);
            let product = std::mem::take(&mut self.ahead.is_there).then(|| self.ahead.product.as_slice());
            rest[0].forward(model, stage, input, product, step);
        }
    }

    /// The loss of the outputs; leaves the gradient of what the last stage computes before its activation.
    fn loss(&mut self, model: &Model, rows: usize, targets: WeightedTargets<'_>) -> BatchLoss {
        let last = self.stages.len() - 1;
        let (memory, stage) = (&self.stages[last], &model.stages.list[last]);
        let len = rows * stage.outputs;
        let outputs = &memory.output.as_slice()[..len];
        let d_outputs = &mut self.d_z.as_mut_slice()[..len];
        let loss = model.objective.forward_backward(model.kernels, outputs, targets, d_outputs);
        activation_backward(model.kernels(), stage.activation, memory.kept(len), d_outputs);
        loss
    }

    fn backward(&mut self, model: &mut Model, Batch { x, next, .. }: Batch<'_>, update: Update) {
        let (rows, kernels) = (x.len() / model.inputs(), model.kernels);
        let (params, gradients) = (model.arena.as_mut_slice(), self.gradients.as_mut_slice());
        let sink_update = if gradients.is_empty() { update } else { Update::Store };
        let mut sink = Sink { update: sink_update, kernels, params, gradients };
        // Before the first stage with parameters there is nothing to have gradients for.
        let first = model.stages.list.iter().position(Stage::has_parameters).unwrap_or(self.stages.len());
        for number in (first..self.stages.len()).rev() {
            let stage = &model.stages.list[number];
            let (stages, rest) = self.stages.split_at_mut(number);
            let before = stages.last().zip(number.checked_sub(1).map(|before| &model.stages.list[before]));
            let input = before.map_or(x, |(memory, _)| &memory.output.as_slice()[..rows * stage.inputs]);
            let before = before.filter(|_| number > first);
            let d_z = &mut self.d_z.as_mut_slice()[..rows * stage.outputs];
            match (&stage.op, &mut rest[0].extra) {
                (Op::Linear { weight, bias }, _) => {
                    let d_z_rows = MatRef::from_row_major(d_z, rows, stage.outputs);
                    // Before the weight is updated.
                    if let Some((memory, before)) = before {
                        let shape = (stage.inputs, stage.outputs);
                        let weight = MatRef::from_row_major(&sink.params[weight.clone()], shape.0, shape.1);
                        let kept = MatRef::from_row_major(memory.kept(input.len()), rows, stage.inputs);
                        let d_x = &mut self.d_z_before.as_mut_slice()[..input.len()];
                        let d_x = MatMut::from_row_major(d_x, rows, stage.inputs);
                        linear_backward_input(kernels, weight, d_z_rows, before.activation, kept, d_x);
                    }
                    let product = self.ahead.product.as_mut_slice();
                    let next = next.filter(|_| number == 0 && !product.is_empty()).map(|next| (next, product));
                    self.ahead.is_there = sink.weight(weight, rows, input, d_z, next);
                    if let Some(bias) = bias {
                        let d_bias = &mut self.d_bias.as_mut_slice()[..stage.outputs];
                        kernels.column_sums(stage.outputs, d_z, d_bias);
                        sink.vector(bias, d_bias);
                    }
                    std::mem::swap(&mut self.d_z, &mut self.d_z_before);
                    continue;
                }
                (Op::Dropout(_), Extra::Mask(mask)) if before.is_some() => {
                    dropout_backward(&mask.as_slice()[..input.len()], d_z);
                }
                (Op::BatchNorm { affine, .. } | Op::LayerNorm { affine, .. }, Extra::Norm(state)) => {
                    state.backward_params(kernels, input, d_z);
                    if before.is_some() {
                        let affine = affine.as_ref().map(|affine| affine.of(sink.params));
                        state.backward_input(kernels, affine, input, d_z);
                    }
                    if let Some(affine) = affine {
                        let (d_weight, d_bias) = state.sums();
                        sink.vector(&affine.weight, d_weight);
                        sink.vector(&affine.bias, d_bias);
                    }
                }
                _ => {}
            }
            if let Some((memory, before)) = before {
                activation_backward(kernels, before.activation, memory.kept(d_z.len()), d_z);
            }
        }
        if let (Update::Descend { learning_rate, weight_decay }, Update::Store) = (update, sink_update) {
            kernels.sgd(sink.params, sink.gradients, learning_rate, weight_decay);
        }
    }

    /// Batch norms move their running moments.
    fn track(&self, model: &mut Model, rows: usize) {
        for (memory, stage) in self.stages.iter().zip(&model.stages.list) {
            if let (Op::BatchNorm { norm, running, .. }, Extra::Norm(state)) = (&stage.op, &memory.extra) {
                state.track(*norm, rows, model.buffers.as_mut_slice(), running);
                model.stages.counts[running.count].value += 1;
            }
        }
    }

    /// How many targets the outputs of the last step, of `rows` rows, meet.
    pub(crate) fn count_correct(&mut self, model: &Model, rows: usize, targets: Targets<'_>) -> usize {
        let outputs = &self.stages[self.stages.len() - 1].output.as_slice()[..rows * model.outputs()];
        model.objective.count_correct(model.kernels, outputs, targets, &mut self.classes[..rows])
    }

    /// The first layer that returned NaN or an infinity in the last step, of `rows` rows.
    pub(crate) fn first_non_finite_layer(&self, model: &Model, rows: usize) -> Option<usize> {
        let mut stages = self.stages.iter().zip(&model.stages.list);
        let is_not_finite = |(memory, stage): &(&StageMemory, &Stage)| {
            check::first_non_finite(&memory.output.as_slice()[..rows * stage.outputs]).is_some()
        };
        stages.find(is_not_finite).map(|(_, stage)| stage.layer)
    }

    /// The gradients of the parameters, in the layout of the model, after a step that stores them.
    pub(crate) fn gradients(&self) -> &[f32] {
        self.gradients.as_slice()
    }

    pub(crate) fn gradients_mut(&mut self) -> &mut [f32] {
        self.gradients.as_mut_slice()
    }
}

impl StageMemory {
    fn new(stage: &Stage, rows: usize) -> Result<Self> {
        let zeros = |what| Buffer::zeros(what, rows, stage.outputs);
        let keeps_logits = stage.activation.keeps() == Kept::Logits;
        let extra = match stage.op {
            Op::Dropout(_) => Extra::Mask(zeros("the mask of a dropout")?),
            Op::BatchNorm { .. } => Extra::Norm(NormState::new(Axis::Columns, rows, stage.outputs)?),
            Op::LayerNorm { .. } => Extra::Norm(NormState::new(Axis::Rows, rows, stage.outputs)?),
            Op::Copy | Op::Linear { .. } => Extra::Nothing,
        };
        let logits = keeps_logits.then(|| zeros("the logits")).transpose()?;
        Ok(StageMemory { output: zeros("the activations")?, logits, extra })
    }

    /// Computes the outputs for `x`; `product` is `x W`, where that is known.
    fn forward(&mut self, model: &Model, stage: &Stage, x: &[f32], product: Option<&[f32]>, step: Step) {
        let (kernels, arena) = (model.kernels, model.arena.as_slice());
        let rows = x.len() / stage.inputs;
        let len = rows * stage.outputs;
        let output = &mut self.output.as_mut_slice()[..len];
        let (z, fused) = match &mut self.logits {
            Some(logits) => (&mut logits.as_mut_slice()[..len], Activation::Identity),
            None => (&mut *output, stage.activation),
        };
        match (&stage.op, &mut self.extra, product) {
            (Op::Linear { bias, .. }, _, Some(product)) => {
                z.copy_from_slice(product);
                if let Some(bias) = bias {
                    z.iter_mut().zip(&arena[bias.clone()]).for_each(|(z, b)| *z += b);
                }
                kernels.activate_in_place(fused, z);
            }
            (Op::Linear { weight, bias }, ..) => {
                let weight = MatRef::from_row_major(&arena[weight.clone()], stage.inputs, stage.outputs);
                let bias = bias.clone().map(|bias| &arena[bias]);
                let x = MatRef::from_row_major(x, rows, stage.inputs);
                linear_forward(kernels, weight, bias, fused, x, MatMut::from_row_major(z, rows, stage.outputs));
            }
            (Op::Dropout(dropout), Extra::Mask(mask), _) => {
                let mask = &mut mask.as_mut_slice()[..len];
                draw_mask(step.seed, step.number, stage.layer, *dropout, mask);
                dropout_forward(x, mask, z);
            }
            (Op::BatchNorm { norm: BatchNorm { eps, .. }, affine, .. }, Extra::Norm(state), _)
            | (Op::LayerNorm { norm: LayerNorm { eps, .. }, affine }, Extra::Norm(state), _) => {
                let affine = affine.as_ref().map(|affine| affine.of(arena));
                state.forward(kernels, *eps, affine, x, z);
            }
            _ => z.copy_from_slice(x),
        }
        match (&self.logits, &stage.op) {
            (Some(logits), _) => kernels.activate(stage.activation, &logits.as_slice()[..len], output),
            (None, Op::Linear { .. }) => {}
            (None, _) => kernels.activate_in_place(stage.activation, output),
        }
    }

    /// What the derivative of the activation is had from, for `len` outputs.
    fn kept(&self, len: usize) -> &[f32] {
        &self.logits.as_ref().unwrap_or(&self.output).as_slice()[..len]
    }
}

/// Where the gradients of parameters go.
struct Sink<'a> {
    update: Update,
    kernels: &'static KernelSet,
    params: &'a mut [f32],
    gradients: &'a mut [f32],
}

impl Sink<'_> {
    /// `xᵀ d_z` is the gradient of the weight at `place`, for `rows` rows of x and d_z. Returns whether in passing it has
    /// computed the product of a next row with the weight.
    fn weight(
        &mut self,
        place: &Range<usize>,
        rows: usize,
        x: &[f32],
        d_z: &[f32],
        next: Option<(&[f32], &mut [f32])>,
    ) -> bool {
        let (alpha, beta, arena) = match self.update {
            Update::Store => (1.0, 0.0, &mut *self.gradients),
            Update::Descend { learning_rate, weight_decay } => {
                (-learning_rate, (-learning_rate).mul_add(weight_decay, 1.0), &mut *self.params)
            }
        };
        let d_weight = &mut arena[place.clone()];
        let (inputs, outputs) = (x.len() / rows, d_z.len() / rows);
        if rows == 1 && beta != 0.0 {
            let step = RankOne { x, d: d_z, rate: -alpha, keep: beta };
            let next_is_there = next.is_some();
            match next {
                Some((next, product)) => self.kernels.rank_one_descent_then_product(step, d_weight, next, product),
                None => self.kernels.rank_one_descent(step, d_weight),
            }
            return next_is_there;
        }
        let (x, d_z) = (MatRef::from_row_major(x, rows, inputs), MatRef::from_row_major(d_z, rows, outputs));
        let d_weight = MatMut::from_row_major(d_weight, inputs, outputs);
        linear_backward_weight(self.kernels, alpha, x, d_z, beta, d_weight);
        false
    }

    /// `gradient` is the gradient of the parameter at `place`.
    fn vector(&mut self, place: &Range<usize>, gradient: &[f32]) {
        match self.update {
            Update::Store => self.gradients[place.clone()].copy_from_slice(gradient),
            Update::Descend { learning_rate, weight_decay } => {
                self.kernels.sgd(&mut self.params[place.clone()], gradient, learning_rate, weight_decay);
            }
        }
    }
}
