//! Scaling of features, learned on one data set and applied to others.

use super::Dataset;
use super::features::OwnedFeatures;
use crate::check;
use crate::error::Result;

/// An affine map of each column, `x' = (x - shift) * factor`, computed in f64.
///
/// Learn it on the training rows alone, else the test rows leak into training.
///
/// ```
/// use nn::data::{Dataset, Scaler};
/// let mut training = Dataset::with_labels(vec![1.0, 5.0, 3.0, 5.0], 2, vec![0, 1], 2)?;
/// let scaler = Scaler::standard(&training);
/// scaler.apply(&mut training)?;
/// assert_eq!(*training.to_f32(), [-1.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    cols: usize,
    /// (shift, factor) of each column, or of all.
    columns: Vec<(f64, f64)>,
}

impl Scaler {
    /// Gives each column of `data` mean 0 and standard deviation 1 (of the rows, not the estimate for a larger
    /// population). A constant column becomes 0.
    pub fn standard(data: &Dataset) -> Self {
        let features = data.to_f32();
        let columns = (0..data.cols).map(|col| {
            let column = || features[col..].iter().step_by(data.cols).map(|&x| f64::from(x));
            // Differences to the first value keep a large common offset out of the sums, and are exactly 0 for a
            // constant column.
            let (first, count) = (f64::from(features[col]), data.rows as f64);
            let mean = column().map(|x| x - first).sum::<f64>() / count;
            let deviation = |x: f64| x - first - mean;
            let variance = column().map(|x| deviation(x) * deviation(x)).sum::<f64>() / count;
            let factor = if variance > 0.0 { 1.0 / variance.sqrt() } else { 1.0 };
            (first + mean, factor)
        });
        Scaler { cols: data.cols, columns: columns.collect() }
    }

    /// Multiplies each of `cols` columns by `factor`.
    pub fn constant(cols: usize, factor: f64) -> Self {
        Scaler { cols, columns: vec![(0.0, factor)] }
    }

    /// Scales the features of `data` in place; those that were kept as bytes are kept as floats from then on.
    ///
    /// # Errors
    /// If `data` has another number of columns than the data set that the scaling was learned on, or a scaled value is
    /// too large for `f32`; `data` is unchanged then.
    pub fn apply(&self, data: &mut Dataset) -> Result<()> {
        if data.cols != self.cols {
            return Err(check::mismatch("the features", &[data.rows, self.cols], &[data.rows, data.cols]));
        }
        let scale = |(&x, &(shift, factor)): (&f32, &(f64, f64))| ((f64::from(x) - shift) * factor) as f32;
        let scaled: Vec<f32> = data.to_f32().iter().zip(self.columns.iter().cycle()).map(scale).collect();
        check::finite("the scaled features", &scaled, data.cols)?;
        data.features = OwnedFeatures::Floats(scaled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn one_column(features: &[f32]) -> Dataset {
        Dataset::with_labels(features.to_vec(), 1, vec![0; features.len()], 1).unwrap()
    }

    fn scaled(scaler: &Scaler, features: &[f32]) -> Vec<f32> {
        let mut data = one_column(features);
        scaler.apply(&mut data).unwrap();
        data.to_f32().into_owned()
    }

    #[test]
    fn test_rows_are_scaled_as_the_training_rows_were() {
        let training = one_column(&[2.0, 4.0, 6.0, 8.0]);
        let spread = 5.0f64.sqrt();
        let expected = [(0.0 - 5.0) / spread, (10.0 - 5.0) / spread].map(|x| x as f32);
        assert_eq!(scaled(&Scaler::standard(&training), &[0.0, 10.0]), expected);
    }

    /// The sum of equal numbers, divided by their count, need not be that number again; the difference must not be taken
    /// for a spread.
    #[test]
    fn constant_columns_become_zero() {
        for value in [0.0, 0.1, -1e-30, 1e30, f32::MAX, f32::from_bits(1)] {
            let features = [value; 569];
            let scaler = Scaler::standard(&one_column(&features));
            assert_eq!(scaled(&scaler, &features), [0.0; 569], "{value:e} by {scaler:?}");
        }
    }

    #[test]
    fn a_small_spread_on_a_large_offset_is_kept() {
        let features: Vec<f32> = (0..1000).map(|i| 16_777_000.0 + (i % 2) as f32).collect();
        let scaled = scaled(&Scaler::standard(&one_column(&features)), &features);
        assert!(scaled.chunks(2).all(|pair| pair == [-1.0, 1.0]), "{:?}", &scaled[..4]);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_left_alone() {
        let scaler = Scaler::constant(1, 2.0);
        let mut data = one_column(&[1.0, f32::MAX]);
        let error = scaler.apply(&mut data).unwrap_err();
        assert!(matches!(error, Error::NonFiniteInput { row: 1, column: 0, .. }), "{error}");
        assert_eq!(*data.to_f32(), [1.0, f32::MAX]);

        let mut wide = Dataset::with_labels(vec![0.0; 6], 2, vec![0; 3], 1).unwrap();
        let error = scaler.apply(&mut wide).unwrap_err().to_string();
        assert!(error.contains("[3, 2]") && error.contains("[3, 1]"), "{error}");
        assert!(Scaler::constant(usize::MAX, 2.0).apply(&mut wide).is_err());
    }

    #[test]
    fn a_constant_factor_is_that_of_every_column() {
        let mut data = Dataset::with_labels((1..=6).map(|x| x as f32).collect(), 3, vec![0; 2], 1).unwrap();
        Scaler::constant(3, 2.0).apply(&mut data).unwrap();
        assert_eq!(*data.to_f32(), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
    }
}
