//! The cost of a batch in f64, written plainly: nothing is shared with what training computes but the masks of dropout.

use kernels::{Activation, reference};

use super::loss;
use crate::layers::dropout::{draw_mask, index};
use crate::layers::norm::Affine;
use crate::losses::WeightedTargets;

use crate::model::Model;
use crate::plan::Step;
use crate::stages::Op;

/// The cost for the parameters `arena`, and on which side of its kink each ReLU is.
pub(super) fn cost(
    model: &Model,
    step: Step,
    arena: &[f64],
    x: &[f32],
    targets: WeightedTargets<'_>,
) -> (f64, Vec<bool>) {
    let mut sides = Vec::new();
    let mut values: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    for stage in &model.stages.list {
        match &stage.op {
            Op::Copy => {}
            Op::Linear { weight, bias } => {
                let bias = bias.clone().map(|bias| &arena[bias]);
                values = linear(&values, (stage.inputs, stage.outputs), &arena[weight.clone()], bias);
            }
            Op::Dropout(dropout) => {
                let mut mask = vec![0.0; values.len()];
                draw_mask(step.seed, step.number, index(stage.layer, 0), *dropout, &mut mask);
                values.iter_mut().zip(mask).for_each(|(value, factor)| *value *= f64::from(factor));
            }
            Op::BatchNorm { norm, affine, .. } => {
                for j in 0..stage.outputs {
                    normalise(&mut values, j, stage.outputs, norm.eps);
                }
                scale(&mut values, stage.outputs, affine.as_ref(), arena);
            }
            Op::LayerNorm { norm, affine } => {
                for row in values.chunks_exact_mut(stage.outputs) {
                    normalise(row, 0, 1, norm.eps);
                }
                scale(&mut values, stage.outputs, affine.as_ref(), arena);
            }
        }
        if matches!(stage.activation, Activation::Relu | Activation::LeakyRelu { .. }) {
            sides.extend(values.iter().map(|&z| z > 0.0));
        }
        values.iter_mut().for_each(|value| *value = activate(stage.activation, *value));
    }
    (loss::cost(&model.objective, &values, targets), sides)
}

fn linear(x: &[f64], (inputs, outputs): (usize, usize), weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len() / inputs * outputs);
    for row in x.chunks_exact(inputs) {
        for j in 0..outputs {
            let weights = weight.iter().skip(j).step_by(outputs);
            y.push(bias.map_or(0.0, |bias| bias[j]) + row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>());
        }
    }
    y
}

/// Every `stride`-th value from `first` on gets mean 0 and variance 1, but for `eps`.
fn normalise(values: &mut [f64], first: usize, stride: usize, eps: f32) {
    let count = values.iter().skip(first).step_by(stride).count() as f64;
    let mean = values.iter().skip(first).step_by(stride).sum::<f64>() / count;
    let variance = values.iter().skip(first).step_by(stride).map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    for value in values.iter_mut().skip(first).step_by(stride) {
        *value = (*value - mean) / (variance + f64::from(eps)).sqrt();
    }
}

fn scale(values: &mut [f64], cols: usize, affine: Option<&Affine>, arena: &[f64]) {
    let Some(Affine { weight, bias }) = affine else { return };
    for row in values.chunks_exact_mut(cols) {
        for ((value, weight), bias) in row.iter_mut().zip(&arena[weight.clone()]).zip(&arena[bias.clone()]) {
            *value = *value * weight + bias;
        }
    }
}

fn activate(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Relu => z.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        Activation::Tanh => z.tanh(),
        Activation::LeakyRelu { slope } => z.max(0.0) + f64::from(slope) * z.min(0.0),
        Activation::Softplus => reference::softplus(z),
        Activation::Gelu => reference::gelu(z),
        Activation::GeluTanh => reference::gelu_tanh(z),
        Activation::Silu => reference::silu(z),
    }
}
