//! Parts of a data set.

use super::features::OwnedFeatures;
use super::{Dataset, OwnedTargets};
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};

impl Dataset {
    /// Draws rows for a test set and leaves the others, in random order, for training: (training, test). The test set has
    /// `test_fraction` of the rows, rounded. The same seed draws the same rows on every machine.
    ///
    /// # Errors
    /// If one of the two would have no rows.
    ///
    /// ```
    /// # use nn::data::Dataset;
    /// let data = Dataset::with_labels((0..10).map(|x| x as f32).collect(), 1, vec![0; 10], 1)?;
    /// let (training, test) = data.split(0.2, 42)?;
    /// assert_eq!((training.rows(), test.rows()), (8, 2));
    /// assert!(data.split(0.01, 42).is_err());
    /// # Ok::<(), nn::Error>(())
    /// ```
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<(Self, Self)> {
        let test_rows = (self.rows as f64 * test_fraction).round();
        if !(test_rows >= 1.0 && test_rows < self.rows as f64) {
            return Err(Error::InvalidHyperParameter {
                name: "test_fraction",
                value: format!("{test_fraction} of {} rows", self.rows),
                allowed: "such that both parts have rows",
            });
        }
        let mut order: Vec<usize> = (0..self.rows).collect();
        Stream::new(seed, Purpose::Split, 0).shuffle(&mut order);
        let (test, training) = order.split_at(test_rows as usize);
        Ok((self.gather(training), self.gather(test)))
    }

    /// The rows with the given numbers, in that order; a number may come more than once.
    pub(super) fn gather(&self, rows: &[usize]) -> Self {
        let targets = match &self.targets {
            OwnedTargets::Labels { labels, classes, names } => {
                OwnedTargets::Labels { labels: gather(labels, 1, rows), classes: *classes, names: names.clone() }
            }
            OwnedTargets::Values { values, cols } => {
                OwnedTargets::Values { values: gather(values, *cols, rows), cols: *cols }
            }
        };
        let features = match &self.features {
            OwnedFeatures::Floats(floats) => OwnedFeatures::Floats(gather(floats, self.cols, rows)),
            OwnedFeatures::Bytes { bytes, scale } => {
                OwnedFeatures::Bytes { bytes: gather(bytes, self.cols, rows), scale: *scale }
            }
        };
        Dataset { features, rows: rows.len(), cols: self.cols, targets }
    }
}

fn gather<T: Copy>(values: &[T], cols: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|row| &values[row * cols..][..cols]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::Targets;

    /// Row `i` has the features `[i, -i]` and the label `i`.
    fn numbered(rows: u32) -> Dataset {
        let features = (0..rows).flat_map(|i| [i as f32, -(i as f32)]).collect();
        Dataset::with_labels(features, 2, (0..rows).collect(), rows as usize).unwrap()
    }

    fn labels(data: &Dataset) -> &[u32] {
        match data.targets() {
            Targets::Labels(labels) => labels,
            Targets::Values(_) => panic!("labels were given"),
        }
    }

    #[test]
    fn every_row_goes_to_one_part_together_with_its_target() {
        let data = numbered(101);
        let (training, test) = data.split(0.25, 7).unwrap();
        assert_eq!((training.rows(), test.rows()), (76, 25));
        let mut all: Vec<u32> = Vec::new();
        for part in [&training, &test] {
            for (row, &label) in part.to_f32().chunks(2).zip(labels(part)) {
                assert_eq!(row, [label as f32, -(label as f32)]);
                all.push(label);
            }
            assert_eq!(part.classes(), Some(101));
        }
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_decides() {
        let data = numbered(50);
        assert_eq!(data.split(0.5, 1).unwrap(), data.split(0.5, 1).unwrap());
        assert_ne!(data.split(0.5, 1).unwrap(), data.split(0.5, 2).unwrap());
    }

    #[test]
    fn rows_of_values_stay_whole() {
        let values = (0..8).map(|i| i as f32).collect::<Vec<_>>();
        let data = Dataset::with_values(values.clone(), 2, values, 2).unwrap();
        let (training, test) = data.split(0.5, 3).unwrap();
        for part in [training, test] {
            assert_eq!(Targets::Values(&part.to_f32()), part.targets());
        }
    }

    #[test]
    fn parts_without_rows_are_refused() {
        let data = numbered(10);
        for fraction in [0.0, -1.0, 0.04, 0.96, 1.0, 2.0, f64::NAN, f64::INFINITY] {
            let error = data.split(fraction, 0).unwrap_err();
            assert!(matches!(error, Error::InvalidHyperParameter { name: "test_fraction", .. }), "{fraction}: {error}");
        }
    }
}
