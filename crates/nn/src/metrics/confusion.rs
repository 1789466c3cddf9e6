//! Which classes are taken for which.

use std::fmt;

use super::check_pair;
use crate::data::Labels;
use crate::data::labels::distinct;
use crate::error::Result;
use crate::memory::zeros;

/// How much weight of each class was predicted as each: rows, where they have no weights.
///
/// Printed, it is a table with a line for each class and a column for each prediction.
///
/// ```
/// use nn::metrics::ConfusionMatrix;
/// let matrix = ConfusionMatrix::new(&[2, 2, 5], &[2, 5, 5])?;
/// assert_eq!(matrix.classes(), [2, 5]);
/// assert_eq!(matrix.counts(), [1.0, 1.0, 0.0, 1.0]);
/// let of_five = matrix.scores()[1];
/// assert_eq!((of_five.precision, of_five.recall), (0.5, 1.0));
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    classes: Vec<i64>,
    counts: Vec<f64>,
}

/// How well one class, or all of them on average, are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Of what was predicted as the class, the share that is; 0 if nothing was.
    pub precision: f64,
    /// Of what is the class, the share that was predicted as it; 0 if nothing is.
    pub recall: f64,
    /// Their harmonic mean, `2 p r / (p + r)`; 0 if both are.
    pub f1: f64,
    /// The weight of what is the class: its rows, where they have no weights.
    pub support: f64,
}

/// How the scores of classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Average {
    /// The mean over classes, rare or not.
    Macro,
    /// Those of the sums over all classes: for one class a row, all three are the accuracy.
    Micro,
    /// The mean over classes by their support.
    Weighted,
}

impl ConfusionMatrix {
    /// Compares predictions with the classes; a class is what either names.
    ///
    /// # Errors
    /// Those of [`accuracy`](super::accuracy); [`Error::OutOfMemory`](crate::Error::OutOfMemory) where there are too many classes
    /// for a table of them, as of values that name none.
    pub fn new<'a, 'b>(y: impl Into<Labels<'a>>, predicted: impl Into<Labels<'b>>) -> Result<Self> {
        let (y, predicted) = (y.into(), predicted.into());
        check_pair(&y, predicted.values().len())?;
        let classes = distinct([y.values(), predicted.values()].concat());
        let mut counts = zeros("the counts of a confusion matrix", classes.len(), classes.len())?;
        let (rows, cols) = (y.indices(&classes)?, predicted.indices(&classes)?);
        for (row, (&class, &prediction)) in rows.iter().zip(&cols).enumerate() {
            counts[class as usize * classes.len() + prediction as usize] += y.weight(row);
        }
        Ok(ConfusionMatrix { classes, counts })
    }

    /// The classes in ascending order.
    pub fn classes(&self) -> &[i64] {
        &self.classes
    }

    /// `[classes][predictions]`, both in the order of [`classes`](Self::classes).
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// The weight of what is `class` and was predicted as `prediction`; 0 for a class that there is not.
    pub fn get(&self, class: i64, prediction: i64) -> f64 {
        let place = |label| self.classes.binary_search(&label).ok();
        let at = |(row, col): (usize, usize)| self.counts[row * self.classes.len() + col];
        place(class).zip(place(prediction)).map_or(0.0, at)
    }

    /// The share that was predicted right.
    pub fn accuracy(&self) -> f64 {
        self.hits().sum::<f64>() / self.counts.iter().sum::<f64>()
    }

    /// Those of each class, in the order of [`classes`](Self::classes).
    pub fn scores(&self) -> Vec<Scores> {
        let of_class = |(class, hit)| scores(hit, self.predicted(class), self.support(class));
        self.hits().enumerate().map(of_class).collect()
    }

    /// Those of all classes. With support the sum over classes.
    pub fn average(&self, average: Average) -> Scores {
        let total = self.counts.iter().sum();
        if average == Average::Micro {
            return scores(self.hits().sum(), total, total);
        }
        let scores = self.scores();
        let share = |of: &Scores| match average {
            Average::Weighted => of.support / total,
            _ => 1.0 / scores.len() as f64,
        };
        let mean = |value: fn(&Scores) -> f64| scores.iter().map(|of| share(of) * value(of)).sum();
        Scores {
            precision: mean(|of| of.precision),
            recall: mean(|of| of.recall),
            f1: mean(|of| of.f1),
            support: total,
        }
    }

    /// What was predicted right, class by class.
    fn hits(&self) -> impl Iterator<Item = f64> {
        self.counts.iter().step_by(self.classes.len() + 1).copied()
    }

    fn support(&self, class: usize) -> f64 {
        self.counts[class * self.classes.len()..][..self.classes.len()].iter().sum()
    }

    fn predicted(&self, class: usize) -> f64 {
        self.counts[class..].iter().step_by(self.classes.len()).sum()
    }
}

fn scores(hit: f64, predicted: f64, support: f64) -> Scores {
    let share = |of: f64| if of > 0.0 { hit / of } else { 0.0 };
    let (precision, recall) = (share(predicted), share(support));
    let f1 = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    Scores { precision, recall, f1, support }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.classes.iter().map(i64::to_string);
        let texts: Vec<String> = classes.chain(self.counts.iter().map(f64::to_string)).collect();
        let width = texts.iter().map(String::len).max().unwrap_or(0);
        let (classes, counts) = texts.split_at(self.classes.len());
        write!(f, "{:width$}", "")?;
        classes.iter().try_for_each(|class| write!(f, " {class:>width$}"))?;
        for (class, counts) in classes.iter().zip(counts.chunks(classes.len())) {
            write!(f, "\n{class:>width$}")?;
            counts.iter().try_for_each(|count| write!(f, " {count:>width$}"))?;
        }
        Ok(())
    }
}
