//! Tests that visit every instruction set of this CPU by themselves.

use super::command::{cargo, output, run, xtask};
use super::coverage::{Coverage, Cpu, Suite, passed};
use super::isas::{native_isas, required};
use super::{Outcome, StepResult, timed};

pub(super) fn workspace() -> StepResult {
    run(cargo("test --workspace --features nn/ndarray,nn/serde").env("KERNELS_REQUIRE", required()))?;
    Ok(Outcome::Passed)
}

/// A debug build tests a sample of the products only.
pub(super) fn generated(coverage: &mut Coverage) -> StepResult {
    let (output, time) = timed(|| output(cargo("test --release -p tests gemm").env("KERNELS_REQUIRE", required())));
    let cases = passed(&output?);
    for isa in native_isas() {
        let name = "gemm, all cases, with the others".to_owned();
        coverage.add(Suite { isa, name, cpu: Cpu::Native, cases, time })?;
    }
    Ok(Outcome::Passed)
}

pub(super) fn sweep() -> StepResult {
    run(&mut xtask("sweep --every 64")?)?;
    Ok(Outcome::Passed)
}
