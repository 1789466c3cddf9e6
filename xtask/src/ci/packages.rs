//! Packages of Debian, installed where that is nobody's business but the run's.

use super::command::{program, succeeds};
use std::env;

/// Whether this is a machine of a continuous integration, where packages can be installed and nobody minds.
pub(super) fn may_install() -> bool {
    let is_root = program("id", "-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    env::var("CI").is_ok_and(|ci| ci == "true") && is_root && succeeds(&mut program("apt-get", "--version"))
}

/// Installs packages, named one after the other; if that fails, they are missing still.
pub(super) fn install(packages: &str) {
    let install = format!("install --yes --quiet=2 --no-install-recommends {packages}");
    let apt = |arguments: &str| {
        println!("$ apt-get {arguments}");
        succeeds(program("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // The lists of packages may be missing or old.
    let _ = apt(&install) || apt("update --quiet=2") && apt(&install);
}
