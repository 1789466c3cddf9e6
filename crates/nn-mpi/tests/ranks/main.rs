//! Jobs of several ranks on this machine: `cargo test -p nn-mpi --features mpi`.
//!
//! This program starts itself by `mpirun`; arguments choose the tests whose names contain them. `NN_MPI_KILLS=20` has a training killed
//! so many times instead of twice.

mod collective;
mod death;
mod job;
mod training;

use std::env;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// What is tested, by a function that starts jobs and panics if they do not do as they should.
const TESTS: &[(&str, fn())] = &[
    ("collective::calls", collective::calls),
    ("collective::sums_allocate_nothing", collective::sums_allocate_nothing),
    ("death::an_error_ends_the_job", death::an_error_ends_the_job),
    ("death::a_panic_ends_the_job", death::a_panic_ends_the_job),
    ("death::a_killed_rank_ends_the_job", death::a_killed_rank_ends_the_job),
    ("training::any_number_of_ranks_trains_the_same_bits", training::any_number_of_ranks_trains_the_same_bits),
    (
        "training::kills_leave_a_checkpoint_that_leads_to_the_same_bits",
        training::kills_leave_a_checkpoint_that_leads_to_the_same_bits,
    ),
];

fn main() -> ExitCode {
    if let Ok(role) = env::var(job::ROLE) {
        return match role.as_str() {
            "calls" => nn_mpi::run(collective::calls_rank),
            "allocations" => nn_mpi::run(collective::allocations_rank),
            "error" => nn_mpi::run(death::error_rank),
            "panic" => nn_mpi::run(death::panic_rank),
            "killed" => nn_mpi::run(death::killed_rank),
            "train" => nn_mpi::run(training::train_rank),
            other => panic!("no role {other}"),
        };
    }
    if Command::new("mpirun").arg("--version").output().is_err() {
        println!("not run: there is no mpirun");
        return ExitCode::SUCCESS;
    }
    // What follows is of the harness that `cargo test` expects.
    let filters: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let asked_for = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let mut passed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| asked_for(name)) {
        print!("test {name} ... ");
        std::io::stdout().flush().expect("stdout can be written to");
        let start = Instant::now();
        test();
        println!("ok ({:.1} s)", start.elapsed().as_secs_f64());
        passed += 1;
    }
    println!("test result: ok. {passed} passed");
    ExitCode::SUCCESS
}
