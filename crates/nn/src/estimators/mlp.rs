//! Perceptrons with hidden layers.

mod classifier;
mod regressor;

pub use classifier::MlpClassifier;
pub use regressor::MlpRegressor;

use kernels::{Activation, fused::Adam};

use crate::error::Result;
use crate::losses::Loss;
use crate::model::Model;
use crate::train::{BatchSize, TrainOptions};

/// What both estimators are configured by.
#[derive(Clone, Debug)]
struct Settings {
    hidden: Vec<usize>,
    activation: Activation,
    options: TrainOptions,
}

impl Settings {
    fn new() -> Self {
        Settings { hidden: vec![100], activation: Activation::Relu, options: default_options() }
    }

    fn model(&self, inputs: usize, outputs: usize, loss: Loss) -> Result<Model> {
        let start = Model::builder(inputs).loss(loss).seed(self.options.seed);
        let hidden = self.hidden.iter().fold(start, |builder, &width| builder.linear(width, self.activation));
        hidden.linear(outputs, Activation::Identity).build()
    }
}

/// Scikit-learn's.
fn default_options() -> TrainOptions {
    TrainOptions { batch_size: BatchSize::Rows(200), optimizer: Adam::default().into(), ..TrainOptions::default() }
}
