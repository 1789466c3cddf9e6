//! The epochs of a trainer that trains with others.

use std::slice;

use super::shards::Place as ShardPlace;
use crate::batches::{Batches, Deal, Order};
use crate::collective::link::{Link, Message};
use crate::collective::{Exchange, Part};
use crate::error::{Error, Result};
use crate::inference::{Evaluation, Judged};
use crate::layers::Layer;
use crate::losses::{CheckedTargets, Reduction};
use crate::model::Model;
use crate::optim::PlateauState;
use crate::plan::{Cut, ShardedPlan, Step, Update};
use crate::train::run::Steps;
use crate::train::validation::Validation;
use crate::train::{BatchSize, Place, Trainer};

/// The rows of this rank, and memory for the steps.
pub(super) struct Over<'a> {
    plan: ShardedPlan,
    batches: Batches<'a>,
    deal: Deal,
    /// Where the share of each local shard ends.
    ends: Vec<usize>,
    exchange: Exchange,
    ranks: usize,
    /// That of each local shard.
    validation: Vec<Validation<'a>>,
    pub(super) total: usize,
    pub(super) validation_total: Option<usize>,
    pub(super) have_weight: [bool; 2],
    /// Whether rank 0 has an observer, who may stop the training.
    pub(super) observed: bool,
}

impl<'a> Over<'a> {
    pub(super) fn new(trainer: &Trainer, ranks: usize, part: Part<'a>, validation: Option<Part<'a>>) -> Result<Self> {
        let Trainer { model, options, course, .. } = trainer;
        let Some(sharding) = options.sharding else {
            let (name, value) = ("sharding", "None".to_owned());
            return Err(Error::InvalidHyperParameter { name, value, allowed: "given, to train over ranks" });
        };
        let place = ShardPlace { sharding, rank: trainer.rank, size: ranks };
        let (local, total) = (place.shards()?, part.total);
        let part = place.check(model, part)?;
        let validation_total = validation.map(|part| part.total);
        let mut have_weight = [true; 2];
        let (held_out, selected, rows) = match validation {
            Some(given) => {
                let given = place.check(model, given)?;
                have_weight[1] = given.targets.have_weight(&model.objective, 0..given.x.count());
                (given.for_validation(model, place)?, None, total)
            }
            None if options.validation_fraction > 0.0 => {
                let (drawn, selected, rows) = part.draw(model, place, options)?;
                have_weight[1] = any_has_weight(model, &drawn)?;
                (drawn, Some(selected), rows)
            }
            None => (Vec::new(), None, total),
        };
        have_weight[0] = match &selected {
            Some(selected) => part.targets.have_weight(&model.objective, selected.iter().copied()),
            None => part.targets.have_weight(&model.objective, 0..part.x.count()),
        };
        let batch_rows = match options.batch_size {
            BatchSize::Rows(size) => size.min(rows),
            BatchSize::All => rows,
        };
        let deal = Deal { shards: sharding.shards, local, rows, batch_rows };
        check_shares(model, &deal, sharding.exchange, ranks)?;
        if course.position.batch > 0 && course.rows != rows {
            return Err(Error::OtherData { epoch: course.position.epoch + 1, begun: course.rows, rows });
        }
        let own = selected.as_ref().map_or(part.x.count(), Vec::len);
        let (most, share) = deal.most();
        let most = most.min(own);
        let shards = deal.local.len();
        let order = Order { selected, shuffle: options.shuffle, deal: Some(deal.clone()) };
        Ok(Over {
            plan: ShardedPlan::new(model, (most, share), shards, ranks, sharding.exchange)?,
            batches: Batches::new(part.x, part.targets, model, most, order)?,
            deal,
            ends: Vec::with_capacity(shards),
            exchange: sharding.exchange,
            ranks,
            validation: held_out,
            total,
            validation_total,
            have_weight,
            observed: false,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.deal.rows
    }

    pub(super) fn exchange(&self) -> Exchange {
        self.exchange
    }

    pub(super) fn messages(&self) -> usize {
        self.plan.messages()
    }

    pub(super) fn linked(self, link: Link) -> Linked<'a> {
        Linked { over: self, link }
    }
}

/// The same with a way to the others.
pub(super) struct Linked<'a> {
    over: Over<'a>,
    link: Link,
}

impl Linked<'_> {
    pub(super) fn waited_seconds(&self) -> f64 {
        self.link.waited_seconds()
    }

    /// What each rank tells, in their order.
    fn gather(&mut self, part: Vec<u8>) -> Result<Vec<u8>> {
        let all = vec![0; part.len() * self.link.size];
        self.link.ask(Message::AllGather { part, all })?;
        loop {
            // After a loss that is not finite, sums come first that nobody needs.
            if let Message::AllGather { all, .. } = self.link.answer()? {
                return Ok(all);
            }
        }
    }

    /// The first layer, on any rank, that returned what is not finite.
    fn non_finite_loss(&mut self, model: &Model, rows: usize, loss: f64, place: Place) -> Result<Error> {
        let layer = self.over.plan.first_non_finite_layer(model, rows).map_or(u64::MAX, |layer| layer as u64);
        let all = self.gather(layer.to_le_bytes().to_vec())?;
        let (layers, _) = all.as_chunks();
        let first = layers.iter().copied().map(u64::from_le_bytes).min().filter(|&layer| layer != u64::MAX);
        let Place { epoch, batch } = place;
        Ok(Error::NonFiniteLoss { epoch, batch, layer: first.map(|layer| layer as usize), loss })
    }
}

impl Steps for Linked<'_> {
    fn epoch(&self) -> (usize, usize) {
        (self.over.deal.batches(), self.over.deal.rows)
    }

    fn start_epoch(&mut self, seed: u64, epoch: u64) {
        self.over.batches.start_epoch(seed, epoch);
    }

    fn update(&mut self, trainer: &mut Trainer, plateau: PlateauState, place: Place) -> Result<(Judged, f64)> {
        let Over { plan, batches, deal, ends, exchange, ranks, .. } = &mut self.over;
        let number = trainer.course.position.batch;
        let batch = batches.get(number);
        deal.ends(number, ends);
        let rows = ends.last().copied().unwrap_or(0);
        let sums = match exchange {
            Exchange::Ordered => &ends[..],
            Exchange::Fast => slice::from_ref(&rows),
        };
        let cut = Cut { shards: ends, first_shard: deal.local.start + 1, sums };
        let step = Step { seed: trainer.options.seed, number: trainer.course.position.step, update: Update::Store };
        plan.compute(&trainer.model, batch, cut, step, &self.link)?;
        let judged = plan.judged(&mut self.link)?;
        let mean = if judged.weight == 0.0 { judged.loss } else { judged.loss / judged.weight };
        if !mean.is_finite() {
            return Err(self.non_finite_loss(&trainer.model, rows, mean, place)?);
        }
        let factor = match trainer.model.objective.options.reduction {
            Reduction::Mean if judged.weight > 0.0 => (1.0 / judged.weight) as f32,
            _ => 1.0,
        };
        trainer.update_by_sums(plan, &mut self.link, plateau, factor, place)?;
        plan.track(&mut trainer.model, deal.rows_of(number), runs(deal, *exchange, *ranks, number));
        Ok((judged, mean))
    }

    fn validate(&mut self, model: &Model) -> Result<Option<Evaluation>> {
        if self.over.validation.is_empty() {
            return Ok(None);
        }
        let mut part = vec![0; Judged::BYTES * self.over.validation.len()];
        for (held_out, to) in self.over.validation.iter().zip(part.chunks_exact_mut(Judged::BYTES)) {
            if let Some(held_out) = held_out.examples() {
                let x = model.check_inputs(held_out.x)?;
                let targets = CheckedTargets::part(&model.objective, held_out.targets, x.count())?;
                model.judge(x, &targets)?.write(to);
            }
        }
        let all = self.gather(part)?;
        let all = all.chunks_exact(Judged::BYTES).map(Judged::read).fold(Judged::default(), Judged::plus);
        Ok(Some(all.evaluation(model)))
    }

    fn agree(&mut self, stop: bool) -> Result<bool> {
        if !self.over.observed {
            return Ok(false);
        }
        self.link.tell(stop)
    }
}

impl Trainer {
    /// The update by the gradients of all ranks, as they come, times `factor`.
    fn update_by_sums(
        &mut self,
        plan: &mut ShardedPlan,
        link: &mut Link,
        plateau: PlateauState,
        factor: f32,
        place: Place,
    ) -> Result<()> {
        let (optimizer, kernels, step) =
            (self.optimizer_now(plateau), self.model.kernels, self.course.position.step + 1);
        let mut is_finite = true;
        while let Some(part) = plan.receive(kernels, factor, link)? {
            if self.options.clip.is_none() {
                let arenas = (self.model.arena.as_mut_slice(), plan.gradients());
                is_finite &= self.optimizer.update(kernels, &optimizer, step, part, arenas);
            }
        }
        if let Some(clip) = self.options.clip {
            clip.apply(kernels, plan.gradients_mut());
            let arenas = (self.model.arena.as_mut_slice(), plan.gradients());
            is_finite = self.optimizer.update(kernels, &optimizer, step, 0..arenas.1.len(), arenas);
        }
        if !is_finite {
            return Err(self.non_finite_update(plan.gradients(), place));
        }
        self.course.position.step += 1;
        Ok(())
    }
}

/// Whether a row for validation counts, in any of the local shards.
fn any_has_weight(model: &Model, validation: &[Validation<'_>]) -> Result<bool> {
    for held_out in validation.iter().filter_map(Validation::examples) {
        let rows = model.check_inputs(held_out.x)?.count();
        if CheckedTargets::part(&model.objective, held_out.targets, rows)?.have_weight(&model.objective, 0..rows) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many runs of rows, each with moments of its own, batch `batch` has over all ranks.
fn runs(deal: &Deal, exchange: Exchange, ranks: usize, batch: usize) -> usize {
    match exchange {
        Exchange::Ordered => deal.shards.min(deal.rows_of(batch)),
        Exchange::Fast => rows_of_ranks(deal, ranks, batch).filter(|&rows| rows > 0).count(),
    }
}

fn rows_of_ranks(deal: &Deal, ranks: usize, batch: usize) -> impl Iterator<Item = usize> {
    let each = deal.shards / ranks;
    (0..ranks).map(move |rank| (rank * each..(rank + 1) * each).map(|shard| deal.share(shard, batch).len()).sum())
}

/// Batch norm needs no row or two of each run.
fn check_shares(model: &Model, deal: &Deal, exchange: Exchange, ranks: usize) -> Result<()> {
    let batch_norm = model.layers.iter().position(|layer| matches!(layer, Layer::BatchNorm(_)));
    let Some(layer) = batch_norm else { return Ok(()) };
    let shards = deal.shards;
    let has_one = |&batch: &usize| match exchange {
        Exchange::Ordered => deal.rows_of(batch) < 2 * shards,
        Exchange::Fast => rows_of_ranks(deal, ranks, batch).any(|rows| rows == 1),
    };
    // But for their places, all but the last are alike.
    match (0..deal.batches()).find(has_one) {
        Some(batch) => Err(Error::ShareTooSmall { layer, rows: deal.rows_of(batch), shards }),
        None => Ok(()),
    }
}
