//! Every layer, activation and loss against central differences.

use nn::{Activation, KernelSet, Loss, Model, Targets, gradcheck};

use crate::{labels, uniform};

const ACTIVATIONS: [Activation; 4] = [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh];

/// Sums here have up to 21 terms, and four products follow one another.
const BOUND: f64 = 4.0 * 25.0 / (1 << 24) as f64;

const INPUTS: usize = 21;

/// Checks a model of the given layers (outputs, activation) on one row and on several; `scale` multiplies the inputs.
fn check(kernels: &'static KernelSet, layers: &[(usize, Activation)], loss: Loss, scale: f32) {
    for rows in [1, 13] {
        check_batch(kernels, layers, loss, scale, rows);
    }
}

fn check_batch(kernels: &'static KernelSet, layers: &[(usize, Activation)], loss: Loss, scale: f32, rows: usize) {
    let (outputs, _) = layers[layers.len() - 1];
    let x: Vec<f32> = uniform(1, rows * INPUTS).iter().map(|x| x * scale).collect();
    let values: Vec<f32> = match loss {
        Loss::Mse => uniform(2, rows * outputs),
        // Soft targets and both hard ones.
        _ => uniform(2, rows * outputs).iter().map(|t| (0.8 * t + 0.5).clamp(0.0, 1.0)).collect(),
    };
    let classes = labels(3, rows, outputs as u32);
    let targets = match loss {
        Loss::SoftmaxCrossEntropy => Targets::Labels(&classes),
        _ => Targets::Values(&values),
    };
    let mut builder = Model::builder(INPUTS).loss(loss).seed(5).kernels(kernels);
    for &(outputs, activation) in layers {
        builder = builder.linear(outputs, activation);
    }
    let mut model = builder.build().unwrap();
    let parameters: Vec<(String, Vec<usize>)> =
        model.parameters().map(|parameter| (parameter.name().to_owned(), parameter.shape().to_vec())).collect();
    for (name, shape) in parameters.iter().filter(|(_, shape)| shape.len() == 1) {
        model.set_parameter(name, shape, &uniform(7, shape[0])).unwrap();
    }

    let report = gradcheck::check_gradients(&model, &x, targets).unwrap();
    let case = format!("{}: {layers:?} {loss}, {rows} rows, inputs times {scale}: {report:?}", kernels.isa());
    assert!(report.error <= BOUND, "{case}");
    let all: usize = parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    assert_eq!(report.compared + report.kinks, all, "{case}");
    assert!(report.kinks <= all / 100, "{case}");
}

#[test]
fn squared_error_behind_every_activation() {
    for kernels in KernelSet::available() {
        for hidden in ACTIVATIONS {
            for last in ACTIVATIONS {
                check(kernels, &[(17, hidden), (6, last)], Loss::Mse, 1.0);
            }
            check(kernels, &[(3, hidden)], Loss::Mse, 1.0);
        }
    }
}

#[test]
fn classification_losses_behind_every_hidden_activation() {
    for kernels in KernelSet::available() {
        for loss in [Loss::BceWithLogits, Loss::SoftmaxCrossEntropy] {
            for hidden in ACTIVATIONS {
                check(kernels, &[(17, hidden), (10, hidden), (4, Activation::Identity)], loss, 1.0);
            }
            check(kernels, &[(4, Activation::Identity)], loss, 1.0);
        }
        check(kernels, &[(17, Activation::Relu), (1, Activation::Identity)], Loss::BceWithLogits, 1.0);
    }
}

#[test]
fn large_logits_keep_their_gradients() {
    for kernels in KernelSet::available() {
        for loss in [Loss::BceWithLogits, Loss::SoftmaxCrossEntropy] {
            check(kernels, &[(4, Activation::Identity)], loss, 100.0);
        }
    }
}
