//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use kernels::Isa;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Tasks of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure the kernels against plain loops and other libraries, each answer checked first
    Bench(Bench),
    /// Compute the golden digests, which are the same on every machine, and compare them with the committed ones
    Digest(Digest),
}

#[derive(Debug, Args)]
pub(crate) struct Digest {
    /// Write them to tests/digests.txt instead, after a deliberate change of the arithmetic
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum, default_value_t)]
    pub(crate) kind: Kind,

    /// Fewer cases and repetitions, in under a minute
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only cases whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Our instruction set: portable, neon, avx2 or avx512 [default: the best]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<Isa>,

    /// Threads for every engine; libraries that cannot take as many are left out
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) threads: NonZeroUsize,

    /// Compare with more libraries than matrixmultiply (compiles them first)
    #[arg(long)]
    pub(crate) peers: bool,

    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also write the tables to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Matrix products
    Gemm,
    /// Functions
    Math,
    /// Losses with their gradients
    Losses,
    /// Everything
    #[default]
    All,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn isas_are_parsed_by_name() {
        let parse = |name| Flags::try_parse_from(["xtask", "bench", "gemm", "--isa", name]);
        let Flags { command: Command::Bench(bench) } = parse("avx2").unwrap() else { panic!("a bench") };
        assert_eq!((bench.isa, bench.kind), (Some(Isa::Avx2), Kind::Gemm));
        assert!(parse("sse9").unwrap_err().to_string().contains("expected one of portable"));
    }
}
