//! One update of the parameters.

use super::{Place, Trainer};
use crate::batches::Batch;
use crate::check;
use crate::error::{Error, Result};
use crate::losses::BatchLoss;
use crate::optim::{Clock, Optimizer, PlateauState};
use crate::params::Parameter;
use crate::plan::{Plan, Step, Update};

impl Trainer {
    /// An update on checked rows. Returns their loss before it.
    pub(super) fn update(
        &mut self,
        plan: &mut Plan,
        plateau: PlateauState,
        batch: Batch<'_>,
        place: Place,
    ) -> Result<BatchLoss> {
        let optimizer = self.optimizer_now(plateau);
        let step = self.course.position.step;
        let update = self.kind_of_update(&optimizer);
        let loss = plan.step(&mut self.model, batch, Step { seed: self.options.seed, number: step, update })?;
        if !loss.mean.is_finite() {
            let layer = plan.first_non_finite_layer(&self.model, batch.x.len() / self.model.inputs());
            let Place { epoch, batch } = place;
            return Err(Error::NonFiniteLoss { epoch, batch, layer, loss: loss.mean });
        }
        if update == Update::Store {
            let kernels = self.model.kernels;
            if let Some(clip) = self.options.clip {
                clip.apply(kernels, plan.gradients_mut());
            }
            let (params, gradients) = (self.model.arena.as_mut_slice(), plan.gradients());
            let all = 0..params.len();
            if !self.optimizer.update(kernels, &optimizer, step + 1, all, (params, gradients)) {
                return Err(self.non_finite_update(gradients, place));
            }
        }
        self.course.position.step += 1;
        Ok(loss)
    }

    /// The optimiser with the learning rate of the next step.
    pub(super) fn optimizer_now(&self, plateau: PlateauState) -> Optimizer {
        let (optimizer, schedule) = (self.options.optimizer, self.options.schedule);
        let time = match schedule.clock {
            Clock::Epoch => self.course.position.epoch as u64,
            Clock::Step => self.course.position.step,
        };
        optimizer.with_learning_rate(optimizer.learning_rate() * schedule.factor_after(time, plateau))
    }

    /// Plain descent needs no gradients of all parameters at once.
    pub(super) fn kind_of_update(&self, optimizer: &Optimizer) -> Update {
        match optimizer {
            Optimizer::Sgd(sgd) if sgd.momentum == 0.0 && self.options.clip.is_none() => {
                Update::Descend { learning_rate: sgd.learning_rate as f32, weight_decay: sgd.weight_decay as f32 }
            }
            _ => Update::Store,
        }
    }

    /// The first number that is not finite, causes before what they lead to.
    pub(super) fn non_finite_update(&self, gradients: &[f32], Place { epoch, batch }: Place) -> Error {
        let states = self.optimizer.arenas.iter().map(|arena| ("the state of the optimiser for", arena.as_slice()));
        let arenas = std::iter::once(("the gradient of", gradients))
            .chain(states)
            .chain([("the new value of", self.model.arena())]);
        let entries = &self.model.stages.params.entries;
        let numbers =
            arenas.flat_map(|(what, arena)| entries.iter().map(move |entry| (what, Parameter::new(entry, arena))));
        let mut faults = numbers.filter_map(|(what, parameter)| {
            let at = check::first_non_finite(parameter.as_slice())?;
            Some((what, parameter.name(), parameter.as_slice()[at]))
        });
        // Nothing is found where a learning rate that is not finite meets zeros that pad the arena.
        let (what, parameter, value) = faults.next().unwrap_or(("the learning rate of", "", f32::NAN));
        let layer = parameter.split('.').next().and_then(|module| module.parse().ok()).unwrap_or(0);
        Error::NonFiniteUpdate { what, parameter: parameter.to_owned(), layer, value, epoch, batch }
    }
}
