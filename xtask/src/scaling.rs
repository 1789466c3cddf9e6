//! `cargo xtask scaling`

use crate::ci::{command, mpi};
use crate::flags::Scaling;
use std::error::Error;
use std::process::ExitCode;

/// Measures sums and steps of training by the example `scaling` of `nn-mpi`, which writes the plot and the table of its guide.
pub(crate) fn run(flags: &Scaling) -> Result<ExitCode, Box<dyn Error>> {
    command::run(&mut command::cargo("build --release -p nn-mpi --features mpi --example scaling"))?;
    command::run(mpi::job(2, "release/examples/scaling").arg("--output").arg(&flags.output))?;
    Ok(ExitCode::SUCCESS)
}
