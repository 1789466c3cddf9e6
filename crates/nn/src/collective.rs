//! Training over several processes, the ranks: each has a part of the data and the same model, and all make the same updates.
//!
//! A [`Collective`] carries what ranks say to each other. [`Single`] is one rank alone, [`Threads`] are ranks in one process;
//! others are implementations of the trait, such as one on MPI.
//!
//! # The same bits for any number of ranks
//!
//! A data set is cut into a fixed number of shards: see [`Sharding`]. Each batch has a share of each shard, and what is summed
//! over the rows of a batch is first summed over each share, then over the shards by a fixed tree. A rank has a run of
//! consecutive shards that is a node of that tree, and [`Collective::sum`] is the part of it above the ranks. So 1, 2, 4, 8 and
//! 16 ranks with 16 shards compute the same bits, on any number of threads each.
//!
//! The tree sums neighbours, `(0, 1), (2, 3) …`, then neighbours of these sums, to the end; one without a neighbour goes up as it
//! is. [`tree_sum`] is that definition.
//!
//! ```
//! use nn::collective::{Collective, Part, Sharding, Threads};
//! use nn::{BatchSize, Model, TrainOptions, Trainer};
//! # fn main() -> nn::Result<()> {
//! let x: Vec<f32> = (0..64).map(|row| row as f32 / 32.0 - 1.0).collect();
//! let labels: Vec<u32> = (0..64).map(|row| u32::from(row >= 40)).collect();
//! let sharding = Sharding::default();
//! let train = |collective: &mut dyn Collective| -> nn::Result<Model> {
//!     let rows = sharding.rows(collective.rank(), collective.size(), labels.len())?;
//!     let options = TrainOptions {
//!         sharding: Some(sharding),
//!         batch_size: BatchSize::Rows(32),
//!         max_epochs: 5,
//!         threads: 1,
//!         ..TrainOptions::default()
//!     };
//!     let mut trainer = Trainer::new(Model::logistic_regression(1)?, options)?;
//!     trainer.fit_over(collective, Part::new((&x[rows.clone()], &labels[rows]), labels.len()))?;
//!     Ok(trainer.into_model())
//! };
//! let models: nn::Result<Vec<Model>> = Threads::run(4, |collective| train(collective)).into_iter().collect();
//! let alone = train(&mut nn::collective::Single)?;
//! for model in models? {
//!     assert!(model.parameters().eq(alone.parameters()));
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod link;
mod meeting;
mod sharding;
mod threads;
mod tree;

pub use sharding::{Exchange, Part, Sharding};
pub use threads::{Fault, Threads};
pub use tree::tree_sum;

/// What the ranks of one training say to each other. Every rank makes the same calls in the same order; a call returns when this
/// rank has its answer, and may wait for all others.
///
/// A trainer makes all calls on the thread that it was called on. Where one returns an error, no more are made; whoever implements
/// this sees to it that a rank that is gone, by an error or a panic, ends the calls of the others with an error.
pub trait Collective {
    /// The number of this rank, from 0 to below [`size`](Self::size).
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// `bytes` of rank `root` reach all: there as many bytes, which are overwritten.
    ///
    /// # Errors
    /// If a rank is gone or cannot be reached, or made another call.
    fn broadcast(&mut self, root: usize, bytes: &mut [u8]) -> Result<(), CollectiveError>;

    /// `all` becomes the `part`s of all ranks in the order of the ranks: `all.len() == size * part.len()`.
    ///
    /// # Errors
    /// If a rank is gone or cannot be reached, or made another call.
    fn all_gather(&mut self, part: &[u8], all: &mut [u8]) -> Result<(), CollectiveError>;

    /// The `values` of each rank become the sum of those of all ranks, element by element in the order of [`tree_sum`] over the
    /// ranks.
    ///
    /// # Errors
    /// If a rank is gone or cannot be reached, or made another call.
    fn sum(&mut self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// [`sum`](Self::sum) in whatever order is fast, the same on all ranks.
    ///
    /// # Errors
    /// Those of [`sum`](Self::sum).
    fn sum_unordered(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.sum(values)
    }

    /// Returns when all ranks have called it.
    ///
    /// # Errors
    /// If a rank is gone or cannot be reached, or made another call.
    fn barrier(&mut self) -> Result<(), CollectiveError>;
}

/// A call of a [`Collective`] that failed. The message is complete.
#[derive(Debug, thiserror::Error)]
#[error("rank {rank}, {call}: {cause}")]
#[non_exhaustive]
pub struct CollectiveError {
    /// The rank that reports it.
    pub rank: usize,
    /// What it had called: `"sum"` and so on.
    pub call: &'static str,
    /// Why it failed.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl CollectiveError {
    /// A failed `call` of rank `rank`.
    pub fn new(rank: usize, call: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        CollectiveError { rank, call, cause: cause.into() }
    }
}

/// One rank alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Single;

impl Collective for Single {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn broadcast(&mut self, root: usize, _: &mut [u8]) -> Result<(), CollectiveError> {
        threads::check_root(0, 1, root)
    }

    fn all_gather(&mut self, part: &[u8], all: &mut [u8]) -> Result<(), CollectiveError> {
        threads::check_parts(0, 1, part, all)?;
        all.copy_from_slice(part);
        Ok(())
    }

    fn sum(&mut self, _: &mut [f32]) -> Result<(), CollectiveError> {
        Ok(())
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        Ok(())
    }
}
