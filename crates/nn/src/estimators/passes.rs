//! Passes of descent over rows that come in parts.

use crate::check;
use crate::data::Features;
use crate::error::Result;
use crate::losses::{CheckedTargets, Targets, WeightedTargets};
use crate::random::{Purpose, Stream};
use crate::train::{BatchSize, TrainOptions, Trainer};

/// Passes over rows that come in parts.
#[derive(Debug, Default)]
pub(super) struct Passes {
    /// How many were begun: each has an order of the rows of its own.
    begun: u64,
}

impl Passes {
    /// One pass of updates over the rows, in batches and in the order that the options say; returns their mean loss by weight.
    pub(super) fn run(
        &mut self,
        trainer: &mut Trainer,
        x: Features<'_>,
        targets: WeightedTargets<'_>,
        rows: usize,
    ) -> Result<f64> {
        let (inputs, TrainOptions { batch_size, shuffle, seed, .. }) = (trainer.model().inputs(), *trainer.options());
        let given = x.inputs(rows)?;
        if given != inputs {
            return Err(check::mismatch("the data", &[rows, inputs], &[rows, given]));
        }
        // A mistake in the last row shall not be found after updates by the first ones.
        let x = trainer.model().check_inputs(x)?;
        CheckedTargets::new(&trainer.model().objective, targets, rows)?;
        let batch_rows = match batch_size {
            BatchSize::Rows(batch_rows) => batch_rows.min(rows),
            BatchSize::All => rows,
        };
        let mut order: Vec<usize> = (0..rows).collect();
        if shuffle && batch_rows < rows {
            self.begun += 1;
            Stream::new(seed, Purpose::Shuffle, trainer.position().epoch as u64 + self.begun).shuffle(&mut order);
        }
        let pool = trainer.pool().clone();
        pool.install(|| {
            let (mut sum, mut total) = (0.0, 0.0);
            let mut batch = vec![0.0; batch_rows * inputs];
            for order in order.chunks(batch_rows) {
                let x = x.gather(trainer.model().kernels(), order, &mut batch);
                let weights = targets.weights.map(|weights| gather(weights, 1, order));
                let weight = weights
                    .as_ref()
                    .map_or(order.len() as f64, |weights| weights.iter().map(|&weight| f64::from(weight)).sum());
                if weight == 0.0 {
                    continue;
                }
                let loss = match targets.targets {
                    Targets::Labels(labels) => {
                        let labels = gather(labels, 1, order);
                        let targets = Targets::Labels(&labels);
                        trainer.step((x, WeightedTargets { targets, weights: weights.as_deref() }))?
                    }
                    Targets::Values(values) => {
                        let values = gather(values, values.len() / rows, order);
                        let targets = Targets::Values(&values);
                        trainer.step((x, WeightedTargets { targets, weights: weights.as_deref() }))?
                    }
                };
                sum += loss * weight;
                total += weight;
            }
            Ok(sum / total)
        })
    }
}

fn gather<T: Copy>(values: &[T], cols: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|row| &values[row * cols..][..cols]).copied().collect()
}
