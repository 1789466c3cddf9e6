//! Training: batches, epochs, and when to stop.

use std::ops::ControlFlow;
use std::time::Instant;

use kernels::ThreadPool;

use crate::batches::Batches;
use crate::check;
use crate::error::{Error, Result};
use crate::losses::{CheckedTargets, WeightedTargets};
use crate::model::Model;
use crate::optim::Sgd;
use crate::plan::{Plan, Step, Update};

/// The most threads that may be asked for.
const MAX_THREADS: usize = 1024;

/// How many rows one update is computed from: 1 is stochastic gradient descent, some is mini-batch descent, all is
/// gradient descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// This many, at least 1; the last batch of an epoch is smaller where they do not divide the rows.
    Rows(usize),
    /// All rows at once, in their order.
    All,
}

/// How to train.
///
/// ```
/// use nn::{BatchSize, TrainOptions};
/// let options = TrainOptions { batch_size: BatchSize::Rows(64), learning_rate: 0.05, ..TrainOptions::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainOptions {
    /// Rows of one update; 32.
    pub batch_size: BatchSize,
    /// The step along the gradient, above 0; 0.1.
    pub learning_rate: f32,
    /// The strength λ of the penalty `λ/2 Σ p²` over all parameters p that is added to the cost, 0 or more; 0. Reported
    /// losses do not include it.
    pub weight_decay: f32,
    /// The most passes over the data, at least 1; 200.
    pub max_epochs: usize,
    /// Training has converged when the loss of [`n_iter_no_change`](Self::n_iter_no_change) epochs in a row was not
    /// below the best loss before by at least this; `None` never stops for that reason; 1e-4.
    pub tol: Option<f64>,
    /// How many epochs in a row may bring no improvement before training stops, at least 1; 10.
    pub n_iter_no_change: usize,
    /// Whether each epoch visits the rows in a new order; yes. Without effect where one batch holds all rows.
    pub shuffle: bool,
    /// Where the random numbers of the shuffles start; 0. The order of an epoch is a function of this, the number of the
    /// epoch and the number of rows alone.
    pub seed: u64,
    /// Threads that work, up to 1024; 0, which is one for each core. The result does not depend on it.
    pub threads: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            batch_size: BatchSize::Rows(32),
            learning_rate: 0.1,
            weight_decay: 0.0,
            max_epochs: 200,
            tol: Some(1e-4),
            n_iter_no_change: 10,
            shuffle: true,
            seed: 0,
            threads: 0,
        }
    }
}

impl TrainOptions {
    fn check(&self) -> Result<()> {
        let invalid = |name, value: String, allowed| Err(Error::InvalidHyperParameter { name, value, allowed });
        self.sgd().check()?;
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
            return invalid("tol", tol.to_string(), "finite and at least 0, or None");
        }
        if self.threads > MAX_THREADS {
            return invalid("threads", self.threads.to_string(), "at most 1024, or 0 for one for each core");
        }
        Ok(())
    }

    fn update(&self) -> Update {
        Update::Descend { learning_rate: self.learning_rate, weight_decay: self.weight_decay }
    }

    fn sgd(&self) -> Sgd {
        Sgd { learning_rate: self.learning_rate, weight_decay: self.weight_decay }
    }
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The loss did not improve by [`tol`](TrainOptions::tol) for [`n_iter_no_change`](TrainOptions::n_iter_no_change)
    /// epochs in a row.
    Converged,
    /// All [`max_epochs`](TrainOptions::max_epochs) were run.
    MaxEpochs,
    /// The observer asked for it.
    Stopped,
}

/// An epoch that is done. Loss and accuracy are means over its rows, each judged just before the update that its batch
/// made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochReport {
    /// Its number, counted from 1.
    pub epoch: usize,
    /// The mean loss.
    pub loss: f64,
    /// The share of right answers, for classification: see [`Evaluation::accuracy`](crate::Evaluation::accuracy).
    pub accuracy: Option<f64>,
    /// Rows trained on per second.
    pub samples_per_second: f64,
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
    /// The mean loss of its rows before the update.
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
    /// Every epoch that was completed.
    pub epochs: Vec<EpochReport>,
    /// Why there are no more.
    pub stop: StopReason,
    /// Rows trained on per second over all these epochs; 0 for none.
    pub samples_per_second: f64,
}

impl TrainReport {
    /// The mean loss of each epoch.
    pub fn losses(&self) -> impl ExactSizeIterator<Item = f64> {
        self.epochs.iter().map(|epoch| epoch.loss)
    }
}

/// Trains models, on threads of its own.
#[derive(Debug)]
pub struct Trainer {
    options: TrainOptions,
    pool: ThreadPool,
}

impl Trainer {
    /// Checks the options and starts the threads.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for an option outside its range, [`Error::ThreadPool`] if the threads cannot be
    /// started.
    pub fn new(options: TrainOptions) -> Result<Self> {
        options.check()?;
        let threads = options.threads;
        let pool = ThreadPool::new(threads).map_err(|source| Error::ThreadPool { threads, source })?;
        Ok(Trainer { options, pool })
    }

    /// Checks the options and trains on the threads of `pool`, whatever [`TrainOptions::threads`] says.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for an option outside its range.
    pub fn with_pool(options: TrainOptions, pool: ThreadPool) -> Result<Self> {
        options.check()?;
        Ok(Trainer { options, pool })
    }

    /// The options.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The threads, to run other work on them: what is called inside its `install` uses no others.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Trains `model` on `x`, `[rows][inputs]`, until it has converged or `max_epochs` are done.
    ///
    /// # Errors
    /// - [`Error::EmptyData`], [`Error::ShapeMismatch`], [`Error::NonFiniteInput`], [`Error::TargetKind`],
    ///   [`Error::LabelOutOfRange`], [`Error::TargetOutOfRange`] for data that the model cannot learn from
    /// - [`Error::OutOfMemory`]
    /// - [`Error::NonFiniteLoss`], [`Error::NonFiniteParameter`] if training diverges; the model then holds the
    ///   parameters of that moment
    pub fn fit<'t>(
        &self,
        model: &mut Model,
        x: &[f32],
        targets: impl Into<WeightedTargets<'t>>,
    ) -> Result<TrainReport> {
        self.fit_observed(model, x, targets, |_, _| ControlFlow::Continue(()))
    }

    /// [`fit`](Self::fit), showing `observer` the model after each batch and each epoch; it can end the training.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit).
    pub fn fit_observed<'t>(
        &self,
        model: &mut Model,
        x: &[f32],
        targets: impl Into<WeightedTargets<'t>>,
        mut observer: impl FnMut(&Model, Progress) -> ControlFlow<()> + Send,
    ) -> Result<TrainReport> {
        let rows = model.check_inputs(x)?;
        let targets = CheckedTargets::new(&model.objective, targets.into(), rows)?;
        let batch_rows = match self.options.batch_size {
            BatchSize::Rows(size) => size.min(rows),
            BatchSize::All => rows,
        };
        let mut run = Run {
            options: &self.options,
            plan: Plan::new(model, batch_rows, self.options.update())?,
            batches: Batches::new(x, targets, model, batch_rows, self.options.shuffle)?,
            epoch: 0,
            steps: 0,
            seconds: 0.0,
        };
        // Entering the pool costs as much as a small batch, so that is done once.
        self.pool.install(|| run.fit(model, &mut observer))
    }
}

/// One training run: what it has allocated, and where it is.
struct Run<'a> {
    options: &'a TrainOptions,
    plan: Plan,
    batches: Batches<'a>,
    epoch: usize,
    steps: u64,
    seconds: f64,
}

impl Run<'_> {
    fn fit(
        &mut self,
        model: &mut Model,
        observer: &mut (impl FnMut(&Model, Progress) -> ControlFlow<()> + Send),
    ) -> Result<TrainReport> {
        let mut convergence = Convergence::new(self.options);
        let mut epochs = Vec::new();
        let stop = loop {
            if self.epoch == self.options.max_epochs {
                break StopReason::MaxEpochs;
            }
            self.epoch += 1;
            let Some(report) = self.epoch(model, observer)? else { break StopReason::Stopped };
            epochs.push(report);
            if observer(model, Progress::Epoch(report)).is_break() {
                break StopReason::Stopped;
            }
            if convergence.is_reached(report.loss) {
                break StopReason::Converged;
            }
        };
        let samples = epochs.len() as f64 * self.batches.rows() as f64;
        let samples_per_second = if epochs.is_empty() { 0.0 } else { samples / self.seconds };
        Ok(TrainReport { epochs, stop, samples_per_second })
    }

    /// One pass over the data, or `None` where the observer ended it.
    fn epoch(
        &mut self,
        model: &mut Model,
        observer: &mut (impl FnMut(&Model, Progress) -> ControlFlow<()> + Send),
    ) -> Result<Option<EpochReport>> {
        let (rows, batches, epoch) = (self.batches.rows(), self.batches.len(), self.epoch);
        let (mut sum, mut weight, mut correct) = (0.0, 0.0, 0);
        let start = Instant::now();
        self.batches.start_epoch(self.options.seed, epoch as u64);
        for batch in 1..=batches {
            let (x, targets) = self.batches.get(batch - 1);
            let batch_rows = x.len() / model.inputs();
            let step = Step { seed: self.options.seed, number: self.steps, update: self.options.update() };
            let batch_loss = self.plan.step(model, x, targets, step)?;
            let loss = batch_loss.mean;
            if !loss.is_finite() {
                let layer = self.plan.first_non_finite_layer(model, batch_rows);
                return Err(Error::NonFiniteLoss { epoch, batch, layer, loss });
            }
            sum += loss * batch_loss.weight;
            weight += batch_loss.weight;
            correct += self.plan.count_correct(model, batch_rows, targets.targets);
            self.steps += 1;

            if observer(model, Progress::Batch(BatchReport { epoch, batch, batches, loss })).is_break() {
                return Ok(None);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        self.seconds += seconds;
        check_parameters(model, epoch)?;
        let judged = rows as f64 * model.objective.judged_per_row() as f64;
        Ok(Some(EpochReport {
            epoch,
            loss: sum / weight,
            accuracy: model.loss().is_classification().then(|| correct as f64 / judged),
            samples_per_second: rows as f64 / seconds,
        }))
    }
}

/// An update can make a parameter infinite that the next loss does not show, behind a ReLU that it turned off.
fn check_parameters(model: &Model, epoch: usize) -> Result<()> {
    for parameter in model.parameters() {
        if let Some(at) = check::first_non_finite(parameter.as_slice()) {
            let value = parameter.as_slice()[at];
            return Err(Error::NonFiniteParameter { parameter: parameter.name().to_owned(), value, epoch });
        }
    }
    Ok(())
}

/// The rule of scikit-learn: an epoch improves if its loss is at most the best so far minus `tol`.
struct Convergence {
    tol: Option<f64>,
    patience: usize,
    best: f64,
    epochs_without_improvement: usize,
}

impl Convergence {
    fn new(options: &TrainOptions) -> Self {
        Convergence {
            tol: options.tol,
            patience: options.n_iter_no_change,
            best: f64::INFINITY,
            epochs_without_improvement: 0,
        }
    }

    fn is_reached(&mut self, loss: f64) -> bool {
        let Some(tol) = self.tol else { return false };
        if loss > self.best - tol {
            self.epochs_without_improvement += 1;
        } else {
            self.epochs_without_improvement = 0;
        }
        self.best = self.best.min(loss);
        self.epochs_without_improvement >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convergence_counts_epochs_in_a_row_against_the_best() {
        let options = TrainOptions { tol: Some(0.1), n_iter_no_change: 2, ..TrainOptions::default() };
        let stops_at = |losses: &[f64]| {
            let mut convergence = Convergence::new(&options);
            losses.iter().position(|&loss| convergence.is_reached(loss))
        };
        assert_eq!(stops_at(&[5.0, 4.0, 3.0, 2.0]), None);
        assert_eq!(stops_at(&[5.0, 4.95, 4.9]), Some(2), "each is better, neither by enough");
        assert_eq!(stops_at(&[5.0, 4.95, 4.5, 4.5, 4.5]), Some(4), "an improvement starts the count again");
        assert_eq!(stops_at(&[1.0, 3.0, 2.0]), Some(2), "better than the last is not better than the best");
        let mut never = Convergence::new(&TrainOptions { tol: None, ..options });
        assert!((0..100).all(|_| !never.is_reached(1.0)));
    }
}
