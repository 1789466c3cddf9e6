//! What a model says about rows, and how well: in blocks of rows, so that memory is bounded for any number of them.

use kernels::Function;

use crate::data::Features;
use crate::data::features::{Rows, Scratch};
use crate::error::{Error, Result};
use crate::losses::{CheckedTargets, Loss, WeightedTargets};
use crate::memory::{Buffer, reserve};
use crate::model::Model;
use crate::predictor::Predictor;

/// Rows computed at a time. A constant, so that sums over blocks do not depend on the machine.
const BLOCK: usize = 256;

/// How well a model does on data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean loss by weight, `Σ s L / Σ s v`: see [`LossOptions`](crate::LossOptions). `1/m Σ L` without weights.
    pub loss: f64,
    /// The share of right answers in 0 to 1, for classification: rows whose largest logit is the label's or, for binary
    /// cross-entropy, logits on their target's side of 0.
    pub accuracy: Option<f64>,
}

/// Sums over rows that were judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged {
    /// `Σ s L`
    pub(crate) loss: f64,
    /// `Σ s v`
    pub(crate) weight: f64,
    /// Targets that were met.
    pub(crate) correct: usize,
    pub(crate) rows: usize,
}

impl Judged {
    /// The sums over the rows of both, one after the other.
    pub(crate) fn plus(self, other: Judged) -> Judged {
        Judged {
            loss: self.loss + other.loss,
            weight: self.weight + other.weight,
            correct: self.correct + other.correct,
            rows: self.rows + other.rows,
        }
    }

    /// As bytes, for other ranks; `to` has [`BYTES`](Self::BYTES).
    pub(crate) fn write(self, to: &mut [u8]) {
        let words = [self.loss.to_bits(), self.weight.to_bits(), self.correct as u64, self.rows as u64];
        to.iter_mut().zip(words.into_iter().flat_map(u64::to_le_bytes)).for_each(|(to, byte)| *to = byte);
    }

    pub(crate) fn read(from: &[u8]) -> Judged {
        let (words, _) = from.as_chunks();
        let word = |at: usize| words.get(at).copied().map_or(0, u64::from_le_bytes);
        let (loss, weight) = (f64::from_bits(word(0)), f64::from_bits(word(1)));
        Judged { loss, weight, correct: word(2) as usize, rows: word(3) as usize }
    }

    pub(crate) const BYTES: usize = 4 * size_of::<u64>();

    pub(crate) fn evaluation(self, model: &Model) -> Evaluation {
        let judged = self.rows as f64 * model.objective.judged_per_row() as f64;
        let accuracy = model.loss().is_classification().then(|| self.correct as f64 / judged);
        Evaluation { loss: self.loss / self.weight, accuracy }
    }
}

impl Model {
    /// The outputs of the last layer, `[rows][outputs]`, for `x`, `[rows][inputs]`. For the classification losses these are
    /// logits.
    ///
    /// # Errors
    /// - [`Error::ShapeMismatch`] unless `x` is a whole number of rows; [`Error::EmptyData`] for none
    /// - [`Error::NonFiniteInput`] for NaN or an infinity in `x`
    /// - [`Error::OutOfMemory`]
    pub fn predict<'x>(&self, x: impl Into<Features<'x>>) -> Result<Vec<f32>> {
        let (x, outputs) = (self.check_inputs(x)?, self.outputs());
        let mut predictions = reserve("the predictions", x.count(), outputs)?;
        self.for_each_block(x, |_, block| predictions.extend_from_slice(block))?;
        Ok(predictions)
    }

    /// The probability of each class: the softmax of the logits for softmax cross-entropy, their sigmoid, the probability
    /// of 1, for binary cross-entropy.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict), and [`Error::TargetKind`] for a model that is not a classifier.
    pub fn predict_proba<'x>(&self, x: impl Into<Features<'x>>) -> Result<Vec<f32>> {
        self.check_classifier()?;
        let logits = self.predict(x)?;
        let mut probabilities = reserve("the probabilities", logits.len() / self.outputs(), self.outputs())?;
        probabilities.resize(logits.len(), 0.0);
        match self.loss() {
            Loss::SoftmaxCrossEntropy => self.kernels().softmax(self.outputs(), &logits, &mut probabilities),
            _ => self.kernels().map(Function::Sigmoid, &logits, &mut probabilities),
        }
        Ok(probabilities)
    }

    /// The most likely class: for softmax cross-entropy one for each row, the first of equals; for binary cross-entropy 0
    /// or 1 for each output of each row.
    ///
    /// # Errors
    /// Those of [`predict_proba`](Self::predict_proba).
    pub fn predict_classes<'x>(&self, x: impl Into<Features<'x>>) -> Result<Vec<u32>> {
        self.check_classifier()?;
        let (x, outputs) = (self.check_inputs(x)?, self.outputs());
        let mut classes = reserve("the classes", x.count(), self.objective.judged_per_row())?;
        self.for_each_block(x, |_, block| match self.loss() {
            Loss::SoftmaxCrossEntropy => {
                let start = classes.len();
                classes.resize(start + block.len() / outputs, 0);
                self.kernels().argmax(outputs, block, &mut classes[start..]);
            }
            _ => classes.extend(block.iter().map(|&logit| u32::from(logit > 0.0))),
        })?;
        Ok(classes)
    }

    /// Loss and accuracy on data, such as data held out from training.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict), and what does not fit in the targets: [`Error::TargetKind`],
    /// [`Error::ShapeMismatch`], [`Error::LabelOutOfRange`], [`Error::TargetOutOfRange`], [`Error::NonFiniteInput`],
    /// [`Error::InvalidWeight`], [`Error::NoWeight`].
    pub fn evaluate<'t>(
        &self,
        x: impl Into<Features<'t>>,
        targets: impl Into<WeightedTargets<'t>>,
    ) -> Result<Evaluation> {
        let x = self.check_inputs(x)?;
        let rows = x.count();
        let targets = CheckedTargets::new(&self.objective, targets.into(), rows)?;
        Ok(self.judge(x, &targets)?.evaluation(self))
    }

    /// The sums that an evaluation is made of, for checked rows.
    pub(crate) fn judge(&self, x: Rows<'_>, targets: &CheckedTargets<'_>) -> Result<Judged> {
        let (rows, outputs) = (x.count(), self.outputs());
        let mut d_outputs = Buffer::zeros("the gradients of the outputs", rows.min(BLOCK), outputs)?;
        let mut classes = [0; BLOCK];
        let mut judged = Judged { loss: 0.0, weight: 0.0, correct: 0, rows };
        self.for_each_block(x, |first, block| {
            let rows = block.len() / outputs;
            let targets = targets.rows(first, first + rows, outputs);
            let d_outputs = &mut d_outputs.as_mut_slice()[..block.len()];
            let loss = self.objective.forward_backward(self.kernels, block, targets, d_outputs);
            judged.loss += loss.mean * loss.weight;
            judged.weight += loss.weight;
            judged.correct += self.objective.count_correct(self.kernels, block, targets.targets, &mut classes[..rows]);
        })?;
        Ok(judged)
    }

    /// The rows of `x`, if the model can take them.
    pub(crate) fn check_inputs<'x>(&self, x: impl Into<Features<'x>>) -> Result<Rows<'x>> {
        Rows::new("the data", x.into(), self.inputs())
    }

    fn check_classifier(&self) -> Result<()> {
        match self.loss().is_classification() {
            true => Ok(()),
            false => Err(Error::NotAClassifier { loss: self.loss() }),
        }
    }

    /// Calls `each` with the number of a block's first row and the outputs of its rows.
    fn for_each_block(&self, x: Rows<'_>, mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let (rows, mut scratch) = (x.count(), Scratch::default());
        let mut predictor = Predictor::new(self, rows.min(BLOCK))?;
        let mut first = 0;
        while first < rows {
            let end = rows.min(first + BLOCK);
            each(first, predictor.forward(x.range(self.kernels, first, end, &mut scratch)));
            first = end;
        }
        Ok(())
    }
}
