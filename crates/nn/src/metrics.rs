//! How good answers are: of classifiers, of their probabilities and scores, and of regressors.
//!
//! All are sums in f64, in the order of the rows, and agree with the functions of the same names in scikit-learn, also where
//! rows have weights.
//!
//! ```
//! use nn::data::Labels;
//! use nn::metrics::{self, Average, ConfusionMatrix};
//! # fn main() -> nn::Result<()> {
//! let (truth, predicted) = ([0, 0, 1, 1, 1], [0, 1, 1, 1, 0]);
//! assert_eq!(metrics::accuracy(&truth, &predicted)?, 0.6);
//! assert_eq!(metrics::accuracy(Labels::from(&truth).weighted(&[1.0, 0.0, 1.0, 1.0, 0.0]), &predicted)?, 1.0);
//!
//! let matrix = ConfusionMatrix::new(&truth, &predicted)?;
//! assert_eq!(matrix.get(1, 0), 1.0, "one row of class 1 was taken for class 0");
//! assert_eq!(matrix.average(Average::Micro).f1, 0.6);
//! # Ok(())
//! # }
//! ```

mod confusion;
mod ranking;
mod regression;

pub use confusion::{Average, ConfusionMatrix, Scores};
pub use ranking::roc_auc;
pub use regression::{Values, mse, r2};

use crate::check;
use crate::data::Labels;
use crate::error::Result;
use crate::math;

/// The share of the rows, by weight, whose class is predicted.
///
/// # Errors
/// [`Error::EmptyData`](crate::Error::EmptyData), [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) unless there are as
/// many predictions as rows, [`Error::InvalidWeight`](crate::Error::InvalidWeight),
/// [`Error::NoWeight`](crate::Error::NoWeight).
pub fn accuracy<'a, 'b>(y: impl Into<Labels<'a>>, predicted: impl Into<Labels<'b>>) -> Result<f64> {
    let (y, predicted) = (y.into(), predicted.into());
    check_pair(&y, predicted.values().len())?;
    let (mut right, mut total) = (0.0, 0.0);
    for (row, (label, predicted)) in y.values().iter().zip(predicted.values()).enumerate() {
        total += y.weight(row);
        if label == predicted {
            right += y.weight(row);
        }
    }
    Ok(right / total)
}

/// The mean by weight of `−ln p`, where p is the probability that was given to the class of a row; `probabilities` are
/// `[rows][classes]`, `classes` in ascending order, as estimators give both.
///
/// A probability is taken to be between 2^-23 and 1 − 2^-23, as scikit-learn does for single precision: so one false
/// certainty does not make the loss infinite. Rows of probabilities are not made to have the sum 1.
///
/// ```
/// let loss = nn::metrics::log_loss(&[7, 9], &[0.5, 0.5, 0.25, 0.75], &[7, 9])?;
/// assert!((loss - (2.0f64.ln() - 0.75f64.ln()) / 2.0).abs() < 1e-15);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// Those of [`accuracy`]; [`Error::UnknownClass`](crate::Error::UnknownClass) for a label that is not in `classes`,
/// [`Error::NonFiniteInput`](crate::Error::NonFiniteInput) for a probability that is not finite.
pub fn log_loss<'a>(y: impl Into<Labels<'a>>, probabilities: &[f32], classes: &[i64]) -> Result<f64> {
    let y = y.into();
    y.check()?;
    check::rows("the probabilities", probabilities, classes.len(), Some(y.values().len()))?;
    check::finite("the probabilities", probabilities, classes.len())?;
    let targets = y.indices(classes)?;
    let epsilon = f64::from(f32::EPSILON);
    let (mut sum, mut total) = (0.0, 0.0);
    for ((row, &target), p) in targets.iter().enumerate().zip(probabilities.chunks_exact(classes.len())) {
        sum -= y.weight(row) * math::ln(f64::from(p[target as usize]).clamp(epsilon, 1.0 - epsilon));
        total += y.weight(row);
    }
    Ok(sum / total)
}

/// An error unless the labels are right and there are as many predictions.
fn check_pair(y: &Labels<'_>, predictions: usize) -> Result<()> {
    y.check()?;
    match y.values().len() == predictions {
        true => Ok(()),
        false => Err(check::mismatch("the predictions", &[y.values().len()], &[predictions])),
    }
}
