//! What is checked without running any of it.

use super::command::{cargo, has_toolchain, program, run, succeeds, target};
use super::{Outcome, StepResult};

pub(super) fn format() -> StepResult {
    run(&mut cargo("fmt --all --check"))?;
    Ok(Outcome::Passed)
}

pub(super) fn lints() -> StepResult {
    run(&mut cargo("clippy --workspace --all-targets -- -D warnings"))?;
    run(&mut cargo("clippy -p nn --all-targets --features nn/ndarray,nn/serde -- -D warnings"))?;
    Ok(Outcome::Passed)
}

pub(super) fn docs() -> StepResult {
    run(cargo("doc --workspace --no-deps --features nn/ndarray,nn/serde").env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Passed)
}

pub(super) fn msrv() -> StepResult {
    let version = env!("CARGO_PKG_RUST_VERSION");
    if !has_toolchain(version) {
        return Ok(Outcome::Skipped(format!("rustup has no toolchain {version}")));
    }
    let mut check = program("rustup", &format!("run {version} cargo check --workspace --all-targets --target-dir"));
    run(check.arg(target().join("msrv")))?;
    Ok(Outcome::Passed)
}

pub(super) fn deny() -> StepResult {
    if !succeeds(&mut cargo("deny --version")) {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    run(&mut cargo("deny --all-features check bans licenses sources"))?;
    if !succeeds(&mut cargo("deny fetch db")) {
        return Ok(Outcome::Skipped("advisories, whose database cannot be fetched; the rest passed".to_owned()));
    }
    run(&mut cargo("deny --all-features check advisories"))?;
    Ok(Outcome::Passed)
}

pub(super) fn unused() -> StepResult {
    if !succeeds(&mut cargo("machete --version")) {
        return Ok(Outcome::Skipped("cargo-machete is not installed".to_owned()));
    }
    run(&mut cargo("machete"))?;
    Ok(Outcome::Passed)
}

pub(super) fn features() -> StepResult {
    if !succeeds(&mut cargo("hack --version")) {
        return Ok(Outcome::Skipped("cargo-hack is not installed".to_owned()));
    }
    run(&mut cargo("hack check --feature-powerset -p kernels -p nn"))?;
    Ok(Outcome::Passed)
}

pub(super) fn semver() -> StepResult {
    if !succeeds(&mut cargo("semver-checks --version")) {
        return Ok(Outcome::Skipped("cargo-semver-checks is not installed".to_owned()));
    }
    let tags = program("git", "describe --tags --abbrev=0 --match v*").output()?;
    if !tags.status.success() {
        return Ok(Outcome::Skipped("there is no tag of a release to compare with".to_owned()));
    }
    let release = String::from_utf8(tags.stdout)?;
    run(cargo("semver-checks -p kernels -p nn --baseline-rev").arg(release.trim()))?;
    Ok(Outcome::Passed)
}
