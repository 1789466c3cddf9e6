//! Perceptrons: what `fit` and `partial_fit` promise, and weights.

use nn::data::Labels;
use nn::estimators::{ClassWeights, MlpClassifier, MlpRegressor};
use nn::{Activation, Adam, BatchSize, Error, Targets, TrainOptions};

use crate::digits;

fn options(max_epochs: usize, batch: usize) -> TrainOptions {
    TrainOptions { max_epochs, batch_size: BatchSize::Rows(batch), ..MlpClassifier::default_options() }
}

/// All epochs, at a higher learning rate.
fn fast(max_epochs: usize, batch: usize) -> TrainOptions {
    let optimizer = Adam { learning_rate: 0.03, ..Adam::default() }.into();
    TrainOptions { optimizer, tol: None, ..options(max_epochs, batch) }
}

#[test]
fn fitting_again_forgets_and_the_seed_decides() {
    let digits = digits();
    let (x, labels) = (digits.features(), digits.labels().unwrap());
    let fitted = |seed, times| {
        let mut classifier = MlpClassifier::new().hidden(&[32]).options(TrainOptions { seed, ..options(5, 50) });
        for _ in 0..times {
            classifier.fit(x, labels).unwrap();
        }
        classifier.predict_proba(x).unwrap()
    };
    assert_eq!(fitted(1, 1), fitted(1, 2));
    assert_ne!(fitted(1, 1), fitted(2, 1));
}

#[test]
fn parts_are_learned_pass_by_pass() {
    let digits = digits();
    let (x, labels) = (digits.to_f32(), digits.labels().unwrap());
    let names: Vec<i64> = labels.iter().map(|&label| 100 - 10 * i64::from(label)).collect();
    // The first 40 rows have all digits.
    let mut classifier = MlpClassifier::new().hidden(&[64]).options(options(1, 32));
    let mut losses = Vec::new();
    for _ in 0..12 {
        for (x, names) in x.chunks(64 * 600).zip(names.chunks(600)) {
            losses.push(classifier.partial_fit(x, names).unwrap());
        }
    }
    assert!(losses[0] > 1.0 && losses[35] < 0.2, "{losses:?}");
    let score = classifier.score(&x, &names).unwrap();
    assert!(score > 0.97, "{score}");
    assert_eq!(classifier.classes().unwrap(), [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    // A training that has converged goes on all the same.
    let report = classifier.fit(&x, &names).unwrap();
    assert_eq!(report.epochs.len(), 1);
    let next = classifier.partial_fit(&x, &names).unwrap();
    assert!(next < report.epochs[0].loss, "{next}");
}

#[test]
fn weights_move_the_decision() {
    // Both classes in the same places: which one is predicted is up to the weights.
    let x: Vec<f32> = (0..80).map(|i| (i / 2 % 4) as f32).collect();
    let y: Vec<u8> = (0..80).map(|i| i % 2).collect();
    let rate = |classifier: &MlpClassifier| classifier.predict_proba(&[0.0, 3.0]).unwrap();
    let new = || MlpClassifier::new().hidden(&[8]).options(fast(400, 80));
    let mut by_class = new().class_weights(ClassWeights::Given(vec![(1, 3.0)]));
    by_class.fit(&x, &y).unwrap();
    let weights: Vec<f32> = y.iter().map(|&label| if label == 1 { 3.0 } else { 1.0 }).collect();
    let mut by_row = new();
    by_row.fit(&x, Labels::from(&y).weighted(&weights)).unwrap();
    assert_eq!(rate(&by_class), rate(&by_row));
    for pair in rate(&by_class).chunks(2) {
        assert!((pair[1] - 0.75).abs() <= 0.02, "{pair:?}");
    }
    let mut balanced = new().class_weights(ClassWeights::Balanced);
    balanced.fit(&x[..60], &y.iter().map(|&label| label == 1).collect::<Vec<bool>>()[..60]).unwrap();
    assert!(rate(&balanced).iter().all(|p| (p - 0.5).abs() <= 0.02));
}

#[test]
fn several_values_are_predicted() {
    let x: Vec<f32> = (0..200).map(|i| i as f32 / 100.0 - 1.0).collect();
    let y: Vec<f32> = x.iter().flat_map(|x| [x * x, 1.0 - 2.0 * x]).collect();
    let new = || {
        MlpRegressor::new()
            .outputs(2)
            .hidden(&[32])
            .activation(Activation::Tanh)
            .options(TrainOptions { tol: None, ..options(400, 20) })
    };
    let mut regressor = new();
    let report = regressor.fit(&x, &y).unwrap();
    assert_eq!(report.epochs.len(), 400);
    let score = regressor.score(&x, &y).unwrap();
    assert!(score > 0.99, "{score}");
    assert_eq!(regressor.predict(&[0.0, 0.5]).unwrap().len(), 4);

    let mut in_parts = new();
    let first = in_parts.partial_fit(&x, &y).unwrap();
    let last = (0..200).map(|_| in_parts.partial_fit(&x, &y).unwrap()).last().unwrap();
    assert!(last < 0.05 * first, "from {first} to {last}");

    // Rows without weight are not learned.
    let weights: Vec<f32> = x.iter().map(|&x| if x < 0.0 { 1.0 } else { 0.0 }).collect();
    let mut left = new();
    left.fit(&x, Targets::Values(&y).weighted(&weights)).unwrap();
    let score = |weights| left.score(&x, Targets::Values(&y).weighted(weights)).unwrap();
    let opposite: Vec<f32> = weights.iter().map(|weight| 1.0 - weight).collect();
    assert!(score(&weights) > 0.95 && score(&opposite) < 0.5, "{} {}", score(&weights), score(&opposite));
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_what_was_fitted() {
    let (x, y) = ([0.0, 1.0, 2.0, 3.0], [4, 5, 4, 5]);
    let mut classifier = MlpClassifier::new().hidden(&[4]).options(options(3, 4));
    assert!(matches!(classifier.predict(&x), Err(Error::NotFitted)));
    assert!(matches!(classifier.score(&x, &y), Err(Error::NotFitted)));
    assert!(matches!(classifier.classes(), Err(Error::NotFitted)));
    classifier.fit(&x, &y).unwrap();
    let before = classifier.predict_proba(&x).unwrap();
    assert!(matches!(classifier.fit(&x, &[4; 4]), Err(Error::TooFewClasses { .. })));
    assert!(matches!(classifier.fit(&[f32::NAN; 4], &y), Err(Error::NonFiniteInput { .. })));
    assert!(matches!(classifier.fit(&x, &y[..3]), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(classifier.partial_fit(&x, &[4, 4, 4, 6]), Err(Error::UnknownClass { index: 3, .. })));
    assert!(matches!(classifier.partial_fit(&[0.0, 0.0, 0.0, f32::NAN], &y), Err(Error::NonFiniteInput { .. })));
    assert_eq!(classifier.predict_proba(&x).unwrap(), before);
    let mut no_width = MlpClassifier::new().hidden(&[4, 0]);
    assert!(matches!(no_width.fit(&x, &y), Err(Error::InvalidHyperParameter { .. })));

    let mut regressor = MlpRegressor::new().outputs(3);
    let targets = [0.0f32; 4];
    assert!(matches!(regressor.fit(&x, &targets), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(MlpRegressor::new().outputs(0).fit(&x, &targets), Err(Error::ShapeMismatch { .. })));
    let labels = [0u32, 1, 0, 1];
    assert!(matches!(MlpRegressor::new().fit(&x, &labels), Err(Error::TargetKind { .. })));
    assert!(matches!(regressor.predict(&x), Err(Error::NotFitted)));
}

#[test]
fn two_classes_share_one_logit() {
    let mut classifier = MlpClassifier::new().hidden(&[]).options(fast(200, 4));
    classifier.fit(&[-2.0, -1.0, 1.0, 2.0], &[false, false, true, true]).unwrap();
    let model = classifier.fitted_model().unwrap();
    assert_eq!(model.outputs(), 1);
    let probabilities = classifier.predict_proba(&[-30.0, 30.0]).unwrap();
    let [p0, p1, ..] = probabilities[..] else { panic!("two rows of two") };
    assert!(p0 == 1.0 && p1 > 0.0 && p1 < 1e-6, "{probabilities:?}");
    assert_eq!(probabilities[2..], [p1, p0], "{probabilities:?}");
    assert_eq!(classifier.predict(&[-3.0, 3.0]).unwrap(), [0, 1]);
}
