//! Data sets in memory: read from files, checked, split and scaled.

mod csv;
mod examples;
mod folds;
mod idx;
pub(crate) mod labels;
mod libsvm;
mod npy;
mod npz;
mod scale;
mod split;

pub use csv::{Column, CsvHeader, CsvOptions, CsvTargets, MAX_LABEL, Missing};
pub use examples::Examples;
pub use folds::{Fold, KFold};
pub use labels::Labels;
pub use libsvm::LibsvmOptions;
pub use scale::Scaler;

use crate::check;
use crate::error::Result;
use crate::losses::Targets;

/// Rows of features, and what is to be predicted for each. It has at least one row and one column, and every number in
/// it is finite.
///
/// ```
/// use nn::data::Dataset;
/// let and = Dataset::with_labels(vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], 2, vec![0, 0, 0, 1], 2)?;
/// assert_eq!((and.rows(), and.cols(), and.classes()), (4, 2, Some(2)));
///
/// let error = Dataset::with_labels(vec![0.0; 8], 2, vec![0, 0, 0], 2).unwrap_err();
/// assert_eq!(error.to_string(), "the labels: shape [3], expected [4]");
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    features: Vec<f32>,
    rows: usize,
    cols: usize,
    targets: OwnedTargets,
}

#[derive(Clone, Debug, PartialEq)]
enum OwnedTargets {
    Labels { labels: Vec<u32>, classes: usize, names: Vec<String> },
    Values { values: Vec<f32>, cols: usize },
}

impl Dataset {
    /// Rows of `cols` features, row by row, and the class of each row: below `classes`.
    ///
    /// # Errors
    /// If the features are not whole rows, there are none, there is not one label for each, a feature is not finite or a
    /// label is not below `classes`.
    pub fn with_labels(features: Vec<f32>, cols: usize, labels: Vec<u32>, classes: usize) -> Result<Self> {
        let rows = check_features(&features, cols)?;
        check::labels(&labels, rows, classes)?;
        let targets = OwnedTargets::Labels { labels, classes, names: Vec::new() };
        Ok(Dataset { features, rows, cols, targets })
    }

    /// Rows of `cols` features and, for each, `target_cols` values; both row by row.
    ///
    /// # Errors
    /// If the features or the values are not whole rows, there are none, there are not as many of the one as of the
    /// other, or a number is not finite.
    pub fn with_values(features: Vec<f32>, cols: usize, values: Vec<f32>, target_cols: usize) -> Result<Self> {
        let rows = check_features(&features, cols)?;
        check::rows("the targets", &values, target_cols, Some(rows))?;
        check::finite("the targets", &values, target_cols)?;
        Ok(Dataset { features, rows, cols, targets: OwnedTargets::Values { values, cols: target_cols } })
    }

    /// The same with a name for each class; no names at all are fine too.
    ///
    /// # Errors
    /// If there are names, but not as many as classes.
    pub fn with_class_names(mut self, class_names: Vec<String>) -> Result<Self> {
        let expected = self.classes().unwrap_or(0);
        if !class_names.is_empty() && class_names.len() != expected {
            return Err(check::mismatch("the class names", &[expected], &[class_names.len()]));
        }
        if let OwnedTargets::Labels { names, .. } = &mut self.targets {
            *names = class_names;
        }
        Ok(self)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many features each row has.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All features, row by row.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// What is to be predicted.
    pub fn targets(&self) -> Targets<'_> {
        match &self.targets {
            OwnedTargets::Labels { labels, .. } => Targets::Labels(labels),
            OwnedTargets::Values { values, .. } => Targets::Values(values),
        }
    }

    /// The class of each row, where the targets are labels.
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.targets {
            OwnedTargets::Labels { labels, .. } => Some(labels),
            OwnedTargets::Values { .. } => None,
        }
    }

    /// How many classes there are, where the targets are labels.
    pub fn classes(&self) -> Option<usize> {
        match self.targets {
            OwnedTargets::Labels { classes, .. } => Some(classes),
            OwnedTargets::Values { .. } => None,
        }
    }

    /// The names of the classes, or nothing where they have none.
    pub fn class_names(&self) -> &[String] {
        match &self.targets {
            OwnedTargets::Labels { names, .. } => names,
            OwnedTargets::Values { .. } => &[],
        }
    }
}

fn check_features(features: &[f32], cols: usize) -> Result<usize> {
    let rows = check::rows("the features", features, cols, None)?;
    check::finite("the features", features, cols)?;
    Ok(rows)
}
