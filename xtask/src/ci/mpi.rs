//! Jobs of several ranks on this machine.

use super::command::{cargo, output, program, run, succeeds, target};
use super::packages::{install, may_install};
use super::{Outcome, StepResult};
use std::env;
use std::process::Command;

const PACKAGES: &str = "openmpi-bin libopenmpi-dev libclang-dev pkg-config";

/// `mpirun` of Open MPI as a sandbox needs it: ranks on any cores, by any user, without a network. Others do not read it.
const SANDBOX: [(&str, &str); 5] = [
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("OMPI_MCA_btl", "self,vader"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
];

/// The tests of `nn-mpi`, which start themselves by `mpirun`.
pub(super) fn ranks() -> StepResult {
    if let Some(lack) = missing() {
        if !may_install() {
            return Ok(Outcome::Skipped(format!("there is no {lack}; the packages of Debian are {PACKAGES}")));
        }
        install(PACKAGES);
        if let Some(lack) = missing() {
            return Ok(Outcome::Skipped(format!("there is no {lack}, and {PACKAGES} could not be installed")));
        }
    }
    run(&mut cargo("clippy -p nn-mpi --all-targets --features mpi -- -D warnings"))?;
    run(cargo("doc -p nn-mpi --no-deps --features mpi").env("RUSTDOCFLAGS", "-D warnings"))?;
    run(&mut cargo("test -p nn-mpi --features mpi"))?;
    let seen = [1, 2, 4].map(|ranks| checksum(&output(job(ranks, "debug/examples/digits").args(["--epochs", "3"]))?));
    let seen = seen.into_iter().collect::<Result<Vec<_>, String>>()?;
    if seen.iter().any(|checksum| *checksum != seen[0]) {
        return Err(format!("the weights of the example differ: {}", seen.join(", ")).into());
    }
    Ok(Outcome::Passed)
}

/// A program in the directory of builds as so many ranks.
pub(crate) fn job(ranks: usize, path: &str) -> Command {
    let mut job = program("mpirun", &format!("-n {ranks}"));
    job.arg(target().join(path)).envs(SANDBOX);
    job
}

fn checksum(printed: &str) -> Result<String, String> {
    let found = printed.lines().find_map(|line| Some(line.split_once("checksum ")?.1.to_owned()));
    found.ok_or_else(|| format!("no checksum in:\n{printed}"))
}

/// The first that is missing of what compiles and starts a job.
fn missing() -> Option<&'static str> {
    let libraries = program("/sbin/ldconfig", "-p").output();
    let has_clang = env::var_os("LIBCLANG_PATH").is_some()
        || libraries.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).contains("libclang"));
    if !succeeds(&mut program("mpirun", "--version")) {
        return Some("mpirun");
    }
    if !succeeds(&mut program("mpicc", "--version")) {
        return Some("mpicc");
    }
    (!has_clang).then_some("libclang")
}
