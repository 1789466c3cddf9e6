//! A case with its memory and the engines that can run it.

mod gemm;
mod loss;
mod map;
mod memory;

use crate::cases::{Case, Precision, Task};
use crate::check::Wrong;
use crate::engines::{Engine, Role, Setup};

/// A case, ready to run. Every engine writes the same memory, so that none has the better place.
pub trait Trial {
    /// The name and the role of each engine.
    fn engines(&self) -> Vec<(&'static str, Role)>;

    /// Runs an engine once.
    fn run(&mut self, engine: usize);

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
        match self.task {
            Task::Gemm(shape) => match shape.precision {
                Precision::F32 => Box::new(gemm::GemmTrial::<f32>::new(shape, setup)),
                Precision::F64 => Box::new(gemm::GemmTrial::<f64>::new(shape, setup)),
            },
            Task::Map(function) => Box::new(map::MapTrial::new(function, setup)),
            Task::Loss(loss) => Box::new(loss::LossTrial::new(loss, setup)),
            Task::Memory(task) => Box::new(memory::MemoryTrial::new(task, setup)),
        }
    }
}

fn ids<F>(engines: &[Engine<F>]) -> Vec<(&'static str, Role)> {
    engines.iter().map(|engine| (engine.name, engine.role)).collect()
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
            case
        };
        for case in cases::all().into_iter().map(shorter).filter(|case| case.quick && small(case.task)) {
            for set in KernelSet::available() {
                let mut trial = case.trial(Setup { set, threads: 1 });
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
