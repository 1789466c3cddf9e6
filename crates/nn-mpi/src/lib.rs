//! Training on many processes and machines over MPI, to the same bits as on one.
#![forbid(unsafe_code)]

#[cfg(any(feature = "mpi", test))]
mod cores;
#[cfg(feature = "mpi")]
mod job;
#[cfg(feature = "mpi")]
mod mpi;

#[cfg(feature = "mpi")]
pub use job::run;
#[cfg(feature = "mpi")]
pub use mpi::{InitError, Mpi, Traffic};
