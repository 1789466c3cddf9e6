//! Softmax cross-entropy, `L = Σ_j a_j (ln Σ_k e^(z_k) - z_j)` with weighted target probabilities a; its gradient is
//! `A softmax(z) - a` with `A = Σ_j a_j`.
//!
//! With m and E as [`rows`](super::rows) has them, `L = Σ_j a_j (m - z_j) + A ln Σ e^(z - m)`: no term is negative, and
//! the differences are taken in f64, where they cannot overflow. With `O_k` for the sum of all E but `E_k`, the gradient is
//! `(E_k (A - a_k) - a_k O_k) / Σ E`: for a label, where `A = a_k`, that is `-a_k O_k / Σ E`, which keeps its digits where
//! the probability rounds to 1.
//!
//! [`hard`] is for targets of one class, whose weight is the row's; [`soft`] for all others.

use super::options::{ClassTargets, Weighting};
use super::rows::{self, Columns, Exponentials, GROUP, Lanes, NARROW};
use super::softmax::scale_row;
use crate::reduce::{lane_numbers, pad};
use crate::simd::{Float, Float32, Simd};

/// Rows of logits, and where the gradient goes.
pub(crate) struct Logits<'a> {
    pub(crate) cols: usize,
    pub(crate) z: &'a [f32],
    pub(crate) d: &'a mut [f32],
}

#[inline(always)]
pub(crate) fn cross_entropy<S: Simd>(
    s: S,
    logits: Logits<'_>,
    targets: ClassTargets<'_>,
    smoothing: f32,
    weighting: &mut Weighting<'_>,
) -> f64 {
    // Blocks of 16 columns, 0 for long rows.
    let blocks = if logits.cols <= GROUP {
        1
    } else if logits.cols <= NARROW {
        4
    } else {
        0
    };
    let sum = match targets {
        ClassTargets::Indices(labels) if smoothing == 0.0 => match blocks {
            1 => hard::<S, 1>(s, logits, labels, weighting),
            4 => hard::<S, 4>(s, logits, labels, weighting),
            _ => hard::<S, 0>(s, logits, labels, weighting),
        },
        _ => match blocks {
            1 => soft::<S, 1>(s, logits, targets, smoothing, weighting),
            4 => soft::<S, 4>(s, logits, targets, smoothing, weighting),
            _ => soft::<S, 0>(s, logits, targets, smoothing, weighting),
        },
    };
    weighting.scale * sum
}

/// Of the rows that are worked on at once: their weights, and these times the scale.
struct Weights {
    weights: [f64; GROUP],
    factors: Lanes,
}

impl Weights {
    fn new(weighting: &Weighting<'_>) -> Self {
        Weights { weights: [1.0; GROUP], factors: [weighting.scale as f32; GROUP] }
    }

    fn set(&mut self, i: usize, weight: f64, weighting: &Weighting<'_>) {
        self.weights[i] = weight;
        self.factors[i] = (weight * weighting.scale) as f32;
    }
}

/// For labels: `BLOCKS` of 16 columns, or any number if it is 0.
#[inline(always)]
fn hard<S: Simd, const BLOCKS: usize>(s: S, logits: Logits<'_>, labels: &[u32], weighting: &mut Weighting<'_>) -> f64 {
    let Logits { cols, z: all, d } = logits;
    let group = if BLOCKS == 0 { 1 } else { GROUP };
    let mut columns = Columns::<BLOCKS>::new();
    let mut weights = Weights::new(weighting);
    let mut total = 0.0;
    for ((first, labels), d) in (0..).step_by(group).zip(labels.chunks(group)).zip(d.chunks_mut(group * cols)) {
        let z = &all[first * cols..];
        if weighting.samples.is_some() || weighting.classes.is_some() {
            for (i, &label) in labels.iter().enumerate() {
                let class = f64::from(weighting.class(label as usize));
                weights.set(i, weighting.sample(first + i) * class, weighting);
            }
        }
        let exponentials = if BLOCKS == 0 {
            rows::long_exponentials(s, &z[..cols], d)
        } else {
            columns.load(s, cols, labels.len(), z);
            let columns = &mut columns.columns()[..cols];
            let max = rows::largest(s, columns);
            rows::exponentials::<S, true>(s, max, columns)
        };
        let exponentials = exponentials.or_nan();

        let mut own = Lanes::default();
        for ((own, z), &label) in own.iter_mut().zip(z.chunks_exact(cols)).zip(labels) {
            *own = z[label as usize];
        }
        let own = S::F32::load(s, &own);
        let factor = exponentials.quotient(S::F32::load(s, &weights.factors));
        let d_own = factor * (factor.constant(0.0) - exponentials.others(exponentials.of(own)));
        let losses = weigh(s, losses::<S>(exponentials.max, own, exponentials.ln_sum()), &weights.weights);

        if BLOCKS == 0 {
            scale_row(s, d, factor);
        } else {
            columns.store(s, cols, &to_lanes(factor), d);
        }
        let rows = d.chunks_exact_mut(cols).zip(labels);
        for ((d, &label), d_own) in rows.zip(to_lanes(d_own)) {
            d[label as usize] = d_own;
        }
        total = losses[..labels.len()].iter().fold(total, |total, loss| total + loss);
        weighting.note(first, &losses[..labels.len()]);
    }
    total
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

/// The losses of 16 rows times their weights.
#[inline(always)]
fn weigh<S: Simd>(s: S, (low, high): (S::F64, S::F64), weights: &[f64; GROUP]) -> [f64; GROUP] {
    let mut weighted = [0.0; GROUP];
    let half = S::F64::LANES;
    (low * S::F64::load(s, &weights[..half])).store(&mut weighted[..half]);
    (high * S::F64::load(s, &weights[half..])).store(&mut weighted[half..]);
    weighted
}

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
            ClassTargets::Probabilities(t) => S::F32::load_partial(s, &t[at..at + len]),
        };
        let a = S::F32::splat(s, self.keep).mul_add(t, S::F32::splat(s, self.offset));
        match self.weights {
            None => pad(s, a, len, 0.0),
            Some(weights) => a * S::F32::load_partial(s, &weights[at..at + len]),
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

/// For probabilities and smoothed labels.
#[inline(always)]
fn soft<S: Simd, const BLOCKS: usize>(
    s: S,
    logits: Logits<'_>,
    targets: ClassTargets<'_>,
    smoothing: f32,
    weighting: &mut Weighting<'_>,
) -> f64 {
    let Logits { cols, z: all, d } = logits;
    let smoothed = Smoothed { keep: 1.0 - smoothing, offset: smoothing / cols as f32, weights: weighting.classes };
    let group = if BLOCKS == 0 { 1 } else { GROUP };
    let (mut columns, mut target_columns) = (Columns::<BLOCKS>::new(), Columns::<BLOCKS>::new());
    let mut weights = Weights::new(weighting);
    let mut total = 0.0;
    for (first, d) in (0..).step_by(group).zip(d.chunks_mut(group * cols)) {
        let rows = d.len() / cols;
        let z = &all[first * cols..];
        if weighting.samples.is_some() {
            for i in 0..rows {
                weights.set(i, weighting.sample(first + i), weighting);
            }
        }
        let losses;
        let targets = targets.skip(first, cols);
        if BLOCKS == 0 {
            losses = long_soft(s, smoothed, &z[..cols], targets, weights.factors[0], d);
        } else {
            columns.load(s, cols, rows, z);
            match targets {
                ClassTargets::Probabilities(t) => target_columns.load(s, cols, rows, t),
                ClassTargets::Indices(labels) => {
                    target_columns.columns().fill(Lanes::default());
                    for (i, &label) in labels.iter().take(rows).enumerate() {
                        target_columns.columns()[label as usize][i] = 1.0;
                    }
                }
            }
            let factors = S::F32::load(s, &weights.factors);
            let (z, t) = (&mut columns.columns()[..cols], &mut target_columns.columns()[..cols]);
            losses = narrow_soft(s, smoothed, z, t, factors);
            columns.store(s, cols, &[1.0; GROUP], d);
        }
        let losses = weigh(s, losses, &weights.weights);
        total = losses[..rows].iter().fold(total, |total, loss| total + loss);
        weighting.note(first, &losses[..rows]);
    }
    total
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
    let exponentials = rows::exponentials::<S, true>(s, max, z).or_nan();
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
) -> (S::F64, S::F64) {
    let exponentials = rows::long_exponentials(s, z, d).or_nan();
    let mut sums = Sums::new(s);
    for (at, z) in (0..).step_by(GROUP).zip(z.chunks(GROUP)) {
        let a = smoothed.of_row(s, targets, at, z.len());
        sums.add(a, S::F32::load_partial(s, z), exponentials.max);
    }
    let sums = sums.over_lanes(s);
    let factor = exponentials.quotient(S::F32::splat(s, factor));
    for (at, d) in (0..).step_by(GROUP).zip(d.chunks_mut(GROUP)) {
        let a = smoothed.of_row(s, targets, at, d.len());
        gradient(exponentials, S::F32::load_partial(s, d), a, sums.a, factor).store_partial(s, d);
    }
    sums.losses(exponentials.ln_sum())
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
fn gradient<V: Float32>(exponentials: Exponentials<V>, e: V, a: V, sum: V, factor: V) -> V {
    a.neg_mul_add(exponentials.others(e), e * (sum - a)) * factor
}
