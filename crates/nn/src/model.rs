//! A sequential model: what is computed, and its parameters.

use std::fmt;

use kernels::{Activation, KernelSet};

use crate::builder::ModelBuilder;
use crate::check;
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::{Loss, LossOptions, Objective};
use crate::memory::Buffer;
use crate::params::{self, Count, ParamLayout, Parameter, StateEntry};
use crate::stages::Stages;

/// Layers, one after the other, and the loss that they are trained for.
///
/// ```
/// use nn::{Activation, BatchNorm, Loss, Model};
/// # fn main() -> nn::Result<()> {
/// let model = Model::builder(64)
///     .linear(32, Activation::Relu)
///     .batch_norm(BatchNorm::default())
///     .dropout(0.2)
///     .linear(10, Activation::Identity)
///     .loss(Loss::SoftmaxCrossEntropy)
///     .seed(42)
///     .build()?;
/// let names: Vec<&str> = model.parameters().map(|parameter| parameter.name()).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Model {
    pub(crate) kernels: &'static KernelSet,
    pub(crate) objective: Objective,
    pub(crate) layers: Vec<Layer>,
    pub(crate) stages: Stages,
    /// All parameters.
    pub(crate) arena: Buffer,
    /// The running moments of batch norms.
    pub(crate) buffers: Buffer,
}

impl Model {
    /// A model that reads rows of `inputs` values.
    pub fn builder(inputs: usize) -> ModelBuilder {
        ModelBuilder::new(inputs)
    }

    /// Logistic regression: one linear output, the log-odds of class 1, trained with binary cross-entropy.
    ///
    /// # Errors
    /// Those of [`ModelBuilder::build`].
    pub fn logistic_regression(inputs: usize) -> Result<Model> {
        Self::multi_label_regression(inputs, 1)
    }

    /// Logistic regression for labels that do not exclude each other: the log-odds of each of `labels`, trained with binary
    /// cross-entropy.
    ///
    /// # Errors
    /// Those of [`ModelBuilder::build`].
    pub fn multi_label_regression(inputs: usize, labels: usize) -> Result<Model> {
        Self::builder(inputs).linear(labels, Activation::Identity).loss(Loss::BceWithLogits).build()
    }

    /// Multinomial logistic regression: a linear logit for each of `classes`, trained with softmax cross-entropy.
    ///
    /// # Errors
    /// Those of [`ModelBuilder::build`].
    pub fn softmax_regression(inputs: usize, classes: usize) -> Result<Model> {
        Self::builder(inputs).linear(classes, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).build()
    }

    /// How many values a row of the input has.
    pub fn inputs(&self) -> usize {
        self.stages.list.first().map_or(0, |stage| stage.inputs)
    }

    /// How many values a row of the output has.
    pub fn outputs(&self) -> usize {
        self.stages.list.last().map_or(0, |stage| stage.outputs)
    }

    /// What the model is trained for.
    pub fn loss(&self) -> Loss {
        self.objective.loss
    }

    /// How the losses of a batch become the cost that training lowers.
    pub fn loss_options(&self) -> &LossOptions {
        &self.objective.options
    }

    /// The layers in the order of computation.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The kernels that compute.
    pub fn kernels(&self) -> &'static KernelSet {
        self.kernels
    }

    /// The parameters, each layer's weight before its bias.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'_>> {
        self.stages.params.entries.iter().map(|layout| Parameter::new(layout, self.arena.as_slice()))
    }

    /// Everything that training changes: the parameters, and what batch norms have seen. It is what PyTorch calls
    /// `state_dict`.
    pub fn state(&self) -> impl Iterator<Item = StateEntry<'_>> {
        let buffers = self.stages.buffers.entries.iter();
        let buffers = buffers.map(|layout| Parameter::new(layout, self.buffers.as_slice()));
        let counts = self.stages.counts.iter().map(|count| StateEntry::Count { name: &count.name, value: count.value });
        self.parameters().chain(buffers).map(StateEntry::Tensor).chain(counts)
    }

    /// Replaces the parameter or buffer `name`. `shape` and the order of `values` are those of [`Parameter::shape`] and
    /// [`Parameter::values`].
    ///
    /// # Errors
    /// [`Error::UnknownParameter`], [`Error::ShapeMismatch`], [`Error::NonFiniteInput`] for NaN or an infinity, or
    /// [`Error::NegativeVariance`] in a running variance; the model is then as before.
    pub fn set_parameter(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<()> {
        let Stages { params, buffers, .. } = &self.stages;
        let (layout, arena) = match (params.find(name), buffers.find(name)) {
            (Some(layout), _) => (layout, &mut self.arena),
            (None, Some(layout)) => (layout, &mut self.buffers),
            (None, None) => return Err(self.unknown(name)),
        };
        check_values(layout, shape, values)?;
        params::write(layout, values, arena.as_mut_slice());
        Ok(())
    }

    /// Replaces the whole number `name`, such as `1.num_batches_tracked`.
    ///
    /// # Errors
    /// [`Error::UnknownParameter`]; [`Error::InvalidHyperParameter`] for 2^63 or more, which files cannot hold.
    pub fn set_count(&mut self, name: &str, value: u64) -> Result<()> {
        if value > Count::MAX {
            let (name, value) = ("the number of batches that a norm has seen", value.to_string());
            return Err(Error::InvalidHyperParameter { name, value, allowed: "below 2^63" });
        }
        match self.stages.counts.iter_mut().find(|count| count.name == name) {
            Some(count) => {
                count.value = value;
                Ok(())
            }
            None => Err(self.unknown(name)),
        }
    }

    /// Whether the model can be trained on a batch of `rows` rows.
    pub(crate) fn check_batch(&self, rows: usize) -> Result<()> {
        let batch_norm = self.layers.iter().position(|layer| matches!(layer, Layer::BatchNorm(_)));
        match batch_norm {
            Some(layer) if rows < 2 => Err(Error::BatchTooSmall { layer, rows }),
            _ => Ok(()),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let known = self.state().map(|entry| entry.name().to_owned()).collect();
        Error::UnknownParameter { name: name.to_owned(), known }
    }

    /// How many elements an arena of this model's parameters has.
    pub(crate) fn arena_len(&self) -> usize {
        self.stages.params.len
    }

    pub(crate) fn arena(&self) -> &[f32] {
        self.arena.as_slice()
    }
}

fn check_values(layout: &ParamLayout, shape: &[usize], values: &[f32]) -> Result<()> {
    if layout.shape != shape {
        return Err(check::mismatch(&layout.name, &layout.shape, shape));
    }
    if layout.range.len() != values.len() {
        return Err(check::mismatch(&layout.name, &layout.shape, &[values.len()]));
    }
    check::finite("a parameter", values, layout.shape.get(1).copied().unwrap_or(1))?;
    match values.iter().position(|&value| value < 0.0) {
        Some(index) if layout.name.ends_with(".running_var") => {
            Err(Error::NegativeVariance { name: layout.name.clone(), index, value: values[index] })
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("layers", &self.layers)
            .field("loss", &self.objective)
            .field("isa", &self.kernels.isa())
            .finish_non_exhaustive()
    }
}
