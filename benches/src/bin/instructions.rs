//! Calls kernels of ours on AVX2, each twice, to be counted by callgrind: `cargo xtask instructions`. It prints the name
//! of each as it comes to it.

use benches::cases::{self, Case, Stream, Task};
use benches::{Role, Setup, Trial, engines};
use kernels::{Isa, KernelSet};
use std::hint::black_box;
use std::process::ExitCode;

/// Of the list of cases, besides all functions, losses and updates.
const CHOSEN: [&str; 20] = [
    "square 37",
    "square 64",
    "square 128",
    "square 128 NT",
    "square 128 TN",
    "double 64",
    "forward 64x784x128",
    "dX 64x784x128",
    "dW 64x784x128",
    "forward 64x128x10",
    "dX 64x128x10",
    "dW 64x128x10",
    "batch 1 forward 1x784x128",
    "batch 1 dX 1x784x128",
    "batch 1 dW 1x784x128",
    "packed square 64 NT",
    "bias, relu, forward 64x784x128",
    "relu', dX 64x784x128",
    "16-64-64-4, batch 32",
    "logistic 784-1, batch 1",
];

/// Elements of an update.
const LEN: usize = 2 * cases::MAP_LEN;

fn main() -> ExitCode {
    let Some(set) = KernelSet::for_isa(Isa::Avx2) else {
        eprintln!("avx2: {}", Isa::Avx2.missing().unwrap_or_default());
        return ExitCode::FAILURE;
    };
    let setup = Setup { only: Some("ours"), ..Setup::new(set) };
    // On one thread from here on: that is where callgrind looks.
    engines::pool(1).expect("a thread starts").install(|| cases().into_iter().for_each(|case| run(&case, setup)));
    ExitCode::SUCCESS
}

fn cases() -> Vec<Case> {
    let chosen = |case: &Case| match case.task {
        Task::Map(_) | Task::Loss(_) => true,
        Task::Memory(memory) => matches!(memory.kernel, Stream::Update(_)),
        Task::Gemm(_) | Task::Variant(_) | Task::Net(_) => CHOSEN.contains(&case.name.as_str()),
    };
    let mut cases = cases::all();
    cases.retain(chosen);
    for case in &mut cases {
        match &mut case.task {
            Task::Memory(memory) => memory.len = LEN,
            Task::Net(net) => net.examples = 4 * net.batch.max(32),
            _ => {}
        }
    }
    cases
}

fn run(case: &Case, setup: Setup) {
    let mut trial = case.trial(setup);
    let ours = trial.engines().iter().position(|(_, role)| *role == Role::Ours).expect("ours is an engine");
    // The first call also gets memory.
    trial.run(ours);
    println!("{}", case.name);
    counted_call(&mut *trial, ours);
}

/// What callgrind counts, by this name.
#[inline(never)]
fn counted_call(trial: &mut dyn Trial, engine: usize) {
    trial.run(engine);
    // Not the last thing that it does, or that would be a jump and not a call.
    black_box(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_cases_are_in_the_list() {
        let all = cases();
        for name in CHOSEN {
            assert!(all.iter().any(|case| case.name == name), "{name}");
        }
    }
}
