//! Softmax cross-entropy, `L = Σ_j a_j (ln Σ_k e^(z_k) - z_j)` with weighted target probabilities a; its gradient is
//! `A softmax(z) - a` with `A = Σ_j a_j`.
//!
//! With m and E as [`rows`](super::rows) has them, `L = Σ_j a_j (m - z_j) + A ln Σ e^(z - m)`: no term is negative, and
//! the differences are taken in f64, where they cannot overflow. With `O_k` for the sum of all E but `E_k`, the gradient is
//! `(E_k (A - a_k) - a_k O_k) / Σ E`: for a label, where `A = a_k`, that is `-a_k O_k / Σ E`, which keeps its digits where
//! the probability rounds to 1.
//!
//! `hard` is for targets of one class, whose weight is the row's; `soft` for all others.

mod hard;
mod soft;

use super::options::{ClassTargets, Weighting};
use super::rows::{GROUP, NARROW};
use crate::simd::{Float, Simd};
use hard::hard;
use soft::soft;

/// Rows of logits, and where the gradient goes.
pub(crate) struct Logits<'a> {
    pub(crate) cols: usize,
    pub(crate) z: &'a [f32],
    pub(crate) d: &'a mut [f32],
}

/// Blocks of 16 columns in a narrow row.
const BLOCKS: usize = NARROW / GROUP;

#[inline(always)]
pub(crate) fn cross_entropy<S: Simd>(
    s: S,
    logits: &mut Logits<'_>,
    targets: ClassTargets<'_>,
    smoothing: f32,
    weighting: &mut Weighting<'_>,
) -> f64 {
    // Blocks of 16 columns, 0 for long rows.
    let blocks = match logits.cols.div_ceil(GROUP) {
        1 => 1,
        2..=BLOCKS => BLOCKS,
        _ => 0,
    };
    let sum = match targets {
        ClassTargets::Indices(labels) if smoothing == 0.0 => match blocks {
            1 => hard::<S, 1>(s, logits, labels, weighting),
            BLOCKS => hard::<S, BLOCKS>(s, logits, labels, weighting),
            _ => hard::<S, 0>(s, logits, labels, weighting),
        },
        _ => match blocks {
            1 => soft::<S, 1>(s, logits, targets, smoothing, weighting),
            BLOCKS => soft::<S, BLOCKS>(s, logits, targets, smoothing, weighting),
            _ => soft::<S, 0>(s, logits, targets, smoothing, weighting),
        },
    };
    weighting.scale * sum
}

/// The sum of the losses: that of row i goes to lane i mod 16.
struct Total<'a, 'b> {
    lanes: [f64; GROUP],
    weighting: &'a mut Weighting<'b>,
}

impl<'a, 'b> Total<'a, 'b> {
    fn new(weighting: &'a mut Weighting<'b>) -> Self {
        Total { lanes: [0.0; GROUP], weighting }
    }

    /// Adds the losses of `rows` rows, the first of which is in lane 0, times their weights.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, first: usize, rows: usize, losses: (S::F64, S::F64), weights: &[f64]) {
        let mut weighted = [0.0; GROUP];
        let (low, high) = weighted.split_at_mut(S::F64::LANES);
        (losses.0 * S::F64::load(s, weights)).store(low);
        (losses.1 * S::F64::load(s, &weights[S::F64::LANES..])).store(high);
        if rows < GROUP {
            weighted[rows..].fill(0.0);
        }
        for (lanes, losses) in self.lanes.chunks_exact_mut(S::F64::LANES).zip(weighted.chunks_exact(S::F64::LANES)) {
            (S::F64::load(s, lanes) + S::F64::load(s, losses)).store(lanes);
        }
        self.weighting.note(first, &weighted[..rows]);
    }

    /// Adds the loss of one row, in all lanes.
    #[inline(always)]
    fn add_row<S: Simd>(&mut self, row: usize, loss: S::F64, weight: f64) {
        let loss = weight * loss.max_lanes();
        self.lanes[row % GROUP] += loss;
        self.weighting.note(row, &[loss]);
    }

    #[inline(always)]
    fn sum<S: Simd>(self, s: S) -> f64 {
        let (low, high) = self.lanes.split_at(S::F64::LANES);
        (S::F64::load(s, low) + S::F64::load(s, high)).sum_lanes()
    }
}
