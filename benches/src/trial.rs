//! A case with its memory and the engines that can run it.

mod gemm;
mod gemv;
mod loss;
mod map;
mod memory;
mod peak;
mod train;
mod variant;

use crate::cases::{Case, Gemm, Group, Precision, Task};
use crate::check::Wrong;
use crate::engines::{Role, Setup, ids};
use peak::WithPeak;
use std::time::{Duration, Instant};

/// A case, ready to run. Every engine writes the same memory, so that none has the better place.
pub trait Trial {
    /// The name and the role of each engine.
    fn engines(&self) -> Vec<(&'static str, Role)>;

    /// Runs an engine once.
    fn run(&mut self, engine: usize);

    /// The time that an engine takes to run so often.
    fn time(&mut self, engine: usize, calls: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..calls {
            self.run(engine);
        }
        start.elapsed()
    }

    /// Moves what is read and written to other places in memory, if it is small.
    fn move_to(&mut self, _place: usize) {}

    /// Puts NaN where the answer goes.
    fn spoil(&mut self);

    /// Whether the answer of the last run is right.
    ///
    /// # Errors
    /// The first wrong element of it.
    fn check(&self) -> Result<(), Wrong>;
}

impl Case {
    /// Lays out the operands and works out what the answer must be.
    pub fn trial(&self, setup: Setup) -> Box<dyn Trial> {
        let with_peak = |trial, shape: Gemm| WithPeak::wrap(trial, shape.precision, shape.flops(), setup);
        match self.task {
            Task::Gemm(shape) => {
                let trial: Box<dyn Trial> = match shape.precision {
                    Precision::F32 if self.group == Group::Gemv => Box::new(gemv::GemvTrial::new(shape, setup)),
                    Precision::F32 => Box::new(gemm::GemmTrial::<f32>::new(shape, setup)),
                    Precision::F64 => Box::new(gemm::GemmTrial::<f64>::new(shape, setup)),
                };
                with_peak(trial, shape)
            }
            Task::Variant(variant) => with_peak(Box::new(variant::VariantTrial::new(variant, setup)), variant.gemm),
            Task::Map(function) => Box::new(map::MapTrial::new(function, setup)),
            Task::Loss(loss) => Box::new(loss::LossTrial::new(loss, setup)),
            Task::Memory(task) => Box::new(memory::MemoryTrial::new(task, setup)),
            Task::Net(net) => Box::new(train::TrainTrial::new(net, setup)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cases::{self, Case, Task};
    use crate::engines::Setup;
    use kernels::KernelSet;

    #[test]
    fn every_engine_is_right_on_every_quick_case() {
        // Larger products are left to the benchmark itself, which checks each before it is timed.
        const FLOPS: usize = 30_000_000;
        let small = |task| !matches!(task, Task::Gemm(gemm) if gemm.flops() > FLOPS);
        let shorter = |mut case: Case| {
            if let Task::Memory(memory) = &mut case.task {
                memory.len = 2 * cases::MAP_LEN;
                case.quick = true;
            }
            if let Task::Net(net) = &mut case.task {
                net.batch = net.batch.min(4);
                net.examples = 4 * net.batch;
            }
            case
        };
        // Those that only grow in size are of the same tasks.
        let cases = cases::all().into_iter().filter(|case| !case.group.is_scale()).map(shorter);
        for case in cases.filter(|case| case.quick && small(case.task)) {
            for set in KernelSet::available() {
                let mut trial = case.trial(Setup::new(set));
                for (engine, (name, _)) in trial.engines().into_iter().enumerate() {
                    trial.spoil();
                    assert!(trial.check().is_err(), "{}: NaN must be wrong", case.name);
                    trial.run(engine);
                    if let Err(wrong) = trial.check() {
                        panic!("{}, {name}, {}: {wrong}", case.name, set.isa());
                    }
                }
            }
        }
    }
}
