//! `nn`, as its users call it.

use super::{RunTraining, Training, places};
use crate::cases::Pass;
use crate::engines;
use kernels::KernelSet;
use nn::{Activation, BatchSize, Loss, Model, Predictor, Sgd, TrainOptions, Trainer};
use std::sync::Arc;

pub(super) fn engine(training: &Training, set: &'static KernelSet, threads: usize) -> RunTraining {
    const VALID: &str = "the net and its data are valid";
    let net = training.net();
    let model = model(training, set).expect(VALID);
    if net.pass == Pass::Predict {
        return RunTraining::Here(Box::new(move |training, logits| {
            let mut predictor = Predictor::new(&model, net.batch).expect(VALID);
            for ((x, _), logits) in training.batches().zip(logits.chunks_exact_mut(net.batch * net.outputs)) {
                logits.copy_from_slice(predictor.predict(x).expect(VALID));
            }
        }));
    }
    let options = TrainOptions {
        batch_size: BatchSize::Rows(net.batch),
        optimizer: Sgd { learning_rate: training.rate().into(), ..Sgd::default() }.into(),
        max_epochs: net.epochs(),
        tol: None,
        shuffle: false,
        threads,
        ..TrainOptions::default()
    };
    let pool = engines::pool(threads).expect("threads start");
    RunTraining::Here(Box::new(move |training, result| {
        let mut trainer = Trainer::with_pool(model.clone(), options, Arc::clone(&pool)).expect(VALID);
        trainer.fit((training.x(), training.labels())).expect(VALID);
        let parameters = trainer.model().parameters();
        parameters.fold(result, |rest, parameter| {
            let (here, rest) = rest.split_at_mut(parameter.as_slice().len());
            here.copy_from_slice(parameter.as_slice());
            rest
        });
    }))
}

fn model(training: &Training, set: &'static KernelSet) -> nn::Result<Model> {
    let net = training.net();
    let hidden = net.hidden.iter();
    let builder = hidden.fold(Model::builder(net.inputs), |builder, &width| builder.linear(width, Activation::Relu));
    let loss = if net.outputs == 1 { Loss::BceWithLogits } else { Loss::SoftmaxCrossEntropy };
    let mut model = builder.linear(net.outputs, Activation::Identity).loss(loss).kernels(set).build()?;

    let first = training.first();
    let values: Vec<Vec<f32>> = places(net)
        .flat_map(|place| {
            // Set in PyTorch's order, [outputs][inputs].
            let weight = &first[place.weight.clone()];
            let column = |output| weight.iter().skip(output).step_by(place.outputs).copied();
            [(0..place.outputs).flat_map(column).collect(), first[place.bias].to_vec()]
        })
        .collect();
    let named: Vec<(String, Vec<usize>)> =
        model.parameters().map(|parameter| (parameter.name().to_owned(), parameter.shape().to_vec())).collect();
    for ((name, shape), values) in named.iter().zip(&values) {
        model.set_parameter(name, shape, values)?;
    }
    Ok(model)
}
