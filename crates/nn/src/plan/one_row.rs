//! Plain descent on one row, for nets of linear layers: all layers in one call of a kernel each way, as calls take most of the time
//! where layers are small.

use kernels::Kept;
use kernels::fused::{DenseLayer, DenseNet, Descent};

use super::Ahead;
use crate::batches::Batch;
use crate::check;
use crate::error::Result;
use crate::layers::activation::activation_backward;
use crate::losses::BatchLoss;
use crate::memory::Buffer;
use crate::model::Model;
use crate::params::Layout;
use crate::stages::{Op, Stage};

/// Weights of a layer above which threads may share its products.
const SHARED: usize = 512 * 1024;

pub(super) struct OneRow {
    layers: Vec<DenseLayer>,
    values: Buffer,
    d: Buffer,
}

impl OneRow {
    /// `None` for a model that it cannot train, or whose products threads may share.
    pub(super) fn new(model: &Model) -> Result<Option<Self>> {
        let (stages, mut places) = (&model.stages.list, Layout::default());
        let mut layers = Vec::with_capacity(stages.len());
        for Stage { op, activation, inputs, outputs, .. } in stages {
            match op {
                Op::Linear { weight, bias } if activation.keeps() == Kept::Output && weight.len() < SHARED => {
                    let (weight, bias) = (weight.clone(), bias.clone());
                    let values = places.push(layers.len(), "values", *outputs, None)?;
                    let (inputs, outputs, activation) = (*inputs, *outputs, *activation);
                    layers.push(DenseLayer { inputs, outputs, weight, bias, activation, values });
                }
                _ => return Ok(None),
            }
        }
        if layers.is_empty() {
            return Ok(None);
        }
        let zeros = |what| Buffer::zeros(what, 1, places.len);
        let (values, d) = (zeros("the activations")?, zeros("the gradients of the activations")?);
        Ok(Some(OneRow { layers, values, d }))
    }

    /// As [`Plan::step`](super::Plan::step), to the same bits.
    pub(super) fn step(&mut self, model: &mut Model, batch: Batch<'_>, step: Descent, ahead: &mut Ahead) -> BatchLoss {
        let (kernels, net) = (model.kernels, DenseNet { layers: &self.layers, x: batch.x });
        let (values, d) = (self.values.as_mut_slice(), self.d.as_mut_slice());
        kernels.dense_forward(net, model.arena.as_slice(), ahead.take(), values);
        let last = &self.layers[self.layers.len() - 1];
        let (outputs, d_outputs) = (&values[last.values.clone()], &mut d[last.values.clone()]);
        let loss = model.objective.forward_backward(kernels, outputs, batch.targets, d_outputs);
        if loss.mean.is_finite() {
            activation_backward(kernels, last.activation, outputs, d_outputs);
            let product = ahead.product.as_mut_slice();
            let next = batch.next.filter(|_| !product.is_empty()).map(|next| (next, product));
            ahead.is_there = next.is_some();
            kernels.dense_descent(net, step, model.arena.as_mut_slice(), values, d, next);
        }
        loss
    }

    /// Of the last step.
    pub(super) fn outputs(&self) -> &[f32] {
        &self.values.as_slice()[self.layers[self.layers.len() - 1].values.clone()]
    }

    /// The first layer that returned NaN or an infinity in the last step.
    pub(super) fn first_non_finite_layer(&self, model: &Model) -> Option<usize> {
        let values = self.values.as_slice();
        let mut layers = self.layers.iter().zip(&model.stages.list);
        let is_not_finite =
            |(layer, _): &(&DenseLayer, &Stage)| check::first_non_finite(&values[layer.values.clone()]).is_some();
        layers.find(is_not_finite).map(|(_, stage)| stage.layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::{Loss, Targets, WeightedTargets};
    use crate::plan::{Plan, Step, Update};
    use kernels::Activation;

    /// A plan with room for two rows takes its steps on one row by separate calls.
    #[test]
    fn the_bits_are_those_of_the_passes() {
        let nets: [(&[usize], Activation, Loss); 4] = [
            (&[6, 64, 8, 4], Activation::Relu, Loss::SoftmaxCrossEntropy),
            (&[20, 130, 10], Activation::Tanh, Loss::SoftmaxCrossEntropy),
            (&[3, 1, 2], Activation::Sigmoid, Loss::Mse),
            (&[5, 7], Activation::Identity, Loss::Mse),
        ];
        for ((widths, activation, loss), weight_decay) in nets.into_iter().zip([0.0, 0.5, 2.0, 0.0]) {
            let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
            let hidden = &widths[1..widths.len() - 1];
            let builder =
                hidden.iter().fold(Model::builder(inputs), |builder, &width| builder.linear(width, activation));
            let last = if loss == Loss::Mse { Activation::Tanh } else { Activation::Identity };
            let model = builder.linear(outputs, last).loss(loss).build().unwrap();
            let update = Update::Descend { learning_rate: 0.5, weight_decay };
            let run = |rows: usize| {
                let (mut model, mut plan) = (model.clone(), Plan::new(&model, rows, update).unwrap());
                assert_eq!(plan.one_row.is_some(), rows == 1);
                let x: Vec<f32> = (0..6 * inputs).map(|i| (i as f32 * 0.7).sin()).collect();
                let mut told = Vec::new();
                for number in 0..6 {
                    let row = |number: usize| x.get(number * inputs..(number + 1) * inputs);
                    let (labels, values) = ([number as u32 % outputs as u32], vec![0.25; outputs]);
                    let targets = if loss == Loss::Mse { Targets::Values(&values) } else { Targets::Labels(&labels) };
                    let targets = WeightedTargets { targets, weights: None };
                    let next = row(number + 1).filter(|_| number != 3);
                    let batch = Batch { x: row(number).unwrap(), targets, next };
                    let step = Step { seed: 1, number: number as u64, update };
                    let loss = plan.step(&mut model, batch, step).unwrap();
                    let correct = plan.count_correct(&model, 1, targets.targets);
                    told.push((loss.mean.to_bits(), correct));
                }
                let parameters: Vec<u32> = model.arena().iter().map(|p| p.to_bits()).collect();
                (told, parameters)
            };
            assert_eq!(run(1), run(2), "{widths:?}");
        }
    }

    #[test]
    fn others_than_small_linear_layers_are_left_to_the_passes() {
        let linear = |inputs, activation| Model::builder(inputs).linear(512, activation);
        for (builder, expected) in [
            (linear(1023, Activation::Relu), true),
            (linear(1024, Activation::Relu), false),
            (linear(3, Activation::Gelu), false),
            (linear(3, Activation::Relu).dropout(0.5), false),
        ] {
            let model = builder.linear(2, Activation::Identity).build().unwrap();
            assert_eq!(OneRow::new(&model).unwrap().is_some(), expected, "{model:?}");
        }
    }

    #[test]
    fn the_layer_that_is_not_finite_is_named() {
        let mut model = Model::builder(2).linear(3, Activation::Relu).linear(2, Activation::Identity).build().unwrap();
        model.set_parameter("2.bias", &[2], &[f32::MAX, f32::MAX]).unwrap();
        model.set_parameter("2.weight", &[2, 3], &[f32::MAX; 6]).unwrap();
        let update = Update::Descend { learning_rate: 0.5, weight_decay: 0.0 };
        let mut plan = Plan::new(&model, 1, update).unwrap();
        model.set_parameter("0.bias", &[3], &[9.0; 3]).unwrap();
        let before = model.clone();
        let targets = WeightedTargets { targets: Targets::Values(&[0.0, 0.0]), weights: None };
        let batch = Batch { x: &[0.0, 0.0], targets, next: None };
        let loss = plan.step(&mut model, batch, Step { seed: 1, number: 0, update }).unwrap();
        assert!(!loss.mean.is_finite());
        assert_eq!(plan.first_non_finite_layer(&model, 1), Some(2));
        assert!(model.parameters().eq(before.parameters()));
    }
}
