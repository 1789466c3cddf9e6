//! What is measured. Of times here only that they can be: a gate must not depend on what else runs.

use super::command::{run, xtask};
use super::{Outcome, StepResult};
use crate::instructions::{self, Verdict};

pub(super) fn bench() -> StepResult {
    run(&mut xtask("bench --quick")?)?;
    Ok(Outcome::Passed)
}

pub(super) fn instructions() -> StepResult {
    match instructions::compare()? {
        Verdict::Level(_) => Ok(Outcome::Passed),
        Verdict::Skipped(why) => Ok(Outcome::Skipped(why)),
        Verdict::Changed(table, what_to_do) => {
            println!("{table}\n{what_to_do}");
            Err(format!("{} kernels execute more or fewer instructions than before", table.rows.len()).into())
        }
    }
}

pub(super) fn soak() -> StepResult {
    run(&mut xtask("soak --steps 100000")?)?;
    Ok(Outcome::Passed)
}
