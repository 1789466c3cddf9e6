//! Which rows of shards make a batch.

use std::ops::Range;

/// Rows dealt to batches from shards in turn: place p of an epoch is row `p / S`, in the order that it has drawn, of shard
/// `p mod S`, and a batch is a run of places. The first shards have one row more where S does not divide them.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) shards: usize,
    /// The shards that are here.
    pub(crate) local: Range<usize>,
    /// How many rows all shards have.
    pub(crate) rows: usize,
    pub(crate) batch_rows: usize,
}

impl Deal {
    /// How many batches an epoch has.
    pub(crate) fn batches(&self) -> usize {
        self.rows.div_ceil(self.batch_rows)
    }

    /// How many rows batch `batch` has, of all shards.
    pub(crate) fn rows_of(&self, batch: usize) -> usize {
        self.end(batch) - batch * self.batch_rows
    }

    /// Which of its rows shard `shard` gives to batch `batch`.
    pub(crate) fn share(&self, shard: usize, batch: usize) -> Range<usize> {
        self.before(shard, batch * self.batch_rows)..self.before(shard, self.end(batch))
    }

    /// How many rows of shard `shard` lie at the first `places`.
    pub(crate) fn before(&self, shard: usize, places: usize) -> usize {
        // Rounded up: (places − shard) / shards.
        places / self.shards + usize::from(places % self.shards > shard)
    }

    /// Which of the rows of the local shards, in the order of batches, make batch `batch`.
    pub(super) fn local_rows(&self, batch: usize) -> Range<usize> {
        let before = |places: usize| self.local.clone().map(|shard| self.before(shard, places)).sum();
        before(batch * self.batch_rows)..before(self.end(batch))
    }

    /// The most rows that the local shards give to a batch, and the most of one.
    pub(crate) fn most(&self) -> (usize, usize) {
        let share = self.batch_rows.div_ceil(self.shards);
        (share.saturating_mul(self.local.len()), share)
    }

    /// Where in batch `batch` the share of each local shard ends.
    pub(crate) fn ends(&self, batch: usize, ends: &mut Vec<usize>) {
        ends.clear();
        let mut end = 0;
        for shard in self.local.clone() {
            end += self.share(shard, batch).len();
            ends.push(end);
        }
    }

    /// Into the order of batches, from that of shards; the same for all that are here.
    pub(super) fn arrange(&self, by_shard: &[usize], by_batch: &mut [usize]) {
        let mut places = by_batch.iter_mut();
        for batch in 0..self.batches() {
            let mut start = 0;
            for shard in self.local.clone() {
                let share = self.share(shard, batch);
                let rows = &by_shard[start + share.start..start + share.end];
                places.by_ref().zip(rows).for_each(|(place, row)| *place = *row);
                start += self.before(shard, self.rows);
            }
        }
    }

    fn end(&self, batch: usize) -> usize {
        self.rows.min((batch + 1) * self.batch_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_dealt_once_whoever_has_it_and_batches_are_full() {
        for (shards, rows, batch_rows) in
            [(1, 10, 3), (4, 4, 1), (16, 100, 32), (16, 103, 10), (16, 1000, 64), (5, 23, 23), (16, 37, 7), (8, 65, 64)]
        {
            let deal = |local| Deal { shards, local, rows, batch_rows };
            let all = deal(0..shards);
            let sizes: Vec<usize> = (0..all.batches()).map(|batch| all.local_rows(batch).len()).collect();
            assert!(sizes[..sizes.len() - 1].iter().all(|&size| size == batch_rows), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), rows);
            assert!((0..all.batches()).all(|batch| all.rows_of(batch) == sizes[batch]));

            let counts: Vec<usize> = (0..shards).map(|shard| all.before(shard, rows)).collect();
            assert!(counts.is_sorted_by(|a, b| a >= b) && counts[0] - counts[shards - 1] <= 1, "{counts:?}");
            for batch in 0..all.batches() {
                let shares: Vec<usize> = (0..shards).map(|shard| all.share(shard, batch).len()).collect();
                assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
                assert!(*shares.iter().max().unwrap() <= all.most().1);
            }

            let mut by_batch = vec![usize::MAX; rows];
            all.arrange(&(0..rows).collect::<Vec<_>>(), &mut by_batch);
            let mut sorted = by_batch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..rows).collect::<Vec<_>>());
            // The same rows by two that have a half each.
            if shards % 2 == 0 {
                let mut start = 0;
                let halves = [deal(0..shards / 2), deal(shards / 2..shards)].map(|half| {
                    let own: usize = half.local.clone().map(|shard| half.before(shard, rows)).sum();
                    let mut order = vec![usize::MAX; own];
                    half.arrange(&(start..start + own).collect::<Vec<_>>(), &mut order);
                    start += own;
                    (half, order)
                });
                for batch in 0..all.batches() {
                    let whole = &by_batch[all.local_rows(batch)];
                    let parts = halves.iter().flat_map(|(half, order)| &order[half.local_rows(batch)]);
                    assert!(whole.iter().eq(parts), "{shards} shards, {rows} rows, batch {batch}");
                }
            }
        }
    }
}
