//! The same command by another build of this program.

use std::io;
use std::process::{Command, ExitCode};

/// Builds this program with more features of the package and more flags of the compiler than it has, and runs that with
/// the same arguments. Cargo keeps the builds apart.
pub(crate) fn run(features: &str, rustflags: &str) -> io::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    if !rustflags.is_empty() {
        let mut all = std::env::var_os("RUSTFLAGS").unwrap_or_default();
        all.push(" ");
        all.push(rustflags);
        command.env("RUSTFLAGS", all);
    }
    let status = command
        .args(["run", "--release", "--features", features, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--")
        .args(std::env::args_os().skip(1))
        .status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
