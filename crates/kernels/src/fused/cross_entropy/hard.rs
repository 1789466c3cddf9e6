//! For labels.

use super::super::options::Weighting;
use super::super::rows::{self, Columns, Exponentials, GROUP, Lanes};
use super::super::softmax::scale_row;
use super::{Logits, Total};
use crate::math::log1p;
use crate::simd::{Float, Float32, Simd};

/// Rows whose losses are taken together, as the logarithm takes long to come but little to compute.
const CHUNK: usize = 64;

/// One number for each row of a chunk: the largest logit, the label's, `R / E` of the largest, and the weights.
struct Chunk {
    max: [f32; CHUNK],
    own: [f32; CHUNK],
    ratio: [f32; CHUNK],
    weights: [f64; CHUNK],
    /// The weights times the scale.
    factors: [f32; CHUNK],
}

/// `BLOCKS` of 16 columns, or any number if it is 0.
#[inline(always)]
pub(super) fn hard<S: Simd, const BLOCKS: usize>(
    s: S,
    logits: Logits<'_>,
    labels: &[u32],
    weighting: &mut Weighting<'_>,
) -> f64 {
    let Logits { cols, z: all, d } = logits;
    let weighted = weighting.samples.is_some() || weighting.classes.is_some();
    let mut columns = Columns::<BLOCKS>::new();
    let mut chunk = Chunk {
        max: [0.0; CHUNK],
        own: [0.0; CHUNK],
        ratio: [0.0; CHUNK],
        weights: [1.0; CHUNK],
        factors: [weighting.scale as f32; CHUNK],
    };
    let mut total = Total::new(weighting);
    let chunks = labels.chunks(CHUNK).zip(d.chunks_mut(CHUNK * cols));
    for (first, (labels, d)) in (0..).step_by(CHUNK).zip(chunks) {
        let z = &all[first * cols..];
        for ((own, z), &label) in chunk.own.iter_mut().zip(z.chunks_exact(cols)).zip(labels) {
            *own = z[label as usize];
        }
        if weighted {
            let constants = chunk.weights.iter_mut().zip(&mut chunk.factors);
            for ((row, &label), (weight, factor)) in (first..).zip(labels).zip(constants) {
                *weight = total.weighting.sample(row) * f64::from(total.weighting.class(label as usize));
                *factor = (*weight * total.weighting.scale) as f32;
            }
        }

        if BLOCKS == 0 {
            for (at, (&label, d)) in labels.iter().zip(d.chunks_exact_mut(cols)).enumerate() {
                let exponentials = rows::long_exponentials(s, &z[at * cols..][..cols], d).or_nan();
                let factor = exponentials.quotient(S::F32::splat(s, chunk.factors[at]));
                scale_row(s, d, factor);
                d[label as usize] = to_lanes(own_gradient(exponentials, S::F32::splat(s, chunk.own[at]), factor))[0];
                chunk.max[at] = to_lanes(exponentials.max)[0];
                chunk.ratio[at] = to_lanes(exponentials.ratio())[0];
            }
        } else {
            for (at, (labels, d)) in (0..).step_by(GROUP).zip(labels.chunks(GROUP).zip(d.chunks_mut(GROUP * cols))) {
                columns.load(s, cols, labels.len(), &z[at * cols..]);
                let columns_of_group = &mut columns.columns()[..cols];
                let max = rows::largest(s, columns_of_group);
                let exponentials = rows::exponentials::<S, true>(s, max, columns_of_group).or_nan();
                let factor = exponentials.quotient(S::F32::load(s, &chunk.factors[at..]));
                let d_own = own_gradient(exponentials, S::F32::load(s, &chunk.own[at..]), factor);
                exponentials.max.store(&mut chunk.max[at..]);
                exponentials.ratio().store(&mut chunk.ratio[at..]);
                columns.store(s, cols, &to_lanes(factor), d);
                for ((d, &label), d_own) in d.chunks_exact_mut(cols).zip(labels).zip(to_lanes(d_own)) {
                    d[label as usize] = d_own;
                }
            }
        }

        for (at, labels) in (0..).step_by(GROUP).zip(labels.chunks(GROUP)) {
            let (max, own) = (S::F32::load(s, &chunk.max[at..]), S::F32::load(s, &chunk.own[at..]));
            let losses = losses::<S>(max, own, log1p::finite(S::F32::load(s, &chunk.ratio[at..])));
            total.add(s, first + at, labels.len(), losses, &chunk.weights[at..]);
        }
    }
    total.sum(s)
}

/// The gradient for the label.
#[inline(always)]
fn own_gradient<V: Float32>(exponentials: Exponentials<V>, own: V, factor: V) -> V {
    exponentials.others_times(exponentials.of(own), factor.constant(0.0) - factor)
}

#[inline(always)]
fn to_lanes<V: Float32>(x: V) -> Lanes {
    let mut lanes = Lanes::default();
    x.store(&mut lanes);
    lanes
}

/// `(m - z) + ln Σ e^(z - m)`
#[inline(always)]
fn losses<S: Simd>(max: S::F32, own: S::F32, ln_sum: S::F32) -> (S::F64, S::F64) {
    let ((max_low, max_high), (own_low, own_high), (ln_low, ln_high)) = (max.widen(), own.widen(), ln_sum.widen());
    ((max_low - own_low) + ln_low, (max_high - own_high) + ln_high)
}
