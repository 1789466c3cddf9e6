//! What a stage keeps from forward to backward, and its forward pass.

use kernels::{Activation, Axis, Kept, MatMut, MatRef};

use super::Step;
use super::cut::{Cut, runs};
use crate::error::Result;
use crate::layers::dropout::{draw_mask, dropout_forward, index};
use crate::layers::linear::linear_forward;
use crate::layers::norm::NormState;
use crate::layers::{BatchNorm, LayerNorm};
use crate::memory::Buffer;
use crate::model::Model;
use crate::stages::{Op, Stage};

/// For how many rows there is memory.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) rows: usize,
    /// How many runs of them are summed, and the most rows of one.
    pub(crate) sums: usize,
    pub(crate) rows_of_sum: usize,
}

impl Room {
    /// For batches that are summed as a whole.
    pub(crate) fn whole(rows: usize) -> Self {
        Room { rows, sums: 1, rows_of_sum: rows }
    }
}

pub(super) struct StageMemory {
    pub(super) output: Buffer,
    /// What the activation was applied to, where its derivative is had from that.
    logits: Option<Buffer>,
    pub(super) extra: Extra,
}

pub(super) enum Extra {
    Nothing,
    Mask(Buffer),
    /// One for each run of rows.
    Norms(Vec<NormState>),
}

impl StageMemory {
    pub(super) fn new(stage: &Stage, room: Room) -> Result<Self> {
        let zeros = |what| Buffer::zeros(what, room.rows, stage.outputs);
        let keeps_logits = stage.activation.keeps() == Kept::Logits;
        let norms = |axis| {
            let states = (0..room.sums).map(|_| NormState::new(axis, room.rows_of_sum, stage.outputs));
            states.collect::<Result<_>>().map(Extra::Norms)
        };
        let extra = match stage.op {
            Op::Dropout(_) => Extra::Mask(zeros("the mask of a dropout")?),
            Op::BatchNorm { .. } => norms(Axis::Columns)?,
            Op::LayerNorm { .. } => norms(Axis::Rows)?,
            Op::Copy | Op::Linear { .. } => Extra::Nothing,
        };
        let logits = keeps_logits.then(|| zeros("the logits")).transpose()?;
        Ok(StageMemory { output: zeros("the activations")?, logits, extra })
    }

    /// Computes the outputs for `x`; `product` is `x W`, where that is known.
    pub(super) fn forward(
        &mut self,
        model: &Model,
        stage: &Stage,
        x: &[f32],
        product: Option<&[f32]>,
        step: Step,
        cut: Cut<'_>,
    ) {
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
                for (shard, rows) in cut.shards() {
                    let mask = &mut mask[rows.start * stage.outputs..rows.end * stage.outputs];
                    draw_mask(step.seed, step.number, index(stage.layer, shard), *dropout, mask);
                }
                dropout_forward(x, mask, z);
            }
            (Op::BatchNorm { norm: BatchNorm { eps, .. }, affine, .. }, Extra::Norms(states), _)
            | (Op::LayerNorm { norm: LayerNorm { eps, .. }, affine }, Extra::Norms(states), _) => {
                let affine = affine.as_ref().map(|affine| affine.of(arena));
                for (state, rows) in states.iter_mut().zip(runs(cut.sums)).filter(|(_, rows)| !rows.is_empty()) {
                    let part = rows.start * stage.outputs..rows.end * stage.outputs;
                    state.forward(kernels, *eps, affine, &x[part.clone()], &mut z[part]);
                }
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
    pub(super) fn kept(&self, len: usize) -> &[f32] {
        &self.logits.as_ref().unwrap_or(&self.output).as_slice()[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Update;

    /// What a dropout makes of ones, in two shards of four rows.
    #[test]
    fn each_shard_draws_a_mask_of_its_own_whoever_has_it() {
        let model = Model::builder(8).dropout(0.5).build().unwrap();
        let step = Step { seed: 1, number: 2, update: Update::Store };
        let kept = |shards: &[usize], first_shard| {
            let rows = shards[shards.len() - 1];
            let stage = &model.stages.list[0];
            let mut memory = StageMemory::new(stage, Room::whole(rows)).unwrap();
            memory.forward(&model, stage, &vec![1.0; rows * 8], None, step, Cut { shards, first_shard, sums: shards });
            memory.output.as_slice().to_vec()
        };
        let both = kept(&[4, 8], 3);
        assert_ne!(both[..32], both[32..]);
        assert_eq!(both, [kept(&[4], 3), kept(&[4], 4)].concat());
        assert_ne!(kept(&[4], 0), kept(&[4], 1), "rows without shards");
    }
}
