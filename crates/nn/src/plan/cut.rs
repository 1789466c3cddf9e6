//! How the rows of a batch are cut where something is drawn for them or summed over them.

use std::ops::Range;

/// The rows of a batch as runs of rows.
#[derive(Clone, Copy)]
pub(crate) struct Cut<'a> {
    /// Where the share of each shard ends, and the number of the first shard counted from 1; one end and 0 where rows belong to no
    /// shard.
    pub(crate) shards: &'a [usize],
    pub(crate) first_shard: usize,
    /// Where each run of rows ends that sums go over.
    pub(crate) sums: &'a [usize],
}

impl<'a> Cut<'a> {
    /// All rows at once; `rows` is how many there are.
    pub(crate) fn whole(rows: &'a usize) -> Self {
        let ends = std::slice::from_ref(rows);
        Cut { shards: ends, first_shard: 0, sums: ends }
    }

    /// The number of each shard with its rows.
    pub(super) fn shards(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        (self.first_shard..).zip(runs(self.shards))
    }

    pub(super) fn rows(self) -> usize {
        self.sums.last().copied().unwrap_or(0)
    }

    /// A product of a single row may be summed in another order than that of several: where the rows are those that a rank happens to
    /// have, it is computed with a row more.
    pub(super) fn rows_of_product(self) -> usize {
        if self.first_shard > 0 { self.rows().max(2) } else { self.rows() }
    }
}

/// The runs that end at `ends`.
pub(super) fn runs(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    ends.iter().scan(0, |start, &end| Some(std::mem::replace(start, end)..end))
}

/// The run with the number `run`.
pub(super) fn rows_of(ends: &[usize], run: usize) -> Range<usize> {
    run.checked_sub(1).map_or(0, |before| ends[before])..ends[run]
}
