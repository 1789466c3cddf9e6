//! Metrics of rows that are the same in `expected.py`.

use std::collections::HashMap;

use nn::Error;
use nn::data::Labels;
use nn::metrics::{Average, ConfusionMatrix, Values, accuracy, log_loss, mse, r2, roc_auc};

const ROWS: i64 = 60;

fn rows<T>(f: impl Fn(i64) -> T) -> Vec<T> {
    (0..ROWS).map(f).collect()
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    let expected: HashMap<&str, f64> = include_str!("metrics.csv")
        .lines()
        .map(|line| line.split_once(',').map(|(name, value)| (name, value.parse().unwrap())).unwrap())
        .collect();
    let (y, predicted) = (rows(|i| (i * i + i / 7) % 4 - 1), rows(|i| (i * i + i / 5) % 4 - 1));
    let weights = rows(|i| 0.5 + (i % 3) as f32);
    let probabilities: Vec<f32> = rows(|i| {
        let raw = [0, 1, 2, 3].map(|k| (1 + (i * 7 + k * 5) % 11) as f64);
        raw.map(|p| (p / raw.iter().sum::<f64>()) as f32)
    })
    .concat();
    let scores = rows(|i| (i * 13 % 7) as f32);
    let values = rows(|i| [(i % 9) as f32 / 4.0, ((i * i) % 13 - 6) as f32 / 4.0]).concat();
    let answers = rows(|i| [((i + 1) % 9) as f32 / 4.0, ((i * i) % 13 - 5) as f32 / 4.0]).concat();

    let mut checked = 0;
    let mut check = |name: String, value: f64| {
        let expected = expected[name.as_str()];
        assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{name}: {value}, expected {expected}");
        checked += 1;
    };
    for kind in ["plain", "weighted"] {
        let weights = (kind == "weighted").then_some(weights.as_slice());
        let labels = || weights.map_or(Labels::from(&y), |weights| Labels::from(&y).weighted(weights));
        check(format!("{kind} accuracy"), accuracy(labels(), &predicted).unwrap());
        check(format!("{kind} log_loss"), log_loss(labels(), &probabilities, &[-1, 0, 1, 2]).unwrap());
        check(format!("{kind} roc_auc"), roc_auc(labels(), 1, &scores).unwrap());
        let of = Values { values: &values, outputs: 2, weights };
        check(format!("{kind} mse"), mse(of, &answers).unwrap());
        check(format!("{kind} r2"), r2(of, &answers).unwrap());
        let matrix = ConfusionMatrix::new(labels(), &predicted).unwrap();
        for (name, average) in [("macro", Average::Macro), ("micro", Average::Micro), ("weighted", Average::Weighted)] {
            let scores = matrix.average(average);
            check(format!("{kind} {name} precision"), scores.precision);
            check(format!("{kind} {name} recall"), scores.recall);
            check(format!("{kind} {name} f1"), scores.f1);
        }
        for (k, &count) in matrix.counts().iter().enumerate() {
            check(format!("{kind} confusion {k}"), count);
        }
        check(format!("{kind} accuracy"), matrix.accuracy());
    }
    assert_eq!(checked, expected.len() + 2, "each figure of the file, the accuracy twice");
}

#[test]
fn what_is_never_predicted_scores_zero() {
    let matrix = ConfusionMatrix::new(&[0, 0, 1], &[0, 2, 0]).unwrap();
    let scores = matrix.scores();
    assert_eq!(matrix.classes(), [0, 1, 2]);
    assert_eq!((scores[1].precision, scores[1].recall, scores[1].f1, scores[1].support), (0.0, 0.0, 0.0, 1.0));
    assert_eq!((scores[2].precision, scores[2].recall, scores[2].support), (0.0, 0.0, 0.0));
    assert_eq!(matrix.to_string(), "  0 1 2\n0 1 0 1\n1 1 0 0\n2 0 0 0");
}

#[test]
fn ties_count_half_and_only_the_order_counts() {
    assert_eq!(roc_auc(&[0, 1, 0, 1], 1, &[0.0; 4]).unwrap(), 0.5);
    assert_eq!(roc_auc(&[0, 1], 1, &[-0.0, 0.0]).unwrap(), 0.5);
    assert_eq!(roc_auc(&[0, 0, 1], 1, &[1.0, 2.0, 3.0]).unwrap(), 1.0);
    assert_eq!(roc_auc(&[0, 0, 1], 0, &[1.0, 2.0, 3.0]).unwrap(), 0.0);
}

#[test]
fn a_constant_value_has_a_score_of_0_or_1() {
    assert_eq!(r2(&[0.1, 0.1, 0.1], &[0.1, 0.1, 0.1]).unwrap(), 1.0);
    assert_eq!(r2(&[0.1, 0.1, 0.1], &[0.1, 0.1, 0.2]).unwrap(), 0.0);
}

#[test]
fn a_false_certainty_has_a_finite_loss() {
    let loss = log_loss(&[0], &[0.0, 1.0], &[0, 1]).unwrap();
    assert_eq!(loss, 23.0 * std::f64::consts::LN_2);
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(matches!(accuracy(&[0; 0], &[0; 0]), Err(Error::EmptyData)));
    let error = accuracy(&[0, 1], &[0, 1, 1]).unwrap_err().to_string();
    assert_eq!(error, "the predictions: shape [3], expected [2]");
    assert!(matches!(accuracy(Labels::from(&[0]).weighted(&[f32::NAN]), &[0]), Err(Error::InvalidWeight { .. })));
    assert!(matches!(log_loss(&[3], &[0.5, 0.5], &[0, 1]), Err(Error::UnknownClass { label: 3, .. })));
    assert!(matches!(log_loss(&[0], &[0.5, 0.5, 0.0], &[0, 1]), Err(Error::ShapeMismatch { .. })));
    assert!(log_loss(&[0], &[], &[]).is_err());
    assert!(matches!(log_loss(&[0], &[f32::NAN, 0.5], &[0, 1]), Err(Error::NonFiniteInput { .. })));
    assert!(matches!(roc_auc(&[1, 1], 1, &[0.0, 1.0]), Err(Error::TooFewClasses { .. })));
    assert!(matches!(roc_auc(&[0, 1], 1, &[0.0, f32::NAN]), Err(Error::NonFiniteInput { row: 1, .. })));
    assert!(matches!(mse(&[0.0], &[0.0, 1.0]), Err(Error::ShapeMismatch { .. })));
    assert!(mse(Values { values: &[1.0], outputs: 0, weights: None }, &[1.0]).is_err());
    assert!(matches!(r2(&[f32::INFINITY], &[0.0]), Err(Error::NonFiniteInput { .. })));
}
