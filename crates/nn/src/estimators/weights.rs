//! How much each class counts.

use crate::data::Labels;
use crate::data::labels::class_index;
use crate::error::{Error, Result};

/// How much the rows of each class count, on top of their own weights.
///
/// ```
/// use nn::estimators::{ClassWeights, LogisticRegression};
/// // A missed case costs as much as ten false alarms.
/// let classifier = LogisticRegression::new().class_weights(ClassWeights::Given(vec![(0, 1.0), (1, 10.0)]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ClassWeights {
    /// All the same.
    #[default]
    Uniform,
    /// As if there were as many rows of each class: a row of class k counts `Σ s / (K Σ_k s)`, where K is the number of
    /// classes, Σ s the weight of all rows and Σ_k s that of the rows of the class.
    Balanced,
    /// Pairs of a label and the weight of its rows, finite and not negative; 1 for a class that is not named.
    Given(Vec<(i64, f32)>),
}

impl ClassWeights {
    /// The weight of each row, or `None` where all are 1. `targets` are the places of the labels in `classes`.
    pub(super) fn of_rows(&self, y: &Labels<'_>, targets: &[u32], classes: &[i64]) -> Result<Option<Vec<f32>>> {
        let of_classes = match self {
            ClassWeights::Uniform => return Ok(y.weights().map(<[f32]>::to_vec)),
            ClassWeights::Balanced => balanced(y, targets, classes.len()),
            ClassWeights::Given(given) => {
                let mut weights = vec![1.0; classes.len()];
                for (index, &(label, weight)) in given.iter().enumerate() {
                    if !(0.0..f32::INFINITY).contains(&weight) {
                        return Err(Error::InvalidWeight { what: "the class weights", index, value: weight });
                    }
                    weights[class_index("the class weights", index, label, classes)? as usize] = f64::from(weight);
                }
                weights
            }
        };
        let weight = |(row, &target): (usize, &u32)| (y.weight(row) * of_classes[target as usize]) as f32;
        Ok(Some(targets.iter().enumerate().map(weight).collect()))
    }

    /// An error where the weights are those of all rows, which a part of them does not tell.
    pub(super) fn check_for_parts(&self) -> Result<()> {
        match self {
            ClassWeights::Balanced => Err(Error::InvalidHyperParameter {
                name: "class_weights",
                value: "Balanced".to_owned(),
                allowed: "Uniform or Given where the rows come in parts",
            }),
            _ => Ok(()),
        }
    }
}

fn balanced(y: &Labels<'_>, targets: &[u32], classes: usize) -> Vec<f64> {
    let mut of_classes = vec![0.0; classes];
    for (row, &target) in targets.iter().enumerate() {
        of_classes[target as usize] += y.weight(row);
    }
    let total: f64 = of_classes.iter().sum();
    // A class without rows has none whose weight could be asked for.
    of_classes.iter().map(|&weight| if weight > 0.0 { total / (classes as f64 * weight) } else { 0.0 }).collect()
}
