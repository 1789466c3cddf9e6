//! The loop over epochs and batches.

use std::ops::ControlFlow;
use std::time::Instant;

use super::monitor::Monitor;
use super::report::{BatchReport, Communication, EpochReport, Progress, StopReason, TrainReport};
use super::{Place, Trainer};
use crate::check;
use crate::error::{Error, Result};
use crate::inference::{Evaluation, Judged};
use crate::model::Model;
use crate::optim::PlateauState;

/// What an epoch is made of, for a trainer alone and for one with others.
pub(super) trait Steps {
    /// How many batches and rows an epoch has.
    fn epoch(&self) -> (usize, usize);

    /// Draws the order of an epoch.
    fn start_epoch(&mut self, seed: u64, epoch: u64);

    /// Makes the updates of the next batches in one go, where it can and nobody watches; returns how many.
    fn go_ahead(&mut self, _trainer: &mut Trainer, _plateau: PlateauState) -> usize {
        0
    }

    /// The update of the next batch; how it was judged before, and its mean loss.
    fn update(&mut self, trainer: &mut Trainer, plateau: PlateauState, place: Place) -> Result<(Judged, f64)>;

    /// How the model does on the rows for validation, where there are some.
    fn validate(&mut self, model: &Model) -> Result<Option<Evaluation>>;

    /// Whether all shall stop, from whether the observer here wants it.
    fn agree(&mut self, stop: bool) -> Result<bool>;
}

/// A call of `fit`, and what it counts.
pub(super) struct Run<S> {
    pub(super) steps: S,
    rows_trained: usize,
    seconds: f64,
}

impl<S: Steps> Run<S> {
    pub(super) fn new(steps: S) -> Self {
        Run { steps, rows_trained: 0, seconds: 0.0 }
    }

    pub(super) fn fit(
        &mut self,
        trainer: &mut Trainer,
        mut observer: Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()>>,
    ) -> Result<TrainReport> {
        let mut monitor = Monitor::new(&trainer.options, &trainer.course.history);
        let stop = loop {
            if monitor.has_converged() {
                break StopReason::Converged;
            }
            if trainer.course.position.epoch >= trainer.options.max_epochs {
                break StopReason::MaxEpochs;
            }
            let Some(report) = self.epoch(trainer, &mut monitor, &mut observer)? else { break StopReason::Stopped };
            if self.show(trainer, &mut observer, Progress::Epoch(report))? {
                break StopReason::Stopped;
            }
        };
        if let (Some(best), true) = (&trainer.course.best, stop != StopReason::Stopped) {
            trainer.model = best.clone();
        }
        let samples_per_second = if self.rows_trained == 0 { 0.0 } else { self.rows_trained as f64 / self.seconds };
        let (epochs, communication) = (trainer.course.history.clone(), Communication::default());
        Ok(TrainReport { epochs, stop, samples_per_second, communication })
    }

    /// Whether the training shall stop.
    fn show(
        &mut self,
        trainer: &Trainer,
        observer: &mut Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()>>,
        progress: Progress,
    ) -> Result<bool> {
        let stop = observer.as_mut().is_some_and(|observer| observer(trainer, progress).is_break());
        self.steps.agree(stop)
    }

    /// The rest of an epoch, or `None` where the observer ended it.
    fn epoch(
        &mut self,
        trainer: &mut Trainer,
        monitor: &mut Monitor,
        observer: &mut Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()>>,
    ) -> Result<Option<EpochReport>> {
        let (epoch, (batches, rows)) = (trainer.course.position.epoch + 1, self.steps.epoch());
        let (start, mut rows_trained) = (Instant::now(), 0);
        self.steps.start_epoch(trainer.options.seed, epoch as u64);
        if observer.is_none() {
            rows_trained += self.steps.go_ahead(trainer, monitor.plateau);
        }
        while trainer.course.position.batch < batches {
            let place = Place { epoch, batch: trainer.course.position.batch + 1 };
            let (judged, mean) = self.steps.update(trainer, monitor.plateau, place)?;
            trainer.course.loss_sum += judged.loss;
            trainer.course.weight_sum += judged.weight;
            trainer.course.correct += judged.correct;
            trainer.course.position.batch = place.batch;
            rows_trained += judged.rows;
            let report = BatchReport { epoch, batch: place.batch, batches, loss: mean };
            if self.show(trainer, observer, Progress::Batch(report))? {
                return Ok(None);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        self.seconds += seconds;
        self.rows_trained += rows_trained;
        check_parameters(&trainer.model, epoch)?;

        let model = &trainer.model;
        let validation = self.steps.validate(model)?;
        if let Some(loss) = validation.map(|validation| validation.loss).filter(|loss| !loss.is_finite()) {
            return Err(Error::NonFiniteValidationLoss { epoch, loss });
        }
        let judged = rows as f64 * model.objective.judged_per_row() as f64;
        let report = EpochReport {
            epoch,
            loss: trainer.course.loss_sum / trainer.course.weight_sum,
            accuracy: model.loss().is_classification().then(|| trainer.course.correct as f64 / judged),
            validation,
            samples_per_second: rows_trained as f64 / seconds,
        };
        if monitor.record(report.judged_loss()) && trainer.options.keep_best {
            trainer.course.best = Some(trainer.model.clone());
        }
        trainer.course.finish_epoch(report);
        Ok(Some(report))
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
