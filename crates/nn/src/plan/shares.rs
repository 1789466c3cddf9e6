//! Gradients as sums over the shares of shards, by the tree of [`tree_sum`](crate::collective::tree_sum).

use std::ops::Range;

use kernels::{KernelSet, MatMut, MatRef};

use super::CHAIN_ROWS;
use super::buckets::{Buckets, bands};
use super::cut::{rows_of, runs};
use super::sink::Sink;
use crate::collective::link::Link;
use crate::error::Result;
use crate::layers::linear::linear_backward_weight;
use crate::layers::norm::{Affine, NormState};
use crate::memory::Buffer;

/// Sums the gradients of each run of rows and gives them to the other ranks.
pub(super) struct Shares<'a> {
    pub(super) kernels: &'static KernelSet,
    pub(super) params: &'a [f32],
    /// Where each run ends.
    pub(super) ends: &'a [usize],
    pub(super) buckets: &'a mut Buckets,
    /// Room for the sums within the tree.
    pub(super) spare: &'a mut [Buffer],
    pub(super) link: &'a Link,
    /// The first failure to reach the others.
    pub(super) failed: Result<()>,
}

impl Shares<'_> {
    /// Sums up what `leaf` computes for each run, for the part `place` of the arena.
    fn give(&mut self, place: &Range<usize>, leaves: Leaves, leaf: &mut impl FnMut(usize, &mut [f32], Sum)) {
        if self.failed.is_err() {
            return;
        }
        let (kernels, runs) = (self.kernels, 0..self.ends.len());
        tree(kernels, runs, self.buckets.part(place), self.spare, &mut Leaf { leaves, compute: leaf });
        self.failed = self.buckets.filled(place.start, self.link);
    }
}

/// What a leaf of the tree does with the numbers that were there before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sum {
    New,
    Added,
}

/// Whether a leaf can add to another, to the same bits as if it were computed first and added then.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Leaves {
    Apart,
    Add,
}

/// What computes the leaves: the number of a run, and where to.
pub(super) struct Leaf<F> {
    pub(super) leaves: Leaves,
    pub(super) compute: F,
}

/// The sum over `runs`: those of a left and a right part, of which the left has the largest power of two of runs that leaves one.
pub(super) fn tree(
    kernels: &KernelSet,
    runs: Range<usize>,
    sum: &mut [f32],
    spare: &mut [Buffer],
    leaf: &mut Leaf<impl FnMut(usize, &mut [f32], Sum)>,
) {
    let first = runs.start;
    match runs.len() {
        0 => sum.fill(0.0),
        1 => (leaf.compute)(first, sum, Sum::New),
        2 if leaf.leaves == Leaves::Add => {
            (leaf.compute)(first, sum, Sum::New);
            (leaf.compute)(first + 1, sum, Sum::Added);
        }
        n => {
            let middle = first + n.next_power_of_two() / 2;
            tree(kernels, first..middle, sum, spare, leaf);
            let (right, spare) = spare.split_first_mut().expect("a buffer for each level of the tree");
            let right = &mut right.as_mut_slice()[..sum.len()];
            tree(kernels, middle..runs.end, right, spare, leaf);
            // Descent at a rate of −1 is addition.
            kernels.sgd(sum, right, -1.0, 0.0);
        }
    }
}

impl Sink for Shares<'_> {
    fn params(&self) -> &[f32] {
        self.params
    }

    fn bias(&mut self, place: &Range<usize>, d_z: &[f32]) {
        let (kernels, ends, cols) = (self.kernels, self.ends, place.len());
        self.give(place, Leaves::Apart, &mut |run, sum, _| {
            let rows = rows_of(ends, run);
            kernels.column_sums(cols, &d_z[rows.start * cols..rows.end * cols], sum);
        });
    }

    fn weight(&mut self, place: &Range<usize>, (inputs, outputs): (usize, usize), x: &[f32], d_z: &[f32]) {
        let (kernels, ends) = (self.kernels, self.ends);
        let in_one_chain = runs(ends).all(|rows| rows.len() <= CHAIN_ROWS);
        let leaves = if in_one_chain { Leaves::Add } else { Leaves::Apart };
        let all = d_z.len() / outputs;
        let (x, d_z) = (MatRef::from_row_major(x, all, inputs), MatRef::from_row_major(d_z, all, outputs));
        for band in bands(inputs, outputs) {
            let part = place.start + band.start * outputs..place.start + band.end * outputs;
            let x = x.col_range(band.start, band.end);
            self.give(&part, leaves, &mut |run, sum, kind| {
                let rows = rows_of(ends, run);
                match kind {
                    _ if !rows.is_empty() => {
                        let beta = if kind == Sum::Added { 1.0 } else { 0.0 };
                        let (x, d_z) = (x.row_range(rows.start, rows.end), d_z.row_range(rows.start, rows.end));
                        let sum = MatMut::from_row_major(sum, band.len(), outputs);
                        linear_backward_weight(kernels, 1.0, x, d_z, beta, sum);
                    }
                    Sum::New => sum.fill(0.0),
                    // −0 becomes 0, as it does where another rank adds it.
                    Sum::Added => sum.iter_mut().for_each(|value| *value += 0.0),
                }
            });
        }
    }

    fn affine(&mut self, affine: &Affine, states: &[NormState]) {
        self.give(&affine.bias, Leaves::Apart, &mut |run, sum, _| sum.copy_from_slice(states[run].sums().1));
        self.give(&affine.weight, Leaves::Apart, &mut |run, sum, _| sum.copy_from_slice(states[run].sums().0));
    }
}
