//! For labels.
//!
//! Where the label's logit is near m, the loss is `ln(1 + O / E)` with its E and O; elsewhere, where E may be 0, it is
//! `(m - z) + ln(1 + R / E)` with the largest E.

use super::super::options::Weighting;
use super::super::rows::{self, Columns, GROUP, LongRows, Origin, Rows, Sums};
use super::super::softmax::scale_row;
use super::{Logits, Total};
use crate::math::log1p;
use crate::reduce::first_lane;
use crate::simd::{Float, Float32, Simd};

/// Rows whose losses are taken together, as the logarithm takes long to come but little to compute. With 16 it is waited for, a
/// quarter more in all; with 64 a call of 16 rows takes a tenth more for the room they need.
const CHUNK: usize = 32;
/// Where m is less than this above the label's logit, the quotient of O and E is below the 2^125 of [`log1p::moderate`]: each of
/// at most 2^32 columns adds less than `e^64 < 2^92.4`.
const NEAR: f32 = 64.0;

/// One number for each row of a chunk.
#[repr(align(64))]
struct Chunk {
    weights: [f64; CHUNK],
    /// The weights times the scale.
    scaled: [f32; CHUNK],
    /// The label's logit,
    own: [f32; CHUNK],
    /// what the loss takes for m,
    max: [f32; CHUNK],
    /// and the quotient in its logarithm.
    ratio: [f32; CHUNK],
    /// What E of the row is multiplied by.
    factors: [f32; CHUNK],
    /// The gradient for the label.
    d_own: [f32; CHUNK],
}

/// `BLOCKS` of 16 columns, or any number if it is 0.
#[inline(always)]
pub(super) fn hard<S: Simd, const BLOCKS: usize>(
    s: S,
    logits: &mut Logits<'_>,
    labels: &[u32],
    weighting: &mut Weighting<'_>,
) -> f64 {
    let Logits { cols, z, ref mut d } = *logits;
    let weighted = weighting.samples.is_some() || weighting.classes.is_some();
    let mut narrow = Narrow { cols, columns: Columns::<BLOCKS>::new() };
    let mut long_rows = LongRows::new();
    let mut chunk = Chunk {
        weights: [1.0; CHUNK],
        scaled: [weighting.scale as f32; CHUNK],
        own: [0.0; CHUNK],
        max: [0.0; CHUNK],
        ratio: [0.0; CHUNK],
        factors: [0.0; CHUNK],
        d_own: [0.0; CHUNK],
    };
    let mut are_weighty = rows::is_weighty(weighting.scale as f32);
    let mut total = Total::new(weighting);
    let chunks = labels.chunks(CHUNK).zip(z.chunks(CHUNK * cols).zip(d.chunks_mut(CHUNK * cols)));
    for (first, (labels, (z, d))) in (0..).step_by(CHUNK).zip(chunks) {
        if weighted {
            let constants = chunk.weights.iter_mut().zip(&mut chunk.scaled);
            for ((row, &label), (weight, scaled)) in (first..).zip(labels).zip(constants) {
                *weight = total.weighting.sample(row) * f64::from(total.weighting.class(label as usize));
                *scaled = (*weight * total.weighting.scale) as f32;
            }
            are_weighty = chunk.scaled[..labels.len()].iter().fold(true, |all, weight| all & rows::is_weighty(*weight));
        }

        if BLOCKS == 0 {
            // A row is scaled after the next was read, as its factor is long to come.
            let mut before = None;
            let rows = labels.iter().zip(z.chunks_exact(cols).zip(d.chunks_exact_mut(cols)));
            for (at, (&label, (z, d))) in rows.enumerate() {
                let (origin, sums) = long_rows.next(s, Rows::Apart(z, d), chunk.scaled[at]);
                chunk.own[at] = z[label as usize];
                let (own, own_e) = (S::F32::splat(s, chunk.own[at]), S::F32::splat(s, d[label as usize]));
                let row = Row::new(&origin, sums, own, own_e, S::F32::splat(s, chunk.scaled[at]));
                (chunk.max[at], chunk.ratio[at]) = (first_lane(row.max), first_lane(row.ratio));
                if let Some((d, label, row)) = before.replace((d, label, row)) {
                    row.write_gradient(s, d, label);
                }
            }
            if let Some((d, label, row)) = before {
                row.write_gradient(s, d, label);
            }
        } else {
            narrow.rows(s, &mut chunk, are_weighty, labels, z, d);
        }

        for (at, labels) in (0..).step_by(GROUP).zip(labels.chunks(GROUP)) {
            let (max, own) = (S::F32::load(s, &chunk.max[at..]), S::F32::load(s, &chunk.own[at..]));
            let losses = losses::<S>(max, own, log1p::moderate(S::F32::load(s, &chunk.ratio[at..])));
            total.add(s, first + at, labels.len(), losses, &chunk.weights[at..]);
        }
    }
    total.sum(s)
}

/// Rows of at most `BLOCKS` times 16 columns.
struct Narrow<const BLOCKS: usize> {
    cols: usize,
    columns: Columns<BLOCKS>,
}

impl<const BLOCKS: usize> Narrow<BLOCKS> {
    /// Takes the rows of a chunk.
    #[inline(always)]
    fn rows<S: Simd>(&mut self, s: S, chunk: &mut Chunk, are_weighty: bool, labels: &[u32], z: &[f32], d: &mut [f32]) {
        let cols = self.cols;
        if are_weighty && rows::flat_exponentials(s, z, d) {
            self.bounded(s, chunk, labels, d);
        } else {
            self.any(s, chunk, labels, z, d);
        }
        for ((d, &label), &d_own) in d.chunks_exact_mut(cols).zip(labels).zip(&chunk.d_own) {
            d[label as usize] = d_own;
        }
    }

    /// Of bounded rows, whose exponentials are in `d`.
    #[inline(always)]
    fn bounded<S: Simd>(&mut self, s: S, chunk: &mut Chunk, labels: &[u32], d: &mut [f32]) {
        let cols = self.cols;
        let mut own = [0.0; CHUNK];
        for ((own, e), &label) in own.iter_mut().zip(d.chunks_exact(cols)).zip(labels) {
            *own = e[label as usize];
        }
        let origin = Origin::new(S::F32::splat(s, 0.0));
        for (at, labels) in (0..).step_by(GROUP).zip(labels.chunks(GROUP)) {
            let sums = rows::sums(
                s,
                self.columns.load(s, cols, labels.len(), d, at * cols),
                #[inline(always)]
                |e| S::F32::load(s, e),
            );
            let (own, scaled) = (S::F32::load(s, &own[at..]), S::F32::load(s, &chunk.scaled[at..]));
            Row::new(&origin, sums, origin.center, own, scaled).store(chunk, at, origin.center);
        }
        for (at, d) in (0..).step_by(GROUP).zip(d.chunks_mut(GROUP * cols)) {
            rows::scale_rows(s, cols, S::F32::load(s, &chunk.factors[at..]), d);
        }
    }

    #[inline(always)]
    fn any<S: Simd>(&mut self, s: S, chunk: &mut Chunk, labels: &[u32], z: &[f32], d: &mut [f32]) {
        let cols = self.cols;
        for ((own, z), &label) in chunk.own.iter_mut().zip(z.chunks_exact(cols)).zip(labels) {
            *own = z[label as usize];
        }
        let groups = labels.chunks(GROUP).zip(d.chunks_mut(GROUP * cols));
        for (at, (labels, d)) in (0..).step_by(GROUP).zip(groups) {
            let columns = self.columns.load(s, cols, labels.len(), &z[at * cols..], 0);
            let origin = Origin::new(rows::largest(s, columns));
            let sums = rows::exponentials::<S, true>(s, &origin, columns);
            let (own, scaled) = (S::F32::load(s, &chunk.own[at..]), S::F32::load(s, &chunk.scaled[at..]));
            Row::new(&origin, sums, own, origin.exponential(own), scaled).store(chunk, at, own);
            self.columns.store(s, cols, &chunk.factors[at..], d);
        }
    }
}

/// What [`Chunk`] keeps, of 16 rows or of one in all lanes.
struct Row<V> {
    max: V,
    ratio: V,
    factor: V,
    d_own: V,
}

impl<V: Float32> Row<V> {
    /// For rows whose label has the logit `own` and E `own_e`.
    #[inline(always)]
    fn new(origin: &Origin<V>, sums: Sums<V>, own: V, own_e: V, scaled: V) -> Self {
        let sums = sums.or_nan(origin);
        let near = (origin.center - own).lt(own.constant(NEAR));
        let factor = sums.quotient(scaled);
        Row {
            max: V::select(near, own, origin.center),
            ratio: V::select(near, sums.others(own_e), sums.rest()) / V::select(near, own_e, sums.largest()),
            factor,
            d_own: sums.others_times(own_e, factor.constant(0.0) - factor),
        }
    }

    /// Makes the gradient of the exponentials `d` of one row.
    #[inline(always)]
    fn write_gradient(self, s: V::Simd, d: &mut [f32], label: u32)
    where
        V::Simd: Simd<F32 = V>,
    {
        scale_row(s, d, self.factor);
        d[label as usize] = first_lane(self.d_own);
    }

    #[inline(always)]
    fn store(self, chunk: &mut Chunk, at: usize, own: V) {
        own.store(&mut chunk.own[at..]);
        self.max.store(&mut chunk.max[at..]);
        self.ratio.store(&mut chunk.ratio[at..]);
        self.factor.store(&mut chunk.factors[at..]);
        self.d_own.store(&mut chunk.d_own[at..]);
    }
}

/// `(m - z) + ln Σ e^(z - m)`
#[inline(always)]
fn losses<S: Simd>(max: S::F32, own: S::F32, ln_sum: S::F32) -> (S::F64, S::F64) {
    let ((max_low, max_high), (own_low, own_high), (ln_low, ln_high)) = (max.widen(), own.widen(), ln_sum.widen());
    ((max_low - own_low) + ln_low, (max_high - own_high) + ln_high)
}
