//! Losses with their gradients and softmax: judged against f64, and the same bits on every ISA, for every loss, reduction
//! and kind of weights.

use crate::fused::{bits, logits, same_everywhere, wide};
use kernels::testing::for_each_isa;
use kernels::{ClassTargets, KernelSet, LossOptions, Reduction, reference};
use tests::random::Random;
use tests::ulp::ulp_error;

/// The unit roundoff of f32, half a unit in the last place of 1.
const U: f64 = 1.0 / (1u64 << 24) as f64;
/// What a subnormal result may lose.
const TINY: f64 = 1e-44;

/// Around the groups of 16 rows and the blocks of 16 columns, chunks of 64 rows and of 1,024 elements, and long rows.
const SIZES: [(usize, usize); 18] = [
    (0, 3),
    (1, 1),
    (1, 2),
    (3, 10),
    (15, 10),
    (16, 10),
    (83, 10),
    (17, 15),
    (17, 16),
    (33, 17),
    (31, 32),
    (18, 33),
    (17, 64),
    (3, 65),
    (5, 100),
    (2, 1000),
    (1100, 1),
    (300, 4),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Mse,
    Huber,
    Bce,
    Labels,
    Probabilities,
}

const DELTA: f32 = 0.75;

#[derive(Clone, Copy, Debug)]
enum Reduce {
    Mean,
    Sum,
    None,
}

/// A batch and its options.
struct Case {
    kind: Kind,
    cols: usize,
    z: Vec<f32>,
    t: Vec<f32>,
    labels: Vec<u32>,
    samples: Option<Vec<f32>>,
    classes: Option<Vec<f32>>,
    positive: Option<Vec<f32>>,
    smoothing: f32,
}

/// What f64 says of a batch: the losses of rows and the gradient of their sum, each with a bound on the error, and what
/// the mean divides by.
struct Expected {
    losses: Vec<(f64, f64)>,
    d: Vec<(f64, f64)>,
    total: f64,
}

impl Case {
    fn rows(&self) -> usize {
        self.z.len() / self.cols
    }

    /// Returned, and the losses of rows, which are none but for [`Reduce::None`].
    fn run(&self, set: &KernelSet, reduce: Reduce, d: &mut [f32]) -> (f64, Vec<f64>) {
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
    fn check(&self, reduce: Reduce, place: &str) {
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

fn weights(random: &mut Random, len: usize) -> Vec<f32> {
    (0..len).map(|_| random.choose(&[0.0, 0.25, 1.0, 3.7, 0.123_456_79])).collect()
}

fn all_options(kind: Kind, seed: u64) {
    let mut random = Random::new(seed);
    for (rows, cols) in SIZES {
        for (magnitude, hard) in [(1.0, true), (30.0, false), (30.0, true), (1e4, false)] {
            let len = rows * cols;
            let z = logits(&mut random, len, magnitude);
            let t: Vec<f32> = match kind {
                Kind::Bce if hard => (0..len).map(|_| random.below(2) as f32).collect(),
                _ => (0..len).map(|_| random.unit().abs() as f32).collect(),
            };
            let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
            for (samples, classes, extra) in
                [(false, false, false), (true, false, false), (false, true, true), (true, true, true)]
            {
                let case = Case {
                    kind,
                    cols,
                    z: z.clone(),
                    t: t.clone(),
                    labels: labels.clone(),
                    samples: samples.then(|| weights(&mut random, rows)),
                    classes: classes.then(|| weights(&mut random, cols)),
                    positive: (kind == Kind::Bce && extra).then(|| weights(&mut random, cols)),
                    smoothing: if kind != Kind::Mse && kind != Kind::Huber && extra && !hard { 0.1 } else { 0.0 },
                };
                for reduce in [Reduce::Mean, Reduce::Sum, Reduce::None] {
                    let options = format!("sample weights: {samples}, class weights: {classes}, more: {extra}");
                    let place = format!("{kind:?} {rows}x{cols} to {magnitude}, hard: {hard}, {reduce:?}, {options}");
                    case.check(reduce, &place);
                }
            }
        }
    }
}

#[test]
fn squared_error() {
    all_options(Kind::Mse, 20);
}

#[test]
fn huber() {
    all_options(Kind::Huber, 21);
}

#[test]
fn binary_cross_entropy() {
    all_options(Kind::Bce, 22);
}

#[test]
fn cross_entropy_of_labels() {
    all_options(Kind::Labels, 23);
}

#[test]
fn cross_entropy_of_probabilities() {
    all_options(Kind::Probabilities, 24);
}

#[test]
fn weights_of_one_change_no_bit() {
    let mut random = Random::new(25);
    for (rows, cols) in SIZES {
        for kind in [Kind::Mse, Kind::Huber, Kind::Bce, Kind::Labels, Kind::Probabilities] {
            let len = rows * cols;
            let mut case = Case {
                kind,
                cols,
                z: random.floats(len, 9.0),
                t: (0..len).map(|_| random.unit().abs() as f32).collect(),
                labels: (0..rows).map(|_| random.below(cols) as u32).collect(),
                samples: None,
                classes: None,
                positive: None,
                smoothing: 0.0,
            };
            for_each_isa(|set| {
                let (mut plain, mut weighted) = (vec![0.0; len], vec![0.0; len]);
                let cost = case.run(set, Reduce::Sum, &mut plain).0;
                (case.samples, case.classes) = (Some(vec![1.0; rows]), Some(vec![1.0; cols]));
                assert_eq!(
                    cost,
                    case.run(set, Reduce::Sum, &mut weighted).0,
                    "{kind:?} {rows}x{cols} on {}",
                    set.isa()
                );
                assert_eq!(plain, weighted, "{kind:?} {rows}x{cols} on {}", set.isa());
                (case.samples, case.classes) = (None, None);
            });
        }
    }
}

/// The worst error in units in the last place of the loss and of the gradient for targets of 0 and 1, over every `step`th
/// logit that is finite, by binary cross-entropy and by rows of two classes.
fn sweep(step: usize) {
    const BLOCK: usize = 1 << 16;
    let indices: Vec<u32> = (0..=u32::MAX).step_by(step).filter(|&bits| f32::from_bits(bits).is_finite()).collect();
    for_each_isa(|set| {
        // The portable path has the same bits, which other tests compare, and takes too long.
        if set.isa() == kernels::Isa::Portable {
            return;
        }
        let mut worst = [(0.0, 0.0f32); 4];
        for bits in indices.chunks(BLOCK) {
            let z: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let rows: Vec<f32> = z.iter().flat_map(|&z| [0.0, z]).collect();
            for target in [0u8, 1] {
                let exact: Vec<(f64, f64)> = z
                    .iter()
                    .map(|&z| {
                        // The loss of z for 0 and of -z for 1 are the same.
                        let sign = if target == 0 { 1.0 } else { -1.0 };
                        let (loss, d) = reference::bce_with_logits(&[sign * f64::from(z)], &[0.0]);
                        (loss, sign * d[0])
                    })
                    .collect();
                let (mut losses, mut d) = (vec![0.0; z.len()], vec![0.0; z.len()]);
                let targets = vec![f32::from(target); z.len()];
                set.bce_with_logits(1, &z, &targets, Reduction::None(&mut losses).into(), &mut d);
                judge(&mut worst[..2], &z, &exact, &losses, d.iter().copied());

                let (labels, mut d) = (vec![u32::from(target); z.len()], vec![0.0; rows.len()]);
                let labels = ClassTargets::Indices(&labels);
                set.softmax_cross_entropy(2, &rows, labels, Reduction::None(&mut losses).into(), &mut d);
                judge(&mut worst[2..], &z, &exact, &losses, d.iter().skip(1).step_by(2).copied());
                for (i, pair) in d.chunks_exact(2).enumerate() {
                    let expected = either_zero(-exact[i].1, pair[0]);
                    assert!(ulp_error(pair[0], expected) <= 3.0, "{}: {:?} for {}", set.isa(), pair, z[i]);
                }
            }
        }
        println!("{}: worst ULP of bce loss, its gradient, two-class loss, its gradient: {worst:?}", set.isa());
        assert!(worst.iter().all(|&(ulp, _)| ulp <= 3.0), "{}: {worst:?}", set.isa());
    });
}

/// `expected`; where that is 0, the 0 that was found, if it was.
fn either_zero(expected: f64, found: f32) -> f64 {
    if expected == 0.0 && found == 0.0 { found.into() } else { expected }
}

fn judge(worst: &mut [(f64, f32)], z: &[f32], exact: &[(f64, f64)], losses: &[f64], d: impl Iterator<Item = f32>) {
    for (((&z, exact), &loss), d) in z.iter().zip(exact).zip(losses).zip(d) {
        assert!(loss.is_finite() && d.is_finite(), "{z}: loss {loss}, gradient {d}");
        // A loss is an f64: its error in units of an f32.
        let unit = 2.0 * U * 2f64.powi(((exact.0.to_bits() >> 52) as i32 - 1023).max(-126));
        for (worst, error) in
            worst.iter_mut().zip([(loss - exact.0).abs() / unit, ulp_error(d, either_zero(exact.1, d))])
        {
            // A subnormal may be off by one more.
            let small = exact.0 < f64::from(f32::MIN_POSITIVE);
            let error = if small { (error - 1.0).max(0.0) } else { error };
            // A NaN stays, as the worst.
            let known = error <= worst.0 || worst.0.is_nan();
            if !known {
                *worst = (error, z);
            }
        }
    }
}

#[test]
fn hard_targets_are_right_to_3_ulp() {
    sweep(64 * 31 + 1);
}

#[test]
#[ignore = "all 2^32 logits take minutes: run it in release"]
fn hard_targets_are_right_to_3_ulp_for_every_logit() {
    sweep(1);
}

/// Soft targets: within 2^-23 max(1, |x|).
#[test]
fn soft_targets_are_right_to_an_absolute_error() {
    let mut random = Random::new(26);
    for_each_isa(|set| {
        for bits in (0..=u32::MAX).step_by(1 << 16 | 1) {
            let z = f32::from_bits(bits);
            if !z.is_finite() {
                continue;
            }
            let t = random.unit().abs() as f32;
            let bound = 2.0 * U * f64::from(z).abs().max(1.0);
            let (expected, d_expected) = reference::bce_with_logits(&[z.into()], &[t.into()]);
            let mut d = [0.0; 2];
            let cost = set.bce_with_logits(1, &[z], &[t], Reduction::Sum.into(), &mut d[..1]);
            assert!((cost - expected).abs() <= bound, "bce of {z}, target {t} on {}: {cost}", set.isa());
            assert!((f64::from(d[0]) - d_expected[0]).abs() <= bound, "bce of {z}, target {t} on {}: {d:?}", set.isa());
            let targets = [1.0 - t, t];
            let t = f64::from(targets[1]) / (f64::from(targets[0]) + f64::from(targets[1]));
            let sum = f64::from(targets[0]) + f64::from(targets[1]);
            let (expected, d_expected) = reference::bce_with_logits(&[z.into()], &[t]);
            let targets = ClassTargets::Probabilities(&targets);
            let cost = set.softmax_cross_entropy(2, &[0.0, z], targets, Reduction::Sum.into(), &mut d);
            assert!((cost - sum * expected).abs() <= bound, "two classes, {z} on {}: {cost}", set.isa());
            assert!((f64::from(d[1]) - sum * d_expected[0]).abs() <= bound, "two classes, {z} on {}: {d:?}", set.isa());
        }
    });
}

#[test]
fn gradients_of_many_classes_are_right_to_3_ulp() {
    let mut random = Random::new(27);
    let mut worst = (0.0, 0.0);
    for (rows, cols) in [(4000, 3), (4000, 10), (1000, 33), (500, 64), (400, 100), (100, 1000), (4, 30_000)] {
        for magnitude in [0.1, 3.0, 20.0, 80.0, 200.0, 1000.0] {
            let z = logits(&mut random, rows * cols, magnitude);
            let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
            let (mut losses, mut d) = (vec![0.0; rows], vec![0.0; rows * cols]);
            let options = Reduction::None(&mut losses).into();
            KernelSet::best().softmax_cross_entropy(cols, &z, ClassTargets::Indices(&labels), options, &mut d);
            for (row, &label) in labels.iter().enumerate() {
                let (loss, d_expected) =
                    reference::softmax_cross_entropy(&wide(&z[row * cols..][..cols]), label as usize);
                worst.0 = f64::max(worst.0, (losses[row] - loss).abs() / (2.0 * U * loss.abs().max(1e-37)));
                for (&d, &expected) in d[row * cols..][..cols].iter().zip(&d_expected) {
                    let subnormal = expected.abs() < 2.0 * f64::from(f32::MIN_POSITIVE);
                    let ulp = if subnormal { 0.0 } else { ulp_error(d, expected) };
                    worst.1 = f64::max(worst.1, ulp);
                }
            }
        }
    }
    println!("worst relative error of losses in 2^-23, worst ULP of gradients: {worst:?}");
    assert!(worst.0 <= 3.0 && worst.1 <= 3.0, "{worst:?}");
}

/// Rows of small logits are computed in another way than others; which ones share a call does not show.
#[test]
fn rows_have_the_same_bits_among_any_others() {
    let mut random = Random::new(28);
    let rows = 70;
    for cols in [1, 2, 3, 10, 16, 17, 33, 64, 65, 200] {
        let z = logits(&mut random, rows * cols, 31.0);
        let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
        for_each_isa(|set| {
            let run = |z: &[f32]| {
                let (mut losses, mut d, mut p) = (vec![0.0; rows], vec![0.0; z.len()], vec![0.0; z.len()]);
                let options = Reduction::None(&mut losses).into();
                set.softmax_cross_entropy(cols, z, ClassTargets::Indices(&labels), options, &mut d);
                set.softmax(cols, z, &mut p);
                (losses, d, p)
            };
            let (losses, d, p) = run(&z);
            for large in [9, 66] {
                let mut others = z.clone();
                others[large * cols] = 100.0;
                let (losses_among, d_among, p_among) = run(&others);
                for row in (0..rows).filter(|row| *row != large) {
                    let place = format!("{}, {cols} columns, row {row}, {large} is large", set.isa());
                    let elements = row * cols..(row + 1) * cols;
                    assert_eq!(losses[row].to_bits(), losses_among[row].to_bits(), "{place}");
                    assert_eq!(bits(&d[elements.clone()]), bits(&d_among[elements.clone()]), "{place}");
                    assert_eq!(bits(&p[elements.clone()]), bits(&p_among[elements]), "{place}");
                }
            }
        });
    }
}

#[test]
fn a_certain_label_keeps_the_digits_of_its_gradient() {
    for_each_isa(|set| {
        let mut d = [0.0; 2];
        let small = (-40f64).exp();
        let near = |x: f64, y: f64| (x / y - 1.0).abs() < 4.0 * U;
        for targets in [ClassTargets::Indices(&[0]), ClassTargets::Probabilities(&[1.0, 0.0])] {
            let cost = set.softmax_cross_entropy(2, &[40.0, 0.0], targets, Reduction::Sum.into(), &mut d);
            assert!(near(cost, small) && near(d[0].into(), -small), "{cost}, {d:?} on {}", set.isa());
        }
        let cost = set.bce_with_logits(1, &[40.0, -40.0], &[1.0, 0.0], Reduction::Sum.into(), &mut d);
        assert!(near(cost, 2.0 * small) && near(d[0].into(), -small), "{cost}, {d:?} on {}", set.isa());
        assert!(near(d[1].into(), small), "{d:?} on {}", set.isa());
    });
}

#[test]
fn losses_are_finite_for_every_finite_logit_and_nan_for_nan() {
    for_each_isa(|set| {
        let isa = set.isa();
        let extremes = [f32::MAX, -f32::MAX, 1e30, -1e-40, 0.0, -0.0, 88.8, -104.0];
        let mut d = [0.0; 8];
        for target in [0.0, 1.0, 0.25] {
            let cost = set.bce_with_logits(8, &extremes, &[target; 8], LossOptions::default(), &mut d);
            assert!(cost.is_finite() && d.iter().all(|d| d.is_finite()), "bce to {target} on {isa}: {cost}, {d:?}");
        }
        // Sums of losses beyond f32, and squares.
        let (large, mut d_large) = ([-f32::MAX; 100], [0.0; 100]);
        let max = f64::from(f32::MAX);
        let cost = set.bce_with_logits(1, &large, &[1.0; 100], Reduction::Sum.into(), &mut d_large);
        assert!((cost / (100.0 * max) - 1.0).abs() < 1e-12, "{cost} on {isa}");
        let cost = set.mse(1, &large, &[0.0; 100], Reduction::Sum.into(), &mut d_large);
        assert!((cost / (50.0 * max * max) - 1.0).abs() < 1e-12, "{cost} on {isa}");
        for label in 0..8 {
            for smoothing in [0.0, 0.5] {
                let options = LossOptions { label_smoothing: smoothing, ..LossOptions::default() };
                let targets = ClassTargets::Indices(&[label]);
                let cost = set.softmax_cross_entropy(8, &extremes, targets, options, &mut d);
                assert!(cost.is_finite() && d.iter().all(|d| d.is_finite()), "label {label} on {isa}: {cost}, {d:?}");
            }
        }
        for cols in [8, 20, 70] {
            for bad in [0, 3, cols - 1] {
                let (mut z, mut d) = (vec![0.5; cols], vec![0.0; cols]);
                z[bad] = f32::NAN;
                let place = format!("NaN at {bad} of {cols} on {isa}");
                let ones = vec![1.0; cols];
                assert!(set.bce_with_logits(cols, &z, &ones, LossOptions::default(), &mut d).is_nan(), "{place}");
                assert!(d[bad].is_nan(), "{place}");
                assert!(set.mse(cols, &z, &ones, LossOptions::default(), &mut d).is_nan(), "{place}");
                assert!(d[bad].is_nan(), "{place}");
                assert!(set.huber(cols, &z, &ones, 1.0, LossOptions::default(), &mut d).is_nan(), "{place}");
                assert!(d[bad].is_nan(), "{place}");
                for targets in [ClassTargets::Indices(&[3]), ClassTargets::Probabilities(&ones)] {
                    let cost = set.softmax_cross_entropy(cols, &z, targets, LossOptions::default(), &mut d);
                    assert!(cost.is_nan() && d.iter().all(|d| d.is_nan()), "{place}: {cost}, {d:?}");
                }
                set.softmax(cols, &z, &mut d);
                assert!(d.iter().all(|d| d.is_nan()), "{place}: {d:?}");
                set.log_softmax(cols, &z, &mut d);
                assert!(d.iter().all(|d| d.is_nan()), "{place}: {d:?}");
                set.logsumexp(cols, &z, &mut d[..1]);
                assert!(d[0].is_nan(), "{place}: {d:?}");
            }
        }
    });
}

#[test]
fn infinite_logits() {
    const INF: f32 = f32::INFINITY;
    for_each_isa(|set| {
        let isa = set.isa();
        for cols in [3, 20, 70] {
            let place = format!("{cols} columns on {isa}");
            // A class that cannot be.
            let (mut z, mut d) = (vec![0.0; cols], vec![0.0; cols]);
            z[1] = -INF;
            let others = cols as f64 - 1.0;
            let mut t = vec![0.0; cols];
            t[0] = 1.0;
            for targets in [ClassTargets::Indices(&[0]), ClassTargets::Probabilities(&t)] {
                let cost = set.softmax_cross_entropy(cols, &z, targets, LossOptions::default(), &mut d);
                assert!((cost - others.ln()).abs() < 1e-6, "{place}: {cost}");
                assert!(d[1] == 0.0 && (f64::from(d[2]) - 1.0 / others).abs() < 1e-6, "{place}: {d:?}");
            }
            let cost = set.softmax_cross_entropy(cols, &z, ClassTargets::Indices(&[1]), LossOptions::default(), &mut d);
            assert_eq!((cost, d[1]), (f64::INFINITY, -1.0), "{place}");
            set.softmax(cols, &z, &mut d);
            assert!(d[1] == 0.0 && (f64::from(d[0]) - 1.0 / others).abs() < 1e-6, "{place}: {d:?}");
            set.log_softmax(cols, &z, &mut d);
            assert!(d[1] == -INF && (f64::from(d[0]) + others.ln()).abs() < 1e-6, "{place}: {d:?}");
            set.logsumexp(cols, &z, &mut d[..1]);
            assert!((f64::from(d[0]) - others.ln()).abs() < 1e-6, "{place}: {d:?}");
            // No class can be, or one is certain beyond measure.
            for (z, logsumexp) in [(vec![-INF; cols], -INF), ([vec![INF], vec![0.0; cols - 1]].concat(), INF)] {
                for targets in [ClassTargets::Indices(&[1]), ClassTargets::Probabilities(&t)] {
                    let cost = set.softmax_cross_entropy(cols, &z, targets, LossOptions::default(), &mut d);
                    assert!(cost.is_nan() && d.iter().all(|d| d.is_nan()), "{place}: {cost}, {d:?}");
                }
                set.softmax(cols, &z, &mut d);
                assert!(d.iter().all(|d| d.is_nan()), "{place}: {d:?}");
                set.log_softmax(cols, &z, &mut d);
                assert!(d.iter().all(|d| d.is_nan()), "{place}: {d:?}");
                set.logsumexp(cols, &z, &mut d[..1]);
                assert_eq!(d[0], logsumexp, "{place}");
            }
        }
    });
}

#[test]
fn softmax_rows() {
    let mut random = Random::new(7);
    for (rows, cols) in SIZES {
        for magnitude in [1.0, 20.0, 300.0] {
            let z = logits(&mut random, rows * cols, magnitude);
            let ((), p) = same_everywhere(rows * cols, |set, out| set.softmax(cols, &z, out));
            let ((), log_p) = same_everywhere(rows * cols, |set, out| set.log_softmax(cols, &z, out));
            let ((), sums) = same_everywhere(rows, |set, out| set.logsumexp(cols, &z, out));
            let relative = (6.0 + cols as f64 / 32.0) * U;
            for row in 0..rows {
                let place = format!("row {row} of {rows}x{cols} to {magnitude}");
                let z = wide(&z[row * cols..][..cols]);
                let (softmax, log_softmax, sum) =
                    (reference::softmax(&z), reference::log_softmax(&z), reference::logsumexp(&z));
                for j in 0..cols {
                    let (p, log_p) = (f64::from(p[row * cols + j]), f64::from(log_p[row * cols + j]));
                    assert!((p - softmax[j]).abs() <= relative * softmax[j] + TINY, "{place}: {p}, not {}", softmax[j]);
                    let error = (log_p - log_softmax[j]).abs();
                    assert!(
                        error <= relative * log_softmax[j].abs() + TINY,
                        "{place}: {log_p}, not {}",
                        log_softmax[j]
                    );
                }
                let error = (f64::from(sums[row]) - sum).abs();
                let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                assert!(error <= relative * (max.abs() + (cols as f64).ln()), "{place}: {}, not {sum}", sums[row]);
            }
            let ((), in_place) = same_everywhere(rows * cols, |set, out| {
                out.copy_from_slice(&z);
                set.softmax_in_place(cols, out);
            });
            assert_eq!(in_place, p, "{rows}x{cols} in place");
            let ((), in_place) = same_everywhere(rows * cols, |set, out| {
                out.copy_from_slice(&z);
                set.log_softmax_in_place(cols, out);
            });
            assert_eq!(in_place, log_p, "{rows}x{cols} in place");
        }
    }
}

/// Runs a loss that must panic and returns the message.
fn refused(f: impl FnOnce(&KernelSet) + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(|| f(KernelSet::best())).expect_err("bad input was taken");
    panic.downcast_ref::<String>().expect("a formatted message").clone()
}

fn weighted(weights: &[f32]) -> LossOptions<'_> {
    LossOptions { sample_weights: Some(weights), ..LossOptions::default() }
}

fn by_class(weights: &[f32]) -> LossOptions<'_> {
    LossOptions { class_weights: Some(weights), ..LossOptions::default() }
}

fn positive(weights: &[f32]) -> LossOptions<'_> {
    LossOptions { positive_weights: Some(weights), ..LossOptions::default() }
}

fn smoothed(label_smoothing: f32) -> LossOptions<'static> {
    LossOptions { label_smoothing, ..LossOptions::default() }
}

#[test]
fn bad_input_is_refused_with_its_numbers() {
    let ce = |targets: ClassTargets<'_>, options: LossOptions<'_>| {
        let mut d = [0.0; 6];
        KernelSet::best().softmax_cross_entropy(3, &[0.0; 6], targets, options, &mut d);
    };
    let labels = ClassTargets::Indices(&[2, 0]);
    let message = refused(|_| ce(ClassTargets::Indices(&[2, 3]), LossOptions::default()));
    assert_eq!(message, "softmax_cross_entropy: label 3 of row 1 with 3 classes");
    let message = refused(|_| ce(ClassTargets::Indices(&[2]), LossOptions::default()));
    assert_eq!(message, "softmax_cross_entropy: 2 for rows, 1 for labels");
    let message = refused(|_| ce(ClassTargets::Probabilities(&[0.0; 5]), LossOptions::default()));
    assert_eq!(message, "softmax_cross_entropy: 6 for logits, 5 for probabilities");
    for bad in [f32::NAN, f32::INFINITY, -1.0, -f32::MIN_POSITIVE] {
        let message = refused(|_| ce(labels, weighted(&[1.0, bad])));
        let expected = format!("softmax_cross_entropy: sample_weights[1] is {bad}, must be finite and not negative");
        assert_eq!(message, expected);
        let message = refused(|_| ce(labels, by_class(&[bad, 1.0, 1.0])));
        assert!(message.starts_with(&format!("softmax_cross_entropy: class_weights[0] is {bad}")), "{message}");
        let message = refused(|set| {
            set.bce_with_logits(1, &[0.0; 2], &[0.0; 2], positive(&[bad]), &mut [0.0; 2]);
        });
        assert!(message.starts_with(&format!("bce_with_logits: positive_weights[0] is {bad}")), "{message}");
    }
    assert_eq!(refused(|_| ce(labels, weighted(&[1.0; 3]))), "softmax_cross_entropy: 2 for rows, 3 for sample_weights");
    assert_eq!(refused(|_| ce(labels, by_class(&[1.0; 2]))), "softmax_cross_entropy: 3 for cols, 2 for class_weights");
    assert_eq!(
        refused(|_| ce(labels, positive(&[1.0; 3]))),
        "softmax_cross_entropy: takes no positive_weights, 3 given"
    );
    for bad in [-0.1, 1.0, 2.0, f32::NAN] {
        let message = refused(|_| ce(labels, smoothed(bad)));
        assert_eq!(message, format!("softmax_cross_entropy: label_smoothing is {bad}, must be from 0 to below 1"));
        let message = refused(|set| {
            set.bce_with_logits(1, &[0.0; 2], &[0.0; 2], smoothed(bad), &mut [0.0; 2]);
        });
        assert!(message.starts_with(&format!("bce_with_logits: label_smoothing is {bad}")), "{message}");
    }
    let message = refused(|set| {
        set.mse(1, &[0.0; 2], &[0.0; 2], smoothed(0.5), &mut [0.0; 2]);
    });
    assert_eq!(message, "mse: takes no label_smoothing, 0.5 given");
    let message = refused(|_| ce(labels, Reduction::None(&mut [0.0; 3]).into()));
    assert_eq!(message, "softmax_cross_entropy: 2 for rows, 3 for the losses");
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let message = refused(|set| {
            set.huber(1, &[0.0; 2], &[0.0; 2], bad, LossOptions::default(), &mut [0.0; 2]);
        });
        assert_eq!(message, format!("huber: delta is {bad}, must be positive and finite"));
    }
    let message = refused(|set| {
        set.mse(3, &[0.0; 7], &[0.0; 7], LossOptions::default(), &mut [0.0; 7]);
    });
    assert_eq!(message, "mse: 7 elements are not whole rows of 3");
    let message = refused(|set| {
        set.huber(3, &[0.0; 6], &[0.0; 3], 1.0, LossOptions::default(), &mut [0.0; 6]);
    });
    assert_eq!(message, "huber: 6 for prediction, 3 for target");
    assert_eq!(refused(|set| set.logsumexp(3, &[0.0; 6], &mut [0.0; 3])), "logsumexp: 2 for rows, 3 for out");
    assert_eq!(refused(|set| set.log_softmax(0, &[], &mut [])), "log_softmax: 0 elements are not whole rows of 0");
}

#[test]
fn a_batch_that_weighs_nothing_costs_nothing() {
    for_each_isa(|set| {
        let mut d = [1.0; 6];
        let cost = set.softmax_cross_entropy(3, &[1.0; 6], ClassTargets::Indices(&[0, 1]), weighted(&[0.0; 2]), &mut d);
        assert!(cost == 0.0 && d.iter().all(|&d| d == 0.0), "{cost}, {d:?} on {}", set.isa());
        let cost = set.mse(3, &[1.0; 6], &[0.5; 6], weighted(&[0.0; 2]), &mut d);
        assert!(cost == 0.0 && d.iter().all(|&d| d == 0.0), "{cost}, {d:?} on {}", set.isa());
    });
}
