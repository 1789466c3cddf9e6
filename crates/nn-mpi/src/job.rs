//! The life of a rank.

use std::fmt;
use std::process::ExitCode;

use crate::Mpi;

/// Runs a rank of a job: initialises MPI and calls `rank`. If that fails on any rank, by an error or a panic, the whole job ends within
/// seconds, with a message on stderr that names the rank; the others would wait for it for ever.
///
/// ```no_run
/// use std::process::ExitCode;
/// use nn_mpi::Mpi;
///
/// fn train(mpi: &mut Mpi) -> nn::Result<()> {
///     // ...
///     # let _ = mpi;
///     Ok(())
/// }
///
/// fn main() -> ExitCode {
///     nn_mpi::run(train)
/// }
/// ```
pub fn run<E: fmt::Display>(rank: impl FnOnce(&mut Mpi) -> Result<(), E>) -> ExitCode {
    let mut mpi = match Mpi::init() {
        Ok(mpi) => mpi,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match rank(&mut mpi) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => mpi.abort(format_args!("error: {error}")),
    }
}
