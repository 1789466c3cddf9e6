//! Data as training takes it.

use super::{Dataset, Features};
use crate::losses::WeightedTargets;

/// Rows and what is to be predicted for each: a [`Dataset`], or a pair of [`Features`], such as a
/// slice or vector, and targets. Weights
/// of rows come with the targets: see [`Targets::weighted`](crate::Targets::weighted).
///
/// ```
/// use nn::Examples;
/// let (x, labels) = (vec![0.5, 1.5, -1.0, 2.0], vec![0, 1]);
/// let examples = Examples::from((&x, &labels));
/// let logits = nn::Model::logistic_regression(2)?.predict(examples.x)?;
/// assert_eq!(logits.len(), 2);
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// The features, `[rows][inputs]`.
    pub x: Features<'a>,
    /// What is to be predicted, and how much each row counts.
    pub targets: WeightedTargets<'a>,
}

impl<'a> From<&'a Dataset> for Examples<'a> {
    fn from(data: &'a Dataset) -> Self {
        Examples { x: data.features(), targets: data.targets().into() }
    }
}

impl<'a, X: Into<Features<'a>>, T: Into<WeightedTargets<'a>>> From<(X, T)> for Examples<'a> {
    fn from((x, targets): (X, T)) -> Self {
        Examples { x: x.into(), targets: targets.into() }
    }
}
