//! A training step in memory that is allocated once: forward, loss, backward and, for plain gradient descent, the update.

mod buckets;
mod cut;
mod memory;
mod one_row;
mod passes;
mod sharded;
mod shares;
mod sink;

use crate::batches::Batch;
use crate::error::Result;
use crate::losses::{BatchLoss, Targets};
use crate::memory::Buffer;
use crate::model::Model;
use crate::params::Count;
use crate::stages::{Op, Stage};
pub(crate) use cut::Cut;
use kernels::fused::Descent;
use memory::Room;
use one_row::OneRow;
use passes::Passes;
pub(crate) use sharded::ShardedPlan;
use sink::Direct;

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

/// The most rows that gemm sums in one chain, whose sum is added to what there is by one fused step.
///
/// So up to here a step of descent can update each weight by the gemm that computes its gradient, which is then never stored: it
/// gives the bits that [`KernelSet::sgd`](kernels::KernelSet::sgd) does with a gradient. Beyond, it would add several sums one
/// after the other; and there passing over a gradient costs little beside computing it.
const CHAIN_ROWS: usize = 512;

/// All memory of training steps on batches of up to a fixed number of rows: a step itself only computes.
pub(crate) struct Plan {
    passes: Passes,
    /// For steps of one row of a net that it can do.
    one_row: Option<OneRow>,
    /// In the layout of the model; empty where weights are updated without.
    gradients: Buffer,
    d_bias: Buffer,
    ahead: Ahead,
}

/// The product of the next row with the weight of the first stage, which its update has computed in the same pass.
struct Ahead {
    /// Empty where there is no such weight.
    product: Buffer,
    is_there: bool,
}

impl Ahead {
    /// The product, if it was computed; it counts once.
    fn take(&mut self) -> Option<&[f32]> {
        std::mem::take(&mut self.is_there).then(|| self.product.as_slice())
    }
}

impl Plan {
    /// For steps with the kind of `update` on batches of up to `rows` rows.
    pub(crate) fn new(model: &Model, rows: usize, update: Update) -> Result<Self> {
        let stages = &model.stages.list;
        let widest = stages.iter().map(|stage| stage.outputs).max().unwrap_or(0);
        let stores = update == Update::Store || rows > CHAIN_ROWS;
        let gradients = if stores { model.arena_len() } else { 0 };
        let ahead = match stages.first() {
            // The product with a single column is a dot product, which has another order.
            Some(Stage { op: Op::Linear { .. }, outputs, .. }) if *outputs > 1 => *outputs,
            _ => 0,
        };
        let product = Buffer::zeros("a row of products", 1, ahead)?;
        let one_row = if rows == 1 && !stores { OneRow::new(model)? } else { None };
        Ok(Plan {
            passes: Passes::new(model, Room::whole(rows))?,
            one_row,
            gradients: Buffer::zeros("the gradients", 1, gradients)?,
            d_bias: Buffer::zeros("the gradient of a bias", 1, widest)?,
            ahead: Ahead { product, is_there: false },
        })
    }

    /// The loss of a batch. If it is finite, the update is done and batch norms have seen the batch; else the model is as
    /// before.
    ///
    /// # Errors
    /// [`Error::BatchTooSmall`](crate::Error::BatchTooSmall) for one row and a model with batch norm.
    pub(crate) fn step(&mut self, model: &mut Model, batch: Batch<'_>, step: Step) -> Result<BatchLoss> {
        let rows = batch.x.len() / model.inputs();
        model.check_batch(rows)?;
        if let (Some(one_row), Update::Descend { learning_rate, weight_decay }) = (&mut self.one_row, step.update) {
            return Ok(one_row.step(model, batch, Descent { learning_rate, weight_decay }, &mut self.ahead));
        }
        let product = self.ahead.take();
        self.passes.forward(model, batch.x, product, step, Cut::whole(&rows));
        let (outputs, d_outputs) = self.passes.outputs(model, rows);
        let loss = model.objective.forward_backward(model.kernels, outputs, batch.targets, d_outputs);
        if loss.mean.is_finite() {
            self.backward(model, batch, step.update);
            for (norm, running, states) in self.passes.batch_norms(&model.stages.list) {
                states.iter().for_each(|state| state.track(norm, rows, model.buffers.as_mut_slice(), running));
            }
            model.stages.counts.iter_mut().for_each(Count::increment);
        }
        Ok(loss)
    }

    /// The next step may be on any rows and any weights: what the last one did for its successor does not count.
    pub(crate) fn forget_next(&mut self) {
        self.ahead.is_there = false;
    }

    fn backward(&mut self, model: &mut Model, Batch { x, next, .. }: Batch<'_>, update: Update) {
        let (rows, kernels) = (x.len() / model.inputs(), model.kernels);
        let (params, gradients) = (model.arena.as_mut_slice(), self.gradients.as_mut_slice());
        let sink_update = if gradients.is_empty() { update } else { Update::Store };
        let product = self.ahead.product.as_mut_slice();
        let mut sink = Direct {
            update: sink_update,
            kernels,
            params,
            gradients,
            d_bias: self.d_bias.as_mut_slice(),
            next: next.filter(|_| !product.is_empty()).map(|next| (next, product)),
            next_is_there: false,
        };
        self.passes.backward(kernels, &model.stages.list, x, &mut sink, Cut::whole(&rows));
        self.ahead.is_there = sink.next_is_there;
        if let (Update::Descend { learning_rate, weight_decay }, Update::Store) = (update, sink_update) {
            kernels.sgd(sink.params, sink.gradients, learning_rate, weight_decay);
        }
    }

    /// How many targets the outputs of the last step, of `rows` rows, meet.
    pub(crate) fn count_correct(&mut self, model: &Model, rows: usize, targets: Targets<'_>) -> usize {
        if let Some(one_row) = &self.one_row {
            return model.objective.count_correct(model.kernels, one_row.outputs(), targets, &mut [0]);
        }
        self.passes.count_correct(model, 0, rows, targets)
    }

    /// The first layer that returned NaN or an infinity in the last step, of `rows` rows.
    pub(crate) fn first_non_finite_layer(&self, model: &Model, rows: usize) -> Option<usize> {
        if let Some(one_row) = &self.one_row {
            return one_row.first_non_finite_layer(model);
        }
        self.passes.first_non_finite_layer(model, rows)
    }

    /// The gradients of the parameters, in the layout of the model, after a step that stores them.
    pub(crate) fn gradients(&self) -> &[f32] {
        self.gradients.as_slice()
    }

    pub(crate) fn gradients_mut(&mut self) -> &mut [f32] {
        self.gradients.as_mut_slice()
    }
}
