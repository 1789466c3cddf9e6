//! The command line.

use crate::ci::Step;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kernels::{Function, Isa};
use std::num::{NonZeroU32, NonZeroUsize};
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
    /// Check all that must pass before a merge, and show what ran on which instruction set
    Ci(Ci),
    /// Compute the golden digests, which are the same on every machine, and compare them with the committed ones
    Digest(Digest),
    /// Count the instructions of kernels on AVX2 under callgrind, and compare them with those of before
    Instructions(Instructions),
    /// Measure sums over two ranks by MPI and steps of training, and draw how training scales by them
    Scaling(Scaling),
    /// Train for many steps and see that memory and speed stay level
    Soak(Soak),
    /// Run the element-wise functions over all 2^32 inputs and judge each result against f64
    Sweep(Sweep),
}

#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// Only these steps, in their usual order [default: all]
    #[arg(value_enum, value_name = "STEP")]
    pub(crate) steps: Vec<Step>,

    /// Go on after a step that fails
    #[arg(long)]
    pub(crate) keep_going: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How many, rounded up to whole epochs of 1000, at least 10 of them
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub(crate) steps: usize,

    /// Threads; 0 is one for each core
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) threads: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Scaling {
    /// A directory for scaling.svg and scaling.md
    #[arg(long, value_name = "DIR", default_value = "crates/nn-mpi/src/guide")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Digest {
    /// Write them to tests/digests.txt instead, after a deliberate change of the arithmetic
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Instructions {
    /// Write them to benches/instructions.txt instead, after a change of kernels or compiler
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// Functions, such as exp and tanh [default: all]
    #[arg(value_name = "FUNCTION", value_parser = function)]
    pub(crate) functions: Vec<Function>,

    /// Instruction sets to judge, separated by commas: portable, neon, avx2, avx512 [default: all that the CPU has]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) isa: Vec<Isa>,

    /// Only one of each N inputs, and the neighbourhoods of powers of two and of the ends of ranges
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) every: NonZeroU32,

    /// Also write the table to this file, as Markdown; an interruption leaves what was there
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn function(name: &str) -> Result<Function, String> {
    let found = Function::ALL.into_iter().find(|function| function.name() == name);
    found.ok_or_else(|| format!("expected one of {}", Function::ALL.map(Function::name).join(", ")))
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum, default_value_t)]
    pub(crate) kind: Kind,

    /// Of `compare`: what `--json` wrote before and after a change
    #[arg(value_names = ["OLD", "NEW"], num_args = 2, required_if_eq("kind", "compare"))]
    pub(crate) files: Vec<PathBuf>,

    /// Fewer cases and repetitions, in a minute or two
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only cases whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Our instruction set: portable, neon, avx2 or avx512 [default: the best]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<Isa>,

    /// Numbers of threads, separated by commas: with more than one, products and nets alone are measured, each engine in
    /// processes of its own, without the libraries that cannot take as many
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1")]
    pub(crate) threads: Vec<NonZeroUsize>,

    /// Compare with more libraries than matrixmultiply (compiles them first)
    #[arg(long)]
    pub(crate) peers: bool,

    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also write the tables to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// Also write some of the figures into README.md, where it has a section for the instruction set
    #[arg(long)]
    pub(crate) readme: bool,

    /// Measure one engine on one case and print what was found: what a process of `--threads` does
    #[arg(long, hide = true, num_args = 2, value_names = ["CASE", "ENGINE"])]
    pub(crate) alone: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Matrix products
    Gemm,
    /// Functions
    Math,
    /// Losses with their gradients
    Losses,
    /// Training of whole nets
    Train,
    /// How cost grows with sizes, lengths, batches, widths and depths
    Scale,
    /// Everything
    #[default]
    All,
    /// Nothing: what became faster or slower from one report to another
    Compare,
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

    #[test]
    fn numbers_of_threads_are_a_list() {
        let parse = |line: &str| Flags::try_parse_from(line.split(' '));
        let Flags { command: Command::Bench(bench) } = parse("xtask bench --threads 1,2,16").unwrap() else {
            panic!("a bench")
        };
        assert_eq!(bench.threads.iter().map(|threads| threads.get()).collect::<Vec<_>>(), [1, 2, 16]);
        assert!(parse("xtask bench --threads 1,0").is_err() && parse("xtask bench --threads 1,,2").is_err());
    }

    #[test]
    fn two_reports_are_compared() {
        let parse = |line: &str| Flags::try_parse_from(line.split(' '));
        let Flags { command: Command::Bench(bench) } = parse("xtask bench compare a.json b.json").unwrap() else {
            panic!("a bench")
        };
        assert_eq!((bench.kind, bench.files), (Kind::Compare, vec!["a.json".into(), "b.json".into()]));
        assert!(parse("xtask bench compare").is_err() && parse("xtask bench compare a.json").is_err());
    }

    #[test]
    fn functions_are_parsed_by_name() {
        let parse = |line: &str| Flags::try_parse_from(line.split(' '));
        let Flags { command: Command::Sweep(sweep) } = parse("xtask sweep tanh exp --isa neon,avx2").unwrap() else {
            panic!("a sweep")
        };
        assert_eq!((sweep.functions, sweep.isa), (vec![Function::Tanh, Function::Exp], vec![Isa::Neon, Isa::Avx2]));
        assert!(parse("xtask sweep tang").unwrap_err().to_string().contains("expected one of exp, expm1"));
        assert!(parse("xtask sweep --every 0").is_err());
    }
}
