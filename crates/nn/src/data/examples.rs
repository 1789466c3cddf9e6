//! Data as training takes it.

use super::Dataset;
use crate::losses::WeightedTargets;

/// Rows and what is to be predicted for each: a [`Dataset`], or a pair of slices or vectors. Weights
/// of rows come with the targets: see [`Targets::weighted`](crate::Targets::weighted).
///
/// ```
/// use nn::Examples;
/// let (x, labels) = (vec![0.5, 1.5, -1.0, 2.0], vec![0, 1]);
/// let examples = Examples::from((&x, &labels));
/// assert_eq!(examples.x.len(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Examples<'a> {
    /// The features, `[rows][inputs]`.
    pub x: &'a [f32],
    /// What is to be predicted, and how much each row counts.
    pub targets: WeightedTargets<'a>,
}

impl<'a> From<&'a Dataset> for Examples<'a> {
    fn from(data: &'a Dataset) -> Self {
        Examples { x: data.features(), targets: data.targets().into() }
    }
}

impl<'a, T: Into<WeightedTargets<'a>>> From<(&'a [f32], T)> for Examples<'a> {
    fn from((x, targets): (&'a [f32], T)) -> Self {
        Examples { x, targets: targets.into() }
    }
}

impl<'a, T: Into<WeightedTargets<'a>>, const N: usize> From<(&'a [f32; N], T)> for Examples<'a> {
    fn from((x, targets): (&'a [f32; N], T)) -> Self {
        Examples { x, targets: targets.into() }
    }
}

impl<'a, T: Into<WeightedTargets<'a>>> From<(&'a Vec<f32>, T)> for Examples<'a> {
    fn from((x, targets): (&'a Vec<f32>, T)) -> Self {
        Examples { x, targets: targets.into() }
    }
}
