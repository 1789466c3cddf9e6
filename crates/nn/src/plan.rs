//! Forward and backward pass of a whole model in memory that is allocated once.

use kernels::{MatMut, MatRef};

use crate::check;
use crate::error::{Error, Result};
use crate::layers::activation::activation_backward;
use crate::layers::linear::{linear_backward_input, linear_backward_params, linear_forward};
use crate::losses::Targets;
use crate::model::Model;
use crate::params::Buffer;

/// The outputs of every layer for up to a fixed number of rows.
pub(crate) struct Activations {
    outputs: Vec<Buffer>,
}

impl Activations {
    pub(crate) fn new(model: &Model, rows: usize) -> Result<Self> {
        let zeros = |layer: &crate::Linear| Buffer::zeros("the activations", rows, layer.outputs);
        Ok(Activations { outputs: model.layers().iter().map(zeros).collect::<Result<_>>()? })
    }

    /// The outputs of the last layer, `[rows][outputs]`, for `x` `[rows][inputs]`.
    pub(crate) fn forward(&mut self, model: &Model, x: &[f32]) -> &[f32] {
        let rows = x.len() / model.inputs();
        for (number, layer) in model.layers().iter().enumerate() {
            let (before, rest) = self.outputs.split_at_mut(number);
            let input = match before.last() {
                Some(output) => &output.as_slice()[..rows * layer.inputs],
                None => x,
            };
            let input = MatRef::from_row_major(input, rows, layer.inputs);
            let output = &mut rest[0].as_mut_slice()[..rows * layer.outputs];
            let output = MatMut::from_row_major(output, rows, layer.outputs);
            linear_forward(model.kernels(), model.layer_params(number), layer.activation, input, output);
        }
        self.output(model, model.layers().len() - 1, rows)
    }

    /// What `layer` returned for the first `rows` rows.
    fn output(&self, model: &Model, layer: usize, rows: usize) -> &[f32] {
        &self.outputs[layer].as_slice()[..rows * model.layers()[layer].outputs]
    }
}

/// All memory of training steps on batches of up to a fixed number of rows: a step itself only computes.
pub(crate) struct Plan {
    activations: Activations,
    /// The gradient of the logits of the layer at hand, and of the layer before.
    d_z: Buffer,
    d_z_before: Buffer,
    gradients: Buffer,
    classes: Vec<u32>,
}

impl Plan {
    pub(crate) fn new(model: &Model, rows: usize) -> Result<Self> {
        let widest = model.layers().iter().map(|layer| layer.outputs).max().unwrap_or(0);
        let d_z = || Buffer::zeros("the gradients of the activations", rows, widest);
        let mut classes = Vec::new();
        classes.try_reserve_exact(rows).map_err(|_| Error::OutOfMemory { what: "the classes", rows, cols: 1 })?;
        classes.resize(rows, 0);
        Ok(Plan {
            activations: Activations::new(model, rows)?,
            d_z: d_z()?,
            d_z_before: d_z()?,
            gradients: Buffer::zeros("the gradients", 1, model.layout().len)?,
            classes,
        })
    }

    /// The cost of a batch; afterwards [`gradients`](Self::gradients) holds its gradient.
    pub(crate) fn forward_backward(&mut self, model: &Model, x: &[f32], targets: Targets<'_>) -> f64 {
        let rows = x.len() / model.inputs();
        let (kernels, last) = (model.kernels(), model.last());
        let outputs = self.activations.forward(model, x);
        let d_outputs = &mut self.d_z.as_mut_slice()[..outputs.len()];
        let cost = model.loss().forward_backward(kernels, last.outputs, outputs, targets, d_outputs);
        activation_backward(kernels, last.activation, outputs, d_outputs);

        for number in (0..model.layers().len()).rev() {
            let layer = model.layers()[number];
            let d_z = &self.d_z.as_slice()[..rows * layer.outputs];
            let grads = model.layer_grads(number, self.gradients.as_mut_slice());
            let Some(before) = number.checked_sub(1) else {
                linear_backward_params(kernels, MatRef::from_row_major(x, rows, layer.inputs), d_z, grads);
                break;
            };
            let input = MatRef::from_row_major(self.activations.output(model, before, rows), rows, layer.inputs);
            linear_backward_params(kernels, input, d_z, grads);

            let d_z = MatRef::from_row_major(d_z, rows, layer.outputs);
            let d_z_before = &mut self.d_z_before.as_mut_slice()[..rows * layer.inputs];
            let d_z_before = MatMut::from_row_major(d_z_before, rows, layer.inputs);
            let activation = model.layers()[before].activation;
            linear_backward_input(kernels, model.layer_params(number).weight, d_z, activation, input, d_z_before);
            std::mem::swap(&mut self.d_z, &mut self.d_z_before);
        }
        cost
    }

    /// How many targets the outputs of the last pass, over `rows` rows, meet.
    pub(crate) fn count_correct(&mut self, model: &Model, rows: usize, targets: Targets<'_>) -> usize {
        let outputs = self.activations.output(model, model.layers().len() - 1, rows);
        model.loss().count_correct(model.kernels(), model.outputs(), outputs, targets, &mut self.classes[..rows])
    }

    /// The first layer that returned NaN or an infinity in the last pass, over `rows` rows.
    pub(crate) fn first_non_finite_layer(&self, model: &Model, rows: usize) -> Option<usize> {
        let outputs = |layer| self.activations.output(model, layer, rows);
        (0..model.layers().len()).find(|&layer| check::first_non_finite(outputs(layer)).is_some())
    }

    /// The gradients of the parameters, in the layout of the model.
    pub(crate) fn gradients(&self) -> &[f32] {
        self.gradients.as_slice()
    }
}
