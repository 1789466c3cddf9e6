//! What ran on which instruction set.

use super::seconds;
use crate::table::Table;
use kernels::Isa;
use std::time::Duration;

/// How a suite ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cpu {
    Native,
    Emulated,
}

/// A suite that passed on an instruction set.
pub(super) struct Suite {
    pub(super) isa: Isa,
    pub(super) name: String,
    pub(super) cpu: Cpu,
    pub(super) cases: usize,
    pub(super) time: Duration,
}

/// All that ran, and why the rest did not.
#[derive(Default)]
pub(super) struct Coverage {
    suites: Vec<Suite>,
    reasons: Vec<(Isa, String)>,
}

impl Coverage {
    /// Notes a suite.
    ///
    /// # Errors
    /// If it had no cases: then it proves nothing.
    pub(super) fn add(&mut self, suite: Suite) -> Result<(), String> {
        if suite.cases == 0 {
            return Err(format!("{} on {}: not a single case ran", suite.name, suite.isa));
        }
        self.suites.push(suite);
        Ok(())
    }

    /// Notes why nothing, or not all, runs on an instruction set.
    pub(super) fn explain(&mut self, isa: Isa, reason: &str) {
        self.reasons.push((isa, reason.to_owned()));
    }

    /// The instruction sets that nothing ran on, without a reason.
    pub(super) fn silent(&self) -> Vec<Isa> {
        let known =
            |isa| self.suites.iter().any(|suite| suite.isa == isa) || self.reasons.iter().any(|(of, _)| *of == isa);
        Isa::ALL.into_iter().filter(|&isa| !known(isa)).collect()
    }

    pub(super) fn table(&self) -> Table {
        let headings = ["instruction set", "suite", "CPU", "cases", "time"].map(str::to_owned).to_vec();
        let mut rows = Vec::new();
        for isa in Isa::ALL {
            for suite in self.suites.iter().filter(|suite| suite.isa == isa) {
                let cpu = if suite.cpu == Cpu::Native { "native" } else { "emulated" };
                rows.push(vec![
                    isa.to_string(),
                    suite.name.clone(),
                    cpu.to_owned(),
                    suite.cases.to_string(),
                    seconds(suite.time),
                ]);
            }
            for (_, reason) in self.reasons.iter().filter(|(of, _)| *of == isa) {
                rows.push(vec![isa.to_string(), format!("not run: {reason}"), "-".into(), "0".into(), "-".into()]);
            }
        }
        Table { title: "Instruction sets".to_owned(), headings, rows }
    }
}

/// How many tests the output of `cargo test` says have passed.
pub(super) fn passed(output: &str) -> usize {
    let counts = output.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split_once(" passed"));
    counts.filter_map(|(count, _)| count.parse::<usize>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(isa: Isa, cases: usize) -> Suite {
        Suite { isa, name: "kernels".to_owned(), cpu: Cpu::Native, cases, time: Duration::from_secs(2) }
    }

    #[test]
    fn what_ran_nowhere_needs_a_reason() {
        let mut coverage = Coverage::default();
        coverage.add(suite(Isa::Portable, 3)).unwrap();
        coverage.explain(Isa::Neon, "no emulator");
        assert_eq!(coverage.silent(), [Isa::Avx2, Isa::Avx512]);
        assert_eq!(coverage.table().rows.len(), 2);
    }

    #[test]
    fn a_suite_without_cases_is_an_error() {
        assert!(Coverage::default().add(suite(Isa::Avx2, 0)).unwrap_err().contains("not a single case"));
    }

    #[test]
    fn passed_tests_are_added_up() {
        let output =
            "running 2 tests\ntest result: ok. 12 passed; 0 failed; 1 ignored\n\ntest result: ok. 3 passed; 0\n";
        assert_eq!(passed(output), 15);
        assert_eq!(passed("test result: FAILED. 12 passed; 1 failed"), 0);
    }
}
