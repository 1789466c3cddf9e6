//! The losses and their options.

mod targets;

use std::fmt;

use kernels::{ClassTargets, KernelSet};

use crate::check;
use crate::error::{Error, Result};
pub(crate) use targets::{CheckedTargets, TargetValues};
pub use targets::{Targets, WeightedTargets};

/// The loss `L` of one example; what is made of those of a batch is said by [`LossOptions`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Loss {
    /// Squared error `½ Σ_j (y_j − t_j)²` of the outputs, for regression. Targets are [`Targets::Values`].
    #[default]
    Mse,
    /// Huber's loss `Σ_j h(y_j − t_j)`, `h(d) = ½ d²` up to `|d| = δ` and `δ (|d| − ½ δ)` beyond, for regression with
    /// outliers. Targets are [`Targets::Values`].
    Huber {
        /// δ, above 0.
        delta: f32,
    },
    /// Binary cross-entropy `−Σ_j t_j ln σ(z_j) + (1 − t_j) ln(1 − σ(z_j))` of independent logits, computed in the form
    /// that is finite for every finite logit. Targets are [`Targets::Values`] between 0 and 1 or, for a model with one
    /// output, [`Targets::Labels`] 0 and 1.
    BceWithLogits,
    /// Cross-entropy `Σ_j t_j (logsumexp(z) − z_j)` of one of several classes. Targets are [`Targets::Labels`], or
    /// [`Targets::Values`] with a probability for each class.
    SoftmaxCrossEntropy,
}

/// What becomes of the losses of the rows of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Reduction {
    /// The mean by weight, `Σ_i s_i L_i / Σ_i s_i v_i`.
    #[default]
    Mean,
    /// `Σ_i s_i L_i`, so that the step grows with the batch.
    Sum,
}

/// How the losses of a batch become the cost `J(θ)` that training lowers: the mean over rows that all count the same, unless
/// changed.
///
/// The loss of row i counts `s_i` times, its [sample weight](WeightedTargets). In it, the term of column j counts `w_j`
/// times, its class weight. [`Reduction::Mean`] divides by `Σ_i s_i v_i`, where `v_i` is 1 but for softmax cross-entropy with
/// class weights, where it is the weight of the row's target; so a class weight counts there like that many samples. As the
/// mean is that of a batch, a batch of one row is not changed by its weight; [`Reduction::Sum`] changes it.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct LossOptions {
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
    /// w, one weight for each output: 1 if `None`.
    pub class_weights: Option<Vec<f32>>,
    /// One weight for each output, which multiplies the term of a target of 1: 1 if `None`. Only for binary cross-entropy.
    pub positive_weights: Option<Vec<f32>>,
    /// α, from 0 to below 1: softmax cross-entropy replaces each target t of K classes by `(1 − α) t + α / K`, binary
    /// cross-entropy by `(1 − α) t + α / 2`. Only for these; 0.
    pub label_smoothing: f32,
}

/// A loss with its options, for models of `outputs` outputs.
#[derive(Clone, Debug)]
pub(crate) struct Objective {
    pub(crate) loss: Loss,
    pub(crate) options: LossOptions,
    pub(crate) outputs: usize,
}

/// The loss of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLoss {
    /// The mean by weight, whatever the reduction.
    pub(crate) mean: f64,
    /// `Σ_i s_i v_i`
    pub(crate) weight: f64,
}

impl Loss {
    /// Whether it judges classes, so that there is an accuracy.
    pub fn is_classification(self) -> bool {
        matches!(self, Loss::BceWithLogits | Loss::SoftmaxCrossEntropy)
    }
}

impl Objective {
    /// Checks the options.
    pub(crate) fn new(loss: Loss, options: LossOptions, outputs: usize) -> Result<Self> {
        let invalid =
            |name, value: f32, allowed| Err(Error::InvalidHyperParameter { name, value: value.to_string(), allowed });
        if let Loss::Huber { delta } = loss
            && !(delta.is_finite() && delta > 0.0)
        {
            return invalid("delta of a Huber loss", delta, "finite and above 0");
        }
        match options.label_smoothing {
            smoothing if !loss.is_classification() && smoothing != 0.0 => {
                return invalid("label_smoothing", smoothing, "0 for a loss that is not of classes");
            }
            smoothing if !(0.0..1.0).contains(&smoothing) => {
                return invalid("label_smoothing", smoothing, "at least 0 and below 1");
            }
            _ => {}
        }
        if options.positive_weights.is_some() && loss != Loss::BceWithLogits {
            return Err(Error::PositiveWeights { loss });
        }
        for (what, weights) in
            [("the class weights", &options.class_weights), ("the positive weights", &options.positive_weights)]
        {
            weights.as_deref().map_or(Ok(()), |weights| check::weights(what, weights, outputs))?;
        }
        Ok(Objective { loss, options, outputs })
    }

    /// The loss of a batch; writes the gradient of its cost to `d_outputs`.
    pub(crate) fn forward_backward(
        &self,
        kernels: &KernelSet,
        outputs: &[f32],
        targets: WeightedTargets<'_>,
        d_outputs: &mut [f32],
    ) -> BatchLoss {
        let reduction = match self.options.reduction {
            Reduction::Mean => kernels::Reduction::Mean,
            Reduction::Sum => kernels::Reduction::Sum,
        };
        let cost = self.cost(kernels, outputs, targets, reduction, d_outputs);
        let weight = self.weight(outputs.len() / self.outputs, targets);
        let mean = match self.options.reduction {
            Reduction::Sum if weight > 0.0 => cost / weight,
            _ => cost,
        };
        BatchLoss { mean, weight }
    }

    /// `Σ_i s_i L_i` and `Σ_i s_i v_i` of some rows, whatever the reduction; writes the gradient of the former to `d_outputs`.
    pub(crate) fn sums(
        &self,
        kernels: &KernelSet,
        outputs: &[f32],
        targets: WeightedTargets<'_>,
        d_outputs: &mut [f32],
    ) -> (f64, f64) {
        let cost = self.cost(kernels, outputs, targets, kernels::Reduction::Sum, d_outputs);
        (cost, self.weight(outputs.len() / self.outputs, targets))
    }

    fn cost(
        &self,
        kernels: &KernelSet,
        outputs: &[f32],
        WeightedTargets { targets, weights }: WeightedTargets<'_>,
        reduction: kernels::Reduction<'_>,
        d_outputs: &mut [f32],
    ) -> f64 {
        let options = kernels::LossOptions {
            reduction,
            sample_weights: weights,
            class_weights: self.options.class_weights.as_deref(),
            positive_weights: self.options.positive_weights.as_deref(),
            label_smoothing: self.options.label_smoothing,
        };
        let cols = self.outputs;
        match (self.loss, targets) {
            (Loss::Mse, Targets::Values(values)) => kernels.mse(cols, outputs, values, options, d_outputs),
            (Loss::Huber { delta }, Targets::Values(values)) => {
                kernels.huber(cols, outputs, values, delta, options, d_outputs)
            }
            (Loss::BceWithLogits, Targets::Values(values)) => {
                kernels.bce_with_logits(cols, outputs, values, options, d_outputs)
            }
            (Loss::SoftmaxCrossEntropy, Targets::Labels(labels)) => {
                kernels.softmax_cross_entropy(cols, outputs, ClassTargets::Indices(labels), options, d_outputs)
            }
            (Loss::SoftmaxCrossEntropy, Targets::Values(values)) => {
                kernels.softmax_cross_entropy(cols, outputs, ClassTargets::Probabilities(values), options, d_outputs)
            }
            (loss, _) => unreachable!("{loss} was checked to get the targets that it takes"),
        }
    }

    /// `Σ_i s_i v_i`
    fn weight(&self, rows: usize, targets: WeightedTargets<'_>) -> f64 {
        if targets.weights.is_none() && self.weights_of_targets().is_none() {
            return rows as f64;
        }
        (0..rows).map(|row| self.row_weight(targets, row)).sum()
    }

    /// `s_i v_i` of row i.
    pub(crate) fn row_weight(&self, WeightedTargets { targets, weights }: WeightedTargets<'_>, row: usize) -> f64 {
        let of_target = |classes: &[f32]| match targets {
            Targets::Labels(labels) => f64::from(classes[labels[row] as usize]),
            Targets::Values(values) => {
                let targets = &values[row * self.outputs..][..self.outputs];
                classes.iter().zip(targets).map(|(&class, &target)| f64::from(class) * f64::from(target)).sum()
            }
        };
        let sample = weights.map_or(1.0, |weights| f64::from(weights[row]));
        sample * self.weights_of_targets().map_or(1.0, of_target)
    }

    /// The weights of classes, where `v_i` is made of them.
    fn weights_of_targets(&self) -> Option<&[f32]> {
        self.options.class_weights.as_deref().filter(|_| self.loss == Loss::SoftmaxCrossEntropy)
    }

    /// Whether all rows and all of their terms count the same and nothing is smoothed, but for weights of rows.
    pub(crate) fn is_plain(&self) -> bool {
        let LossOptions { class_weights, positive_weights, label_smoothing, .. } = &self.options;
        class_weights.is_none() && positive_weights.is_none() && *label_smoothing == 0.0
    }

    /// How many of a batch's targets are met: for softmax cross-entropy rows whose largest logit is that of the label or of
    /// the likeliest class, for binary cross-entropy logits on the target's side. `classes` is scratch for one number a row.
    pub(crate) fn count_correct(
        &self,
        kernels: &KernelSet,
        outputs: &[f32],
        targets: Targets<'_>,
        classes: &mut [u32],
    ) -> usize {
        match (self.loss, targets) {
            (Loss::SoftmaxCrossEntropy, Targets::Labels(labels)) => {
                kernels.argmax(self.outputs, outputs, classes);
                classes.iter().zip(labels).filter(|(class, label)| class == label).count()
            }
            (Loss::SoftmaxCrossEntropy, Targets::Values(values)) => {
                kernels.argmax(self.outputs, outputs, classes);
                let likeliest = |row: &[f32]| {
                    let mut class = [0];
                    kernels.argmax(self.outputs, row, &mut class);
                    class[0]
                };
                let rows = values.chunks_exact(self.outputs);
                classes.iter().zip(rows).filter(|(class, row)| **class == likeliest(row)).count()
            }
            (Loss::BceWithLogits, Targets::Values(values)) => {
                outputs.iter().zip(values).filter(|&(&logit, &target)| (logit > 0.0) == (target > 0.5)).count()
            }
            _ => 0,
        }
    }

    /// How many targets [`count_correct`](Self::count_correct) counts in a row.
    pub(crate) fn judged_per_row(&self) -> usize {
        if self.loss == Loss::BceWithLogits { self.outputs } else { 1 }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Loss::Mse => "squared error",
            Loss::Huber { .. } => "Huber's loss",
            Loss::BceWithLogits => "binary cross-entropy",
            Loss::SoftmaxCrossEntropy => "softmax cross-entropy",
        })
    }
}
