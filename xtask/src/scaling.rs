//! `cargo xtask scaling`

use crate::ci::command;
use crate::flags::Scaling;
use std::error::Error;
use std::process::ExitCode;

/// `mpirun` of Open MPI as a sandbox needs it: ranks on any cores, by any user, without a network. Others do not read it.
const SANDBOX: [(&str, &str); 5] = [
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("OMPI_MCA_btl", "self,vader"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
];

/// Measures sums and steps of training by the example `scaling` of `nn-mpi`, which writes the plot and the table of its guide.
pub(crate) fn run(flags: &Scaling) -> Result<ExitCode, Box<dyn Error>> {
    command::run(&mut command::cargo("build --release -p nn-mpi --features mpi --example scaling"))?;
    let mut job = command::program("mpirun", "-n 2");
    job.arg(command::target().join("release/examples/scaling")).envs(SANDBOX);
    command::run(job.arg("--output").arg(&flags.output))?;
    Ok(ExitCode::SUCCESS)
}
