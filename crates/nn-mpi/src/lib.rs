//! Training with [`nn`] on many processes and machines, over MPI, to the same bits as on one.
//!
//! `Mpi` is the [`Collective`](nn::Collective) that [`Trainer::fit_over`](nn::Trainer::fit_over) needs, and `run` what `main` calls. Both
//! are behind the feature `mpi`, which needs an MPI library with its headers, and libclang, to compile. The [`guide`] tells how to
//! install that, how to start jobs on one machine and under Slurm, and how training scales.
#![forbid(unsafe_code)]

#[cfg(any(feature = "mpi", test))]
mod cores;
pub mod guide;
#[cfg(feature = "mpi")]
mod job;
#[cfg(feature = "mpi")]
mod mpi;

#[cfg(feature = "mpi")]
pub use job::run;
#[cfg(feature = "mpi")]
pub use mpi::{InitError, Mpi, Traffic};
