//! Predictions, probabilities, classes, loss and accuracy.

use nn::{Activation, Error, KernelSet, Layer, Loss, Model};

use crate::{labels, uniform};

/// More rows than any block of them, and not a multiple.
const ROWS: usize = 700;

fn classifier(loss: Loss, outputs: usize) -> Model {
    Model::builder(5)
        .linear(8, Activation::Tanh)
        .linear(outputs, Activation::Identity)
        .loss(loss)
        .seed(1)
        .build()
        .unwrap()
}

/// The logits of `classifier` in f64.
fn logits(model: &Model, x: &[f32]) -> Vec<f64> {
    let mut values: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let parameters: Vec<Vec<f64>> = model.parameters().map(|p| p.values().map(f64::from).collect()).collect();
    let mut pairs = parameters.chunks(2);
    for layer in model.layers() {
        values = match layer {
            Layer::Linear(layer) => {
                let pair = pairs.next().unwrap();
                let product = |row: &[f64], j: usize| -> f64 {
                    row.iter().zip(&pair[0][j * layer.inputs..]).map(|(x, w)| x * w).sum::<f64>() + pair[1][j]
                };
                values.chunks(layer.inputs).flat_map(|row| (0..layer.outputs).map(move |j| product(row, j))).collect()
            }
            Layer::Activation(Activation::Tanh) => values.into_iter().map(f64::tanh).collect(),
            other => panic!("{other:?}"),
        };
    }
    values
}

#[track_caller]
fn assert_near(actual: f32, expected: f64, case: &str) {
    assert!((f64::from(actual) - expected).abs() <= 1e-5, "{case}: {actual}, expected {expected}");
}

#[test]
fn predictions_and_softmax_match_f64() {
    let model = classifier(Loss::SoftmaxCrossEntropy, 3);
    let x = uniform(2, ROWS * 5);
    let (expected, actual) = (logits(&model, &x), model.predict(&x).unwrap());
    let (probabilities, classes) = (model.predict_proba(&x).unwrap(), model.predict_classes(&x).unwrap());
    assert_eq!((actual.len(), probabilities.len(), classes.len()), (ROWS * 3, ROWS * 3, ROWS));
    for row in 0..ROWS {
        let z = &expected[row * 3..][..3];
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        for j in 0..3 {
            assert_near(actual[row * 3 + j], z[j], &format!("logit {j} of row {row}"));
            assert_near(probabilities[row * 3 + j], z[j].exp() / sum, &format!("probability {j} of row {row}"));
        }
        let class = (0..3).max_by(|&a, &b| z[a].total_cmp(&z[b])).unwrap();
        assert_eq!(classes[row], class as u32, "row {row}: {z:?}");
    }
}

#[test]
fn evaluation_matches_f64_over_several_blocks() {
    for kernels in KernelSet::available() {
        let model = Model::builder(5)
            .linear(8, Activation::Tanh)
            .linear(3, Activation::Identity)
            .loss(Loss::SoftmaxCrossEntropy)
            .kernels(kernels)
            .build()
            .unwrap();
        let (x, labels) = (uniform(2, ROWS * 5), labels(3, ROWS, 3));
        let (mut loss, mut correct) = (0.0, 0);
        for (z, &label) in logits(&model, &x).chunks(3).zip(&labels) {
            loss += z.iter().map(|z| z.exp()).sum::<f64>().ln() - z[label as usize];
            correct += usize::from(z.iter().all(|other| *other <= z[label as usize]));
        }
        let evaluation = model.evaluate(&x, &labels).unwrap();
        assert!((evaluation.loss - loss / ROWS as f64).abs() <= 1e-6, "{}: {evaluation:?}", kernels.isa());
        assert_eq!(evaluation.accuracy, Some(correct as f64 / ROWS as f64), "{}", kernels.isa());
    }
}

#[test]
fn binary_outputs_are_judged_one_by_one() {
    let model = classifier(Loss::BceWithLogits, 2);
    let x = uniform(4, ROWS * 5);
    let targets: Vec<f32> = labels(5, ROWS * 2, 2).iter().map(|&t| t as f32).collect();
    let logits = logits(&model, &x);
    let right = logits.iter().zip(&targets).filter(|(z, t)| (**z > 0.0) == (**t == 1.0)).count();
    assert_eq!(model.evaluate(&x, &targets).unwrap().accuracy, Some(right as f64 / (2 * ROWS) as f64));
    let (probabilities, classes) = (model.predict_proba(&x).unwrap(), model.predict_classes(&x).unwrap());
    assert_eq!(classes.len(), 2 * ROWS);
    for (i, z) in logits.iter().enumerate() {
        assert_near(probabilities[i], 1.0 / (1.0 + (-z).exp()), &format!("output {i}"));
        assert_eq!(classes[i], u32::from(*z > 0.0), "output {i}: {z}");
    }
}

#[test]
fn labels_and_values_are_the_same_binary_targets() {
    let mut model = Model::logistic_regression(5).unwrap();
    model.set_parameter("0.weight", &[1, 5], &uniform(1, 5)).unwrap();
    let (x, labels) = (uniform(2, ROWS * 5), labels(3, ROWS, 2));
    let values: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
    assert_eq!(model.evaluate(&x, &labels).unwrap(), model.evaluate(&x, &values).unwrap());
}

#[test]
fn regression_has_a_loss_but_no_classes() {
    let model = Model::builder(5).linear(2, Activation::Identity).build().unwrap();
    let (x, targets) = (uniform(2, ROWS * 5), uniform(3, ROWS * 2));
    let outputs = model.predict(&x).unwrap();
    let loss: f64 = outputs.iter().zip(&targets).map(|(y, t)| 0.5 * f64::from(y - t).powi(2)).sum();
    let evaluation = model.evaluate(&x, &targets).unwrap();
    assert!((evaluation.loss - loss / ROWS as f64).abs() <= 1e-6, "{evaluation:?}, expected {}", loss / ROWS as f64);
    assert_eq!(evaluation.accuracy, None);
    for error in [model.predict_proba(&x).unwrap_err(), model.predict_classes(&x).unwrap_err()] {
        assert!(matches!(error, Error::NotAClassifier { loss: Loss::Mse }), "{error}");
    }
}

#[test]
fn parameters_survive_a_round_trip_through_their_file_form() {
    let from = classifier(Loss::SoftmaxCrossEntropy, 3);
    let names: Vec<&str> = from.parameters().map(|parameter| parameter.name()).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"], "torch.nn.Sequential(Linear, Tanh, Linear)");
    let shapes: Vec<&[usize]> = from.parameters().map(|parameter| parameter.shape()).collect();
    assert_eq!(shapes, [&[8, 5][..], &[8], &[3, 8], &[3]]);

    let mut to = Model::builder(5)
        .linear(8, Activation::Tanh)
        .linear(3, Activation::Identity)
        .loss(Loss::SoftmaxCrossEntropy)
        .seed(99)
        .build()
        .unwrap();
    assert_ne!(crate::bits(&from), crate::bits(&to));
    for parameter in from.parameters() {
        let values: Vec<f32> = parameter.values().collect();
        to.set_parameter(parameter.name(), parameter.shape(), &values).unwrap();
    }
    assert_eq!(crate::bits(&from), crate::bits(&to));
    let x = uniform(1, 20 * 5);
    assert_eq!(from.predict(&x).unwrap(), to.predict(&x).unwrap());
}
