//! Tasks of the workspace: `cargo xtask help`.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod digest;
mod flags;
mod instructions;
mod rebuild;
mod scaling;
mod soak;
mod sweep;
mod table;

use clap::Parser;
use flags::{Command, Flags};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Flags { command } = Flags::parse();
    let done = match command {
        Command::Bench(flags) => bench::run(&flags),
        Command::Ci(flags) => ci::run(&flags),
        Command::Digest(flags) => digest::run(&flags),
        Command::Instructions(flags) => instructions::run(&flags),
        Command::Scaling(flags) => scaling::run(&flags),
        Command::Soak(flags) => soak::run(&flags),
        Command::Sweep(flags) => sweep::run(&flags),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
