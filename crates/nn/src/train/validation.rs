//! Rows that training leaves for validation.

use crate::data::Examples;
use crate::error::{Error, Result};
use crate::losses::{CheckedTargets, Targets, WeightedTargets};
use crate::model::Model;
use crate::random::{Purpose, Stream};

/// Rows to judge a model by after each epoch.
pub(super) enum Validation<'a> {
    None,
    Given(Examples<'a>),
    Drawn { x: Vec<f32>, targets: DrawnTargets, weights: Option<Vec<f32>> },
}

pub(super) enum DrawnTargets {
    Labels(Vec<u32>),
    Values(Vec<f32>),
}

impl<'a> Validation<'a> {
    /// What was given, if a model can be judged by it.
    pub(super) fn given(model: &Model, examples: Examples<'a>) -> Result<Self> {
        let rows = model.check_inputs(examples.x)?;
        CheckedTargets::new(&model.objective, examples.targets, rows)?;
        Ok(Validation::Given(examples))
    }

    /// Draws `fraction` of the `rows` rows, rounded, for all rows, `shard` 0, or a shard counted from 1; returns the numbers of the
    /// others too. `examples` were checked, but for whether the weights of those drawn are all 0.
    pub(super) fn drawn(
        model: &Model,
        examples: Examples<'_>,
        rows: usize,
        fraction: f64,
        (seed, shard): (u64, usize),
    ) -> Result<(Self, Vec<usize>)> {
        let held_out = held_out(rows, fraction);
        if held_out == 0 || held_out >= rows {
            return Err(Error::InvalidHyperParameter {
                name: "validation_fraction",
                value: format!("{fraction} of {rows} rows"),
                allowed: "such that both parts have rows",
            });
        }
        let mut order: Vec<usize> = (0..rows).collect();
        Stream::with_index(seed, Purpose::Validation, 0, shard as u64).shuffle(&mut order);
        let mut training = order.split_off(held_out);
        training.sort_unstable();
        let WeightedTargets { targets, weights } = examples.targets;
        let targets = match targets {
            Targets::Labels(labels) => DrawnTargets::Labels(gather(labels, 1, &order)),
            Targets::Values(values) => DrawnTargets::Values(gather(values, model.outputs(), &order)),
        };
        let weights = weights.map(|weights| gather(weights, 1, &order));
        let drawn = Validation::Drawn { x: gather(examples.x, model.inputs(), &order), targets, weights };
        Ok((drawn, training))
    }

    pub(super) fn examples(&self) -> Option<Examples<'_>> {
        match self {
            Validation::None => None,
            Validation::Given(examples) => Some(*examples),
            Validation::Drawn { x, targets, weights } => {
                let targets = match targets {
                    DrawnTargets::Labels(labels) => Targets::Labels(labels),
                    DrawnTargets::Values(values) => Targets::Values(values),
                };
                Some(Examples { x, targets: WeightedTargets { targets, weights: weights.as_deref() } })
            }
        }
    }
}

/// How many of `rows` rows are drawn.
pub(super) fn held_out(rows: usize, fraction: f64) -> usize {
    (rows as f64 * fraction).round() as usize
}

fn gather<T: Copy>(values: &[T], cols: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|row| &values[row * cols..][..cols]).copied().collect()
}
