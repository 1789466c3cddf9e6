//! What the outputs of a model are compared with.

use std::borrow::Cow;

use super::{Loss, Objective};
use crate::check;
use crate::error::{Error, Result};

/// What the outputs are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'a> {
    /// The class of each row.
    Labels(&'a [u32]),
    /// One value for each output of each row, row by row.
    Values(&'a [f32]),
}

/// Targets, and how much each row counts.
///
/// ```
/// use nn::{Activation, Model, Targets};
/// # fn main() -> nn::Result<()> {
/// let model = Model::builder(1).linear(1, Activation::Identity).build()?;
/// let (x, y) = ([1.0, 2.0], [0.0, 3.0]);
/// let all = model.evaluate(&x, &y)?;
/// let first = model.evaluate(&x, Targets::Values(&y).weighted(&[5.0, 0.0]))?;
/// assert_eq!(first.loss, model.evaluate(&x[..1], &y[..1])?.loss);
/// # assert_ne!(first, all);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedTargets<'a> {
    /// What the outputs are compared with.
    pub targets: Targets<'a>,
    /// A weight for each row, finite and not negative, not all 0; 1 if `None`.
    pub weights: Option<&'a [f32]>,
}

impl<'a> Targets<'a> {
    /// The same, with a weight for each row.
    #[must_use]
    pub fn weighted(self, weights: &'a [f32]) -> WeightedTargets<'a> {
        WeightedTargets { targets: self, weights: Some(weights) }
    }
}

impl<'a> WeightedTargets<'a> {
    /// Those of the rows `from..to`, which have `outputs` values each.
    pub(crate) fn rows(self, from: usize, to: usize, outputs: usize) -> Self {
        let targets = match self.targets {
            Targets::Labels(labels) => Targets::Labels(&labels[from..to]),
            Targets::Values(values) => Targets::Values(&values[from * outputs..to * outputs]),
        };
        WeightedTargets { targets, weights: self.weights.map(|weights| &weights[from..to]) }
    }
}

impl<'a> From<Targets<'a>> for WeightedTargets<'a> {
    fn from(targets: Targets<'a>) -> Self {
        WeightedTargets { targets, weights: None }
    }
}

macro_rules! targets_from {
    ($kind:ident, $element:ty) => {
        targets_from!($kind, [$element], );
        targets_from!($kind, Vec<$element>, );
        targets_from!($kind, [$element; N], const N: usize);
    };
    ($kind:ident, $slice:ty, $($parameter:tt)*) => {
        impl<'a, $($parameter)*> From<&'a $slice> for Targets<'a> {
            fn from(targets: &'a $slice) -> Self {
                Targets::$kind(targets)
            }
        }

        impl<'a, $($parameter)*> From<&'a $slice> for WeightedTargets<'a> {
            fn from(targets: &'a $slice) -> Self {
                Targets::$kind(targets).into()
            }
        }
    };
}
targets_from!(Labels, u32);
targets_from!(Values, f32);

/// Targets of the kind that the loss takes, all of them checked.
pub(crate) struct CheckedTargets<'a> {
    pub(crate) values: TargetValues<'a>,
    pub(crate) weights: Option<&'a [f32]>,
}

pub(crate) enum TargetValues<'a> {
    Labels(&'a [u32]),
    Values(Cow<'a, [f32]>),
}

impl<'a> CheckedTargets<'a> {
    /// Checks the targets of `rows` rows.
    pub(crate) fn new(objective: &Objective, targets: WeightedTargets<'a>, rows: usize) -> Result<Self> {
        let checked = Self::part(objective, targets, rows)?;
        checked.check_weight(objective, 0..rows, "the weights of the rows")?;
        Ok(checked)
    }

    /// The same for a part of the rows, which may have weights that are all 0 where other parts have others.
    pub(crate) fn part(objective: &Objective, targets: WeightedTargets<'a>, rows: usize) -> Result<Self> {
        let WeightedTargets { targets, weights } = targets;
        weights.map_or(Ok(()), |weights| check::each_weight(check::SAMPLE_WEIGHTS, weights, rows))?;
        Ok(CheckedTargets { values: TargetValues::new(objective.loss, targets, rows, objective.outputs)?, weights })
    }

    /// Whether one of the `rows` counts: by its own weight, and by that of its target where the mean is over those.
    pub(crate) fn have_weight(&self, objective: &Objective, mut rows: impl Iterator<Item = usize>) -> bool {
        rows.any(|row| objective.row_weight(self.all(), row) > 0.0)
    }

    /// An error unless one of the `rows` counts; `what` names their weights.
    pub(crate) fn check_weight(
        &self,
        objective: &Objective,
        rows: impl Iterator<Item = usize>,
        what: &'static str,
    ) -> Result<()> {
        if self.have_weight(objective, rows) { Ok(()) } else { Err(Error::NoWeight { what }) }
    }

    /// The targets of the rows `from..to`, which have `outputs` values each.
    pub(crate) fn rows(&self, from: usize, to: usize, outputs: usize) -> WeightedTargets<'_> {
        self.all().rows(from, to, outputs)
    }

    fn all(&self) -> WeightedTargets<'_> {
        let targets = match &self.values {
            TargetValues::Labels(labels) => Targets::Labels(labels),
            TargetValues::Values(values) => Targets::Values(values),
        };
        WeightedTargets { targets, weights: self.weights }
    }
}

impl<'a> TargetValues<'a> {
    fn new(loss: Loss, targets: Targets<'a>, rows: usize, outputs: usize) -> Result<Self> {
        let kind = |expected, actual| Error::TargetKind { loss, expected, actual };
        match (loss, targets) {
            (Loss::SoftmaxCrossEntropy, Targets::Labels(labels)) => {
                check::labels(labels, rows, outputs)?;
                Ok(TargetValues::Labels(labels))
            }
            (Loss::BceWithLogits, Targets::Labels(labels)) if outputs == 1 => {
                check::labels(labels, rows, 2)?;
                Ok(TargetValues::Values(labels.iter().map(|&label| label as f32).collect()))
            }
            (_, Targets::Values(values)) => {
                check::rows("the targets", values, outputs, Some(rows))?;
                check::finite("the targets", values, outputs)?;
                let outside = |value: &f32| !(0.0..=1.0).contains(value);
                match values.iter().position(outside) {
                    Some(at) if loss.is_classification() => {
                        Err(Error::TargetOutOfRange { row: at / outputs, column: at % outputs, value: values[at] })
                    }
                    _ => Ok(TargetValues::Values(Cow::Borrowed(values))),
                }
            }
            (Loss::Mse | Loss::Huber { .. }, Targets::Labels(_)) => Err(kind("values", "class labels")),
            (Loss::BceWithLogits, Targets::Labels(_)) => {
                Err(kind("values for a model with several outputs", "class labels"))
            }
        }
    }
}
