//! Programs that the steps start, all in the root of the workspace.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory of the workspace.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a directory")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &str) -> Command {
    let mut command = Command::new(name);
    // What `cargo run` says of this program is not so of those that it starts; cargo-machete is misled by it.
    let of_this = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this)) {
        command.env_remove(name);
    }
    command.args(arguments.split_whitespace()).current_dir(root());
    command
}

pub(crate) fn cargo(arguments: &str) -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Another command of this program.
pub(super) fn xtask(arguments: &str) -> std::io::Result<Command> {
    Ok(program(env::current_exe()?, arguments))
}

/// Runs to the end.
///
/// # Errors
/// If it cannot be started or does not end with success.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    show(command);
    let status = command.status().map_err(|error| failure(command, error))?;
    if status.success() { Ok(()) } else { Err(failure(command, status)) }
}

/// Runs to the end and returns what it printed on stdout, which is shown too.
///
/// # Errors
/// If it cannot be started or does not end with success.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    show(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| failure(command, error))?;
    let mut text = String::new();
    // Line by line, so that what it prints is seen while it runs.
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line.map_err(|error| failure(command, error))?;
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    let status = child.wait().map_err(|error| failure(command, error))?;
    if status.success() { Ok(text) } else { Err(failure(command, status)) }
}

/// Whether it runs and ends with success; nothing is shown.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether rustup has a toolchain of this name or version.
pub(super) fn has_toolchain(name: &str) -> bool {
    let Ok(list) = program("rustup", "toolchain list").output() else { return false };
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    list.lines()
        .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.', ' ']) || rest.is_empty()))
}

fn show(command: &Command) {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let variables = variables.map(|(name, value)| format!("{}={} ", name.to_string_lossy(), value.to_string_lossy()));
    println!("$ {}{}", variables.collect::<String>(), words(command));
}

fn words(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> = std::iter::once(name).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn failure(command: &Command, why: impl std::fmt::Display) -> String {
    format!("{}: {why}", words(command))
}
