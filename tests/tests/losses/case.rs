//! Batches with options, judged against f64.

use super::{TINY, U};
use crate::fused::{same_everywhere, wide};
use kernels::{ClassTargets, KernelSet, LossOptions, Reduction, reference};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Mse,
    Huber,
    Bce,
    Labels,
    Probabilities,
}

const DELTA: f32 = 0.75;

#[derive(Clone, Copy, Debug)]
pub(super) enum Reduce {
    Mean,
    Sum,
    None,
}

/// A batch and its options.
pub(super) struct Case {
    pub(super) kind: Kind,
    pub(super) cols: usize,
    pub(super) z: Vec<f32>,
    pub(super) t: Vec<f32>,
    pub(super) labels: Vec<u32>,
    pub(super) samples: Option<Vec<f32>>,
    pub(super) classes: Option<Vec<f32>>,
    pub(super) positive: Option<Vec<f32>>,
    pub(super) smoothing: f32,
}

/// What f64 says of a batch: the losses of rows and the gradient of their sum, each with a bound on the error, and what
/// the mean divides by.
pub(super) struct Expected {
    losses: Vec<(f64, f64)>,
    d: Vec<(f64, f64)>,
    total: f64,
}

impl Case {
    fn rows(&self) -> usize {
        self.z.len() / self.cols
    }

    /// Returned, and the losses of rows, which are none but for [`Reduce::None`].
    pub(super) fn run(&self, set: &KernelSet, reduce: Reduce, d: &mut [f32]) -> (f64, Vec<f64>) {
        let mut losses = vec![f64::NAN; if let Reduce::None = reduce { self.rows() } else { 0 }];
        let options = LossOptions {
            reduction: match reduce {
                Reduce::Mean => Reduction::Mean,
                Reduce::Sum => Reduction::Sum,
                Reduce::None => Reduction::None(&mut losses),
            },
            sample_weights: self.samples.as_deref(),
            class_weights: self.classes.as_deref(),
            positive_weights: self.positive.as_deref(),
            label_smoothing: self.smoothing,
        };
        let (cols, z, t) = (self.cols, &self.z, &self.t);
        let cost = match self.kind {
            Kind::Mse => set.mse(cols, z, t, options, d),
            Kind::Huber => set.huber(cols, z, t, DELTA, options, d),
            Kind::Bce => set.bce_with_logits(cols, z, t, options, d),
            Kind::Labels => set.softmax_cross_entropy(cols, z, ClassTargets::Indices(&self.labels), options, d),
            Kind::Probabilities => set.softmax_cross_entropy(cols, z, ClassTargets::Probabilities(t), options, d),
        };
        (cost, losses)
    }

    fn expected(&self) -> Expected {
        let mut expected = Expected { losses: vec![], d: vec![], total: 0.0 };
        for row in 0..self.rows() {
            let weight = self.samples.as_ref().map_or(1.0, |w| f64::from(w[row]));
            let (loss, bound, d, v) = match self.kind {
                Kind::Labels | Kind::Probabilities => self.of_classes(row),
                _ => self.of_elements(row),
            };
            expected.losses.push((weight * loss, weight * bound + TINY));
            // Weights cost three roundings more.
            expected.d.extend(
                d.into_iter().map(|(d, bound)| (weight * d, weight * (bound + 3.0 * U * d.abs() + TINY) + TINY)),
            );
            expected.total += weight * v;
        }
        expected
    }

    fn class(&self, column: usize) -> f64 {
        self.classes.as_ref().map_or(1.0, |w| f64::from(w[column]))
    }

    /// Loss, bound, gradient with bounds, and what the row counts in a mean.
    fn of_elements(&self, row: usize) -> (f64, f64, Vec<(f64, f64)>, f64) {
        let (mut loss, mut bound, mut d) = (0.0, 0.0, vec![]);
        for j in 0..self.cols {
            let (z, t) = (f64::from(self.z[row * self.cols + j]), f64::from(self.t[row * self.cols + j]));
            let w = self.class(j);
            let (l, l_bound, g, g_bound) = match self.kind {
                Kind::Mse => {
                    let (l, g) = reference::mse(&[z], &[t]);
                    (l, 4.0 * U * l, g[0], 2.0 * U * g[0].abs())
                }
                Kind::Huber => {
                    let (l, g) = reference::huber(&[z], &[t], DELTA.into());
                    (l, 4.0 * U * l, g[0], 2.0 * U * g[0].abs())
                }
                _ => {
                    let p = self.positive.as_ref().map_or(1.0, |p| f64::from(p[j]));
                    let alpha = f64::from(self.smoothing);
                    let hard = alpha == 0.0 && (t == 0.0 || t == 1.0);
                    let t = (1.0 - alpha) * t + 0.5 * alpha;
                    let (u, v) = (1.0 - t, p * t);
                    let ((l0, g0), (l1, g1)) =
                        (reference::bce_with_logits(&[z], &[0.0]), reference::bce_with_logits(&[z], &[1.0]));
                    let (l, g) = (u * l0 + v * l1, u * g0[0] + v * g1[0]);
                    // A hard target has one term, to 3 units in the last place.
                    let l_size = if hard { 6.0 * l } else { 8.0 * (l0 + p * l1) };
                    let g_size = if hard { 6.0 * g.abs() } else { 8.0 * (g0[0] + p * g1[0].abs()) };
                    (l, U * l_size, g, U * g_size)
                }
            };
            loss += w * l;
            bound += w * l_bound;
            d.push((w * g, w * g_bound));
        }
        (loss, bound, d, 1.0)
    }

    fn of_classes(&self, row: usize) -> (f64, f64, Vec<(f64, f64)>, f64) {
        let cols = self.cols;
        let z = wide(&self.z[row * cols..][..cols]);
        let t = |j: usize| match self.kind {
            Kind::Labels => f64::from(self.labels[row] as usize == j),
            _ => f64::from(self.t[row * cols + j]),
        };
        let alpha = f64::from(self.smoothing);
        let a: Vec<f64> = (0..cols).map(|j| self.class(j) * ((1.0 - alpha) * t(j) + alpha / cols as f64)).collect();
        let total: f64 = a.iter().sum();
        let p = reference::softmax(&z);
        // 3 units in the last place; a sum of more terms has more roundings.
        let relative = (6.0 + cols as f64 / 32.0) * U;
        let mut loss = 0.0;
        let mut d = vec![0.0; cols];
        for (label, a) in a.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            let (l, g) = reference::softmax_cross_entropy(&z, label);
            loss += a * l;
            d.iter_mut().zip(g).for_each(|(d, g)| *d += a * g);
        }
        let hard = self.kind == Kind::Labels && alpha == 0.0;
        let bounds = (0..cols).map(|j| {
            let size = if hard { d[j].abs() } else { 2.0 * (total * p[j] + a[j]) };
            // An exponential below 2^-126 keeps fewer digits.
            relative * size + total * TINY
        });
        let v = if self.classes.is_some() { (0..cols).map(|j| self.class(j) * t(j)).sum() } else { 1.0 };
        (loss, 1.5 * relative * loss + TINY, d.iter().copied().zip(bounds).collect(), v)
    }

    /// Compares all instruction sets and judges them.
    pub(super) fn check(&self, reduce: Reduce, place: &str) {
        let ((cost, losses), d) = same_everywhere(self.z.len(), |set, d| self.run(set, reduce, d));
        let expected = self.expected();
        let mean = matches!(reduce, Reduce::Mean) && expected.total != 0.0;
        let scale = if mean { 1.0 / expected.total } else { 1.0 };
        let (sum, bound) = expected.losses.iter().fold((0.0, 0.0), |(s, b), (loss, bound)| (s + loss, b + bound));
        let error = (cost - scale * sum).abs();
        assert!(error <= scale * (bound + 1e-12 * sum), "{place}: {cost}, not {}", scale * sum);
        for (row, (loss, (expected, bound))) in losses.iter().zip(&expected.losses).enumerate() {
            assert!((loss - expected).abs() <= *bound, "{place}: the loss of row {row} is {loss}, not {expected}");
        }
        for (i, (d, (expected, bound))) in d.iter().zip(&expected.d).enumerate() {
            let error = (f64::from(*d) - scale * expected).abs();
            assert!(error <= scale * bound + TINY, "{place}: d[{i}] is {d:e}, not {:e}", scale * expected);
        }
    }
}
