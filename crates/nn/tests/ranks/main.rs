//! Trainings over several ranks, which are threads here.

mod bits;
mod errors;
mod gradient;
mod resume;
mod validation;

use std::ops::ControlFlow;

use kernels::ThreadPool;
use nn::collective::{Collective, Exchange, Part, Sharding, Threads};
use nn::random::{Purpose, Stream};
use nn::{Model, Progress, StateEntry, Targets, TrainOptions, TrainReport, Trainer};

/// `len` values, uniform in (-1, 1).
fn uniform(seed: u64, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Split, 0);
    (0..len).map(|_| 2.0 * stream.uniform() - 1.0).collect()
}

const INPUTS: usize = 12;
const CLASSES: usize = 4;

/// Rows with a class that follows from them, and a weight each.
struct Data {
    x: Vec<f32>,
    labels: Vec<u32>,
    weights: Option<Vec<f32>>,
}

impl Data {
    fn new(seed: u64, rows: usize) -> Self {
        let x = uniform(seed, rows * INPUTS);
        let class = |row: &[f32]| u32::from(row[0] + row[1] > 0.0) + 2 * u32::from(row[2] * row[3] > 0.0);
        let labels = x.chunks(INPUTS).map(class).collect();
        Data { x, labels, weights: None }
    }

    fn weighted(mut self) -> Self {
        self.weights = Some(uniform(99, self.labels.len()).iter().map(|weight| weight.abs()).collect());
        self
    }

    /// The part of a rank.
    fn part(&self, sharding: Sharding, rank: usize, ranks: usize) -> Part<'_> {
        let total = self.labels.len();
        let rows = sharding.rows(rank, ranks, total).unwrap();
        let (x, labels) = (&self.x[rows.start * INPUTS..rows.end * INPUTS], &self.labels[rows.clone()]);
        match &self.weights {
            Some(weights) => Part::new((x, Targets::Labels(labels).weighted(&weights[rows])), total),
            None => Part::new((x, labels), total),
        }
    }
}

fn sharded(shards: usize) -> Option<Sharding> {
    Some(Sharding { shards, exchange: Exchange::Ordered })
}

fn trainer(model: &Model, options: TrainOptions, threads: usize) -> Trainer {
    // Small as the products are, all threads shall work.
    Trainer::with_pool(model.clone(), options, ThreadPool::with_work_per_thread(threads, 1).unwrap()).unwrap()
}

/// Bits of loss and accuracy.
type Judged = (u64, Option<u64>);

/// Everything that training changed, and what it said of each epoch.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: Vec<u64>,
    epochs: Vec<(u64, Option<u64>, Option<Judged>)>,
}

impl Outcome {
    fn new(trainer: &Trainer, report: &TrainReport) -> Self {
        let state = trainer.model().state().flat_map(|entry| match entry {
            StateEntry::Tensor(parameter) => parameter.values().map(|value| u64::from(value.to_bits())).collect(),
            StateEntry::Count { value, .. } => vec![value],
        });
        let epoch = |epoch: &nn::EpochReport| {
            let validation =
                epoch.validation.map(|held_out| (held_out.loss.to_bits(), held_out.accuracy.map(f64::to_bits)));
            (epoch.loss.to_bits(), epoch.accuracy.map(f64::to_bits), validation)
        };
        Outcome { state: state.collect(), epochs: report.epochs.iter().map(epoch).collect() }
    }
}

/// Trains on so many ranks, of so many threads each; the outcome of each rank.
fn train(
    (ranks, threads): (usize, usize),
    model: &Model,
    options: TrainOptions,
    data: &Data,
    validation: Option<&Data>,
) -> Vec<Outcome> {
    let sharding = options.sharding.unwrap();
    Threads::run(ranks, |collective| {
        let rank = collective.rank();
        let (part, validation) =
            (data.part(sharding, rank, ranks), validation.map(|data| data.part(sharding, rank, ranks)));
        let mut trainer = trainer(model, options, threads);
        let watch = |_: &Trainer, _: Progress| ControlFlow::Continue(());
        let report = trainer.fit_observed_over(collective, part, validation, watch).unwrap();
        Outcome::new(&trainer, &report)
    })
}
