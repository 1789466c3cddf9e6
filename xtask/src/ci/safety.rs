//! Memory safety.

use super::command::{cargo, has_toolchain, program, run, target};
use super::isas::required;
use super::{Outcome, StepResult};
use std::process::Command;

/// For each target.
const FUZZ_SECONDS: u32 = 30;

pub(super) fn asan() -> StepResult {
    let Some(mut test) = sanitized("test -p kernels -p nn -p tests --lib --tests") else {
        return Ok(Outcome::Skipped("rustup has no nightly toolchain".to_owned()));
    };
    run(test.env("KERNELS_REQUIRE", required()))?;
    Ok(Outcome::Passed)
}

/// With AddressSanitizer where the compiler has it.
pub(super) fn fuzz() -> StepResult {
    let build = "run --release -p fuzz";
    let mut command = sanitized(build).unwrap_or_else(|| cargo(build));
    run(command.args(["--", "--seconds", &FUZZ_SECONDS.to_string()]))?;
    Ok(Outcome::Passed)
}

/// A command of cargo with the nightly compiler and AddressSanitizer, if there is one. The target is named so that build
/// scripts and procedural macros, which run inside the compiler, are left as they are. An allocation that is too large
/// fails as it does without the sanitizer, for the tests of that.
fn sanitized(arguments: &str) -> Option<Command> {
    if !has_toolchain("nightly") {
        return None;
    }
    let target_triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command =
        program("rustup", &format!("run nightly cargo {arguments} --target {target_triple} --target-dir"));
    command.arg(target().join("asan")).env("RUSTFLAGS", "-Zsanitizer=address");
    command.env("ASAN_OPTIONS", "allocator_may_return_null=1");
    Some(command)
}
