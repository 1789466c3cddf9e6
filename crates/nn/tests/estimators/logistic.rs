//! Logistic regression: its optimum, and what it refuses.

use nn::data::{Dataset, Labels};
use nn::estimators::{ClassWeights, LogisticRegression, SolverStop};
use nn::{Error, TrainOptions};

use crate::{digits, tumours};

/// The rows of a file of numbers.
fn rows(text: &str) -> Vec<Vec<f64>> {
    text.lines().map(|line| line.split(',').map(|number| number.parse().unwrap()).collect()).collect()
}

/// The largest difference to the coefficients and intercepts of the file, relative to the largest of them, and to each.
fn distance(classifier: &LogisticRegression, expected: &str) -> (f64, f64) {
    let (coefficients, intercepts) = (classifier.coefficients().unwrap(), classifier.intercepts().unwrap());
    let expected = rows(expected);
    assert_eq!(intercepts.len(), expected.len());
    let inputs = coefficients.len() / intercepts.len();
    let ours = coefficients.chunks(inputs).zip(&intercepts).flat_map(|(w, b)| w.iter().chain([b]));
    let largest = expected.iter().flatten().fold(0.0f64, |max, x| max.max(x.abs()));
    let (mut of_largest, mut of_each) = (0.0f64, 0.0f64);
    for (ours, expected) in ours.zip(expected.iter().flatten()) {
        let difference = (ours - expected).abs();
        assert!(difference.is_finite());
        of_largest = of_largest.max(difference / largest);
        // The smallest are what is left of sums of larger numbers.
        if expected.abs() > 1e-4 * largest {
            of_each = of_each.max(difference / expected.abs());
        }
    }
    println!("{of_largest:.1e} of the largest, {of_each:.1e} of each");
    (of_largest, of_each)
}

#[test]
fn two_classes_have_the_coefficients_of_scikit_learn() {
    let tumours = tumours();
    let mut classifier = LogisticRegression::new().tol(1e-10);
    let report = classifier.fit(tumours.features(), tumours.labels().unwrap()).unwrap();
    assert_eq!(report.stop, SolverStop::Converged, "{report:?}");
    let (of_largest, _) = distance(&classifier, include_str!("breast_cancer.csv"));
    assert!(of_largest <= 2e-5, "{of_largest:e}");
    let (of_largest, of_each) = distance(&classifier, include_str!("breast_cancer_optimum.csv"));
    assert!(of_largest <= 1e-6 && of_each <= 1e-4, "{of_largest:e} {of_each:e}");
}

#[test]
fn weights_of_rows_and_classes_are_those_of_scikit_learn() {
    let tumours = tumours();
    let weights: Vec<f32> = (0..tumours.rows()).map(|row| 1.0 + (row % 3) as f32).collect();
    let mut classifier = LogisticRegression::new().l2(10.0).tol(1e-10).class_weights(ClassWeights::Balanced);
    let labels = Labels::from(tumours.labels().unwrap());
    classifier.fit(tumours.features(), labels.clone().weighted(&weights)).unwrap();
    let (of_largest, _) = distance(&classifier, include_str!("breast_cancer_balanced.csv"));
    assert!(of_largest <= 2e-5, "{of_largest:e}");
    let (of_largest, of_each) = distance(&classifier, include_str!("breast_cancer_balanced_optimum.csv"));
    assert!(of_largest <= 1e-6 && of_each <= 1e-4, "{of_largest:e} {of_each:e}");

    // A weight of a class is that weight of each of its rows.
    let by_class = ClassWeights::Given(vec![(1, 3.0), (0, 0.5)]);
    let mut by_class = LogisticRegression::new().class_weights(by_class);
    by_class.fit(tumours.features(), labels.clone()).unwrap();
    let weights: Vec<f32> = labels.values().iter().map(|&label| if label == 1 { 3.0 } else { 0.5 }).collect();
    let mut by_row = LogisticRegression::new();
    by_row.fit(tumours.features(), labels.weighted(&weights)).unwrap();
    assert_eq!(by_class.coefficients().unwrap(), by_row.coefficients().unwrap());
}

#[test]
fn ten_classes_have_the_coefficients_of_scikit_learn() {
    let digits = digits();
    let mut classifier = LogisticRegression::new().tol(1e-10);
    let report = classifier.fit(digits.features(), digits.labels().unwrap()).unwrap();
    assert_eq!(report.stop, SolverStop::Converged, "{report:?}");
    let (of_largest, _) = distance(&classifier, include_str!("digits.csv"));
    assert!(of_largest <= 2e-5, "{of_largest:e}");
    let (of_largest, of_each) = distance(&classifier, include_str!("digits_optimum.csv"));
    assert!(of_largest <= 1e-6 && of_each <= 1e-4, "{of_largest:e} {of_each:e}");
    let sum: f64 = classifier.intercepts().unwrap().iter().sum();
    assert!(sum.abs() <= 1e-9, "{sum:e}");
}

#[test]
fn the_default_tolerance_is_near_the_optimum_and_threads_do_not_show() {
    let tumours = tumours();
    let fitted = |threads| {
        let options = TrainOptions { threads, ..TrainOptions::default() };
        let mut classifier = LogisticRegression::new().options(options);
        classifier.fit(tumours.features(), tumours.labels().unwrap()).unwrap();
        classifier
    };
    let (one, two) = (fitted(1), fitted(2));
    let bits = |of: &LogisticRegression| of.coefficients().unwrap().into_iter().map(f64::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&two));
    let (of_largest, _) = distance(&one, include_str!("breast_cancer.csv"));
    assert!(of_largest <= 1e-3, "{of_largest:e}");
}

#[test]
fn labels_are_any_whole_numbers() {
    let tumours = tumours();
    let labels = tumours.labels().unwrap();
    let renamed: Vec<i64> = labels.iter().map(|&label| if label == 0 { 1000 } else { -7 }).collect();
    let (mut plain, mut other) = (LogisticRegression::new(), LogisticRegression::new());
    plain.fit(tumours.features(), labels).unwrap();
    other.fit(tumours.features(), &renamed).unwrap();
    assert_eq!(other.classes().unwrap(), [-7, 1000]);
    let named: Vec<i64> = plain.predict(tumours.features()).unwrap();
    let named: Vec<i64> = named.into_iter().map(|label| if label == 0 { 1000 } else { -7 }).collect();
    assert_eq!(other.predict(tumours.features()).unwrap(), named);
    let score = other.score(tumours.features(), &renamed).unwrap();
    assert_eq!(score, plain.score(tumours.features(), labels).unwrap());
    assert!(score > 0.98, "{score}");

    let probabilities = plain.predict_proba(tumours.features()).unwrap();
    assert_eq!(probabilities.len(), 2 * tumours.rows());
    for (pair, label) in probabilities.chunks(2).zip(plain.predict(tumours.features()).unwrap()) {
        assert!((pair[0] + pair[1] - 1.0).abs() <= 1e-6 && pair[0] > 0.0 && pair[1] > 0.0, "{pair:?}");
        assert_eq!(label == 1, pair[1] > pair[0], "{pair:?}");
    }
}

#[test]
fn an_intercept_can_be_left_out() {
    let (x, y) = ([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1]);
    let mut classifier = LogisticRegression::new().intercept(false);
    classifier.fit(&x, &y).unwrap();
    assert_eq!(classifier.intercepts().unwrap(), [0.0]);
    assert_eq!(classifier.predict_proba(&[0.0]).unwrap(), [0.5, 0.5]);

    // What is configured afterwards is for the next call of `fit`.
    let classifier = classifier.intercept(true);
    assert_eq!(classifier.intercepts().unwrap(), [0.0]);
    let mut classifier = LogisticRegression::new();
    classifier.fit(&x, &y).unwrap();
    let intercepts = classifier.intercepts().unwrap();
    assert_ne!(intercepts, [0.0]);
    assert_eq!(classifier.intercept(false).intercepts().unwrap(), intercepts);
}

#[test]
fn descent_in_parts_comes_near_the_optimum() {
    let tumours = tumours();
    let (x, labels) = (tumours.to_f32(), tumours.labels().unwrap());
    // The penalty of `l2` 1 for all rows.
    let sgd = nn::Sgd { learning_rate: 0.3, weight_decay: 1.0 / tumours.rows() as f64, ..nn::Sgd::default() };
    let options = TrainOptions { optimizer: sgd.into(), ..TrainOptions::default() };
    let mut classifier = LogisticRegression::new().options(options);
    let half = tumours.rows() / 2;
    let (mut first, mut last) = (0.0, 0.0);
    for pass in 0..100 {
        last = classifier.partial_fit(&x[..half * 30], &labels[..half]).unwrap();
        classifier.partial_fit(&x[half * 30..], &labels[half..]).unwrap();
        first = if pass == 0 { last } else { first };
    }
    assert!(last < 0.25 * first, "from {first} to {last}");
    let (of_largest, _) = distance(&classifier, include_str!("breast_cancer.csv"));
    assert!(of_largest < 0.3, "{of_largest}");

    // And it goes on from an optimum.
    let mut classifier = LogisticRegression::new();
    let optimum = classifier.fit(&x, labels).unwrap();
    let exact = classifier.coefficients().unwrap();
    let loss = classifier.partial_fit(&x, labels).unwrap();
    assert!(loss < optimum.cost && classifier.coefficients().unwrap() != exact, "{loss}");
}

#[test]
fn what_does_not_fit_is_refused_with_its_numbers() {
    let (x, y) = ([0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1]);
    let new = LogisticRegression::new;
    let refused = |result: nn::Result<_>, expected: &str| {
        let message = result.map(|_: nn::estimators::SolverReport| ()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message:?} has no {expected:?}");
    };
    assert!(matches!(new().predict(&x), Err(Error::NotFitted)));
    refused(new().fit(&x, &[0u8; 0]), "no rows");
    refused(new().fit(&[], &y), "no rows");
    refused(new().fit(&[1.0; 6], &y), "shape [6], expected [4, 1]");
    refused(new().fit(&[0.0, 1.0, f32::NAN, 2.0], &y), "NaN in the data, row 2");
    refused(new().fit(&x, &[3; 4]), "[3]");
    refused(new().declare_classes(&[5, 6]).fit(&x, &y), "have 0 at index 0, the classes are [5, 6]");
    refused(new().l2(-1.0).fit(&x, &y), "l2 is -1");
    refused(new().l2(f64::NAN).fit(&x, &y), "l2 is NaN");
    refused(new().tol(0.0).fit(&x, &y), "tol is 0");
    refused(new().max_iter(0).fit(&x, &y), "max_iter is 0");
    refused(new().fit(&x, Labels::from(&y).weighted(&[1.0; 3])), "the sample weights");
    refused(new().fit(&x, Labels::from(&y).weighted(&[0.0; 4])), "all 0");
    refused(new().class_weights(ClassWeights::Given(vec![(7, 1.0)])).fit(&x, &y), "have 7 at index 0");
    refused(new().class_weights(ClassWeights::Given(vec![(0, -1.0)])).fit(&x, &y), "-1 at index 0");

    let mut classifier = new().class_weights(ClassWeights::Balanced);
    assert!(matches!(classifier.partial_fit(&x, &y), Err(Error::InvalidHyperParameter { .. })));
    let mut classifier = new();
    assert!(classifier.partial_fit(&[0.0, f32::NAN, 0.0, 0.0], &y).is_err());
    assert!(matches!(classifier.predict(&x), Err(Error::NotFitted)), "a first part that was refused leaves nothing");
    classifier.fit(&x, &y).unwrap();
    let before = classifier.coefficients().unwrap();
    assert!(classifier.partial_fit(&[0.0; 8], &y).is_err(), "two inputs");
    assert!(matches!(classifier.partial_fit(&x, &[0, 1, 2, 0]), Err(Error::UnknownClass { index: 2, label: 2, .. })));
    assert!(classifier.score(&[0.0; 8], &y).is_err());
    assert_eq!(classifier.coefficients().unwrap(), before);
}

#[test]
fn a_class_without_rows_can_be_declared() {
    let data = Dataset::with_labels(vec![0.0, 1.0, 2.0, 3.0], 1, vec![0, 0, 1, 1], 3).unwrap();
    let mut classifier = LogisticRegression::new().declare_classes(&[2, 0, 1]);
    classifier.fit(data.features(), data.labels().unwrap()).unwrap();
    assert_eq!(classifier.classes().unwrap(), [0, 1, 2]);
    assert!(classifier.predict_proba(data.features()).unwrap().chunks(3).all(|p| p[2] < p[0].max(p[1])));
}

#[test]
fn separable_rows_without_a_penalty_have_no_optimum() {
    let mut classifier = LogisticRegression::new().l2(0.0).max_iter(20).tol(1e-300);
    let report = classifier.fit(&[-1.0, 1.0], &[0, 1]).unwrap();
    assert_ne!(report.stop, SolverStop::Converged);
    assert!(classifier.coefficients().unwrap()[0] > 10.0);
    assert_eq!(classifier.predict(&[-0.1, 0.1]).unwrap(), [0, 1]);
}
