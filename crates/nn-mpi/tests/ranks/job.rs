//! Jobs that this program starts, with itself as each of the ranks.

use std::env;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Tells a rank what to do.
pub(crate) const ROLE: &str = "NN_MPI_TEST_ROLE";

/// `mpirun` of Open MPI as a sandbox needs it: any number of ranks, on any cores, by any user, and no network; and none that hangs.
const SANDBOX: [(&str, &str); 6] = [
    ("MPIEXEC_TIMEOUT", "100"),
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("OMPI_MCA_btl", "self,vader"),
];

/// A job of `ranks` ranks that play `role`.
pub(crate) fn job(ranks: usize, role: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["-n", &ranks.to_string()]).arg(env::current_exe().expect("it has a path"));
    command.envs(SANDBOX).env(ROLE, role).stdin(Stdio::null());
    command
}

/// Runs a job to its end, whatever that is.
pub(crate) fn end_of(job: &mut Command) -> (Output, Duration) {
    let start = Instant::now();
    let output = job.output().expect("mpirun can be started");
    (output, start.elapsed())
}

/// Runs a job that must end with success; returns what it printed.
pub(crate) fn success(job: &mut Command) -> String {
    let (output, _) = end_of(job);
    let (printed, errors) = texts(&output);
    assert!(output.status.success(), "{job:?}: {}\n{printed}\n{errors}", output.status);
    printed
}

/// What was printed on stdout and stderr.
pub(crate) fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}
