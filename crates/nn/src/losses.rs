//! The losses, and the targets that each of them takes.

use std::borrow::Cow;
use std::fmt;

use kernels::{ClassTargets, KernelSet, LossOptions};

use crate::check;
use crate::error::{Error, Result};

/// The loss `L` of one example; the cost of `m` examples is `J(θ) = 1/m Σ L`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Squared error `½ Σ_j (y_j − t_j)²` of the outputs, for regression. Targets are [`Targets::Values`].
    #[default]
    Mse,
    /// Binary cross-entropy `−Σ_j t_j ln σ(z_j) + (1 − t_j) ln(1 − σ(z_j))` of independent logits, computed in the form
    /// that is finite for every finite logit. Targets are [`Targets::Values`] between 0 and 1 or, for a model with one
    /// output, [`Targets::Labels`] 0 and 1.
    BceWithLogits,
    /// Cross-entropy `logsumexp(z) − z[label]` of one of several classes. Targets are [`Targets::Labels`].
    SoftmaxCrossEntropy,
}

impl Loss {
    /// Whether it judges classes, so that there is an accuracy.
    pub fn is_classification(self) -> bool {
        self != Loss::Mse
    }

    /// The cost of a batch of rows of `cols` outputs; writes its gradient to `d_outputs`.
    pub(crate) fn forward_backward(
        self,
        kernels: &KernelSet,
        cols: usize,
        outputs: &[f32],
        targets: Targets<'_>,
        d_outputs: &mut [f32],
    ) -> f64 {
        match (self, targets) {
            (Loss::Mse, Targets::Values(values)) => {
                kernels.mse(cols, outputs, values, LossOptions::default(), d_outputs)
            }
            (Loss::BceWithLogits, Targets::Values(values)) => {
                kernels.bce_with_logits(cols, outputs, values, LossOptions::default(), d_outputs)
            }
            (Loss::SoftmaxCrossEntropy, Targets::Labels(labels)) => {
                let targets = ClassTargets::Indices(labels);
                kernels.softmax_cross_entropy(cols, outputs, targets, LossOptions::default(), d_outputs)
            }
            (loss, _) => unreachable!("{loss} was checked to get the targets that it takes"),
        }
    }

    /// How many of a batch's targets are met: for softmax cross-entropy rows whose largest logit is the label's, for binary
    /// cross-entropy logits on the target's side. `classes` is scratch for one number a row.
    pub(crate) fn count_correct(
        self,
        kernels: &KernelSet,
        cols: usize,
        outputs: &[f32],
        targets: Targets<'_>,
        classes: &mut [u32],
    ) -> usize {
        match (self, targets) {
            (Loss::SoftmaxCrossEntropy, Targets::Labels(labels)) => {
                kernels.argmax(cols, outputs, classes);
                classes.iter().zip(labels).filter(|(class, label)| class == label).count()
            }
            (Loss::BceWithLogits, Targets::Values(values)) => {
                outputs.iter().zip(values).filter(|&(&logit, &target)| (logit > 0.0) == (target > 0.5)).count()
            }
            _ => 0,
        }
    }

    /// How many targets [`count_correct`](Self::count_correct) counts in a row.
    pub(crate) fn judged_per_row(self, cols: usize) -> usize {
        if self == Loss::BceWithLogits { cols } else { 1 }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Loss::Mse => "squared error",
            Loss::BceWithLogits => "binary cross-entropy",
            Loss::SoftmaxCrossEntropy => "softmax cross-entropy",
        })
    }
}

/// What the outputs are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'a> {
    /// The class of each row.
    Labels(&'a [u32]),
    /// One value for each output of each row, row by row.
    Values(&'a [f32]),
}

macro_rules! targets_from {
    ($kind:ident, $element:ty) => {
        impl<'a> From<&'a [$element]> for Targets<'a> {
            fn from(targets: &'a [$element]) -> Self {
                Targets::$kind(targets)
            }
        }

        impl<'a, const N: usize> From<&'a [$element; N]> for Targets<'a> {
            fn from(targets: &'a [$element; N]) -> Self {
                Targets::$kind(targets)
            }
        }

        impl<'a> From<&'a Vec<$element>> for Targets<'a> {
            fn from(targets: &'a Vec<$element>) -> Self {
                Targets::$kind(targets)
            }
        }
    };
}
targets_from!(Labels, u32);
targets_from!(Values, f32);

/// Targets of the kind that the loss takes, all of them checked.
pub(crate) enum CheckedTargets<'a> {
    Labels(&'a [u32]),
    Values(Cow<'a, [f32]>),
}

impl<'a> CheckedTargets<'a> {
    /// Checks the targets of `rows` rows of `outputs` outputs.
    pub(crate) fn new(loss: Loss, targets: Targets<'a>, rows: usize, outputs: usize) -> Result<Self> {
        let kind = |expected, actual| Error::TargetKind { loss, expected, actual };
        match (loss, targets) {
            (Loss::SoftmaxCrossEntropy, Targets::Labels(labels)) => {
                check::labels(labels, rows, outputs)?;
                Ok(CheckedTargets::Labels(labels))
            }
            (Loss::BceWithLogits, Targets::Labels(labels)) if outputs == 1 => {
                check::labels(labels, rows, 2)?;
                Ok(CheckedTargets::Values(labels.iter().map(|&label| label as f32).collect()))
            }
            (Loss::Mse | Loss::BceWithLogits, Targets::Values(values)) => {
                check::rows("the targets", values, outputs, Some(rows))?;
                check::finite("the targets", values, outputs)?;
                let outside = |value: &f32| !(0.0..=1.0).contains(value);
                match values.iter().position(outside) {
                    Some(at) if loss == Loss::BceWithLogits => {
                        Err(Error::TargetOutOfRange { row: at / outputs, column: at % outputs, value: values[at] })
                    }
                    _ => Ok(CheckedTargets::Values(Cow::Borrowed(values))),
                }
            }
            (Loss::SoftmaxCrossEntropy, Targets::Values(_)) => Err(kind("class labels", "values")),
            (Loss::Mse, Targets::Labels(_)) => Err(kind("values", "class labels")),
            (Loss::BceWithLogits, Targets::Labels(_)) => {
                Err(kind("values for a model with several outputs", "class labels"))
            }
        }
    }

    /// The targets of the rows `from..to`, which have `outputs` values each.
    pub(crate) fn rows(&self, from: usize, to: usize, outputs: usize) -> Targets<'_> {
        match self {
            CheckedTargets::Labels(labels) => Targets::Labels(&labels[from..to]),
            CheckedTargets::Values(values) => Targets::Values(&values[from * outputs..to * outputs]),
        }
    }
}
