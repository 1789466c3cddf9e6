use super::{Trial, ids};
use crate::cases::Net;
use crate::check::Wrong;
use crate::engines::{Role, Setup};
use crate::problem::Aligned;
use crate::training::{self, Judge, TrainEngine, Training};
use std::cell::OnceCell;
use std::time::Duration;

pub(crate) struct TrainTrial {
    training: Training,
    /// Worked out when it is asked for: that takes longer than a run.
    judge: OnceCell<Judge>,
    engines: Vec<TrainEngine>,
    result: Aligned<f32>,
}

impl TrainTrial {
    pub(crate) fn new(net: Net, setup: Setup) -> Self {
        let training = Training::new(net);
        let engines = training::engines(&training, setup);
        let result = Aligned::new(training.result_len(), f32::NAN);
        TrainTrial { training, judge: OnceCell::new(), engines, result }
    }
}

impl Trial for TrainTrial {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        ids(&self.engines)
    }

    fn run(&mut self, engine: usize) {
        self.time(engine, 1);
    }

    fn time(&mut self, engine: usize, calls: u32) -> Duration {
        self.engines[engine].run.time(&self.training, calls, &mut self.result)
    }

    fn spoil(&mut self) {
        self.result.fill(f32::NAN);
    }

    fn check(&self) -> Result<(), Wrong> {
        self.judge.get_or_init(|| Judge::new(&self.training)).check(&self.result)
    }
}
