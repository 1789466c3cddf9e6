//! What training tells.

use crate::inference::Evaluation;

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The loss did not improve by [`tol`](crate::TrainOptions::tol) for
    /// [`n_iter_no_change`](crate::TrainOptions::n_iter_no_change) epochs in a row.
    Converged,
    /// All [`max_epochs`](crate::TrainOptions::max_epochs) were run.
    MaxEpochs,
    /// The observer asked for it.
    Stopped,
}

/// An epoch that is done. Loss and accuracy are means over its rows, the loss by weight, each judged just before the update
/// that its batch made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochReport {
    /// Its number, counted from 1.
    pub epoch: usize,
    /// The mean loss.
    pub loss: f64,
    /// The share of right answers, for classification: see [`Evaluation::accuracy`].
    pub accuracy: Option<f64>,
    /// How the model does after the epoch on the rows for validation, where there are some.
    pub validation: Option<Evaluation>,
    /// Rows trained on per second; 0 for an epoch that was read from a checkpoint.
    pub samples_per_second: f64,
}

impl EpochReport {
    /// The loss that decides: that of validation where there is one.
    pub(crate) fn judged_loss(&self) -> f64 {
        self.validation.map_or(self.loss, |validation| validation.loss)
    }
}

/// A batch that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchReport {
    /// The epoch that it belongs to, counted from 1.
    pub epoch: usize,
    /// Its number within the epoch, counted from 1.
    pub batch: usize,
    /// How many batches an epoch has.
    pub batches: usize,
    /// The mean loss of its rows, by weight, before the update.
    pub loss: f64,
}

/// What an observer of training is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// After the update of each batch.
    Batch(BatchReport),
    /// After the last batch of each epoch.
    Epoch(EpochReport),
}

/// How training went.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainReport {
    /// Every epoch that was completed since the training began, also before a resumption.
    pub epochs: Vec<EpochReport>,
    /// Why there are no more.
    pub stop: StopReason,
    /// Rows trained on per second over the epochs of this call; 0 for none.
    pub samples_per_second: f64,
    /// What went between the ranks in this call; nothing where there are no shards.
    pub communication: Communication,
}

/// What a rank of a training told the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Communication {
    /// Seconds in calls of the [`Collective`](crate::Collective), while the training went on computing or waited.
    pub seconds: f64,
    /// Seconds that the training waited for them.
    pub waited_seconds: f64,
    /// How many calls there were.
    pub calls: u64,
    /// Bytes that this rank gave to them.
    pub bytes: u64,
}

impl TrainReport {
    /// The mean loss of each epoch.
    pub fn losses(&self) -> impl ExactSizeIterator<Item = f64> {
        self.epochs.iter().map(|epoch| epoch.loss)
    }
}

/// How far a training has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Updates that were made.
    pub step: u64,
    /// Epochs that are completed.
    pub epoch: usize,
    /// Batches of the next epoch that are done.
    pub batch: usize,
}
