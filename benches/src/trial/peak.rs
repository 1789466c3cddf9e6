use super::Trial;
use crate::cases::Precision;
use crate::check::Wrong;
use crate::engines::{Role, Setup};
use kernels::{KernelSet, probe};
use std::time::{Duration, Instant};

/// A trial with one more engine: as many fused multiply-adds as the case has, from registers. Clocks move, and with them
/// the peak; the part of it that ours reaches is known only where both take turns.
pub(crate) struct WithPeak {
    trial: Box<dyn Trial>,
    /// The index of the engine that is added.
    engine: usize,
    set: &'static KernelSet,
    precision: Precision,
    flops: usize,
    /// What the multiply-adds came to; `None` where another engine ran last.
    found: Option<f64>,
}

/// What the chains of multiply-adds converge to.
const LIMIT: f64 = 1.0;

impl WithPeak {
    /// One engine more where all of them run on one thread of this process.
    pub(crate) fn wrap(trial: Box<dyn Trial>, precision: Precision, flops: usize, setup: Setup) -> Box<dyn Trial> {
        if setup.threads > 1 || setup.only.is_some() {
            return trial;
        }
        let engine = trial.engines().len();
        Box::new(WithPeak { trial, engine, set: setup.set, precision, flops, found: None })
    }

    fn time_peak(&mut self, calls: u32) -> Duration {
        let flops = self.flops as f64 * f64::from(calls);
        let per_iteration = match self.precision {
            Precision::F32 => probe::FLOPS_PER_ITERATION_F32,
            Precision::F64 => probe::FLOPS_PER_ITERATION_F64,
        };
        // Enough to converge, whatever the case has.
        let iterations = ((flops / per_iteration as f64).ceil() as usize).max(64);
        let start = Instant::now();
        self.found = Some(match self.precision {
            Precision::F32 => f64::from(probe::fma_f32(self.set, iterations)),
            Precision::F64 => probe::fma_f64(self.set, iterations),
        });
        start.elapsed().mul_f64(flops / (iterations * per_iteration) as f64)
    }
}

impl Trial for WithPeak {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        let mut engines = self.trial.engines();
        engines.push(("peak", Role::Peak));
        engines
    }

    fn run(&mut self, engine: usize) {
        self.time(engine, 1);
    }

    fn time(&mut self, engine: usize, calls: u32) -> Duration {
        if engine == self.engine {
            return self.time_peak(calls);
        }
        self.found = None;
        self.trial.time(engine, calls)
    }

    fn move_to(&mut self, place: usize) {
        self.trial.move_to(place);
    }

    fn spoil(&mut self) {
        self.found = None;
        self.trial.spoil();
    }

    fn check(&self) -> Result<(), Wrong> {
        match self.found {
            None => self.trial.check(),
            Some(LIMIT) => Ok(()),
            Some(found) => Err(Wrong { row: 0, col: 0, found, expected: LIMIT, bound: 0.0 }),
        }
    }
}
