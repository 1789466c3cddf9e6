//! Whole trainings: on one rank and on two, in turns.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use nn::collective::{Collective, Part, Sharding, Single};
use nn::{Activation, Adam, BatchSize, Communication, Loss, Model, Progress, TrainOptions, Trainer};
use nn_mpi::Mpi;

/// Of a batch over both ranks.
const BATCH: usize = 1024;
const ROWS: usize = 4 * BATCH;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(300);

/// Two ranks of one thread against one: samples a second, each the median of rounds, of their ratios too.
pub(crate) struct Speeds {
    alone: f64,
    together: f64,
    ratio: f64,
    /// Of the time of two ranks: in calls, and waiting for them.
    called: f64,
    waited: f64,
}

impl fmt::Display for Speeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Speeds { alone, together, ratio, called, waited } = self;
        write!(f, "{alone:.0} samples/s on one rank, {together:.0} on two, {ratio:.2} times as many; ")?;
        write!(f, "{:.1} % of the time in calls, {:.1} % waiting for them", 100.0 * called, 100.0 * waited)
    }
}

/// A training that goes on whenever it is asked to.
struct Training<'a> {
    trainer: Trainer,
    part: Part<'a>,
}

/// Linear layers with ReLU in between, on one thread, by Adam.
pub(crate) fn trainer(layers: &[usize], options: TrainOptions) -> nn::Result<Trainer> {
    let (inputs, hidden, outputs) = (layers[0], &layers[1..layers.len() - 1], layers[layers.len() - 1]);
    let builder = Model::builder(inputs).loss(Loss::SoftmaxCrossEntropy);
    let builder = hidden.iter().fold(builder, |builder, &size| builder.linear(size, Activation::Relu));
    let model = builder.linear(outputs, Activation::Identity).build()?;
    let options = TrainOptions { optimizer: Adam::default().into(), tol: None, threads: 1, ..options };
    Trainer::new(model, options)
}

/// Some inputs and labels.
pub(crate) fn data(layers: &[usize], rows: usize) -> (Vec<f32>, Vec<u32>) {
    let (inputs, outputs) = (layers[0], layers[layers.len() - 1]);
    let x = (0..rows * inputs).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
    (x, (0..rows).map(|row| (row % outputs) as u32).collect())
}

/// What rank 0 has measured; on rank 1 the speed of rank 0 is missing.
pub(crate) fn two_ranks(mpi: &mut Mpi, layers: &[usize]) -> Result<Speeds, Box<dyn Error>> {
    let (x, labels) = data(layers, ROWS);
    let sharding = Sharding::default();
    let options = TrainOptions {
        batch_size: BatchSize::Rows(BATCH),
        sharding: Some(sharding),
        max_epochs: usize::MAX,
        ..TrainOptions::default()
    };
    let own = sharding.rows(mpi.rank(), mpi.size(), ROWS)?;
    let own = (&x[own.start * layers[0]..own.end * layers[0]], &labels[own]);
    let mut alone = Training { trainer: trainer(layers, options)?, part: Part::new((&x, &labels), ROWS) };
    let mut together = Training { trainer: trainer(layers, options)?, part: Part::new(own, ROWS) };

    let (mut one, mut two, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut total, mut communication) = (0.0, Communication::default());
    for _ in 0..ROUNDS {
        let mut speed = f64::NAN;
        if mpi.rank() == 0 {
            speed = alone.go_on(&mut Single)?.0;
        }
        mpi.barrier()?;
        let start = Instant::now();
        let (both, calls) = together.go_on(mpi)?;
        total += start.elapsed().as_secs_f64();
        communication.seconds += calls.seconds;
        communication.waited_seconds += calls.waited_seconds;
        one.push(speed);
        two.push(both);
        ratios.push(both / speed);
    }
    Ok(Speeds {
        alone: super::median(one),
        together: super::median(two),
        ratio: super::median(ratios),
        called: communication.seconds / total,
        waited: communication.waited_seconds / total,
    })
}

impl Training<'_> {
    /// Trains for the time of a round, by the clock of rank 0; returns rows a second.
    fn go_on(&mut self, ranks: &mut dyn Collective) -> nn::Result<(f64, Communication)> {
        let start = Instant::now();
        let report = self.trainer.fit_observed_over(ranks, self.part, None, |_, progress| match progress {
            Progress::Epoch(_) if start.elapsed() > ROUND => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })?;
        Ok((report.samples_per_second, report.communication))
    }
}
