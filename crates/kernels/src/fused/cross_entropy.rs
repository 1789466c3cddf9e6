//! Softmax cross-entropy, `L = Σ_j a_j (ln Σ_k e^(z_k) - z_j)` with weighted target probabilities a; its gradient is
//! `A softmax(z) - a` with `A = Σ_j a_j`.
//!
//! With m, R and `e_k = e^(z_k - m)` as [`rows`](super::rows) has them, `L = Σ_j a_j (m - z_j) + A ln(1 + R)`: no term is
//! negative, and the differences are taken in f64, where they cannot overflow. With `O_k` for the sum of all exponentials
//! but `e_k`, which is R for the largest and `1 + R - e_k` else, the gradient is `(e_k (A - a_k) - a_k O_k) / (1 + R)`: for
//! a label, `A = a_k`, that is `-a_k O_k / (1 + R)`, which keeps its digits where the probability rounds to 1.
//!
//! [`hard`] is for targets of one class, whose weight is the row's; [`soft`] for all others.

use super::options::{ClassTargets, Weighting};
use super::rows::{self, Columns, GROUP, Lanes, NARROW};
use super::softmax::scale_row;
use crate::math::log1p;
use crate::reduce::{lane_numbers, max_of_numbers, pad};
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
        let (max, rest) = if BLOCKS == 0 {
            long(s, &z[..cols], d)
        } else {
            columns.load(s, cols, labels.len(), z);
            let columns = &mut columns.columns()[..cols];
            let max = rows::largest(s, columns);
            (max, rows::exponentials::<S, true>(s, max, columns))
        };

        let (mut own, mut own_e) = (Lanes::default(), Lanes::default());
        for (i, &label) in labels.iter().enumerate() {
            own[i] = z[i * cols + label as usize];
            own_e[i] = if BLOCKS == 0 { d[label as usize] } else { columns.columns()[label as usize][i] };
        }
        let factor = rows::quotient(S::F32::load(s, &weights.factors), max, rest);
        let (mut factors, mut d_own, mut maxima, mut logarithms) = <(Lanes, Lanes, Lanes, Lanes)>::default();
        factor.store(&mut factors);
        (factor.constant(0.0) - others(S::F32::load(s, &own_e), rest) * factor).store(&mut d_own);
        max.store(&mut maxima);
        log1p::finite(rest).store(&mut logarithms);

        if BLOCKS == 0 {
            scale_row(s, d, factors[0]);
        } else {
            columns.store(s, cols, &factors, d);
        }
        for (i, &label) in labels.iter().enumerate() {
            d[i * cols + label as usize] = d_own[i];
            let loss = (f64::from(maxima[i]) - f64::from(own[i])) + f64::from(logarithms[i]);
            total += weighted(weights.weights[i] * loss, first + i, weighting);
        }
    }
    total
}

/// Notes the loss of a row where it is asked for.
#[inline(always)]
fn weighted(loss: f64, row: usize, weighting: &mut Weighting<'_>) -> f64 {
    if let Some(losses) = &mut weighting.row_losses {
        losses[row] = loss;
    }
    loss
}

/// m and R of a long row in all lanes, its exponentials in `d`.
#[inline(always)]
fn long<S: Simd>(s: S, z: &[f32], d: &mut [f32]) -> (S::F32, S::F32) {
    let max = max_of_numbers(s, z);
    let rest = rows::long_exponentials(s, max, z, d);
    (S::F32::splat(s, max), S::F32::splat(s, rest))
}

/// `O`, the sum of all exponentials but e.
#[inline(always)]
fn others<V: Float>(e: V, rest: V) -> V {
    let one = e.constant(V::Scalar::from(1.0));
    V::select(e.eq(one), rest, (one + rest) - e)
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
        let mut losses = [0.0; GROUP];
        let targets = targets.skip(first, cols);
        if BLOCKS == 0 {
            losses[0] = long_soft(s, smoothed, &z[..cols], targets, weights.factors[0], d);
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
        for (i, (loss, weight)) in losses.iter().zip(weights.weights).take(rows).enumerate() {
            total += weighted(weight * loss, first + i, weighting);
        }
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
}

/// Replaces the logits z in columns by their gradient and the targets t by a; returns the losses.
#[inline(always)]
fn narrow_soft<S: Simd>(
    s: S,
    smoothed: Smoothed<'_>,
    z: &mut [Lanes],
    t: &mut [Lanes],
    factors: S::F32,
) -> [f64; GROUP] {
    let max = rows::largest(s, z);
    let mut sums = Sums::new(s);
    for (column, (z, t)) in z.iter().zip(&mut *t).enumerate() {
        let a = smoothed.of_column(s, S::F32::load(s, t), column);
        a.store(t);
        sums.add(a, S::F32::load(s, z), max);
    }
    let rest = rows::exponentials::<S, true>(s, max, z);
    let factor = rows::quotient(factors, max, rest);
    for (e, a) in z.iter_mut().zip(t) {
        gradient(S::F32::load(s, e), S::F32::load(s, a), sums.a, rest, factor).store(e);
    }
    let (log_low, log_high) = log1p::finite(rest).widen();
    let mut losses = [0.0; GROUP];
    let (low, high) = losses.split_at_mut(GROUP / 2);
    sums.wide_a.0.mul_add(log_low, sums.distances.0).store(low);
    sums.wide_a.1.mul_add(log_high, sums.distances.1).store(high);
    losses
}

/// Writes the gradient of a long row; returns its loss.
#[inline(always)]
fn long_soft<S: Simd>(
    s: S,
    smoothed: Smoothed<'_>,
    z: &[f32],
    targets: ClassTargets<'_>,
    factor: f32,
    d: &mut [f32],
) -> f64 {
    let (max, rest) = long(s, z, d);
    let mut sums = Sums::new(s);
    for (at, z) in (0..).step_by(GROUP).zip(z.chunks(GROUP)) {
        let a = smoothed.of_row(s, targets, at, z.len());
        sums.add(a, S::F32::load_partial(s, z), max);
    }
    let sum = S::F32::splat(s, sums.a.sum_lanes());
    let factor = rows::quotient(S::F32::splat(s, factor), max, rest);
    for (at, d) in (0..).step_by(GROUP).zip(d.chunks_mut(GROUP)) {
        let a = smoothed.of_row(s, targets, at, d.len());
        gradient(S::F32::load_partial(s, d), a, sum, rest, factor).store_partial(s, d);
    }
    let mut logarithms = Lanes::default();
    log1p::finite(rest).store(&mut logarithms);
    let add = |(low, high): (S::F64, S::F64)| (low + high).sum_lanes();
    add(sums.wide_a).mul_add(logarithms[0].into(), add(sums.distances))
}

/// 1 in the lane of the label, if that is one of the 16 columns from `first` on.
#[inline(always)]
fn one_hot<S: Simd>(s: S, label: u32, first: usize) -> S::F32 {
    // Its lane, or a number that is none.
    let lane = S::F32::splat(s, label.wrapping_sub(first as u32) as f32);
    let (zero, one) = (S::F32::splat(s, 0.0), S::F32::splat(s, 1.0));
    S::F32::select(lane_numbers(s).eq(lane), one, zero)
}

/// `(e (A - a) - a O) factor`
#[inline(always)]
fn gradient<V: Float>(e: V, a: V, sum: V, rest: V, factor: V) -> V {
    a.neg_mul_add(others(e, rest), e * (sum - a)) * factor
}
