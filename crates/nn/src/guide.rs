//! What is good to know before the details: [`numerics`], [`performance`], and the [`names`] that other libraries have.
//! Training on many machines has [a page](../../nn_mpi/guide/index.html) with its crate, `nn-mpi`.

/// What is computed in which precision, what is the same on every machine, and what is refused.
#[doc = include_str!("guide/numerics.md")]
pub mod numerics {}

/// What to expect, and how to choose batches and threads.
#[doc = include_str!("guide/performance.md")]
pub mod performance {}

/// From PyTorch's and scikit-learn's names to the ones here.
#[doc = include_str!("guide/names.md")]
pub mod names {}
