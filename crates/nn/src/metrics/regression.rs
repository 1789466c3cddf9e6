//! How far predictions are from values.

use crate::check;
use crate::error::Result;

/// What a regressor is to predict: the values, `[rows][outputs]`, and how much each row counts. It is made from slices, arrays
/// and vectors for one output and no weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values<'a> {
    /// The values, row by row.
    pub values: &'a [f32],
    /// How many there are for each row, at least 1.
    pub outputs: usize,
    /// A weight for each row, finite and not negative, not all 0; 1 if `None`.
    pub weights: Option<&'a [f32]>,
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Values { values, outputs: 1, weights: None }
    }
}

impl<'a> From<&'a Vec<f32>> for Values<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        values.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Values<'a> {
    fn from(values: &'a [f32; N]) -> Self {
        values.as_slice().into()
    }
}

impl Values<'_> {
    /// How many rows there are, if they and the predictions are right.
    fn check(&self, predicted: &[f32]) -> Result<usize> {
        let rows = check::rows("the targets", self.values, self.outputs, None)?;
        check::finite("the targets", self.values, self.outputs)?;
        check::rows("the predictions", predicted, self.outputs, Some(rows))?;
        check::finite("the predictions", predicted, self.outputs)?;
        self.weights.map_or(Ok(()), |weights| check::weights("the sample weights", weights, rows))?;
        Ok(rows)
    }

    /// `Σ_i s_i f(i)`
    fn sum(&self, rows: usize, f: impl Fn(usize) -> f64) -> f64 {
        (0..rows).map(|row| self.weights.map_or(1.0, |weights| f64::from(weights[row])) * f(row)).sum()
    }
}

/// The mean squared error over the outputs and, by weight, the rows: `Σ_i s_i Σ_j (y_ij − p_ij)² / (n Σ_i s_i)` for n outputs.
///
/// The loss that training lowers has a factor of ½ and is the sum over the outputs, not their mean: see
/// [`Loss::Mse`](crate::Loss::Mse).
///
/// ```
/// assert_eq!(nn::metrics::mse(&[1.0, 2.0], &[1.0, 4.0])?, 2.0);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// [`Error::EmptyData`](crate::Error::EmptyData), [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) unless there are as
/// many predictions as values, [`Error::NonFiniteInput`](crate::Error::NonFiniteInput),
/// [`Error::InvalidWeight`](crate::Error::InvalidWeight), [`Error::NoWeight`](crate::Error::NoWeight).
pub fn mse<'a>(y: impl Into<Values<'a>>, predicted: &[f32]) -> Result<f64> {
    let y = y.into();
    let rows = y.check(predicted)?;
    let errors: f64 = (0..y.outputs).map(|col| y.sum(rows, |row| square(difference(&y, predicted, row, col)))).sum();
    Ok(errors / (y.outputs as f64 * y.sum(rows, |_| 1.0)))
}

/// The coefficient of determination, `R² = 1 − Σ_i s_i (y_i − p_i)² / Σ_i s_i (y_i − ȳ)²` with ȳ the mean by weight; the mean
/// over the outputs where there are several. 1 is perfect, 0 as good as the mean.
///
/// Where the values of an output do not differ, its R² is 1 if they are predicted exactly and else 0.
///
/// ```
/// let r2 = nn::metrics::r2(&[1.0, 2.0, 3.0], &[1.0, 2.0, 2.0])?;
/// assert_eq!(r2, 0.5);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// Those of [`mse`].
pub fn r2<'a>(y: impl Into<Values<'a>>, predicted: &[f32]) -> Result<f64> {
    let y = y.into();
    let rows = y.check(predicted)?;
    let of_output = |col: usize| {
        let value = |row: usize| f64::from(y.values[row * y.outputs + col]);
        // Differences to the first value are exactly 0 where the values do not differ.
        let mean = value(0) + y.sum(rows, |row| value(row) - value(0)) / y.sum(rows, |_| 1.0);
        let errors = y.sum(rows, |row| square(difference(&y, predicted, row, col)));
        let spread = y.sum(rows, |row| square(value(row) - mean));
        match (errors > 0.0, spread > 0.0) {
            (_, true) => 1.0 - errors / spread,
            (errors, false) => f64::from(u8::from(!errors)),
        }
    };
    Ok((0..y.outputs).map(of_output).sum::<f64>() / y.outputs as f64)
}

fn difference(y: &Values<'_>, predicted: &[f32], row: usize, col: usize) -> f64 {
    let at = row * y.outputs + col;
    f64::from(y.values[at]) - f64::from(predicted[at])
}

fn square(x: f64) -> f64 {
    x * x
}
