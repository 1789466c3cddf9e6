//! Softmax cross-entropy of logits and a class, `L = ln Σ_k e^(z_k) - z_label`; its gradient is `softmax(z) - onehot`.
//!
//! With the largest logit subtracted, the exponentials of all classes but the label's are summed first. The label's
//! gradient is minus that sum over the total, which keeps its digits where the label's probability rounds to 1; and where
//! the label's logit is the largest, the loss is `ln(1 + that sum)`, which keeps its digits too.

use super::softmax::{row_max, scale_row};
use crate::math::{exp::exp, ln::ln, log1p::log1p};
use crate::simd::{Float, Simd};

/// The numbers of the lanes.
const LANE: [f32; 16] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

#[inline(always)]
pub(crate) fn cross_entropy<S: Simd>(
    s: S,
    cols: usize,
    logits: &[f32],
    labels: &[u32],
    scale: f32,
    d_logits: &mut [f32],
) -> f64 {
    let mut total = 0.0;
    let group = LANE.len();
    let groups = logits.chunks(cols * group).zip(d_logits.chunks_mut(cols * group)).zip(labels.chunks(group));
    for ((logits, d_logits), labels) in groups {
        // The logarithms of up to 16 rows are taken at once.
        let (mut others, mut own, mut below_largest) = ([0.0; 16], [0.0; 16], [0.0; 16]);
        let rows = logits.chunks_exact(cols).zip(d_logits.chunks_exact_mut(cols)).zip(labels);
        for (i, ((z, d), &label)) in rows.enumerate() {
            (others[i], own[i], below_largest[i]) = row(s, z, label, scale, d);
        }
        let (others, own) = (S::F32::load(s, &others), S::F32::load(s, &own));
        let largest = own.eq(own.constant(0.0));
        let mut logarithms = [0.0; 16];
        S::F32::select(largest, log1p(others), ln(others + exp(own))).store(&mut logarithms);
        for (logarithm, below_largest) in logarithms.iter().zip(below_largest).take(labels.len()) {
            total += f64::from(*logarithm) + below_largest;
        }
    }
    total
}

/// Writes the gradient of a row. Returns, with the largest logit subtracted from all: the sum of the exponentials of the
/// other classes, the label's logit, and in f64, where it cannot overflow, that logit's distance from the largest.
#[inline(always)]
fn row<S: Simd>(s: S, z: &[f32], label: u32, scale: f32, d: &mut [f32]) -> (f32, f32, f64) {
    let lanes = S::F32::LANES;
    let max = row_max(s, z);
    let (zero, lane) = (S::F32::splat(s, 0.0), S::F32::load(s, &LANE));
    let mut acc = zero;
    for (block, (z, d)) in z.chunks(lanes).zip(d.chunks_mut(lanes)).enumerate() {
        let e = exp(S::F32::load_partial(s, z) - max);
        // The label's lane of this block, if it is here; below 2^24 the difference is exact.
        let at = S::F32::splat(s, (f64::from(label) - (block * lanes) as f64) as f32);
        S::F32::select(lane.eq(at), zero, e).store_partial(s, d);
        acc = acc + S::F32::load_partial(s, d);
    }
    let others = acc.sum_lanes();
    let (max, z_label) = (max.max_lanes(), z[label as usize]);
    let own = z_label - max;
    let total = exp(S::F32::splat(s, own)) + S::F32::splat(s, others);
    let factor = S::F32::splat(s, scale) / total;
    scale_row(s, d, factor);
    d[label as usize] = -(others * factor.max_lanes());
    (others, own, f64::from(max) - f64::from(z_label))
}
