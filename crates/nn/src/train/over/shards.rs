//! The rows of the local shards: those to train on, and those held out.

use std::ops::Range;

use crate::collective::{Part, Sharding};
use crate::data::Examples;
use crate::data::features::Rows;
use crate::error::Result;
use crate::losses::CheckedTargets;
use crate::model::Model;
use crate::train::validation::{Validation, held_out};
use crate::{TrainOptions, check};

/// Which shards are here, of how many rows.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) sharding: Sharding,
    pub(super) rank: usize,
    pub(super) size: usize,
}

/// A part of a data set, checked.
pub(super) struct CheckedPart<'a> {
    pub(super) x: Rows<'a>,
    examples: Examples<'a>,
    pub(super) targets: CheckedTargets<'a>,
    total: usize,
}

impl Place {
    pub(super) fn shards(self) -> Result<Range<usize>> {
        self.sharding.shards_of(self.rank, self.size)
    }

    pub(super) fn check<'a>(self, model: &Model, part: Part<'a>) -> Result<CheckedPart<'a>> {
        let Part { examples, total } = part;
        let own = self.sharding.rows(self.rank, self.size, total)?.len();
        let (x, inputs) = (model.check_inputs(examples.x)?, model.inputs());
        if x.count() != own {
            return Err(check::mismatch("the data of a rank", &[own, inputs], &[x.count(), inputs]));
        }
        let targets = CheckedTargets::part(&model.objective, examples.targets, own)?;
        Ok(CheckedPart { x, examples, targets, total })
    }
}

impl<'a> CheckedPart<'a> {
    /// The examples of each local shard.
    fn shards(&self, model: &Model, place: Place) -> Result<impl Iterator<Item = (usize, usize, Examples<'a>)>> {
        let Place { sharding, .. } = place;
        let Examples { x, targets } = self.examples;
        let (inputs, outputs, total) = (model.inputs(), model.outputs(), self.total);
        Ok(place.shards()?.scan(0, move |from, shard| {
            let to = *from + rows_of(sharding.shards, shard, total);
            let examples = Examples { x: x.part(*from..to, inputs), targets: targets.rows(*from, to, outputs) };
            Some((shard, std::mem::replace(from, to), examples))
        }))
    }

    /// The rows of each local shard for validation.
    pub(super) fn for_validation(&self, model: &Model, place: Place) -> Result<Vec<Validation<'a>>> {
        Ok(self.shards(model, place)?.map(|(.., examples)| Validation::Given(examples)).collect())
    }

    /// Draws rows of each local shard for validation; returns the numbers of the others, and how many all shards have of those.
    pub(super) fn draw(
        &self,
        model: &Model,
        place: Place,
        options: &TrainOptions,
    ) -> Result<(Vec<Validation<'a>>, Vec<usize>, usize)> {
        let (fraction, shards) = (options.validation_fraction, place.sharding.shards);
        let (mut validation, mut selected) = (Vec::new(), Vec::new());
        for (shard, first, examples) in self.shards(model, place)? {
            let x = self.x.part(first..first + rows_of(shards, shard, self.total));
            let (drawn, others) = Validation::drawn(model, x, examples.targets, fraction, (options.seed, shard + 1))?;
            validation.push(drawn);
            selected.extend(others.into_iter().map(|row| first + row));
        }
        let left = |shard| {
            let rows = rows_of(shards, shard, self.total);
            rows - held_out(rows, fraction)
        };
        Ok((validation, selected, (0..shards).map(left).sum()))
    }
}

fn rows_of(shards: usize, shard: usize, total: usize) -> usize {
    total / shards + usize::from(shard < total % shards)
}
