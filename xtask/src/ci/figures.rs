//! What is measured; here only that it can be.

use super::command::{run, xtask};
use super::{Outcome, StepResult};

pub(super) fn bench() -> StepResult {
    run(&mut xtask("bench --quick")?)?;
    Ok(Outcome::Passed)
}

pub(super) fn soak() -> StepResult {
    run(&mut xtask("soak --steps 100000")?)?;
    Ok(Outcome::Passed)
}
