//! The same bits for any number of ranks and threads.

use kernels::KernelSet;
use nn::collective::{Exchange, Sharding};
use nn::{
    Activation, Adam, BatchNorm, BatchSize, Clip, LayerNorm, Loss, LossOptions, Model, ModelBuilder, Optimizer, Sgd,
    TrainOptions,
};

use crate::{CLASSES, Data, INPUTS, Outcome, sharded, train};

fn model(append: impl FnOnce(ModelBuilder) -> ModelBuilder) -> Model {
    let builder = append(Model::builder(INPUTS)).linear(CLASSES, Activation::Identity);
    builder.loss(Loss::SoftmaxCrossEntropy).seed(3).build().unwrap()
}

fn options(batch: usize, epochs: usize, optimizer: impl Into<Optimizer>) -> TrainOptions {
    TrainOptions {
        batch_size: BatchSize::Rows(batch),
        optimizer: optimizer.into(),
        max_epochs: epochs,
        tol: None,
        seed: 5,
        sharding: sharded(16),
        ..TrainOptions::default()
    }
}

/// All ranks of every number of them must have the outcome of one.
fn check(what: &str, model: &Model, options: TrainOptions, data: &Data, validation: Option<&Data>) -> Outcome {
    let alone = train((1, 1), model, options, data, validation).pop().unwrap();
    let (first, last) = (alone.epochs[0].0, alone.epochs[alone.epochs.len() - 1].0);
    assert!(f64::from_bits(last) < 0.9 * f64::from_bits(first), "{what}: nothing was learned");
    let shards = options.sharding.unwrap().shards;
    for ranks in
        [1, 2, 3, 4, 5, 6, 8, 16].into_iter().filter(|&ranks| options.sharding.unwrap().rows(0, ranks, shards).is_ok())
    {
        for threads in [1, 2] {
            for (rank, outcome) in train((ranks, threads), model, options, data, validation).iter().enumerate() {
                let case = format!("{what}, rank {rank} of {ranks} with {threads} threads");
                assert_eq!(outcome.epochs, alone.epochs, "{case}");
                let different = outcome.state.iter().zip(&alone.state).filter(|(a, b)| a != b).count();
                assert_eq!((outcome.state.len(), different), (alone.state.len(), 0), "values that differ for {case}");
            }
        }
    }
    alone
}

#[test]
fn dropout_and_adam_on_uneven_shards_with_weights() {
    // 1003 rows: batches of 100, and one of 3 rows for 16 shards.
    let data = Data::new(1, 1003).weighted();
    let model =
        model(|builder| builder.linear(33, Activation::Relu).dropout(0.2).linear(20, Activation::Gelu).dropout(0.1));
    check("dropout", &model, options(100, 20, Adam { learning_rate: 3e-3, ..Adam::default() }), &data, None);
}

#[test]
fn batch_norm_and_momentum() {
    // 4 batches of 128, and one of 37, whose shares are of 2 and 3 rows.
    let data = Data::new(2, 549);
    let model = model(|builder| {
        builder
            .linear_without_bias(24, Activation::Identity)
            .batch_norm(BatchNorm::default())
            .activation(Activation::Silu)
            .dropout(0.1)
    });
    let sgd = Sgd { learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1e-4 };
    let validation = Data::new(3, 70).weighted();
    check("batch norm", &model, options(128, 24, sgd), &data, Some(&validation));
}

#[test]
fn batches_of_fewer_rows_than_shards() {
    // Ranks often have one row, or none.
    let data = Data::new(4, 203);
    let model = model(|builder| builder.layer_norm(LayerNorm::default()).linear(18, Activation::Tanh));
    let options = TrainOptions {
        validation_fraction: 0.2,
        keep_best: true,
        clip: Some(Clip::Norm(0.5)),
        ..options(7, 8, Sgd { learning_rate: 0.2, ..Sgd::default() })
    };
    let outcome = check("few rows", &model, options, &data, None);
    assert!(outcome.epochs.iter().all(|epoch| epoch.2.is_some()), "rows were held out");
}

#[test]
fn shards_that_are_no_power_of_two_and_all_rows_at_once() {
    let data = Data::new(5, 100).weighted();
    let builder = Model::builder(INPUTS).linear(1, Activation::Sigmoid).linear(CLASSES, Activation::Identity);
    let class_weights = LossOptions { class_weights: Some(vec![1.0, 2.0, 0.5, 1.5]), ..LossOptions::default() };
    let model = builder.loss(Loss::SoftmaxCrossEntropy).loss_options(class_weights).seed(1).build().unwrap();
    for (shards, batch_size) in [(12, BatchSize::All), (5, BatchSize::Rows(32))] {
        let adam = Adam { learning_rate: 0.02, ..Adam::default() };
        let options = TrainOptions { batch_size, sharding: sharded(shards), ..options(1, 100, adam) };
        check(&format!("{shards} shards"), &model, options, &data, None);
    }
}

#[test]
fn shares_longer_than_a_chain_of_gemm() {
    let data = Data::new(6, 2600);
    let model = model(|builder| builder.linear(16, Activation::Relu));
    let options =
        TrainOptions { sharding: sharded(4), ..options(2560, 40, Adam { learning_rate: 0.02, ..Adam::default() }) };
    check("long shares", &model, options, &data, None);
}

#[test]
fn wide_layers_go_in_several_buckets() {
    let data = Data::new(7, 160);
    // 12 x 3000 and 3000 x 50 parameters.
    let model = model(|builder| builder.linear(3000, Activation::Relu).linear(50, Activation::Relu));
    let options =
        TrainOptions { sharding: sharded(4), ..options(80, 6, Adam { learning_rate: 1e-3, ..Adam::default() }) };
    check("wide", &model, options, &data, None);
}

#[test]
fn instruction_sets_do_not_show() {
    let data = Data::new(8, 130);
    let with = |kernels| {
        let builder = Model::builder(INPUTS).linear(20, Activation::Tanh).batch_norm(BatchNorm::default());
        let builder = builder.linear(CLASSES, Activation::Identity).loss(Loss::SoftmaxCrossEntropy);
        let model = builder.kernels(kernels).build().unwrap();
        train((2, 1), &model, options(65, 10, Adam::default()), &data, None).pop().unwrap()
    };
    let mut outcomes = KernelSet::available().map(|kernels| (kernels.isa(), with(kernels)));
    let (_, expected) = outcomes.next().unwrap();
    for (isa, outcome) in outcomes {
        assert_eq!(outcome, expected, "{isa}");
    }
}

#[test]
fn the_fast_exchange_learns_the_same_up_to_rounding() {
    let data = Data::new(1, 1003).weighted();
    let model = model(|builder| builder.linear(33, Activation::Tanh).dropout(0.2));
    let ordered = options(100, 2, Sgd { learning_rate: 0.1, ..Sgd::default() });
    let fast = Some(Sharding { exchange: Exchange::Fast, ..Sharding::default() });
    let expected = train((1, 1), &model, ordered, &data, None).pop().unwrap();
    for ranks in [1, 2, 16] {
        for outcome in train((ranks, 1), &model, TrainOptions { sharding: fast, ..ordered }, &data, None) {
            for (&value, &expected) in outcome.state.iter().zip(&expected.state) {
                let [value, expected] = [value, expected].map(|bits| f32::from_bits(bits as u32));
                // 22 updates of numbers near 1, each with sums of some hundred terms.
                assert!((value - expected).abs() <= 1e-4, "{value} for {expected} with {ranks} ranks");
            }
        }
    }
}
