//! For probabilities and smoothed labels.

use super::super::options::{ClassTargets, Weighting};
use super::super::rows::{self, Columns, GROUP, Lanes, Origin, Rows};
use super::{Logits, Total};
use crate::reduce::{lane_numbers, load_part, pad, store_part};
use crate::simd::{Float, Float32, Simd};

/// Targets as the loss takes them: `a_k = w_k ((1 - α) t_k + α / K)`.
#[derive(Clone, Copy)]
struct Smoothed<'a> {
    keep: f32,
    offset: f32,
    weights: Option<&'a [f32]>,
}

impl Smoothed<'_> {
    /// `a` of the first row of the targets in `len` columns from `at` on, 0 past them.
    #[inline(always)]
    fn of_row<S: Simd>(&self, s: S, targets: ClassTargets<'_>, at: usize, len: usize) -> S::F32 {
        let t = match targets {
            ClassTargets::Indices(labels) => one_hot(s, labels[0], at),
            ClassTargets::Probabilities(t) => load_part(s, t, at, len),
        };
        let a = S::F32::splat(s, self.keep).mul_add(t, S::F32::splat(s, self.offset));
        match self.weights {
            None if len == GROUP => a,
            None => pad(s, a, len, 0.0),
            Some(weights) => a * load_part(s, weights, at, len),
        }
    }

    /// `a` of 16 targets t in a column.
    #[inline(always)]
    fn of_column<V: Float32>(&self, s: V::Simd, t: V, column: usize) -> V {
        let a = V::splat(s, self.keep).mul_add(t, V::splat(s, self.offset));
        a * V::splat(s, self.weights.map_or(1.0, |weights| weights[column]))
    }
}

#[inline(always)]
fn in_all_lanes<S: Simd>(s: S, (low, high): (S::F64, S::F64)) -> (S::F64, S::F64) {
    let sum = S::F64::splat(s, (low + high).sum_lanes());
    (sum, sum)
}

/// `BLOCKS` of 16 columns, or any number if it is 0.
#[inline(always)]
pub(super) fn soft<S: Simd, const BLOCKS: usize>(
    s: S,
    logits: &mut Logits<'_>,
    targets: ClassTargets<'_>,
    smoothing: f32,
    weighting: &mut Weighting<'_>,
) -> f64 {
    let Logits { cols, z: all, ref mut d } = *logits;
    let smoothed = Smoothed { keep: 1.0 - smoothing, offset: smoothing / cols as f32, weights: weighting.classes };
    let group = if BLOCKS == 0 { 1 } else { GROUP };
    let (mut columns, mut target_columns) = (Columns::<BLOCKS>::new(), Columns::<BLOCKS>::new());
    let (mut weights, mut factors) = ([1.0; GROUP], [weighting.scale as f32; GROUP]);
    let mut total = Total::new(weighting);
    for (first, d) in (0..).step_by(group).zip(d.chunks_mut(group * cols)) {
        let rows = d.len() / cols;
        let z = &all[first * cols..];
        if total.weighting.samples.is_some() {
            for ((row, weight), factor) in (first..first + rows).zip(&mut weights).zip(&mut factors) {
                *weight = total.weighting.sample(row);
                *factor = (*weight * total.weighting.scale) as f32;
            }
        }
        let targets = targets.skip(first, cols);
        if BLOCKS == 0 {
            let loss = long_soft(s, smoothed, &z[..cols], targets, factors[0], d);
            total.add_row::<S>(first, loss, weights[0]);
            continue;
        }
        let z = columns.load(s, cols, rows, z, 0);
        let t = match targets {
            ClassTargets::Probabilities(t) => target_columns.load(s, cols, rows, t, 0),
            ClassTargets::Indices(labels) => {
                let t = &mut target_columns.columns()[..cols];
                t.fill(Lanes::default());
                for (i, &label) in labels.iter().take(rows).enumerate() {
                    t[label as usize][i] = 1.0;
                }
                t
            }
        };
        let losses = narrow_soft(s, smoothed, z, t, S::F32::load(s, &factors));
        columns.store(s, cols, &[1.0; GROUP], d);
        total.add(s, first, rows, losses, &weights);
    }
    total.sum(s)
}

impl<'a> ClassTargets<'a> {
    /// Those of the rows from `row` on.
    fn skip(self, row: usize, cols: usize) -> Self {
        match self {
            ClassTargets::Indices(labels) => ClassTargets::Indices(&labels[row..]),
            ClassTargets::Probabilities(t) => ClassTargets::Probabilities(&t[row * cols..]),
        }
    }
}

/// `Σ a` in f32 and f64, and `Σ a (m - z)`, lane by lane.
struct Sums<S: Simd> {
    a: S::F32,
    wide_a: (S::F64, S::F64),
    distances: (S::F64, S::F64),
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        let zero = S::F64::splat(s, 0.0);
        Sums { a: S::F32::splat(s, 0.0), wide_a: (zero, zero), distances: (zero, zero) }
    }

    #[inline(always)]
    fn add(&mut self, a: S::F32, z: S::F32, max: S::F32) {
        self.a = self.a + a;
        // A logit of -infinity costs nothing where it is not wanted.
        let z = S::F32::select(a.eq(a.constant(0.0)), max, z);
        let ((a_low, a_high), (z_low, z_high), (max_low, max_high)) = (a.widen(), z.widen(), max.widen());
        self.wide_a = (self.wide_a.0 + a_low, self.wide_a.1 + a_high);
        let (low, high) = self.distances;
        self.distances = (a_low.mul_add(max_low - z_low, low), a_high.mul_add(max_high - z_high, high));
    }

    /// The sums over all lanes, in each of them.
    #[inline(always)]
    fn over_lanes(self, s: S) -> Self {
        Sums {
            a: S::F32::splat(s, self.a.sum_lanes()),
            wide_a: in_all_lanes(s, self.wide_a),
            distances: in_all_lanes(s, self.distances),
        }
    }

    /// `Σ a (m - z) + A ln Σ e^(z - m)`
    #[inline(always)]
    fn losses(&self, ln_sum: S::F32) -> (S::F64, S::F64) {
        let (low, high) = ln_sum.widen();
        (self.wide_a.0.mul_add(low, self.distances.0), self.wide_a.1.mul_add(high, self.distances.1))
    }
}

/// Replaces the logits z in columns by their gradient and the targets t by a; returns the losses.
#[inline(always)]
fn narrow_soft<S: Simd>(
    s: S,
    smoothed: Smoothed<'_>,
    z: &mut [Lanes],
    t: &mut [Lanes],
    factors: S::F32,
) -> (S::F64, S::F64) {
    let max = rows::largest(s, z);
    let mut sums = Sums::new(s);
    for (column, (z, t)) in z.iter().zip(&mut *t).enumerate() {
        let a = smoothed.of_column(s, S::F32::load(s, t), column);
        a.store(t);
        sums.add(a, S::F32::load(s, z), max);
    }
    let origin = Origin::new(max);
    let exponentials = rows::exponentials::<S, true>(s, &origin, z).or_nan(&origin);
    let factor = exponentials.quotient(factors);
    for (e, a) in z.iter_mut().zip(t) {
        gradient(exponentials, S::F32::load(s, e), S::F32::load(s, a), sums.a, factor).store(e);
    }
    sums.losses(exponentials.ln_sum())
}

/// Writes the gradient of a long row; returns its loss in all lanes.
#[inline(always)]
fn long_soft<S: Simd>(
    s: S,
    smoothed: Smoothed<'_>,
    z: &[f32],
    targets: ClassTargets<'_>,
    factor: f32,
    d: &mut [f32],
) -> S::F64 {
    let (origin, exponentials) = rows::long_exponentials(s, Rows::Apart(z, d));
    let exponentials = exponentials.or_nan(&origin);
    let mut sums = Sums::new(s);
    for at in (0..z.len()).step_by(GROUP) {
        let len = GROUP.min(z.len() - at);
        sums.add(smoothed.of_row(s, targets, at, len), load_part(s, z, at, len), origin.center);
    }
    let sums = sums.over_lanes(s);
    let factor = exponentials.quotient(S::F32::splat(s, factor));
    for at in (0..d.len()).step_by(GROUP) {
        let len = GROUP.min(d.len() - at);
        let (a, e) = (smoothed.of_row(s, targets, at, len), load_part(s, d, at, len));
        store_part(s, gradient(exponentials, e, a, sums.a, factor), d, at, len);
    }
    sums.losses(exponentials.ln_sum()).0
}

/// 1 in the lane of the label, if that is one of the 16 columns from `first` on.
#[inline(always)]
fn one_hot<S: Simd>(s: S, label: u32, first: usize) -> S::F32 {
    // Its lane, or a number that is none.
    let lane = S::F32::splat(s, label.wrapping_sub(first as u32) as f32);
    let (zero, one) = (S::F32::splat(s, 0.0), S::F32::splat(s, 1.0));
    S::F32::select(lane_numbers(s).eq(lane), one, zero)
}

/// `(E (A - a) - a O) factor`
#[inline(always)]
fn gradient<V: Float32>(exponentials: rows::Sums<V>, e: V, a: V, sum: V, factor: V) -> V {
    a.neg_mul_add(exponentials.others(e), e * (sum - a)) * factor
}
