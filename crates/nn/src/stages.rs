//! From the layers of a model to the stages that a pass goes through: each one layer with the activation behind it.

use std::ops::Range;

use kernels::Activation;

use crate::error::Result;
use crate::layers::norm::Affine;
use crate::layers::{BatchNorm, Dropout, Layer, LayerNorm, Linear};
use crate::params::{Count, Layout};

/// `y = activation(op(x))`
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) op: Op,
    pub(crate) activation: Activation,
    /// Values in a row of the input.
    pub(crate) inputs: usize,
    /// Values in a row of the output.
    pub(crate) outputs: usize,
    /// The number of its first layer.
    pub(crate) layer: usize,
}

/// What a stage does before its activation, and where its parameters lie.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Nothing: an activation with no layer of its own before it.
    Copy,
    Linear {
        weight: Range<usize>,
        bias: Option<Range<usize>>,
    },
    Dropout(Dropout),
    BatchNorm {
        norm: BatchNorm,
        affine: Option<Affine>,
        running: Running,
    },
    LayerNorm {
        norm: LayerNorm,
        affine: Option<Affine>,
    },
}

/// Where the running moments of a batch norm lie in the arena of buffers.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) mean: Range<usize>,
    pub(crate) variance: Range<usize>,
}

/// Stages with the tables of what they own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages {
    pub(crate) list: Vec<Stage>,
    pub(crate) params: Layout,
    pub(crate) buffers: Layout,
    pub(crate) counts: Vec<Count>,
}

impl Stages {
    /// The stages of `layers`, which read rows of `inputs` values.
    pub(crate) fn new(inputs: usize, layers: &[Layer]) -> Result<Self> {
        let mut stages = Stages::default();
        let mut width = inputs;
        for (number, layer) in layers.iter().enumerate() {
            let op = match *layer {
                Layer::Activation(activation) => {
                    match stages.list.last_mut() {
                        Some(before) if before.activation == Activation::Identity => before.activation = activation,
                        _ => stages.push(number, Op::Copy, activation, width, width),
                    }
                    continue;
                }
                Layer::Linear(Linear { inputs, outputs, bias }) => {
                    let weight = stages.params.push(number, "weight", outputs, Some(inputs))?;
                    let bias = bias.then(|| stages.params.push(number, "bias", outputs, None)).transpose()?;
                    Op::Linear { weight, bias }
                }
                Layer::Dropout(dropout) => Op::Dropout(dropout),
                Layer::BatchNorm(norm) => {
                    let affine = norm.affine.then(|| stages.affine(number, width)).transpose()?;
                    let mean = stages.buffers.push(number, "running_mean", width, None)?;
                    let variance = stages.buffers.push(number, "running_var", width, None)?;
                    stages.counts.push(Count { name: format!("{number}.num_batches_tracked"), value: 0 });
                    Op::BatchNorm { norm, affine, running: Running { mean, variance } }
                }
                Layer::LayerNorm(norm) => {
                    let affine = norm.affine.then(|| stages.affine(number, width)).transpose()?;
                    Op::LayerNorm { norm, affine }
                }
            };
            let outputs = if let Layer::Linear(linear) = layer { linear.outputs } else { width };
            stages.push(number, op, Activation::Identity, width, outputs);
            width = outputs;
        }
        Ok(stages)
    }

    fn push(&mut self, layer: usize, op: Op, activation: Activation, inputs: usize, outputs: usize) {
        self.list.push(Stage { op, activation, inputs, outputs, layer });
    }

    fn affine(&mut self, module: usize, cols: usize) -> Result<Affine> {
        let weight = self.params.push(module, "weight", cols, None)?;
        Ok(Affine { weight, bias: self.params.push(module, "bias", cols, None)? })
    }
}

impl Stage {
    pub(crate) fn has_parameters(&self) -> bool {
        match &self.op {
            Op::Linear { .. } => true,
            Op::BatchNorm { affine, .. } | Op::LayerNorm { affine, .. } => affine.is_some(),
            Op::Copy | Op::Dropout(_) => false,
        }
    }
}

impl Affine {
    /// Weight and bias in an arena.
    pub(crate) fn of<'a>(&self, arena: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        (&arena[self.weight.clone()], &arena[self.bias.clone()])
    }
}
