//! The epochs of a trainer alone.

use super::run::Steps;
use super::validation::Validation;
use super::{Place, Trainer};
use crate::batches::Batches;
use crate::error::Result;
use crate::inference::{Evaluation, Judged};
use crate::model::Model;
use crate::optim::PlateauState;
use crate::plan::Plan;

/// All rows, and memory for the steps.
pub(super) struct Alone<'a> {
    pub(super) plan: &'a mut Plan,
    pub(super) batches: Batches<'a>,
    pub(super) validation: Validation<'a>,
}

impl Steps for Alone<'_> {
    fn epoch(&self) -> (usize, usize) {
        (self.batches.len(), self.batches.rows())
    }

    fn start_epoch(&mut self, seed: u64, epoch: u64) {
        self.batches.start_epoch(seed, epoch);
    }

    fn go_ahead(&mut self, trainer: &mut Trainer, plateau: PlateauState) -> usize {
        trainer.descend_one_by_one(&self.batches, plateau)
    }

    fn update(&mut self, trainer: &mut Trainer, plateau: PlateauState, place: Place) -> Result<(Judged, f64)> {
        let batch = self.batches.get(trainer.course.position.batch);
        let rows = batch.x.len() / trainer.model.inputs();
        let loss = trainer.update(self.plan, plateau, batch, place)?;
        let correct = self.plan.count_correct(&trainer.model, rows, batch.targets.targets);
        Ok((Judged { loss: loss.mean * loss.weight, weight: loss.weight, correct, rows }, loss.mean))
    }

    fn validate(&mut self, model: &Model) -> Result<Option<Evaluation>> {
        self.validation.examples().map(|held_out| model.evaluate(held_out.x, held_out.targets)).transpose()
    }

    fn agree(&mut self, stop: bool) -> Result<bool> {
        Ok(stop)
    }
}
