//! Jobs of several ranks on this machine.

use super::command::{cargo, program, run, succeeds};
use super::{Outcome, StepResult};
use std::env;

const PACKAGES: &str = "openmpi-bin libopenmpi-dev libclang-dev pkg-config";

/// The tests of `nn-mpi`, which start themselves by `mpirun`.
pub(super) fn ranks() -> StepResult {
    if let Some(lack) = missing() {
        if !may_install() {
            return Ok(Outcome::Skipped(format!("there is no {lack}; the packages of Debian are {PACKAGES}")));
        }
        install();
        if let Some(lack) = missing() {
            return Ok(Outcome::Skipped(format!("there is no {lack}, and {PACKAGES} could not be installed")));
        }
    }
    run(&mut cargo("clippy -p nn-mpi --all-targets --features mpi -- -D warnings"))?;
    run(cargo("doc -p nn-mpi --no-deps --features mpi").env("RUSTDOCFLAGS", "-D warnings"))?;
    run(&mut cargo("test -p nn-mpi --features mpi"))?;
    Ok(Outcome::Passed)
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

/// Whether this is a machine of a continuous integration, where packages can be installed and nobody minds.
fn may_install() -> bool {
    let is_root = program("id", "-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    env::var("CI").is_ok_and(|ci| ci == "true") && is_root && succeeds(&mut program("apt-get", "--version"))
}

/// Installs the packages; if that fails, they are missing still.
fn install() {
    let install = format!("install --yes --quiet=2 --no-install-recommends {PACKAGES}");
    let apt = |arguments: &str| {
        println!("$ apt-get {arguments}");
        succeeds(program("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // The lists of packages may be missing or old.
    let _ = apt(&install) || apt("update --quiet=2") && apt(&install);
}
