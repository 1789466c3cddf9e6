//! Data sets in memory: read from files, checked, split and scaled.

mod csv;
mod examples;
pub(crate) mod features;
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
pub use features::Features;
pub use folds::{Fold, KFold};
pub use labels::Labels;
pub use libsvm::LibsvmOptions;
pub use scale::Scaler;

use std::borrow::Cow;

use kernels::ByteScale;

use crate::check;
use crate::error::{Error, Result};
use crate::losses::Targets;
use features::{OwnedFeatures, Rows, check_scale};

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
    features: OwnedFeatures,
    rows: usize,
    cols: usize,
    targets: OwnedTargets,
}

#[derive(Clone, Debug, PartialEq)]
enum OwnedTargets {
    Labels { labels: Vec<u32>, classes: usize, names: Vec<String> },
    Values { values: Vec<f32>, cols: usize },
}

impl OwnedTargets {
    fn of_classes(labels: Vec<u32>, classes: usize) -> Self {
        OwnedTargets::Labels { labels, classes, names: Vec::new() }
    }
}

impl Dataset {
    /// Rows of `cols` features, row by row, and the class of each row: below `classes`.
    ///
    /// # Errors
    /// If the features are not whole rows, there are none, there is not one label for each, a feature is not finite or a
    /// label is not below `classes`.
    pub fn with_labels(features: Vec<f32>, cols: usize, labels: Vec<u32>, classes: usize) -> Result<Self> {
        Self::new(OwnedFeatures::Floats(features), cols, OwnedTargets::of_classes(labels, classes))
    }

    /// [`with_labels`](Self::with_labels) for features in bytes, such as pixels, and what they stand for. They stay bytes
    /// until a batch is gathered, a quarter of the memory.
    ///
    /// # Errors
    /// Those of [`with_labels`](Self::with_labels); [`Error::InvalidHyperParameter`] if
    /// a byte would stand for what is not finite.
    ///
    /// ```
    /// use nn::{ByteScale, data::Dataset};
    /// let scale = ByteScale { scale: 1.0 / 128.0, offset: 0.0 };
    /// let images = Dataset::bytes_with_labels(vec![0, 32, 128, 64], scale, 2, vec![0, 1], 2)?;
    /// assert_eq!(*images.to_f32(), [0.0, 0.25, 1.0, 0.5]);
    /// # Ok::<(), nn::Error>(())
    /// ```
    pub fn bytes_with_labels(
        bytes: Vec<u8>,
        scale: ByteScale,
        cols: usize,
        labels: Vec<u32>,
        classes: usize,
    ) -> Result<Self> {
        Self::new(OwnedFeatures::Bytes { bytes, scale }, cols, OwnedTargets::of_classes(labels, classes))
    }

    /// Rows of `cols` features and, for each, `target_cols` values; both row by row.
    ///
    /// # Errors
    /// If the features or the values are not whole rows, there are none, there are not as many of the one as of the
    /// other, or a number is not finite.
    pub fn with_values(features: Vec<f32>, cols: usize, values: Vec<f32>, target_cols: usize) -> Result<Self> {
        Self::new(OwnedFeatures::Floats(features), cols, OwnedTargets::Values { values, cols: target_cols })
    }

    fn new(features: OwnedFeatures, cols: usize, targets: OwnedTargets) -> Result<Self> {
        let rows = Rows::new("the features", features.view(), cols)?.count();
        match &targets {
            OwnedTargets::Labels { labels, classes, .. } => check::labels(labels, rows, *classes)?,
            OwnedTargets::Values { values, cols } => {
                check::rows("the targets", values, *cols, Some(rows))?;
                check::finite("the targets", values, *cols)?;
            }
        }
        Ok(Dataset { features, rows, cols, targets })
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

    /// All features as they are kept.
    pub fn features(&self) -> Features<'_> {
        self.features.view()
    }

    /// All features, row by row; what they stand for, where they are kept as bytes.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        match &self.features {
            OwnedFeatures::Floats(floats) => Cow::Borrowed(floats),
            OwnedFeatures::Bytes { bytes, scale } => Cow::Owned(bytes.iter().map(|&byte| scale.value(byte)).collect()),
        }
    }

    /// Keeps features that are whole numbers from 0 to 255 as bytes, a quarter of the memory, which are from now on to
    /// stand for what `scale` says.
    ///
    /// ```
    /// use nn::{ByteScale, data::Dataset};
    /// let counts = Dataset::with_labels(vec![0.0, 4.0, 16.0, 8.0], 2, vec![0, 1], 2)?;
    /// let shares = counts.into_bytes(ByteScale { scale: 1.0 / 16.0, offset: 0.0 })?;
    /// assert_eq!(*shares.to_f32(), [0.0, 0.25, 1.0, 0.5]);
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAByte`] with the place of a feature that is another number,
    /// [`Error::InvalidHyperParameter`] if a byte would stand for what is not finite.
    pub fn into_bytes(self, scale: ByteScale) -> Result<Self> {
        check_scale(scale)?;
        let bytes = match self.features {
            OwnedFeatures::Bytes { bytes, scale } if scale == ByteScale::default() => bytes,
            _ => self
                .to_f32()
                .iter()
                .enumerate()
                .map(|(at, &value)| as_byte(value, at, self.cols))
                .collect::<Result<_>>()?,
        };
        Ok(Dataset { features: OwnedFeatures::Bytes { bytes, scale }, ..self })
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

fn as_byte(value: f32, at: usize, cols: usize) -> Result<u8> {
    let byte = value as u8;
    if f32::from(byte) == value { Ok(byte) } else { Err(Error::NotAByte { row: at / cols, column: at % cols, value }) }
}
