//! Data as training takes it.

use super::Dataset;
use crate::losses::Targets;

/// Rows and what is to be predicted for each: a [`Dataset`], or a pair of slices or vectors.
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
    /// What is to be predicted.
    pub targets: Targets<'a>,
}

impl<'a> From<&'a Dataset> for Examples<'a> {
    fn from(data: &'a Dataset) -> Self {
        Examples { x: data.features(), targets: data.targets() }
    }
}

impl<'a, T: Into<Targets<'a>>> From<(&'a [f32], T)> for Examples<'a> {
    fn from((x, targets): (&'a [f32], T)) -> Self {
        Examples { x, targets: targets.into() }
    }
}

impl<'a, T: Into<Targets<'a>>, const N: usize> From<(&'a [f32; N], T)> for Examples<'a> {
    fn from((x, targets): (&'a [f32; N], T)) -> Self {
        Examples { x, targets: targets.into() }
    }
}

impl<'a, T: Into<Targets<'a>>> From<(&'a Vec<f32>, T)> for Examples<'a> {
    fn from((x, targets): (&'a Vec<f32>, T)) -> Self {
        Examples { x, targets: targets.into() }
    }
}
