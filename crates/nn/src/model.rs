//! A sequential model: what is computed, and its parameters.

use std::fmt;

use kernels::{Activation, KernelSet, MatMut, MatRef};

use crate::check;
use crate::error::{Error, Result};
use crate::layers::Linear;
use crate::layers::linear::{LinearGrads, LinearParams};
use crate::losses::Loss;
use crate::params::{self, Buffer, LayerLayout, Layout, Parameter};

/// Linear layers, each with its activation, one after the other, and the loss that they are trained for.
///
/// ```
/// use nn::{Activation, Loss, Model};
/// # fn main() -> nn::Result<()> {
/// let model = Model::builder(64)
///     .linear(32, Activation::Relu)
///     .linear(10, Activation::Identity)
///     .loss(Loss::SoftmaxCrossEntropy)
///     .seed(42)
///     .build()?;
/// assert_eq!(model.parameters().map(|parameter| parameter.values().len()).sum::<usize>(), 64 * 32 + 32 + 32 * 10 + 10);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Model {
    kernels: &'static KernelSet,
    loss: Loss,
    layers: Vec<Linear>,
    layout: Layout,
    arena: Buffer,
}

/// Describes a [`Model`].
#[derive(Clone)]
pub struct ModelBuilder {
    inputs: usize,
    layers: Vec<(usize, Activation)>,
    loss: Loss,
    seed: u64,
    kernels: Option<&'static KernelSet>,
}

impl ModelBuilder {
    /// Appends a linear layer of `outputs` outputs and what is applied to each of them.
    #[must_use]
    pub fn linear(mut self, outputs: usize, activation: Activation) -> Self {
        self.layers.push((outputs, activation));
        self
    }

    /// What the model is trained for; squared error if not given. The classification losses take logits, so the last
    /// layer must then have no activation.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// Where the random numbers of the first weights start: the same seed gives the same weights; 0 if not given.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The kernels that compute; the fastest that this CPU runs if not given. Results do not depend on the choice.
    #[must_use]
    pub fn kernels(mut self, kernels: &'static KernelSet) -> Self {
        self.kernels = Some(kernels);
        self
    }

    /// Draws the first weights as [`Linear::init_bound`] says; biases are 0.
    ///
    /// # Errors
    /// - [`Error::InvalidHyperParameter`] for a model without inputs or layers, or a layer without outputs
    /// - [`Error::LogitsExpected`] for a classification loss behind an activation
    /// - [`Error::Isa`] if no kernels were chosen and the environment variable `KERNELS_ISA` names none that can run
    /// - [`Error::OutOfMemory`]
    pub fn build(self) -> Result<Model> {
        let at_least_one = |name, value: usize| match value {
            0 => Err(Error::InvalidHyperParameter { name, value: value.to_string(), allowed: "at least 1" }),
            _ => Ok(()),
        };
        at_least_one("the number of inputs", self.inputs)?;
        at_least_one("the number of layers", self.layers.len())?;

        let mut layers = Vec::with_capacity(self.layers.len());
        let mut layout = Layout::default();
        let (mut inputs, mut module) = (self.inputs, 0);
        for (outputs, activation) in self.layers {
            at_least_one("the number of outputs of a layer", outputs)?;
            layout.push_layer(module, inputs, outputs)?;
            layers.push(Linear { inputs, outputs, activation });
            inputs = outputs;
            module += if activation == Activation::Identity { 1 } else { 2 };
        }
        if let Some(Linear { activation, .. }) = layers.last().copied()
            && self.loss.is_classification()
            && activation != Activation::Identity
        {
            return Err(Error::LogitsExpected { loss: self.loss, activation });
        }

        let mut arena = Buffer::zeros("the parameters", 1, layout.len)?;
        for (number, (layer, place)) in layers.iter().zip(&layout.layers).enumerate() {
            layer.init_weight(self.seed, number, &mut arena.as_mut_slice()[place.weight.range.clone()]);
        }
        let kernels = self.kernels.map_or_else(KernelSet::try_best, Ok)?;
        Ok(Model { kernels, loss: self.loss, layers, layout, arena })
    }
}

impl Model {
    /// A model that reads rows of `inputs` values.
    pub fn builder(inputs: usize) -> ModelBuilder {
        ModelBuilder { inputs, layers: Vec::new(), loss: Loss::default(), seed: 0, kernels: None }
    }

    /// Logistic regression: one linear output, the log-odds of class 1, trained with binary cross-entropy.
    ///
    /// # Errors
    /// Those of [`ModelBuilder::build`].
    pub fn logistic_regression(inputs: usize) -> Result<Model> {
        Self::builder(inputs).linear(1, Activation::Identity).loss(Loss::BceWithLogits).build()
    }

    /// How many values a row of the input has.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// How many values a row of the output has.
    pub fn outputs(&self) -> usize {
        self.last().outputs
    }

    /// What the model is trained for.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The layers in the order of computation.
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// The kernels that compute.
    pub fn kernels(&self) -> &'static KernelSet {
        self.kernels
    }

    /// The parameters, each layer's weight before its bias.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'_>> {
        self.layout.params().map(|layout| Parameter::new(layout, self.arena.as_slice()))
    }

    /// Replaces the parameter `name`. `shape` and the order of `values` are those of [`Parameter::shape`] and
    /// [`Parameter::values`].
    ///
    /// # Errors
    /// [`Error::UnknownParameter`], [`Error::ShapeMismatch`], or [`Error::NonFiniteInput`] for NaN or an infinity; the
    /// model is then as before.
    pub fn set_parameter(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<()> {
        let Some(layout) = self.layout.params().find(|layout| layout.name == name) else {
            let known = self.layout.params().map(|layout| layout.name.clone()).collect();
            return Err(Error::UnknownParameter { name: name.to_owned(), known });
        };
        if layout.shape != shape {
            return Err(check::mismatch(name, &layout.shape, shape));
        }
        if layout.range.len() != values.len() {
            return Err(check::mismatch(name, &layout.shape, &[values.len()]));
        }
        check::finite("a parameter", values, layout.shape.get(1).copied().unwrap_or(1))?;
        params::write(layout, values, self.arena.as_mut_slice());
        Ok(())
    }

    pub(crate) fn last(&self) -> Linear {
        self.layers[self.layers.len() - 1]
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn arena(&self) -> &[f32] {
        self.arena.as_slice()
    }

    pub(crate) fn arena_mut(&mut self) -> &mut [f32] {
        self.arena.as_mut_slice()
    }

    pub(crate) fn layer_params(&self, layer: usize) -> LinearParams<'_> {
        let Linear { inputs, outputs, .. } = self.layers[layer];
        let LayerLayout { weight, bias } = &self.layout.layers[layer];
        let arena = self.arena.as_slice();
        let weight = MatRef::from_row_major(&arena[weight.range.clone()], inputs, outputs);
        LinearParams { weight, bias: &arena[bias.range.clone()] }
    }

    /// The part of `gradients`, an arena of this model's layout, that belongs to a layer.
    pub(crate) fn layer_grads<'a>(&self, layer: usize, gradients: &'a mut [f32]) -> LinearGrads<'a> {
        let Linear { inputs, outputs, .. } = self.layers[layer];
        let LayerLayout { weight, bias } = &self.layout.layers[layer];
        let (weights, biases) = gradients.split_at_mut(bias.range.start);
        let d_weight = MatMut::from_row_major(&mut weights[weight.range.clone()], inputs, outputs);
        LinearGrads { d_weight, d_bias: &mut biases[..outputs] }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("layers", &self.layers)
            .field("loss", &self.loss)
            .field("isa", &self.kernels.isa())
            .finish_non_exhaustive()
    }
}
