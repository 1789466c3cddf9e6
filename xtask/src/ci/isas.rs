//! The suites on each instruction set, native or emulated.

use super::command::{cargo, output, program, root, run};
use super::coverage::{Coverage, Cpu, Suite, passed};
use super::{Outcome, StepResult, timed};
use kernels::Isa;
use std::env;
use std::path::PathBuf;
use std::process::Command;

const SUITES: [&str; 3] = ["kernels", "nn", "tests"];

/// Under a whole emulated PC, 7 s to start each program and some 80 million instructions a second: the kernels' own tests, and
/// of the others those with small cases.
const SMALL: [(&str, &str); 2] = [
    ("kernels", "-p kernels --lib"),
    (
        "tests",
        "-p tests --test main -- gemm::whole gemm::nan gemm::no_products gemm::an_epilogue math::every_length fused::",
    ),
];

/// The instruction sets that this CPU has, by the word of the operating system where it gives one: so that a fault of our
/// own detection cannot hide an instruction set from the tests.
pub(super) fn native_isas() -> Vec<Isa> {
    let Ok(cpuinfo) = std::fs::read_to_string("/proc/cpuinfo") else {
        return Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect();
    };
    Isa::ALL.into_iter().filter(|&isa| has(&cpuinfo, isa)).collect()
}

/// Whether the flags in `/proc/cpuinfo` include those of an instruction set.
fn has(cpuinfo: &str, isa: Isa) -> bool {
    let flags: &[&str] = match isa {
        Isa::Portable => &[],
        Isa::Neon => &["asimd"],
        Isa::Avx2 => &["avx2", "fma"],
        Isa::Avx512 => &["avx512f", "avx512vl"],
    };
    let present = |flag: &&str| cpuinfo.split_whitespace().any(|word| word == *flag);
    flags.iter().all(present)
}

/// The value of `KERNELS_REQUIRE` by which none of this CPU's instruction sets is passed over.
pub(super) fn required() -> String {
    native_isas().iter().map(|isa| isa.name()).collect::<Vec<_>>().join(",")
}

/// Every suite on every instruction set of this CPU; the tests that compare run the portable path beside it.
pub(super) fn native(coverage: &mut Coverage) -> StepResult {
    let isas = native_isas();
    for suite in SUITES {
        // So that the times are of running.
        run(&mut cargo(&format!("test --quiet --no-run -p {suite}")))?;
        for &isa in &isas {
            test(coverage, isa, suite, Cpu::Native, &mut cargo(&format!("test -p {suite}")))?;
        }
    }
    for isa in Isa::ALL.into_iter().filter(|isa| !isas.contains(isa)) {
        // Those that have an emulator are left to its step.
        if !matches!(isa, Isa::Neon | Isa::Avx512) || !cfg!(target_arch = "x86_64") {
            coverage.explain(isa, &isa.missing().unwrap_or_default());
        }
    }
    Ok(Outcome::Passed)
}

/// Every suite by qemu-user: with the scripts beside the checkout, or with the compiler, linker and runner that the
/// environment names for cargo.
pub(super) fn neon(coverage: &mut Coverage) -> StepResult {
    const RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";
    if cfg!(target_arch = "aarch64") {
        return Ok(Outcome::Skipped("this CPU has it".to_owned()));
    }
    let script = emulator("test-aarch64.sh");
    if script.is_none() && env::var_os(RUNNER).is_none() {
        let reason = format!("neither test-aarch64.sh in {} nor {RUNNER} is there", emulators().display());
        coverage.explain(Isa::Neon, &reason);
        return Ok(Outcome::Skipped(reason));
    }
    for suite in SUITES {
        let mut command = match &script {
            Some(script) => program(script, &format!(". -p {suite}")),
            None => cargo(&format!("test --target aarch64-unknown-linux-gnu -p {suite}")),
        };
        test(coverage, Isa::Neon, suite, Cpu::Emulated, &mut command)?;
    }
    Ok(Outcome::Passed)
}

/// A few small tests by Bochs.
pub(super) fn avx512(coverage: &mut Coverage) -> StepResult {
    let Some(script) = emulator("test-avx512.sh").filter(|_| cfg!(target_arch = "x86_64")) else {
        let reason = format!("this CPU has no AVX-512 and no test-avx512.sh is in {}", emulators().display());
        if !native_isas().contains(&Isa::Avx512) {
            coverage.explain(Isa::Avx512, &reason);
        }
        return Ok(Outcome::Skipped(reason));
    };
    for (suite, arguments) in SMALL {
        let mut command = program(&script, &format!(". {arguments}"));
        command.env("EMULATE_AVX512_ENV", "KERNELS_ISA KERNELS_REQUIRE");
        test(coverage, Isa::Avx512, suite, Cpu::Emulated, &mut command)?;
    }
    Ok(Outcome::Passed)
}

fn test(coverage: &mut Coverage, isa: Isa, suite: &str, cpu: Cpu, command: &mut Command) -> Result<(), String> {
    command.env("KERNELS_ISA", isa.name()).env("KERNELS_REQUIRE", isa.name());
    let (output, time) = timed(|| output(command));
    coverage.add(Suite { isa, name: suite.to_owned(), cpu, cases: passed(&output?), time })
}

/// Where the scripts of the emulators are: `EMULATE_SCRIPTS`, or beside the checkout.
fn emulators() -> PathBuf {
    root().join(env::var_os("EMULATE_SCRIPTS").unwrap_or_else(|| "../shared/emulate".into()))
}

fn emulator(script: &str) -> Option<PathBuf> {
    emulators().join(script).canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_whole_words() {
        let cpuinfo = "model name\t: Fast\nflags\t\t: fpu avx avx2 fma avx512fp16\n";
        assert!(has(cpuinfo, Isa::Portable) && has(cpuinfo, Isa::Avx2));
        assert!(!has(cpuinfo, Isa::Avx512) && !has(cpuinfo, Isa::Neon));
        assert!(has("Features\t: fp asimd evtstrm\n", Isa::Neon));
    }

    #[test]
    fn our_detection_agrees() {
        assert!(native_isas().iter().all(|isa| isa.is_available()), "{:?}", native_isas());
    }
}
