//! The loop over epochs and batches.

use std::ops::ControlFlow;
use std::time::Instant;

use super::monitor::Monitor;
use super::report::{BatchReport, Communication, EpochReport, Progress, StopReason, TrainReport};
use super::validation::Validation;
use super::{Place, Trainer};
use crate::batches::Batches;
use crate::check;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::plan::Plan;

/// The memory of a call of `fit`, and what it counts.
pub(super) struct Run<'a> {
    pub(super) plan: &'a mut Plan,
    pub(super) batches: Batches<'a>,
    pub(super) validation: Validation<'a>,
    pub(super) rows_trained: usize,
    pub(super) seconds: f64,
}

impl Run<'_> {
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
            if observer.as_mut().is_some_and(|observer| observer(trainer, Progress::Epoch(report)).is_break()) {
                break StopReason::Stopped;
            }
        };
        if let (Some(best), true) = (&trainer.course.best, stop != StopReason::Stopped) {
            trainer.model = best.clone();
        }
        let samples_per_second = if self.rows_trained == 0 { 0.0 } else { self.rows_trained as f64 / self.seconds };
        Ok(TrainReport {
            epochs: trainer.course.history.clone(),
            stop,
            samples_per_second,
            communication: Communication::default(),
        })
    }

    /// The rest of an epoch, or `None` where the observer ended it.
    fn epoch(
        &mut self,
        trainer: &mut Trainer,
        monitor: &mut Monitor,
        observer: &mut Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()>>,
    ) -> Result<Option<EpochReport>> {
        let (epoch, batches, rows) = (trainer.course.position.epoch + 1, self.batches.len(), self.batches.rows());
        let (start, mut rows_trained) = (Instant::now(), 0);
        self.batches.start_epoch(trainer.options.seed, epoch as u64);
        if observer.is_none() {
            rows_trained += trainer.descend_one_by_one(&self.batches, monitor.plateau);
        }
        while trainer.course.position.batch < batches {
            let batch = self.batches.get(trainer.course.position.batch);
            let batch_rows = batch.x.len() / trainer.model.inputs();
            let place = Place { epoch, batch: trainer.course.position.batch + 1 };
            let loss = trainer.update(self.plan, monitor.plateau, batch, place)?;
            trainer.course.loss_sum += loss.mean * loss.weight;
            trainer.course.weight_sum += loss.weight;
            trainer.course.correct += self.plan.count_correct(&trainer.model, batch_rows, batch.targets.targets);
            trainer.course.position.batch = place.batch;
            rows_trained += batch_rows;
            let report = BatchReport { epoch, batch: place.batch, batches, loss: loss.mean };
            if observer.as_mut().is_some_and(|observer| observer(trainer, Progress::Batch(report)).is_break()) {
                return Ok(None);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        self.seconds += seconds;
        self.rows_trained += rows_trained;
        check_parameters(&trainer.model, epoch)?;

        let model = &trainer.model;
        let judged = rows as f64 * model.objective.judged_per_row() as f64;
        let validation = self.validation.examples().map(|held_out| model.evaluate(held_out.x, held_out.targets));
        let report = EpochReport {
            epoch,
            loss: trainer.course.loss_sum / trainer.course.weight_sum,
            accuracy: model.loss().is_classification().then(|| trainer.course.correct as f64 / judged),
            validation: validation.transpose()?,
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
