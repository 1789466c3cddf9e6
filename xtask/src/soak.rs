//! `cargo xtask soak`

use crate::flags::Soak;
use nn::{Activation, BatchSize, Loss, Model, Progress, TrainOptions, Trainer};
use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;
use tests::random::Random;

const INPUTS: usize = 16;
const CLASSES: usize = 4;
const BATCH: usize = 32;
/// Of an epoch, so that the reports of the epochs stay few.
const STEPS: usize = 1000;

/// What resident memory may grow by after the warm-up.
const MAX_GROWTH: u64 = 1 << 20;
/// The longest that a step of the last tenth may take, in steps of the first one: more than the noise of a shared machine.
const MAX_SLOWDOWN: f64 = 1.25;

/// Trains a small model for many steps in one run; fails if memory grows or steps become slower.
pub(crate) fn run(flags: &Soak) -> Result<ExitCode, Box<dyn Error>> {
    let epochs = flags.steps.div_ceil(STEPS).max(10);
    let mut random = Random::new(200);
    let x = random.floats(STEPS * BATCH * INPUTS, 1.0);
    let labels: Vec<u32> = (0..STEPS * BATCH).map(|_| random.below(CLASSES) as u32).collect();
    let builder = Model::builder(INPUTS).linear(64, Activation::Relu).linear(64, Activation::Tanh);
    let model = builder.linear(CLASSES, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).build()?;
    let options = TrainOptions {
        batch_size: BatchSize::Rows(BATCH),
        max_epochs: epochs + 1,
        tol: None,
        threads: flags.threads,
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(model, options)?;

    // The first epoch is the warm-up.
    let mut record = Record::new(epochs);
    let mut failure = None;
    trainer.fit_observed((&x, &labels), None, |_, progress| {
        match progress {
            Progress::Batch(_) => record.step(),
            Progress::Epoch(_) => {
                if let Err(error) = record.epoch() {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    record.judge()
}

/// What was seen of each epoch after the first.
struct Record {
    last: Instant,
    /// Of this epoch, in nanoseconds.
    steps: Vec<u64>,
    medians: Vec<u64>,
    /// Resident, in bytes.
    memory: Vec<u64>,
    warm: bool,
}

impl Record {
    /// All that it will need is touched now, so that it is no growth.
    fn new(epochs: usize) -> Self {
        let touched = |len| {
            let mut values = vec![1; len];
            values.clear();
            values
        };
        let (steps, medians, memory) = (touched(STEPS), touched(epochs), touched(epochs + 1));
        Record { last: Instant::now(), steps, medians, memory, warm: false }
    }

    fn step(&mut self) {
        let now = Instant::now();
        self.steps.push((now - self.last).as_nanos() as u64);
        self.last = now;
    }

    fn epoch(&mut self) -> Result<(), String> {
        self.memory.push(resident()?);
        if self.warm {
            self.medians.push(median(&mut self.steps));
        }
        self.steps.clear();
        self.warm = true;
        self.last = Instant::now();
        Ok(())
    }

    fn judge(mut self) -> Result<ExitCode, Box<dyn Error>> {
        let growth = self.memory.iter().max().unwrap_or(&0) - self.memory[0];
        let tenth = self.medians.len() / 10;
        let last = self.medians.len() - tenth;
        let slowdown = median(&mut self.medians[last..]) as f64 / median(&mut self.medians[..tenth]) as f64;
        let steps = self.memory.len().saturating_sub(1) * STEPS;
        println!("{steps} steps after a warm-up of {STEPS}");
        println!("resident memory: {} KiB, then at most {} KiB more", self.memory[0] >> 10, growth >> 10);
        let middle = median(&mut self.medians);
        println!("median step: {:.1} µs; last tenth against the first: {slowdown:.3}", middle as f64 / 1e3);
        let level = growth < MAX_GROWTH && slowdown <= MAX_SLOWDOWN;
        if !level {
            println!("NOT level: allowed are {} KiB and {MAX_SLOWDOWN}", MAX_GROWTH >> 10);
        }
        Ok(if level { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// The resident memory of this process in bytes.
fn resident() -> Result<u64, String> {
    const STATUS: &str = "/proc/self/status";
    let status = std::fs::read_to_string(STATUS).map_err(|error| format!("{STATUS}: {error}; a soak needs Linux"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kibibytes.ok_or_else(|| format!("{STATUS} has no VmRSS"))? << 10)
}
