//! Training of dense models on CPUs: layers, losses, backpropagation, optimisers, checkpoints.
//!
//! ```
//! use nn::{Activation, Loss, Model, Optimizer, TrainOptions, Trainer};
//!
//! fn main() -> nn::Result<()> {
//!     // Exclusive or: four rows of two inputs, and the class of each.
//!     let x = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
//!     let labels = [0, 1, 1, 0];
//!
//!     let hidden = Model::builder(2).linear(8, Activation::Tanh);
//!     let model = hidden.linear(2, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).seed(42).build()?;
//!     let optimizer = Optimizer::default().with_learning_rate(0.5);
//!     let mut trainer = Trainer::new(model, TrainOptions { optimizer, max_epochs: 1000, ..TrainOptions::default() })?;
//!     let report = trainer.fit((&x, &labels))?;
//!
//!     println!("{:?} after {} epochs", report.stop, report.epochs.len());
//!     assert_eq!(trainer.model().predict_classes(&x)?, labels);
//!     Ok(())
//! }
//! ```
//!
//! [`Model`] is what is computed and its parameters, [`Trainer`] changes them, and [`Model::evaluate`] judges them on other
//! data. [`data::Dataset`] reads such data from files; [`Trainer::save`] and [`Trainer::resume`] keep a training in one,
//! [`checkpoint`] the parameters alone; [`collective`] is for training over several processes. [`estimators`] wrap all of it in
//! scikit-learn's calls, and [`metrics`] judge answers. Matrices are slices of `f32`, row by row, with one row an example; features
//! may also be bytes or a view with any strides: [`Features`].
//!
//! The [`guide`] has pages on numerics, on performance and on the names that PyTorch and scikit-learn have.
//!
//! The same seed gives the same weights bit for bit, on any number of threads and on every instruction set; with the same shards
//! also on any number of processes. Whatever a user feeds in, data, files and options, the answer is a value or an [`Error`],
//! never a panic. After a [`Trainer`] has planned its memory, its steps allocate none.
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

#[cfg(feature = "ndarray")]
pub mod arrays;
mod batches;
mod builder;
mod check;
pub mod checkpoint;
pub mod collective;
pub mod data;
mod error;
pub mod estimators;
pub mod file;
pub mod gradcheck;
pub mod guide;
pub mod html;
mod inference;
mod layers;
mod losses;
mod math;
mod memory;
pub mod metrics;
mod model;
pub mod onnx;
mod optim;
mod params;
mod plan;
mod predictor;
pub mod random;
mod stages;
mod train;

pub use builder::ModelBuilder;
pub use collective::{Collective, CollectiveError};
pub use data::{Examples, Features};
pub use error::{Error, Result};
pub use inference::Evaluation;
pub use kernels::fused::{Adagrad, Adam, RmsProp, Sgd};
pub use kernels::{Activation, ByteScale, Isa, KernelSet, MatRef, ThreadPool};
pub use layers::{BatchNorm, Dropout, Layer, LayerNorm, Linear};
pub use losses::{Loss, LossOptions, Reduction, Targets, WeightedTargets};
pub use model::Model;
pub use optim::{Clip, Clock, Decay, Optimizer, Plateau, Schedule};
pub use params::{Parameter, StateEntry};
pub use predictor::Predictor;
pub use train::{
    BatchReport, BatchSize, Communication, EpochReport, Position, Progress, StopReason, TrainOptions, TrainReport,
    Trainer,
};

/// The examples of the README, to be compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
