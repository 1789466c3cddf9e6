//! Gradients on their way to the other ranks, in buckets that leave as soon as they are full.

use std::ops::Range;

use crate::collective::link::{Link, Message};
use crate::error::Result;
use crate::memory::zeros;
use crate::model::Model;

/// Values that a bucket has at least, 1 MiB: a message takes some tens of microseconds besides its bytes, and more where the ranks
/// share cores with those that compute.
const BUCKET: usize = 256 * 1024;

/// Values of a weight whose gradient is summed over all shards at a time, 256 KiB: the sums of a tree of 16 shards stay in a cache of
/// the second level.
const BAND: usize = 64 * 1024;

/// The rows of a weight with `outputs` columns that are computed at a time, from the last ones to the first.
pub(super) fn bands(inputs: usize, outputs: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = (BAND / outputs.max(1)).clamp(1, inputs.max(1));
    (0..inputs.div_ceil(rows)).rev().map(move |band| band * rows..inputs.min((band + 1) * rows))
}

/// Gradients come in the order of the backward pass, which is that of the arena from its end to its start.
pub(super) struct Buckets {
    /// Which part of the arena is in each.
    places: Vec<Range<usize>>,
    /// Empty where they are under way.
    buffers: Vec<Vec<f32>>,
    sent: usize,
    received: usize,
    /// The most values that are given at a time.
    pub(super) longest: usize,
}

impl Buckets {
    pub(super) fn new(model: &Model) -> Result<Self> {
        let (mut places, mut end, mut longest) = (Vec::new(), model.arena_len(), 0);
        let mut add = |part: Range<usize>| {
            longest = longest.max(part.len());
            if end - part.start >= BUCKET || part.start == 0 {
                places.push(part.start..end);
                end = part.start;
            }
        };
        for entry in model.stages.params.entries.iter().rev() {
            let from = entry.range.start;
            match entry.shape[..] {
                [outputs, inputs] => {
                    bands(inputs, outputs).for_each(|rows| add(from + rows.start * outputs..from + rows.end * outputs))
                }
                _ => add(entry.range.clone()),
            }
        }
        let buffers =
            places.iter().map(|place| zeros("the gradients under way", 1, place.len())).collect::<Result<_>>()?;
        Ok(Buckets { places, buffers, sent: 0, received: 0, longest })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The next step begins.
    pub(super) fn start(&mut self) {
        (self.sent, self.received) = (0, 0);
    }

    /// Where the gradient of the part `place` of the arena belongs.
    pub(super) fn part(&mut self, place: &Range<usize>) -> &mut [f32] {
        let start = self.places[self.sent].start;
        &mut self.buffers[self.sent][place.start - start..place.end - start]
    }

    /// The gradient from `start` on is there.
    pub(super) fn filled(&mut self, start: usize, link: &Link) -> Result<()> {
        if self.places[self.sent].start == start {
            self.sent += 1;
            link.ask(Message::Sum(std::mem::take(&mut self.buffers[self.sent - 1])))?;
        }
        Ok(())
    }

    /// The next sum over all ranks with its place, or `None` after the last.
    pub(super) fn receive(&mut self, link: &mut Link) -> Result<Option<(Range<usize>, &[f32])>> {
        let Some(place) = self.places.get(self.received).cloned() else { return Ok(None) };
        let Message::Sum(values) = link.answer()? else { unreachable!("answers come in the order of questions") };
        self.buffers[self.received] = values;
        self.received += 1;
        Ok(Some((place, &self.buffers[self.received - 1])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::Activation;

    #[test]
    fn buckets_are_the_arena_from_its_end_to_its_start() {
        for (inputs, hidden, expected) in [(10, 5, 1), (784, 512, 2), (3, 300_000, 8), (4000, 1000, 13)] {
            let builder = Model::builder(inputs).linear(hidden, Activation::Relu);
            let model =
                builder.layer_norm(crate::LayerNorm::default()).linear(2, Activation::Identity).build().unwrap();
            let buckets = Buckets::new(&model).unwrap();
            let mut end = model.arena_len();
            for place in &buckets.places {
                assert_eq!(place.end, end);
                end = place.start;
                assert!(place.len() >= BUCKET || end == 0, "{place:?}");
                assert!(place.len() < BUCKET + BAND.max(hidden), "{place:?}");
            }
            assert_eq!((end, buckets.len()), (0, expected), "{inputs}-{hidden}-2");
        }
    }

    #[test]
    fn bands_are_all_rows_from_the_last_to_the_first() {
        for (inputs, outputs) in [(1, 1), (784, 512), (3, 300_000), (100_000, 1)] {
            let mut end = inputs;
            for rows in bands(inputs, outputs) {
                assert!(rows.end == end && rows.start < end, "{rows:?} of {inputs} x {outputs}");
                end = rows.start;
            }
            assert_eq!(end, 0);
        }
    }
}
