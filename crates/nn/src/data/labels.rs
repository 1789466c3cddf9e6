//! Class labels as users have them.

use crate::check;
use crate::error::{Error, Result};

/// The class of each row, named by any whole number, and how much each row counts.
///
/// It is made from slices, arrays and vectors of `i8` to `i64`, `u8` to `u32` and `bool`.
///
/// ```
/// use nn::data::Labels;
/// let labels = Labels::from(&[7, -1, 7]).weighted(&[1.0, 1.0, 0.5]);
/// assert_eq!(labels.values(), [7, -1, 7]);
/// assert_eq!(labels.classes(), [-1, 7]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Labels<'a> {
    values: Vec<i64>,
    weights: Option<&'a [f32]>,
}

impl<'a> Labels<'a> {
    /// The same, with a weight for each row: finite and not negative, not all 0.
    #[must_use]
    pub fn weighted(self, weights: &'a [f32]) -> Self {
        Labels { weights: Some(weights), ..self }
    }

    /// The label of each row.
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// The weight of each row, if they were given.
    pub fn weights(&self) -> Option<&'a [f32]> {
        self.weights
    }

    /// Every label that there is, once, in ascending order.
    pub fn classes(&self) -> Vec<i64> {
        distinct(self.values.clone())
    }

    /// An error unless there is a row, and a right weight for each if there are any.
    pub(crate) fn check(&self) -> Result<()> {
        if self.values.is_empty() {
            return Err(Error::EmptyData);
        }
        self.weights.map_or(Ok(()), |weights| check::weights("the sample weights", weights, self.values.len()))
    }

    /// The place of each row's label in `classes`, which ascend.
    pub(crate) fn indices(&self, classes: &[i64]) -> Result<Vec<u32>> {
        let place = |(index, &label)| class_index("the labels", index, label, classes);
        self.values.iter().enumerate().map(place).collect()
    }

    /// The weight of row `row`: 1 if there are none.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[row]))
    }
}

/// The place of `label` in `classes`, which ascend. `what` and `index` say in the error where the label stands.
pub(crate) fn class_index(what: &'static str, index: usize, label: i64, classes: &[i64]) -> Result<u32> {
    match classes.binary_search(&label) {
        Ok(place) => Ok(place as u32),
        Err(_) => Err(Error::UnknownClass { what, index, label, classes: classes.to_vec() }),
    }
}

/// Each label once, in ascending order.
pub(crate) fn distinct(mut labels: Vec<i64>) -> Vec<i64> {
    labels.sort_unstable();
    labels.dedup();
    labels
}

impl<'a, T: Copy + Into<i64>> From<&'a [T]> for Labels<'a> {
    fn from(labels: &'a [T]) -> Self {
        Labels { values: labels.iter().map(|&label| label.into()).collect(), weights: None }
    }
}

impl<'a, T: Copy + Into<i64>> From<&'a Vec<T>> for Labels<'a> {
    fn from(labels: &'a Vec<T>) -> Self {
        labels.as_slice().into()
    }
}

impl<'a, T: Copy + Into<i64>, const N: usize> From<&'a [T; N]> for Labels<'a> {
    fn from(labels: &'a [T; N]) -> Self {
        labels.as_slice().into()
    }
}
