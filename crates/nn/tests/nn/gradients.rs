//! Every layer, activation and loss against central differences.

use nn::{
    Activation, BatchNorm, KernelSet, LayerNorm, Loss, LossOptions, Model, ModelBuilder, Reduction, Targets,
    WeightedTargets, gradcheck,
};

use crate::{labels, uniform};

const ACTIVATIONS: [Activation; 10] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.1 },
    // It keeps the logits, as its outputs do not tell them.
    Activation::LeakyRelu { slope: -0.2 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Softplus,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
];

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
        Loss::Mse | Loss::Huber { .. } => uniform(2, rows * outputs),
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
    randomise_vectors(&mut model);

    let report = gradcheck::check_gradients(&model, &x, targets).unwrap();
    let case = format!("{}: {layers:?} {loss}, {rows} rows, inputs times {scale}: {report:?}", kernels.isa());
    assert!(report.error <= BOUND, "{case}");
    let all: usize = model.parameters().map(|parameter| parameter.as_slice().len()).sum();
    assert_eq!(report.compared + report.kinks, all, "{case}");
    assert!(report.kinks <= all / 100, "{case}");
}

#[test]
fn squared_error_behind_every_activation() {
    for (i, hidden) in ACTIVATIONS.into_iter().enumerate() {
        let last = ACTIVATIONS[(i + 1) % ACTIVATIONS.len()];
        for kernels in KernelSet::available() {
            check(kernels, &[(17, hidden), (6, last)], Loss::Mse, 1.0);
        }
        check(KernelSet::best(), &[(3, hidden)], Loss::Mse, 1.0);
    }
}

#[test]
fn classification_losses_behind_every_hidden_activation() {
    for loss in [Loss::BceWithLogits, Loss::SoftmaxCrossEntropy] {
        for hidden in ACTIVATIONS {
            check(KernelSet::best(), &[(17, hidden), (10, hidden), (4, Activation::Identity)], loss, 1.0);
        }
        for kernels in KernelSet::available() {
            check(kernels, &[(17, Activation::Relu), (10, Activation::Gelu), (4, Activation::Identity)], loss, 1.0);
            check(kernels, &[(4, Activation::Identity)], loss, 1.0);
        }
    }
    for kernels in KernelSet::available() {
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

const LOSSES: [Loss; 4] = [Loss::Mse, Loss::Huber { delta: 0.4 }, Loss::BceWithLogits, Loss::SoftmaxCrossEntropy];

type Append = fn(ModelBuilder) -> ModelBuilder;

/// Every kind of layer between two linear ones, or first, or last.
fn layers() -> Vec<(&'static str, Append)> {
    vec![
        ("linear", |b| b.linear(9, Activation::Tanh)),
        ("no bias", |b| b.linear_without_bias(9, Activation::Sigmoid)),
        ("an activation of its own", |b| b.linear(9, Activation::Gelu).activation(Activation::Silu)),
        ("an activation first", |b| b.activation(Activation::Tanh).linear(9, Activation::Relu)),
        ("dropout", |b| b.linear(9, Activation::Tanh).dropout(0.4)),
        ("dropout first, and before an activation", |b| {
            b.dropout(0.3).linear(9, Activation::Identity).dropout(0.4).activation(Activation::Sigmoid)
        }),
        ("batch norm", |b| {
            b.linear_without_bias(9, Activation::Identity).batch_norm(BatchNorm::default()).activation(Activation::Gelu)
        }),
        ("batch norm behind an activation", |b| {
            b.linear(9, Activation::Sigmoid).batch_norm(BatchNorm { affine: false, ..BatchNorm::default() })
        }),
        ("batch norm first", |b| b.batch_norm(BatchNorm::default()).linear(9, Activation::Tanh)),
        ("layer norm", |b| {
            b.linear(9, Activation::Identity).layer_norm(LayerNorm::default()).activation(Activation::Tanh)
        }),
        ("layer norm behind an activation", |b| {
            b.linear(9, Activation::Silu).layer_norm(LayerNorm { affine: false, ..LayerNorm::default() })
        }),
        ("layer norm first", |b| b.layer_norm(LayerNorm::default()).linear(9, Activation::Tanh)),
        ("two norms and dropout", |b| {
            let b = b.layer_norm(LayerNorm::default()).dropout(0.1).batch_norm(BatchNorm::default());
            b.linear(9, Activation::Tanh).dropout(0.2)
        }),
    ]
}

/// Weights of rows, of classes, of both, and smoothing, as far as the loss takes them.
fn weightings(loss: Loss, outputs: usize) -> Vec<(&'static str, bool, LossOptions)> {
    let class_weights = || Some(uniform(11, outputs).iter().map(|w| w.abs() + 0.1).collect());
    let plain = LossOptions::default;
    let mut cases = vec![
        ("no weights", false, plain()),
        ("sample weights", true, plain()),
        ("class weights", false, LossOptions { class_weights: class_weights(), ..plain() }),
        ("both weights", true, LossOptions { class_weights: class_weights(), ..plain() }),
    ];
    if loss.is_classification() {
        cases.push((
            "smoothing",
            true,
            LossOptions { label_smoothing: 0.2, class_weights: class_weights(), ..plain() },
        ));
    }
    if loss == Loss::BceWithLogits {
        cases.push(("positive weights", true, LossOptions { positive_weights: class_weights(), ..plain() }));
    }
    cases
}

#[test]
fn every_layer_loss_reduction_and_weighting() {
    const ROWS: usize = 6;
    const OUTPUTS: usize = 3;
    let x = uniform(1, ROWS * 5);
    let values: Vec<f32> = uniform(2, ROWS * OUTPUTS).iter().map(|t| (0.8 * t + 0.5).clamp(0.0, 1.0)).collect();
    let classes = labels(3, ROWS, OUTPUTS as u32);
    let mut samples: Vec<f32> = uniform(4, ROWS).iter().map(|w| 2.0 * w.abs()).collect();
    samples[1] = 0.0;
    let mut cases = 0;
    for (layer, append) in layers() {
        for loss in LOSSES {
            for (weighting, weighted, options) in weightings(loss, OUTPUTS) {
                for reduction in [Reduction::Mean, Reduction::Sum] {
                    let builder = append(Model::builder(5)).linear(OUTPUTS, Activation::Identity).loss(loss).seed(5);
                    let mut model = builder.loss_options(LossOptions { reduction, ..options.clone() }).build().unwrap();
                    randomise_vectors(&mut model);
                    let mut targets = vec![Targets::Values(&values)];
                    if loss == Loss::SoftmaxCrossEntropy {
                        targets.push(Targets::Labels(&classes));
                    }
                    for targets in targets {
                        let weights = weighted.then_some(&samples[..]);
                        let report =
                            gradcheck::check_gradients(&model, &x, WeightedTargets { targets, weights }).unwrap();
                        let case = format!("{layer}, {loss}, {weighting}, {reduction:?}, {targets:?}: {report:?}");
                        // A norm multiplies the rounding errors of what it reads by its inverse standard deviation.
                        let bound = if layer.contains("norm") { gradcheck::BOUND } else { 4.0 * BOUND };
                        assert!(report.error <= bound, "{case}");
                        let all: usize = model.parameters().map(|parameter| parameter.as_slice().len()).sum();
                        assert!(report.compared + report.kinks == all && report.kinks <= all / 10, "{case}");
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 13 * 2 * (4 + 4 + 6 + 2 * 5));
}

/// Biases and the weights of norms, which start at 0 and 1.
fn randomise_vectors(model: &mut Model) {
    let vectors = model.parameters().filter(|parameter| parameter.shape().len() == 1);
    let vectors: Vec<(String, usize)> = vectors.map(|p| (p.name().to_owned(), p.shape()[0])).collect();
    for (name, len) in vectors {
        model.set_parameter(&name, &[len], &uniform(7, len)).unwrap();
    }
}
