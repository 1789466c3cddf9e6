//! How to train.

use crate::collective::Sharding;
use crate::error::{Error, Result};
use crate::optim::{Clip, Optimizer, Schedule};

/// The most threads that may be asked for.
const MAX_THREADS: usize = 1024;

/// How many rows one update is computed from: 1 is stochastic gradient descent, some is mini-batch descent, all is
/// gradient descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BatchSize {
    /// This many, at least 1; the last batch of an epoch is smaller where they do not divide the rows.
    Rows(usize),
    /// All rows at once, in their order.
    All,
}

/// How to train.
///
/// ```
/// use nn::{Adam, BatchSize, TrainOptions};
/// let options = TrainOptions {
///     batch_size: BatchSize::Rows(64),
///     optimizer: Adam::default().into(),
///     ..TrainOptions::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct TrainOptions {
    /// Rows of one update; 32.
    pub batch_size: BatchSize,
    /// How parameters follow from gradients; gradient descent with a learning rate of 0.1.
    pub optimizer: Optimizer,
    /// What the learning rate is multiplied by; 1.
    pub schedule: Schedule,
    /// A bound on the gradients; none.
    pub clip: Option<Clip>,
    /// The most passes over the data, at least 1; 200.
    pub max_epochs: usize,
    /// Training has converged when the loss of [`n_iter_no_change`](Self::n_iter_no_change) epochs in a row was not
    /// below the best loss before by at least this; `None` never stops for that reason; 1e-4. The loss is that of
    /// validation where there is one, else that of training.
    pub tol: Option<f64>,
    /// How many epochs in a row may bring no improvement before training stops, at least 1; 10.
    pub n_iter_no_change: usize,
    /// The share of the rows that is drawn for validation and not trained on, from 0 to below 1; 0. Without effect where
    /// rows for validation are given.
    pub validation_fraction: f64,
    /// Whether the model, when training has ended by itself, is that of the epoch with the lowest loss (the first such), as
    /// [`tol`](Self::tol) compares them; no, then it is that of the last epoch. What is saved after that has these weights, so
    /// a training that is resumed from there, with more epochs, goes on from them.
    pub keep_best: bool,
    /// Whether each epoch visits the rows in a new order; yes. Without effect where one batch holds all rows.
    pub shuffle: bool,
    /// Where the random numbers of training start; 0. The order of an epoch is a function of this, the number of the
    /// epoch and the number of rows alone.
    pub seed: u64,
    /// How rows are cut into shards that ranks can share, for [`Trainer::fit_over`](crate::Trainer::fit_over); `None`, which cuts
    /// nothing. The result depends on the number of shards.
    pub sharding: Option<Sharding>,
    /// Threads that work, up to 1024; 0, which is one for each core. The result does not depend on it.
    pub threads: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            batch_size: BatchSize::Rows(32),
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            clip: None,
            max_epochs: 200,
            tol: Some(1e-4),
            n_iter_no_change: 10,
            validation_fraction: 0.0,
            keep_best: false,
            shuffle: true,
            seed: 0,
            sharding: None,
            threads: 0,
        }
    }
}

impl TrainOptions {
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |name, value: String, allowed| Err(Error::InvalidHyperParameter { name, value, allowed });
        self.optimizer.check()?;
        self.schedule.check()?;
        self.clip.map_or(Ok(()), Clip::check)?;
        if self.batch_size == BatchSize::Rows(0) {
            return invalid("batch_size", "0".into(), "at least 1");
        }
        if self.max_epochs == 0 {
            return invalid("max_epochs", "0".into(), "at least 1");
        }
        if self.n_iter_no_change == 0 {
            return invalid("n_iter_no_change", "0".into(), "at least 1");
        }
        if let Some(tol) = self.tol.filter(|tol| !(tol.is_finite() && *tol >= 0.0)) {
            return invalid("tol", format!("{tol:?}"), "finite and at least 0, or None");
        }
        if !(0.0..1.0).contains(&self.validation_fraction) {
            return invalid("validation_fraction", format!("{:?}", self.validation_fraction), "at least 0 and below 1");
        }
        self.sharding.map_or(Ok(()), |sharding| sharding.check())?;
        if self.threads > MAX_THREADS {
            return invalid("threads", self.threads.to_string(), "at most 1024, or 0 for one for each core");
        }
        Ok(())
    }

    /// The options that the weights depend on, as a checkpoint keeps them.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("batch_size", format!("{:?}", self.batch_size)),
            ("optimizer", format!("{:?}", self.optimizer)),
            ("schedule", format!("{:?}", self.schedule)),
            ("clip", format!("{:?}", self.clip)),
            ("validation_fraction", self.validation_fraction.to_string()),
            ("keep_best", self.keep_best.to_string()),
            ("shuffle", self.shuffle.to_string()),
            ("seed", self.seed.to_string()),
            ("sharding", format!("{:?}", self.sharding)),
        ]
    }
}
