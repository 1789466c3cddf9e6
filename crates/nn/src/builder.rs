//! How a model is described and made.

use kernels::{Activation, KernelSet};

use crate::error::{Error, Result};
use crate::layers::{BatchNorm, Dropout, Layer, LayerNorm, Linear};
use crate::losses::{Loss, LossOptions, Objective};
use crate::memory::Buffer;
use crate::model::Model;
use crate::stages::{Op, Stages};

/// Describes a [`Model`].
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    inputs: usize,
    /// Values in a row of what the last layer returns.
    width: usize,
    layers: Vec<Layer>,
    loss: Loss,
    loss_options: LossOptions,
    seed: u64,
    kernels: Option<&'static KernelSet>,
}

impl ModelBuilder {
    pub(crate) fn new(inputs: usize) -> Self {
        ModelBuilder {
            inputs,
            width: inputs,
            layers: Vec::new(),
            loss: Loss::default(),
            loss_options: LossOptions::default(),
            seed: 0,
            kernels: None,
        }
    }

    /// Appends a linear layer of `outputs` outputs, then `activation` as a layer of its own unless it is the identity.
    #[must_use]
    pub fn linear(self, outputs: usize, activation: Activation) -> Self {
        self.linear_with(outputs, true).activation(activation)
    }

    /// [`linear`](Self::linear) without a bias, as is usual before a batch norm.
    #[must_use]
    pub fn linear_without_bias(self, outputs: usize, activation: Activation) -> Self {
        self.linear_with(outputs, false).activation(activation)
    }

    fn linear_with(mut self, outputs: usize, bias: bool) -> Self {
        self.layers.push(Layer::Linear(Linear { inputs: self.width, outputs, bias }));
        self.width = outputs;
        self
    }

    /// Appends a function of each element; the identity appends nothing.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        if activation != Activation::Identity {
            self.layers.push(Layer::Activation(activation));
        }
        self
    }

    /// Appends dropout: while training, each element is 0 with probability `p`.
    #[must_use]
    pub fn dropout(mut self, p: f32) -> Self {
        self.layers.push(Layer::Dropout(Dropout { p }));
        self
    }

    /// Appends batch norm.
    #[must_use]
    pub fn batch_norm(mut self, norm: BatchNorm) -> Self {
        self.layers.push(Layer::BatchNorm(norm));
        self
    }

    /// Appends layer norm.
    #[must_use]
    pub fn layer_norm(mut self, norm: LayerNorm) -> Self {
        self.layers.push(Layer::LayerNorm(norm));
        self
    }

    /// What the model is trained for; squared error if not given. The classification losses take logits, so the last
    /// layer must then be no activation.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// Weights of classes, label smoothing and what becomes of the losses of a batch.
    #[must_use]
    pub fn loss_options(mut self, options: LossOptions) -> Self {
        self.loss_options = options;
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

    /// Draws the first weights of linear layers as [`Linear::init_bound`] says; those of norms are 1 and biases 0.
    ///
    /// # Errors
    /// - [`Error::InvalidHyperParameter`] for a model without inputs or layers, a layer without outputs, or an option of a
    ///   layer or of the loss outside its range
    /// - [`Error::ShapeMismatch`], [`Error::InvalidWeight`], [`Error::NoWeight`], [`Error::PositiveWeights`] for weights
    ///   of classes that do not fit
    /// - [`Error::LogitsExpected`] for a classification loss behind an activation
    /// - [`Error::Isa`] if no kernels were chosen and the environment variable `KERNELS_ISA` names none that can run
    /// - [`Error::OutOfMemory`]
    pub fn build(self) -> Result<Model> {
        at_least_one("the number of inputs", self.inputs)?;
        at_least_one("the number of layers", self.layers.len())?;
        self.layers.iter().try_for_each(check_layer)?;
        let stages = Stages::new(self.inputs, &self.layers)?;
        if let Some(last) = stages.list.last()
            && self.loss.is_classification()
            && last.activation != Activation::Identity
        {
            return Err(Error::LogitsExpected { loss: self.loss, activation: last.activation });
        }
        let objective = Objective::new(self.loss, self.loss_options.clone(), self.width)?;
        let mut arena = Buffer::zeros("the parameters", 1, stages.params.len)?;
        let mut buffers = Buffer::zeros("the running moments", 1, stages.buffers.len)?;
        self.init(&stages, arena.as_mut_slice(), buffers.as_mut_slice());
        let kernels = self.kernels.map_or_else(KernelSet::try_best, Ok)?;
        Ok(Model { kernels, objective, layers: self.layers, stages, arena, buffers })
    }

    fn init(&self, stages: &Stages, arena: &mut [f32], buffers: &mut [f32]) {
        let mut linear_layers = 0;
        for stage in &stages.list {
            match &stage.op {
                Op::Linear { weight, bias } => {
                    let layer = Linear { inputs: stage.inputs, outputs: stage.outputs, bias: bias.is_some() };
                    let activation = self.activation_behind(stage.layer);
                    layer.init_weight(activation, self.seed, linear_layers, &mut arena[weight.clone()]);
                    linear_layers += 1;
                }
                Op::BatchNorm { affine, running, .. } => {
                    buffers[running.variance.clone()].fill(1.0);
                    affine.iter().for_each(|affine| arena[affine.weight.clone()].fill(1.0));
                }
                Op::LayerNorm { affine, .. } => {
                    affine.iter().for_each(|affine| arena[affine.weight.clone()].fill(1.0));
                }
                Op::Copy | Op::Dropout(_) => {}
            }
        }
    }

    /// The activation that the outputs of linear layer `number` meet before the next linear layer.
    fn activation_behind(&self, number: usize) -> Activation {
        let behind = self.layers[number + 1..].iter().find_map(|layer| match layer {
            Layer::Linear(_) => Some(Activation::Identity),
            Layer::Activation(activation) => Some(*activation),
            _ => None,
        });
        behind.unwrap_or_default()
    }
}

fn at_least_one(name: &'static str, value: usize) -> Result<()> {
    match value {
        0 => Err(Error::InvalidHyperParameter { name, value: value.to_string(), allowed: "at least 1" }),
        _ => Ok(()),
    }
}

fn check_layer(layer: &Layer) -> Result<()> {
    let in_range = |ok: bool, name, value: f32, allowed| match ok {
        true => Ok(()),
        false => Err(Error::InvalidHyperParameter { name, value: value.to_string(), allowed }),
    };
    let eps = |eps: f32| in_range(eps.is_finite() && eps > 0.0, "eps of a norm", eps, "finite and above 0");
    match *layer {
        Layer::Linear(linear) => at_least_one("the number of outputs of a layer", linear.outputs),
        Layer::Activation(Activation::LeakyRelu { slope }) => {
            in_range(slope.is_finite(), "the slope of a leaky ReLU", slope, "finite")
        }
        Layer::Activation(_) => Ok(()),
        Layer::Dropout(Dropout { p }) => {
            in_range((0.0..1.0).contains(&p), "the probability of a dropout", p, "at least 0 and below 1")
        }
        Layer::BatchNorm(BatchNorm { eps: value, momentum, .. }) => {
            let allowed = "from 0 to 1";
            in_range((0.0..=1.0).contains(&momentum), "momentum of a batch norm", momentum, allowed)?;
            eps(value)
        }
        Layer::LayerNorm(norm) => eps(norm.eps),
    }
}
