//! Training: batches, epochs, and when to stop.

mod alone;
mod monitor;
mod one_by_one;
mod options;
mod over;
mod report;
mod run;
mod update;
mod validation;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kernels::ThreadPool;

use crate::batches::{Batch, Batches, Order};
use crate::checkpoint;
use crate::collective::{Part, Single};
use crate::data::Examples;
use crate::data::features::Scratch;
use crate::error::{Error, Result};
use crate::losses::CheckedTargets;
use crate::model::Model;
use crate::optim::{OptimizerState, PlateauState};
use crate::plan::Plan;
use alone::Alone;
pub use options::{BatchSize, TrainOptions};
pub use report::{BatchReport, Communication, EpochReport, Position, Progress, StopReason, TrainReport};
use run::Run;
use validation::Validation;

/// A model in training: the model, the state of its optimiser, and how far the training has come. It has threads of its own.
///
/// Training can stop after any batch and go on, from memory or from a file, to the same bits as if it had not stopped.
///
/// ```
/// use std::ops::ControlFlow;
/// use nn::{Adam, Model, Progress, StopReason, TrainOptions, Trainer};
/// # fn main() -> nn::Result<()> {
/// # let path = std::env::temp_dir().join("nn-trainer-example.safetensors");
/// let (x, labels) = ([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1]);
/// let options = TrainOptions { optimizer: Adam::default().into(), max_epochs: 10, ..TrainOptions::default() };
///
/// let mut trainer = Trainer::new(Model::logistic_regression(1)?, options)?;
/// let report = trainer.fit_observed((&x, &labels), None, |trainer, progress| match progress {
///     Progress::Epoch(epoch) if epoch.epoch == 5 => {
///         trainer.save(&path).expect("the disk has room");
///         ControlFlow::Break(())
///     }
///     _ => ControlFlow::Continue(()),
/// })?;
/// assert_eq!((report.stop, report.epochs.len()), (StopReason::Stopped, 5));
///
/// let mut resumed = Trainer::new(Model::logistic_regression(1)?, options)?;
/// resumed.resume(&path)?;
/// assert_eq!(resumed.fit((&x, &labels))?.epochs.len(), 10);
/// trainer.fit((&x, &labels))?;
/// assert!(trainer.model().parameters().eq(resumed.model().parameters()));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok(())
/// # }
/// ```
pub struct Trainer {
    model: Model,
    options: TrainOptions,
    pool: Arc<ThreadPool>,
    optimizer: OptimizerState,
    course: Course,
    /// With how many rows it has room for.
    plan: Option<(Plan, usize)>,
    /// Where a step puts rows that do not lie as it needs them.
    scratch: Scratch,
    /// Which it is of those that train together.
    rank: usize,
}

/// How far a training has come, and what it remembers of it.
#[derive(Clone, Default)]
pub(crate) struct Course {
    pub(crate) position: Position,
    /// How many rows an epoch is made of; of those that are done in the one in progress, the sums of the losses and of the
    /// weights and how many targets were met.
    pub(crate) rows: usize,
    pub(crate) loss_sum: f64,
    pub(crate) weight_sum: f64,
    pub(crate) correct: usize,
    pub(crate) history: Vec<EpochReport>,
    /// The model after the best epoch, where it is to be kept.
    pub(crate) best: Option<Model>,
}

impl Course {
    fn finish_epoch(&mut self, report: EpochReport) {
        self.history.push(report);
        self.position.epoch += 1;
        (self.position.batch, self.loss_sum, self.weight_sum, self.correct) = (0, 0.0, 0.0, 0);
    }
}

/// Where an update belongs, both counted from 1.
#[derive(Clone, Copy)]
struct Place {
    epoch: usize,
    batch: usize,
}

impl Trainer {
    /// Checks the options and starts the threads.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for an option outside its range, [`Error::ThreadPool`] if the threads cannot be
    /// started, [`Error::OutOfMemory`].
    pub fn new(model: Model, options: TrainOptions) -> Result<Self> {
        options.check()?;
        let threads = options.threads;
        let pool = ThreadPool::new(threads).map_err(|source| Error::ThreadPool { threads, source })?;
        Self::with_pool(model, options, pool)
    }

    /// [`new`](Self::new) on the threads of `pool`, whatever [`TrainOptions::threads`] says. An `Arc` of a pool can be
    /// shared by several trainers.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for an option outside its range, [`Error::OutOfMemory`].
    pub fn with_pool(model: Model, options: TrainOptions, pool: impl Into<Arc<ThreadPool>>) -> Result<Self> {
        options.check()?;
        let optimizer = OptimizerState::new(&options.optimizer, model.arena_len())?;
        Ok(Trainer {
            model,
            options,
            pool: pool.into(),
            optimizer,
            course: Course::default(),
            plan: None,
            scratch: Scratch::default(),
            rank: 0,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, for use without the trainer.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The options.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The threads, to run other work on them: what is called inside its `install` uses no others.
    pub fn pool(&self) -> &Arc<ThreadPool> {
        &self.pool
    }

    /// How far the training has come.
    pub fn position(&self) -> Position {
        self.course.position
    }

    /// Trains on `data` until the training has converged or `max_epochs` are done; goes on where it was stopped. A
    /// training that has ended by itself is not begun anew: the report is then the same again. With
    /// [`TrainOptions::sharding`] it is [`fit_over`](Self::fit_over) on one rank, with the bits of many.
    ///
    /// # Errors
    /// - [`Error::EmptyData`], [`Error::ShapeMismatch`], [`Error::NonFiniteInput`], [`Error::TargetKind`],
    ///   [`Error::LabelOutOfRange`], [`Error::TargetOutOfRange`], [`Error::InvalidWeight`], [`Error::NoWeight`] for data that
    ///   the model cannot learn from
    /// - [`Error::OtherData`] if an epoch was begun with another number of rows
    /// - [`Error::InvalidHyperParameter`] for a `validation_fraction` that leaves no rows on one side
    /// - [`Error::BatchTooSmall`], [`Error::OutOfMemory`]
    /// - [`Error::NonFiniteLoss`], [`Error::NonFiniteUpdate`], [`Error::NonFiniteParameter`],
    ///   [`Error::NonFiniteValidationLoss`] if training diverges; the model then holds the parameters of that moment
    pub fn fit<'d>(&mut self, data: impl Into<Examples<'d>>) -> Result<TrainReport> {
        self.fit_watched(data, None, None::<fn(&Trainer, Progress) -> ControlFlow<()>>)
    }

    /// [`fit`](Self::fit), judging the model by `validation` after each epoch, if given, and showing `observer` the trainer
    /// after each batch and each epoch; it can save it, and end the training.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit), also for `validation`.
    pub fn fit_observed<'d>(
        &mut self,
        data: impl Into<Examples<'d>>,
        validation: Option<Examples<'_>>,
        observer: impl FnMut(&Trainer, Progress) -> ControlFlow<()> + Send,
    ) -> Result<TrainReport> {
        self.fit_watched(data, validation, Some(observer))
    }

    fn fit_watched<'d>(
        &mut self,
        data: impl Into<Examples<'d>>,
        validation: Option<Examples<'_>>,
        observer: Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()> + Send>,
    ) -> Result<TrainReport> {
        let examples = data.into();
        if self.options.sharding.is_some() {
            let inputs = self.model.inputs();
            let all = |examples: Examples<'_>| examples.x.count(inputs);
            let validation = validation.map(|examples| Part::new(examples, all(examples)));
            return self.fit_watched_over(&mut Single, Part::new(examples, all(examples)), validation, observer);
        }
        let x = self.model.check_inputs(examples.x)?;
        let rows = x.count();
        let targets = CheckedTargets::new(&self.model.objective, examples.targets, rows)?;
        let TrainOptions { validation_fraction, seed, shuffle, .. } = self.options;
        let (validation, selected) = match validation {
            Some(given) => (Validation::given(&self.model, given)?, None),
            None if validation_fraction > 0.0 => {
                let drawn = Validation::drawn(&self.model, x, examples.targets, validation_fraction, (seed, 0))?;
                if let Some(held_out) = drawn.0.examples() {
                    let (objective, drawn) = (&self.model.objective, rows - drawn.1.len());
                    CheckedTargets::part(objective, held_out.targets, drawn)?.check_weight(
                        objective,
                        0..drawn,
                        "the weights of the rows drawn for validation",
                    )?;
                }
                let left = drawn.1.iter().copied();
                targets.check_weight(&self.model.objective, left, "the weights of the rows left to train on")?;
                (drawn.0, Some(drawn.1))
            }
            None => (Validation::None, None),
        };
        let rows = selected.as_ref().map_or(rows, Vec::len);
        let batch_rows = match self.options.batch_size {
            BatchSize::Rows(size) => size.min(rows),
            BatchSize::All => rows,
        };
        let last = rows % batch_rows;
        self.model.check_batch(if last == 0 { batch_rows } else { last })?;
        if self.course.position.batch > 0 && self.course.rows != rows {
            return Err(Error::OtherData { epoch: self.course.position.epoch + 1, begun: self.course.rows, rows });
        }
        self.course.rows = rows;

        let batches = Batches::new(x, targets, &self.model, batch_rows, Order { selected, shuffle, deal: None })?;
        let mut plan = self.take_plan(batch_rows)?;
        let mut run = Run::new(Alone { plan: &mut plan.0, batches, validation });
        let pool = Arc::clone(&self.pool);
        // Entering the pool costs as much as a small batch, so that is done once.
        let report = pool.install(|| run.fit(self, observer));
        self.plan = Some(plan);
        report
    }

    /// One update on the given rows, for a loop of one's own; returns their mean loss by weight before it. It counts as a step, for
    /// the optimiser and for a schedule by steps, and belongs to no epoch. It allocates no memory if it has no more rows
    /// than the largest batch before.
    ///
    /// It runs on the threads of the pool that it is called in: put the loop into [`pool`](Self::pool)`.install`, if the
    /// layers are large enough for several.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit), with 0 for the epoch and the number of the step for the batch;
    /// [`Error::InvalidHyperParameter`] with [`TrainOptions::sharding`], as the rows are not cut into shards here. Where an
    /// update of plain descent overflows, it is the next step that finds it.
    ///
    /// ```
    /// # use nn::{Model, TrainOptions, Trainer};
    /// # fn main() -> nn::Result<()> {
    /// let mut trainer = Trainer::new(Model::logistic_regression(1)?, TrainOptions::default())?;
    /// let mut last = f64::INFINITY;
    /// for _ in 0..5 {
    ///     let loss = trainer.step((&[-1.0, 2.0], &[0, 1]))?;
    ///     assert!(loss < last);
    ///     last = loss;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn step<'d>(&mut self, data: impl Into<Examples<'d>>) -> Result<f64> {
        if let Some(sharding) = self.options.sharding {
            let (name, value) = ("sharding", format!("{sharding:?}"));
            return Err(Error::InvalidHyperParameter { name, value, allowed: "None for single steps" });
        }
        let Examples { x, targets } = data.into();
        let x = self.model.check_inputs(x)?;
        let rows = x.count();
        let outputs = self.model.outputs();
        let targets = CheckedTargets::new(&self.model.objective, targets, rows)?;
        let mut plan = self.take_plan(rows)?;
        let place = Place { epoch: 0, batch: usize::try_from(self.course.position.step + 1).unwrap_or(usize::MAX) };
        let mut scratch = std::mem::take(&mut self.scratch);
        let x = x.range(self.model.kernels, 0, rows, &mut scratch);
        let batch = Batch { x, targets: targets.rows(0, rows, outputs), next: None };
        let plateau = self.plateau();
        let loss = self.update(&mut plan.0, plateau, batch, place);
        (self.plan, self.scratch) = (Some(plan), scratch);
        Ok(loss?.mean)
    }

    /// What the epochs so far have made of the learning rate.
    fn plateau(&self) -> PlateauState {
        let losses = self.course.history.iter().map(EpochReport::judged_loss);
        PlateauState::after(&self.options.schedule, losses)
    }

    /// The memory of steps of up to `rows` rows.
    fn take_plan(&mut self, rows: usize) -> Result<(Plan, usize)> {
        match self.plan.take() {
            Some(mut plan) if plan.1 >= rows => {
                plan.0.forget_next();
                Ok(plan)
            }
            _ => Ok((Plan::new(&self.model, rows, self.kind_of_update(&self.options.optimizer))?, rows)),
        }
    }

    /// Writes everything that [`resume`](Self::resume) needs to `path`, all or nothing: the file holds what it held
    /// before or the new checkpoint, whatever fails or whenever the process is killed. See [`checkpoint`].
    ///
    /// Where several ranks train together, all may call it: it does nothing on others than rank 0. The file can be resumed by
    /// any number of ranks that the shards can be given to.
    ///
    /// # Errors
    /// [`Error::File`]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.rank != 0 {
            return Ok(());
        }
        checkpoint::save_training(path.as_ref(), &self.model, &self.options, &self.optimizer, &self.course)
    }

    /// Goes back to where the training in `path` was when it was saved: the model, the optimiser, the position.
    ///
    /// The model must have the same layers and loss, and the options must be the same but for `max_epochs`, `tol`,
    /// `n_iter_no_change` and `threads`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is damaged, is no checkpoint of a training or one of another model or
    /// of other options. The trainer is then as before.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let loaded = checkpoint::load_training(path.as_ref(), &self.model, &self.options)?;
        (self.model, self.optimizer, self.course) = loaded;
        Ok(())
    }
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("model", &self.model)
            .field("options", &self.options)
            .field("position", &self.course.position)
            .finish_non_exhaustive()
    }
}
