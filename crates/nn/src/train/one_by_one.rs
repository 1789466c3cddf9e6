//! Logistic regression, one example after the other.
//!
//! Where nobody watches each batch, a kernel goes over all examples of an epoch and computes what a step for each would, bit
//! for bit, in a fraction of the time.

use kernels::fused::{Descent, LogisticModel, LogisticSums};
use kernels::{Activation, fused};

use super::Trainer;
use crate::batches::Batches;
use crate::losses::Loss;
use crate::optim::{Clock, PlateauState};
use crate::plan::Update;
use crate::stages::{Op, Stage};

impl Trainer {
    /// Updates the model by the rest of the examples of the epoch if it is a logistic regression and a batch is one row. Where
    /// a logit is not finite it stops before that example, whose step will then find the fault. Returns how many were done.
    pub(super) fn descend_one_by_one(&mut self, batches: &Batches<'_>, plateau: PlateauState) -> usize {
        let Some((x, targets, order)) = batches.one_by_one(self.course.position.batch) else { return 0 };
        let [Stage { op: Op::Linear { weight, bias }, activation: Activation::Identity, outputs: 1, .. }] =
            &self.model.stages.list[..]
        else {
            return 0;
        };
        let objective = &self.model.objective;
        let constant = self.options.schedule.clock == Clock::Epoch;
        if objective.loss != Loss::BceWithLogits || !objective.is_plain() || !constant {
            return 0;
        }
        let optimizer = self.optimizer_now(plateau);
        let Update::Descend { learning_rate, weight_decay } = self.kind_of_update(&optimizer) else { return 0 };

        let (weights, rest) = self.model.arena.as_mut_slice().split_at_mut(weight.end);
        let bias = bias.as_ref().map(|bias| &mut rest[bias.start - weight.end]);
        let model = LogisticModel { weight: &mut weights[weight.clone()], bias };
        let course = &mut self.course;
        let mut sums = LogisticSums { loss: course.loss_sum, correct: course.correct };
        let examples = fused::Examples { x, targets, order };
        let descent = Descent { learning_rate, weight_decay };
        let done = self.model.kernels.logistic_descent(&examples, descent, model, &mut sums);
        (course.loss_sum, course.correct) = (sums.loss, sums.correct);
        course.weight_sum += done as f64;
        course.position.batch += done;
        course.position.step += done as u64;
        done
    }
}
