//! The behaviour of `nn` as its users see it.

mod checkpoints;
mod errors;
mod features;
mod gradients;
mod inference;
mod kills;
mod layers;
mod optimisers;
mod reproducible;
mod training;

use nn::random::{Purpose, Stream};

/// `len` values, uniform in (-1, 1).
fn uniform(seed: u64, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Split, 0);
    (0..len).map(|_| 2.0 * stream.uniform() - 1.0).collect()
}

/// `len` labels below `classes`.
fn labels(seed: u64, len: usize, classes: u32) -> Vec<u32> {
    let mut stream = Stream::new(seed, Purpose::Split, 1);
    (0..len).map(|_| stream.below(u64::from(classes)) as u32).collect()
}

/// Trains `model` with a new trainer.
fn fit(model: &mut nn::Model, x: &[f32], targets: nn::Targets<'_>, options: nn::TrainOptions) -> nn::TrainReport {
    let mut trainer = nn::Trainer::new(model.clone(), options).unwrap();
    let report = trainer.fit((x, targets)).unwrap();
    *model = trainer.into_model();
    report
}

/// Plain gradient descent.
fn descent(learning_rate: f64) -> nn::Optimizer {
    nn::Optimizer::default().with_learning_rate(learning_rate)
}

/// The bits of every parameter.
fn bits(model: &nn::Model) -> Vec<u32> {
    model.parameters().flat_map(|parameter| parameter.values()).map(f32::to_bits).collect()
}
