//! Cross-validation: every row is held out once.

use super::Dataset;
use super::labels::distinct;
use crate::check;
use crate::error::{Error, Result};
use crate::memory::reserve;
use crate::random::{Purpose, Stream};

/// Cuts rows into `folds` parts of sizes that differ by at most 1; each is held out once while the others are trained on.
///
/// ```
/// use nn::data::{Dataset, KFold};
/// let data = Dataset::with_labels((0..6).map(|x| x as f32).collect(), 1, vec![0, 0, 0, 1, 1, 1], 2)?;
/// for fold in KFold::new(3).stratified(data.labels().unwrap())? {
///     let (training, test) = (data.select(&fold.training)?, data.select(&fold.test)?);
///     assert_eq!((training.rows(), test.rows()), (4, 2));
///     assert_eq!(test.labels(), Some(&[0, 1][..]));
/// }
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KFold {
    /// How many parts, at least 2.
    pub folds: usize,
    /// The seed of a random order in which rows are dealt; `None` cuts them as they lie.
    pub shuffle: Option<u64>,
}

/// The numbers of the rows of both sides, each ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What to learn from.
    pub training: Vec<usize>,
    /// What to judge by.
    pub test: Vec<usize>,
}

impl KFold {
    /// `folds` parts of rows as they lie.
    pub fn new(folds: usize) -> Self {
        KFold { folds, shuffle: None }
    }

    /// The same in a random order that is a function of the seed.
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        KFold { shuffle: Some(seed), ..self }
    }

    /// The folds of `rows` rows: parts of rows that follow each other, in the order that was shuffled if there is one; the
    /// first parts are one larger where `folds` does not divide the rows.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for fewer than 2 folds or more than rows; [`Error::OutOfMemory`].
    pub fn split(&self, rows: usize) -> Result<Vec<Fold>> {
        self.check(rows, "at least 2 and at most the number of rows")?;
        let order = self.order(rows)?;
        let mut part = vec![0; rows];
        for (place, row) in order.into_iter().enumerate() {
            // The first `rows % folds` parts have one row more.
            let (size, larger) = (rows / self.folds, rows % self.folds);
            let in_larger = larger * (size + 1);
            part[row] = if place < in_larger { place / (size + 1) } else { larger + (place - in_larger) / size };
        }
        Ok(self.folds(&part))
    }

    /// The folds of rows with the given labels, such that of each class every part has as many, give or take one; the sizes
    /// of parts differ by at most one too. The rows of a class are dealt to the parts in turn, and the next class goes on
    /// with the part where the last one stopped.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for fewer than 2 folds or more than rows of the rarest class; [`Error::EmptyData`].
    pub fn stratified(&self, labels: &[u32]) -> Result<Vec<Fold>> {
        if labels.is_empty() {
            return Err(Error::EmptyData);
        }
        let classes = distinct(labels.iter().map(|&label| i64::from(label)).collect());
        let mut of_class = vec![Vec::new(); classes.len()];
        for row in self.order(labels.len())? {
            if let Ok(place) = classes.binary_search(&i64::from(labels[row])) {
                of_class[place].push(row);
            }
        }
        let rarest = of_class.iter().map(Vec::len).min().unwrap_or(0);
        self.check(rarest, "at least 2 and at most the number of rows of the rarest class")?;
        let mut part = vec![0; labels.len()];
        for (turn, row) in of_class.into_iter().flatten().enumerate() {
            part[row] = turn % self.folds;
        }
        Ok(self.folds(&part))
    }

    fn check(&self, most: usize, allowed: &'static str) -> Result<()> {
        if (2..=most).contains(&self.folds) {
            return Ok(());
        }
        Err(Error::InvalidHyperParameter { name: "folds", value: format!("{} of {most} rows", self.folds), allowed })
    }

    fn order(&self, rows: usize) -> Result<Vec<usize>> {
        let mut order = reserve("the order of rows", rows, 1)?;
        order.extend(0..rows);
        if let Some(seed) = self.shuffle {
            Stream::new(seed, Purpose::Split, 0).shuffle(&mut order);
        }
        Ok(order)
    }

    /// From the part that each row is in.
    fn folds(&self, part: &[usize]) -> Vec<Fold> {
        let fold = |held_out| {
            let (test, training) = (0..part.len()).partition(|&row| part[row] == held_out);
            Fold { training, test }
        };
        (0..self.folds).map(fold).collect()
    }
}

impl Dataset {
    /// The rows with the given numbers, in that order; a number may come more than once.
    ///
    /// # Errors
    /// [`Error::EmptyData`] for none, [`Error::ShapeMismatch`] for a number that is not that of a row.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        match rows.iter().max() {
            None => Err(Error::EmptyData),
            Some(&last) if last >= self.rows => {
                Err(check::mismatch("the numbers of rows to select from", &[self.rows], &[last.saturating_add(1)]))
            }
            Some(_) => Ok(self.gather(rows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(folds: &[Fold]) -> Vec<usize> {
        folds.iter().map(|fold| fold.test.len()).collect()
    }

    fn check_partition(folds: &[Fold], rows: usize) {
        let mut all: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..rows).collect::<Vec<_>>(), "each row is held out once");
        for fold in folds {
            let mut both = [fold.training.as_slice(), &fold.test].concat();
            both.sort_unstable();
            assert_eq!(both, (0..rows).collect::<Vec<_>>(), "what is not held out is trained on");
        }
    }

    #[test]
    fn every_row_is_held_out_once() {
        for (rows, folds) in [(2, 2), (10, 3), (11, 5), (100, 7), (9, 9)] {
            for fold in [KFold::new(folds), KFold::new(folds).shuffled(3)] {
                let folds = fold.split(rows).unwrap();
                check_partition(&folds, rows);
                let sizes = sizes(&folds);
                assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] - sizes[sizes.len() - 1] <= 1, "{sizes:?}");
            }
        }
        let folds = KFold::new(3).split(7).unwrap();
        assert_eq!(folds[0].test, [0, 1, 2]);
        assert_eq!(folds[2].test, [5, 6]);
        let too_many = KFold::new(2).split(usize::MAX).unwrap_err();
        assert!(matches!(too_many, Error::OutOfMemory { rows: usize::MAX, .. }), "{too_many}");
    }

    #[test]
    fn strata_keep_the_shares_of_the_classes() {
        // 41 of class 3, 17 of class 7, 8 of class 9.
        let labels: Vec<u32> = (0..66).map(|i| [3, 7, 9][usize::from(i >= 41) + usize::from(i >= 58)]).collect();
        for fold in [KFold::new(5), KFold::new(5).shuffled(1)] {
            let folds = fold.stratified(&labels).unwrap();
            check_partition(&folds, 66);
            for class in [3, 7, 9] {
                let in_fold = |fold: &Fold| fold.test.iter().filter(|&&row| labels[row] == class).count();
                let counts: Vec<usize> = folds.iter().map(in_fold).collect();
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                assert!(most - least <= 1, "class {class}: {counts:?}");
            }
            let sizes = sizes(&folds);
            assert!(sizes.iter().all(|size| (13..=14).contains(size)), "{sizes:?}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let split = |seed| KFold::new(4).shuffled(seed).split(40).unwrap();
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }

    #[test]
    fn folds_that_cannot_be_are_refused() {
        for (folds, rows) in [(0, 5), (1, 5), (6, 5), (2, 1), (2, 0)] {
            assert!(KFold::new(folds).split(rows).is_err(), "{folds} of {rows}");
        }
        let error = KFold::new(3).stratified(&[0, 0, 0, 1, 1]).unwrap_err().to_string();
        assert!(error.contains("3 of 2 rows"), "{error}");
        let data = Dataset::with_labels(vec![0.0; 3], 1, vec![0; 3], 1).unwrap();
        assert!(data.select(&[]).is_err() && data.select(&[0, 3]).is_err() && data.select(&[usize::MAX]).is_err());
    }
}
