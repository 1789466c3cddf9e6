//! Losses with their gradients and softmax: judged against f64, and the same bits on every ISA, for every loss, reduction
//! and kind of weights.

mod accuracy;
mod case;
mod extremes;
mod refusals;
mod softmax;

use crate::fused::logits;
use case::{Case, Kind, Reduce};
use kernels::testing::for_each_isa;
use tests::random::Random;

/// The unit roundoff of f32, half a unit in the last place of 1.
const U: f64 = 1.0 / (1u64 << 24) as f64;
/// What a subnormal result may lose.
const TINY: f64 = 1e-44;

/// Around the groups of 16 rows and the blocks of 16 columns, chunks of 32 rows and of 1,024 elements, and long rows.
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
