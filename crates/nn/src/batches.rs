//! Cuts a data set into batches, in a new order each epoch.

mod deal;

use kernels::{KernelSet, MatRef};

use crate::data::features::Rows;
use crate::error::Result;
use crate::losses::{CheckedTargets, TargetValues, Targets, WeightedTargets};
use crate::memory::{Buffer, zeros};
use crate::model::Model;
use crate::random::{Purpose, Stream};
pub(crate) use deal::Deal;

/// The batches of a checked data set.
pub(crate) struct Batches<'a> {
    x: Rows<'a>,
    kernels: &'static KernelSet,
    targets: CheckedTargets<'a>,
    rows: usize,
    inputs: usize,
    outputs: usize,
    batch_rows: usize,
    deal: Option<Deal>,
    gathered: Option<Gathered>,
}

/// What one update is computed from.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// `[rows][inputs]`
    pub(crate) x: &'a [f32],
    pub(crate) targets: WeightedTargets<'a>,
    /// The x of the update that follows, where both are of one row.
    pub(crate) next: Option<&'a [f32]>,
}

/// Which rows make an epoch.
pub(crate) struct Order {
    /// The numbers of the rows, where not all of them are used.
    pub(crate) selected: Option<Vec<usize>>,
    /// Whether each epoch has an order of its own.
    pub(crate) shuffle: bool,
    /// How the rows, or those selected, are cut into shards and dealt to batches; `None` where there are no shards.
    pub(crate) deal: Option<Deal>,
}

/// The order of the rows, and the rows of one batch gathered from all over the data.
struct Gathered {
    selected: Option<Vec<usize>>,
    shuffle: bool,
    order: Vec<usize>,
    /// Room for the order by shards; empty where there are none.
    by_shard: Vec<usize>,
    x: Buffer,
    targets: GatheredTargets,
    /// Empty where the rows have none.
    weights: Vec<f32>,
}

enum GatheredTargets {
    Labels(Vec<u32>),
    Values(Buffer),
}

impl<'a> Batches<'a> {
    /// Batches of `batch_rows` of the rows that `order` selects, at most as many as those are.
    pub(crate) fn new(
        x: Rows<'a>,
        targets: CheckedTargets<'a>,
        model: &Model,
        batch_rows: usize,
        order: Order,
    ) -> Result<Self> {
        let (inputs, outputs) = (model.inputs(), model.outputs());
        let Order { selected, shuffle, deal } = order;
        let rows = selected.as_ref().map_or(x.count(), Vec::len);
        // A batch of all rows is the same in any order, up to rounding. Rows one by one are named by their order.
        let several = deal.as_ref().map_or(batch_rows < rows, |deal| deal.batches() > 1);
        let shuffle = shuffle && several;
        let one_by_one = batch_rows == 1 && deal.is_none();
        let lie_in_order = x.as_slice().is_some() && selected.is_none() && !(deal.is_some() && several);
        let gathered = if shuffle || one_by_one || !lie_in_order {
            let room = |rows| zeros("the order of the rows", rows, 1);
            let (order, by_shard) = (room(rows)?, room(if deal.is_some() { rows } else { 0 })?);
            let weighted = targets.weights.is_some();
            let gathered = match targets.values {
                TargetValues::Labels(_) => GatheredTargets::Labels(vec![0; batch_rows]),
                TargetValues::Values(_) => {
                    GatheredTargets::Values(Buffer::zeros("a batch of targets", batch_rows, outputs)?)
                }
            };
            let weights = vec![0.0; if weighted { batch_rows } else { 0 }];
            let x = Buffer::zeros("a batch of data", batch_rows, inputs)?;
            Some(Gathered { selected, shuffle, order, by_shard, x, targets: gathered, weights })
        } else {
            None
        };
        Ok(Batches { x, kernels: model.kernels, targets, rows, inputs, outputs, batch_rows, deal, gathered })
    }

    /// How many batches an epoch has.
    pub(crate) fn len(&self) -> usize {
        self.deal.as_ref().map_or(self.rows.div_ceil(self.batch_rows), Deal::batches)
    }

    /// How many rows an epoch has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Draws the order of an epoch, from no state but its number.
    pub(crate) fn start_epoch(&mut self, seed: u64, epoch: u64) {
        let Some(Gathered { selected, shuffle, order, by_shard, .. }) = &mut self.gathered else { return };
        match selected {
            Some(selected) => order.copy_from_slice(selected),
            None => order.iter_mut().enumerate().for_each(|(row, place)| *place = row),
        }
        if let Some(deal) = &self.deal {
            std::mem::swap(order, by_shard);
            let mut rest = &mut by_shard[..];
            for shard in deal.local.clone().filter(|_| *shuffle) {
                let rows = rest.split_off_mut(..deal.before(shard, deal.rows)).unwrap_or_default();
                Stream::with_index(seed, Purpose::Shuffle, epoch, shard as u64 + 1).shuffle(rows);
            }
            deal.arrange(by_shard, order);
        } else if *shuffle {
            Stream::new(seed, Purpose::Shuffle, epoch).shuffle(order);
        }
    }

    /// All rows with their targets, and the numbers of those of the epoch from batch `from` on, where a batch is one row
    /// with one value to be predicted and no weight.
    pub(crate) fn one_by_one(&self, from: usize) -> Option<(&[f32], &[f32], &[usize])> {
        match (&self.targets, &self.gathered) {
            (CheckedTargets { values: TargetValues::Values(values), weights: None }, Some(Gathered { order, .. }))
                if self.batch_rows == 1 && self.outputs == 1 =>
            {
                Some((self.x.as_slice()?, values, &order[from..]))
            }
            _ => None,
        }
    }

    /// Batch number `batch` of the epoch, counted from 0.
    pub(crate) fn get(&mut self, batch: usize) -> Batch<'_> {
        let (from, to) = match &self.deal {
            None => (batch * self.batch_rows, self.rows.min((batch + 1) * self.batch_rows)),
            Some(deal) => {
                let rows = deal.local_rows(batch);
                (rows.start, rows.end)
            }
        };
        match (&mut self.gathered, self.x.as_slice()) {
            (None, all) => {
                let x = &all.unwrap_or_default()[from * self.inputs..to * self.inputs];
                Batch { x, targets: self.targets.rows(from, to, self.outputs), next: None }
            }
            (Some(Gathered { order, .. }), Some(all)) if self.batch_rows == 1 && self.deal.is_none() => {
                let row = |place: usize| &all[order[place] * self.inputs..][..self.inputs];
                let targets = self.targets.rows(order[from], order[from] + 1, self.outputs);
                Batch { x: row(from), targets, next: (to < self.rows).then(|| row(to)) }
            }
            (Some(Gathered { order, x, targets, weights, .. }), _) => {
                let order = &order[from..to];
                let x = self.x.gather(self.kernels, order, x.as_mut_slice());
                let targets = match (&self.targets.values, targets) {
                    (TargetValues::Labels(labels), GatheredTargets::Labels(gathered)) => {
                        Targets::Labels(gather(labels, order, 1, gathered))
                    }
                    (TargetValues::Values(values), GatheredTargets::Values(gathered)) => {
                        Targets::Values(gather(values, order, self.outputs, gathered.as_mut_slice()))
                    }
                    _ => unreachable!("the gathered targets are of the kind of the targets"),
                };
                let weights = self.targets.weights.map(|all| gather(all, order, 1, weights));
                Batch { x, targets: WeightedTargets { targets, weights }, next: None }
            }
        }
    }
}

/// Copies the rows `order`, of `cols` elements each, to the start of `to` and returns them.
fn gather<'a, T: Copy + Send + Sync>(from: &[T], order: &[usize], cols: usize, to: &'a mut [T]) -> &'a [T] {
    let to = &mut to[..order.len() * cols];
    kernels::gather_rows(MatRef::from_row_major(from, from.len() / cols, cols), order, to);
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_an_order_of_its_own_each_epoch_whoever_has_it() {
        let model = Model::softmax_regression(1, 2).unwrap();
        let order = |local: std::ops::Range<usize>, epoch| {
            let rows = 40 * local.len();
            let x: Vec<f32> = (0..rows).map(|row| (row % 40) as f32).collect();
            let targets = CheckedTargets { values: TargetValues::Labels(&vec![0; rows]), weights: None };
            let deal = Deal { shards: 2, local: local.clone(), rows: 80, batch_rows: 2 };
            let order = Order { selected: None, shuffle: true, deal: Some(deal) };
            let mut batches = Batches::new(model.check_inputs(&x).unwrap(), targets, &model, 2, order).unwrap();
            batches.start_epoch(7, epoch);
            (0..batches.len()).map(|batch| batches.get(batch).x.to_vec()).collect::<Vec<_>>()
        };
        let both = order(0..2, 1);
        let [first, second] = [order(0..1, 1), order(1..2, 1)];
        assert_ne!(first, second);
        assert_ne!(first, order(0..1, 2));
        assert_eq!(both.concat(), first.iter().zip(&second).flat_map(|(a, b)| [a[0], b[0]]).collect::<Vec<_>>());
        let mut sorted = first.concat();
        sorted.sort_by(f32::total_cmp);
        assert!(sorted.iter().zip(0..).all(|(&row, number)| row == number as f32), "{sorted:?}");
    }
}
