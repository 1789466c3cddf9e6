//! How rows are cut into shards, and shards are given to ranks.

use std::ops::Range;

use crate::data::Examples;
use crate::error::{Error, Result};

/// How a training is cut into parts that ranks can take over.
///
/// Each of S shards has a run of the n rows, the first `n mod S` of them `⌈n / S⌉` rows and the others `⌊n / S⌋`.
/// A batch takes rows from the shards in turn, in the order that each shard draws for the epoch, so that all batches but the
/// last have the size that was asked for and the shares of two shards differ by one row at most.
///
/// What is summed over rows is summed over the share of each shard first. Batch norms normalise each share by its own moments, as
/// data-parallel training does; their running moments follow the mean over the shards. The result depends on the number of shards
/// and not on the number of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Sharding {
    /// Into how many shards, from 1 to 65,536; 16. One rank can have all of them; several have `shards / ranks` each, which must be
    /// a power of two: for 16 shards 1, 2, 4, 8 or 16 ranks.
    pub shards: usize,
    /// How sums go from rank to rank; in order.
    pub exchange: Exchange,
}

/// How the gradients of the ranks are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Exchange {
    /// By shards and [`Collective::sum`](super::Collective::sum): the same bits for any number of ranks.
    #[default]
    Ordered,
    /// All rows of a rank at once and [`Collective::sum_unordered`](super::Collective::sum_unordered). Faster, but the bits then
    /// depend on the number of ranks and on the collective; and batch norms use the moments of all rows of a rank.
    Fast,
}

/// The rows of a data set that one rank has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part<'a> {
    /// The rows with the numbers [`Sharding::rows`] of the data set, and no others.
    pub examples: Examples<'a>,
    /// How many rows the data set has over all ranks.
    pub total: usize,
}

impl<'a> Part<'a> {
    /// `examples` of a data set with `total` rows.
    pub fn new(examples: impl Into<Examples<'a>>, total: usize) -> Self {
        Part { examples: examples.into(), total }
    }
}

const MAX_SHARDS: usize = 1 << 16;

impl Default for Sharding {
    fn default() -> Self {
        Sharding { shards: 16, exchange: Exchange::default() }
    }
}

impl Sharding {
    /// The numbers of the rows that rank `rank` of `size` has, of a data set with `total` rows.
    ///
    /// # Errors
    /// [`Error::InvalidHyperParameter`] for no shards, more than 65,536 or more than there are rows; [`Error::Ranks`] for a number
    /// of ranks that the shards cannot be given to; [`Error::ShapeMismatch`] for a rank that is not below `size`.
    ///
    /// ```
    /// use nn::collective::Sharding;
    /// let sharding = Sharding { shards: 4, ..Sharding::default() };
    /// assert_eq!(sharding.rows(0, 2, 10)?, 0..6);
    /// assert_eq!(sharding.rows(1, 2, 10)?, 6..10);
    /// assert!(sharding.rows(0, 3, 10).is_err());
    /// # Ok::<(), nn::Error>(())
    /// ```
    pub fn rows(&self, rank: usize, size: usize, total: usize) -> Result<Range<usize>> {
        let shards = self.shards_of(rank, size)?;
        self.check_rows(total)?;
        let start = |shard: usize| shard * (total / self.shards) + shard.min(total % self.shards);
        Ok(start(shards.start)..start(shards.end))
    }

    /// The numbers of the shards of a rank.
    pub(crate) fn shards_of(&self, rank: usize, size: usize) -> Result<Range<usize>> {
        self.check()?;
        let each = self.shards.checked_div(size).unwrap_or(0);
        if each * size != self.shards || size != 1 && !each.is_power_of_two() {
            return Err(Error::Ranks { shards: self.shards, ranks: size, allowed: self.allowed_ranks() });
        }
        if rank >= size {
            let what = format!("rank {rank} of {size} ranks");
            return Err(Error::InvalidHyperParameter {
                name: "rank",
                value: what,
                allowed: "below the number of ranks",
            });
        }
        Ok(rank * each..(rank + 1) * each)
    }

    /// Runs of 2^k shards are nodes of the tree, whatever is left over at the end of it.
    fn allowed_ranks(&self) -> Vec<usize> {
        let powers = (0..=self.shards.trailing_zeros()).rev().map(|k| self.shards >> k);
        let one = (!self.shards.is_power_of_two()).then_some(1);
        one.into_iter().chain(powers).collect()
    }

    pub(crate) fn check(&self) -> Result<()> {
        if (1..=MAX_SHARDS).contains(&self.shards) {
            return Ok(());
        }
        let (name, value) = ("shards", self.shards.to_string());
        Err(Error::InvalidHyperParameter { name, value, allowed: "from 1 to 65536" })
    }

    pub(crate) fn check_rows(&self, total: usize) -> Result<()> {
        if self.shards <= total {
            return Ok(());
        }
        let value = format!("{} for {total} rows", self.shards);
        Err(Error::InvalidHyperParameter { name: "shards", value, allowed: "at most the number of rows" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_the_ranks_are_all_rows_in_order() {
        for shards in [1, 2, 5, 12, 16] {
            let sharding = Sharding { shards, ..Sharding::default() };
            for size in sharding.allowed_ranks() {
                for total in [shards, shards + 1, 100, 101, 1000] {
                    let mut end = 0;
                    for rank in 0..size {
                        let rows = sharding.rows(rank, size, total).unwrap();
                        assert_eq!(rows.start, end, "{shards} shards, rank {rank} of {size}, {total} rows");
                        end = rows.end;
                    }
                    assert_eq!(end, total);
                }
            }
        }
    }

    #[test]
    fn only_runs_that_are_nodes_of_the_tree_are_given_to_ranks() {
        let allowed = |shards| Sharding { shards, ..Sharding::default() }.allowed_ranks();
        assert_eq!(allowed(16), [1, 2, 4, 8, 16]);
        assert_eq!(allowed(12), [1, 3, 6, 12]);
        assert_eq!(allowed(5), [1, 5]);
        assert_eq!(allowed(1), [1]);
        for shards in 1..=20 {
            let sharding = Sharding { shards, ..Sharding::default() };
            for size in 0..=20 {
                let is_allowed = allowed(shards).contains(&size);
                assert_eq!(sharding.shards_of(0, size).is_ok(), is_allowed, "{shards} shards, {size} ranks");
            }
        }
        let error = Sharding::default().rows(0, 3, 100).unwrap_err();
        assert!(matches!(error, Error::Ranks { shards: 16, ranks: 3, .. }), "{error}");
        assert!(error.to_string().contains("[1, 2, 4, 8, 16]"), "{error}");
        for (sharding, rank, total) in [(0, 0, 10), (MAX_SHARDS + 1, 0, usize::MAX), (16, 0, 15), (1, 1, 10)] {
            let error = Sharding { shards: sharding, ..Sharding::default() }.rows(rank, 1, total).unwrap_err();
            assert!(matches!(error, Error::InvalidHyperParameter { .. }), "{error}");
        }
    }
}
