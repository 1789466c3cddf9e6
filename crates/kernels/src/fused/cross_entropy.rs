//! Softmax cross-entropy of logits and a class, `L = ln Σ_k e^(z_k) - z_label`; its gradient is `softmax(z) - onehot`.
//!
//! With the largest logit subtracted, let e be the label's exponential and o the sum of the others'. The label's gradient
//! is `-o / (o + e)`, which keeps its digits where the label's probability rounds to 1. The loss is the label's distance
//! from the largest logit, in f64, where it cannot overflow, plus `ln(1 + (o + (e - 1)))`: where the label's logit is the
//! largest that is `ln(1 + o)`, which keeps its digits too.

use super::softmax::{exponentials, exponentials_narrow, scale_row};
use crate::math::log1p;
use crate::reduce::lane_numbers;
use crate::simd::{Float, Simd};

/// The rows whose logarithms are taken at once.
const GROUP: usize = 16;

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
    let groups = logits.chunks(cols * GROUP).zip(d_logits.chunks_mut(cols * GROUP)).zip(labels.chunks(GROUP));
    for ((logits, d_logits), labels) in groups {
        let (mut others, mut own, mut below_largest) = ([0.0; GROUP], [1.0; GROUP], [0.0; GROUP]);
        let rows = logits.chunks_exact(cols).zip(d_logits.chunks_exact_mut(cols)).zip(labels);
        for (i, ((z, d), &label)) in rows.enumerate() {
            let max;
            (max, others[i], own[i]) =
                if cols <= S::F32::LANES { narrow_row(s, z, label, scale, d) } else { wide_row(s, z, label, scale, d) };
            below_largest[i] = f64::from(max) - f64::from(z[label as usize]);
        }
        let (others, own) = (S::F32::load(s, &others), S::F32::load(s, &own));
        let mut logarithms = [0.0; GROUP];
        log1p::finite(others + (own - own.constant(1.0))).store(&mut logarithms);
        for (logarithm, below_largest) in logarithms.iter().zip(below_largest).take(labels.len()) {
            total += f64::from(*logarithm) + below_largest;
        }
    }
    total
}

/// Writes the gradient of a row of at most 16; returns the largest logit, o and e.
#[inline(always)]
fn narrow_row<S: Simd>(s: S, z: &[f32], label: u32, scale: f32, d: &mut [f32]) -> (f32, f32, f32) {
    let (max, e) = exponentials_narrow(s, z);
    let mut all = [0.0; 16];
    e.store(&mut all);
    let own = all[label as usize];
    let is_label = lane_numbers(s).eq(S::F32::splat(s, label as f32));
    let others = S::F32::select(is_label, S::F32::splat(s, 0.0), e).sum_lanes();
    let factor = S::F32::splat(s, scale / (others + own));
    (S::F32::select(is_label, S::F32::splat(s, -others), e) * factor).store_partial(s, d);
    (max, others, own)
}

/// The same for any number of logits.
#[inline(always)]
fn wide_row<S: Simd>(s: S, z: &[f32], label: u32, scale: f32, d: &mut [f32]) -> (f32, f32, f32) {
    let (max, others) = exponentials(s, z, Some(label), d);
    let own = std::mem::replace(&mut d[label as usize], -others);
    scale_row(s, d, scale / (others + own));
    (max, others, own)
}
