//! A step over the shares of shards, some of them those of other ranks.

use std::ops::Range;

use kernels::KernelSet;

use super::Step;
use super::buckets::Buckets;
use super::cut::{Cut, rows_of, runs};
use super::memory::Room;
use super::passes::Passes;
use super::shares::{Leaf, Leaves, Shares, tree};
use crate::batches::Batch;
use crate::collective::Exchange;
use crate::collective::link::{Link, Message};
use crate::error::Result;
use crate::inference::Judged;
use crate::memory::Buffer;
use crate::model::Model;
use crate::params::Count;

/// All memory of such steps.
///
/// While the backward pass computes, what it has computed goes to the other ranks: messages are sent in the same order on each.
/// Gradients are those of the sum of the losses; the mean divides them by the weight of the rows of all ranks.
pub(crate) struct ShardedPlan {
    passes: Passes,
    gradients: Buffer,
    buckets: Buckets,
    spare: Vec<Buffer>,
    /// Losses of the local runs, and of all.
    own_losses: Vec<u8>,
    all_losses: Vec<u8>,
    /// In the layout of running moments: those of runs, times their rows, summed.
    moments: Vec<f32>,
}

/// Values of a gradient that are scaled at a time.
const BLOCK: usize = 4096;

impl ShardedPlan {
    /// For up to `most` rows of `shards` local shards, with up to `share` of each, and `ranks` ranks.
    pub(crate) fn new(
        model: &Model,
        (most, share): (usize, usize),
        shards: usize,
        ranks: usize,
        exchange: Exchange,
    ) -> Result<Self> {
        let (sums, rows_of_sum) = match exchange {
            Exchange::Ordered => (shards, share),
            Exchange::Fast => (1, most),
        };
        let buckets = Buckets::new(model)?;
        let levels = sums.next_power_of_two().trailing_zeros();
        let longest = buckets.longest.max(model.buffers.as_slice().len());
        let spare = (0..levels).map(|_| Buffer::zeros("the sums of gradients", 1, longest)).collect::<Result<_>>()?;
        Ok(ShardedPlan {
            // A product of one row is computed as one of two.
            passes: Passes::new(model, Room { rows: most.max(2), sums, rows_of_sum })?,
            gradients: Buffer::zeros("the gradients", 1, model.arena_len())?,
            buckets,
            spare,
            own_losses: vec![0; Judged::BYTES * sums],
            all_losses: vec![0; Judged::BYTES * sums * ranks],
            moments: vec![0.0; model.buffers.as_slice().len()],
        })
    }

    /// How many messages are under way at once, at most.
    pub(crate) fn messages(&self) -> usize {
        self.buckets.len() + 4
    }

    /// Computes, and tells the others, losses, moments and gradients.
    pub(crate) fn compute(
        &mut self,
        model: &Model,
        batch: Batch<'_>,
        cut: Cut<'_>,
        step: Step,
        link: &Link,
    ) -> Result<()> {
        if cut.rows() > 0 {
            self.passes.forward(model, batch.x, None, step, cut);
        }
        if !self.moments.is_empty() {
            self.sum_moments(model, cut);
            link.ask(Message::Sum(std::mem::take(&mut self.moments)))?;
        }
        self.judge(model, batch, cut);
        let (part, all) = (std::mem::take(&mut self.own_losses), std::mem::take(&mut self.all_losses));
        link.ask(Message::AllGather { part, all })?;
        self.buckets.start();
        let mut sink = Shares {
            kernels: model.kernels,
            params: model.arena(),
            ends: cut.sums,
            buckets: &mut self.buckets,
            spare: &mut self.spare,
            link,
            failed: Ok(()),
        };
        self.passes.backward(model.kernels, &model.stages.list, batch.x, &mut sink, cut);
        sink.failed
    }

    fn sum_moments(&mut self, model: &Model, cut: Cut<'_>) {
        for (_, running, states) in self.passes.batch_norms(&model.stages.list) {
            let ends = cut.sums;
            for (place, is_mean) in [(&running.mean, true), (&running.variance, false)] {
                let sum = &mut self.moments[place.clone()];
                let compute = |run, sum: &mut [f32], _| {
                    let rows = rows_of(ends, run).len() as f32;
                    let (mean, variance) = states[run].moments();
                    for (sum, moment) in sum.iter_mut().zip(if is_mean { mean } else { variance }) {
                        // What a run without rows has is that of another batch.
                        *sum = if rows == 0.0 { 0.0 } else { rows * moment };
                    }
                };
                let leaf = &mut Leaf { leaves: Leaves::Apart, compute };
                tree(model.kernels, 0..ends.len(), sum, &mut self.spare, leaf);
            }
        }
    }

    /// The losses of each run, and the gradients of its outputs.
    fn judge(&mut self, model: &Model, batch: Batch<'_>, cut: Cut<'_>) {
        let cols = model.outputs();
        for (rows, to) in runs(cut.sums).zip(self.own_losses.chunks_exact_mut(Judged::BYTES)) {
            let mut judged = Judged { rows: rows.len(), ..Judged::default() };
            if !rows.is_empty() {
                let part = rows.start * cols..rows.end * cols;
                let targets = batch.targets.rows(rows.start, rows.end, cols);
                let (outputs, d_outputs) = self.passes.outputs(model, cut.rows());
                let (outputs, d_outputs) = (&outputs[part.clone()], &mut d_outputs[part]);
                (judged.loss, judged.weight) = model.objective.sums(model.kernels, outputs, targets, d_outputs);
                judged.correct = self.passes.count_correct(model, rows.start, rows.len(), targets.targets);
            }
            judged.write(to);
        }
    }

    /// What the outputs of all ranks are worth, when that is known.
    pub(crate) fn judged(&mut self, link: &mut Link) -> Result<Judged> {
        let mut answer = link.answer()?;
        if let Message::Sum(moments) = answer {
            self.moments = moments;
            answer = link.answer()?;
        }
        let Message::AllGather { part, all } = answer else { unreachable!("answers come in the order of questions") };
        (self.own_losses, self.all_losses) = (part, all);
        let judged = self.all_losses.chunks_exact(Judged::BYTES).map(Judged::read);
        Ok(judged.fold(Judged::default(), Judged::plus))
    }

    /// Takes in the next part of the gradients, times `factor`; returns which it is.
    pub(crate) fn receive(
        &mut self,
        kernels: &KernelSet,
        factor: f32,
        link: &mut Link,
    ) -> Result<Option<Range<usize>>> {
        let Some((place, values)) = self.buckets.receive(link)? else { return Ok(None) };
        let gradients = &mut self.gradients.as_mut_slice()[place.clone()];
        // While a block is in the first level of the cache.
        for (gradients, values) in gradients.chunks_mut(BLOCK).zip(values.chunks(BLOCK)) {
            gradients.copy_from_slice(values);
            kernels.scale(gradients, factor);
        }
        Ok(Some(place))
    }

    /// Batch norms move their running moments towards the means of those of the runs, weighted by rows; variances by one less, so
    /// that without drift they are unbiased. `rows` and `runs` are those of all ranks.
    pub(crate) fn track(&self, model: &mut Model, rows: usize, runs: usize) {
        let (rows, runs) = (rows as f64, runs as f64);
        let buffers = model.buffers.as_mut_slice();
        for (norm, running, _) in self.passes.batch_norms(&model.stages.list) {
            for (place, divisor) in [(&running.mean, rows), (&running.variance, rows - runs)] {
                for (running, sum) in buffers[place.clone()].iter_mut().zip(&self.moments[place.clone()]) {
                    norm.track(running, f64::from(*sum) / divisor);
                }
            }
        }
        model.stages.counts.iter_mut().for_each(Count::increment);
    }

    /// The first layer that returned NaN or an infinity for the local `rows` rows.
    pub(crate) fn first_non_finite_layer(&self, model: &Model, rows: usize) -> Option<usize> {
        self.passes.first_non_finite_layer(model, rows)
    }

    pub(crate) fn gradients(&self) -> &[f32] {
        self.gradients.as_slice()
    }

    pub(crate) fn gradients_mut(&mut self) -> &mut [f32] {
        self.gradients.as_mut_slice()
    }
}
