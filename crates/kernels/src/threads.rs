//! Threads: a pool to run inside, and how a kernel shares out its work there.

#[cfg(not(feature = "rayon"))]
mod alone;
#[cfg(feature = "rayon")]
mod pool;
#[cfg(feature = "rayon")]
mod team;

#[cfg(not(feature = "rayon"))]
pub use alone::ThreadPool;
#[cfg(not(feature = "rayon"))]
pub(crate) use alone::{fork, worth_using};
#[cfg(feature = "rayon")]
pub use pool::ThreadPool;
#[cfg(feature = "rayon")]
pub(crate) use pool::{fork, worth_using};
