//! One result, whatever computes it.

use super::command::{cargo, output, xtask};
use super::coverage::{Coverage, Cpu, Suite};
use super::isas::native_isas;
use super::{Outcome, StepResult, timed};

const THREADS: [usize; 2] = [1, 2];

pub(super) fn digests(coverage: &mut Coverage) -> StepResult {
    for isa in native_isas() {
        let mut digest = xtask("digest")?;
        let (output, time) = timed(|| output(digest.env("KERNELS_ISA", isa.name())));
        // All but the line with the verdict.
        let cases = output?.lines().count().saturating_sub(1);
        coverage.add(Suite { isa, name: "digests".to_owned(), cpu: Cpu::Native, cases, time })?;
    }
    Ok(Outcome::Passed)
}

pub(super) fn weights(coverage: &mut Coverage) -> StepResult {
    let mut seen: Vec<String> = Vec::new();
    for isa in native_isas() {
        let (checksums, time) = timed(|| THREADS.map(|threads| checksum(isa.name(), threads)));
        for checksum in checksums {
            seen.push(checksum?);
        }
        let name = "weights of digits".to_owned();
        coverage.add(Suite { isa, name, cpu: Cpu::Native, cases: THREADS.len(), time })?;
    }
    seen.dedup();
    if seen.len() == 1 { Ok(Outcome::Passed) } else { Err(format!("the weights differ: {}", seen.join(", ")).into()) }
}

/// That of the weights that a short training gives.
fn checksum(isa: &str, threads: usize) -> Result<String, String> {
    let arguments = format!("run --quiet --release -p nn --example digits -- --epochs 5 --threads {threads}");
    let text = output(cargo(&arguments).env("KERNELS_ISA", isa))?;
    let checksum = text.lines().find_map(|line| Some(line.split_once("checksum ")?.1.to_owned()));
    checksum.ok_or_else(|| format!("digits on {isa} printed no checksum"))
}
