//! `cargo xtask ci`

mod checks;
pub(crate) mod command;
mod coverage;
mod examples;
mod figures;
mod isas;
pub(crate) mod mpi;
mod packages;
mod safety;
mod same_bits;
mod suites;

use crate::flags::Ci;
use crate::table::Table;
use clap::ValueEnum;
use coverage::Coverage;
use kernels::Isa;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What is checked, in this order: what fails soonest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The layout of the code
    Format,
    /// Lints, none of which may warn
    Lints,
    /// The documentation and its links
    Docs,
    /// The minimum supported Rust version compiles everything
    Msrv,
    /// Licences, advisories and duplicates of dependencies, by cargo-deny
    Deny,
    /// Dependencies that nothing uses, by cargo-machete
    Unused,
    /// Every set of features compiles, by cargo-hack
    Features,
    /// Nothing that the last release promised is broken, by cargo-semver-checks
    Semver,
    /// All tests of the workspace
    Tests,
    /// The suites on each instruction set of this CPU, one at a time
    Isas,
    /// The suites on an emulated aarch64 CPU
    Neon,
    /// Some tests on an emulated CPU with AVX-512; only by name where this CPU has it
    Avx512,
    /// All generated matrix products, optimised
    Generated,
    /// The golden digests on each instruction set
    Digests,
    /// Vector math on one of each 64 inputs, and on all special ones
    Sweep,
    /// The examples reach their accuracy
    Examples,
    /// The example of images learns Fashion-MNIST
    Fashion,
    /// Training gives the same weights on each instruction set and number of threads
    Weights,
    /// Jobs of several ranks over MPI
    Mpi,
    /// Every intrinsic is inlined into its kernel
    Inlined,
    /// The suites under AddressSanitizer
    Asan,
    /// Random inputs to readers and matrix views
    Fuzz,
    /// Kernels execute as many instructions as before, by callgrind
    Instructions,
    /// The short benchmark
    Bench,
    /// A short soak
    Soak,
}

/// How a step ended that did not fail.
enum Outcome {
    Passed,
    /// Nothing, or not all, was checked, for this reason.
    Skipped(String),
}

type StepResult = Result<Outcome, Box<dyn Error>>;

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The emulator is slow: where the CPU itself has AVX-512, it runs only if named.
    fn is_asked_for(self, flags: &Ci) -> bool {
        let by_default = self != Step::Avx512 || !isas::native_isas().contains(&Isa::Avx512);
        if flags.steps.is_empty() { by_default } else { flags.steps.contains(&self) }
    }

    fn run(self, coverage: &mut Coverage) -> StepResult {
        match self {
            Step::Format => checks::format(),
            Step::Lints => checks::lints(),
            Step::Docs => checks::docs(),
            Step::Msrv => checks::msrv(),
            Step::Deny => checks::deny(),
            Step::Unused => checks::unused(),
            Step::Features => checks::features(),
            Step::Semver => checks::semver(),
            Step::Tests => suites::workspace(),
            Step::Isas => isas::native(coverage),
            Step::Neon => isas::neon(coverage),
            Step::Avx512 => isas::avx512(coverage),
            Step::Generated => suites::generated(coverage),
            Step::Digests => same_bits::digests(coverage),
            Step::Sweep => suites::sweep(),
            Step::Examples => examples::accuracy(),
            Step::Fashion => examples::fashion_mnist(),
            Step::Weights => same_bits::weights(coverage),
            Step::Mpi => mpi::ranks(),
            Step::Inlined => examples::inlined(),
            Step::Asan => safety::asan(),
            Step::Fuzz => safety::fuzz(),
            Step::Instructions => figures::instructions(),
            Step::Bench => figures::bench(),
            Step::Soak => figures::soak(),
        }
    }
}

/// Runs the steps asked for, or all, and stops at the first that fails, unless it is told to go on.
pub(crate) fn run(flags: &Ci) -> Result<ExitCode, Box<dyn Error>> {
    let all = flags.steps.is_empty();
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(|step| step.is_asked_for(flags)).collect();
    let start = Instant::now();
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    let mut rows = Vec::new();
    for step in steps {
        println!("\n=== {} (after {})", step.name(), seconds(start.elapsed()));
        let (result, time) = timed(|| step.run(&mut coverage));
        let result = match result {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("skipped: {reason}"),
            Err(error) => {
                failed.push(step.name());
                format!("FAILED: {error}")
            }
        };
        println!("--- {}: {result}", step.name());
        rows.push(vec![step.name(), seconds(time), result]);
        if !failed.is_empty() && !flags.keep_going {
            break;
        }
    }

    let headings = ["step", "time", "result"].map(str::to_owned).to_vec();
    print!("\n{}\n{}", Table { title: "Steps".to_owned(), headings, rows }, coverage.table());
    if all && failed.is_empty() {
        let silent = coverage.silent();
        silent.iter().for_each(|isa| println!("{isa}: nothing ran on it, and no step said why"));
        failed.extend(silent.iter().map(|isa| format!("coverage of {isa}")));
    }
    let verdict = if failed.is_empty() { "passed".to_owned() } else { format!("FAILED: {}", failed.join(", ")) };
    println!("\n{verdict} in {}", seconds(start.elapsed()));
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn timed<R>(f: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    let result = f();
    (result, start.elapsed())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
