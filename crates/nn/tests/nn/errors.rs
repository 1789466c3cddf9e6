//! Whatever a user feeds in: an error that says where, and a model as it was.

use nn::collective::Sharding;
use nn::{
    Activation, Adagrad, Adam, BatchNorm, BatchSize, Clip, Decay, Error, Loss, LossOptions, Model, Optimizer, Plateau,
    RmsProp, Schedule, Sgd, StateEntry, Targets, TrainOptions, Trainer,
};

use crate::{bits, descent};

fn model(loss: Loss, outputs: usize) -> Model {
    Model::builder(2).linear(3, Activation::Relu).linear(outputs, Activation::Identity).loss(loss).build().unwrap()
}

/// The error of training and of evaluation, which must agree, where the model must not change.
#[track_caller]
fn refused(model: Model, x: &[f32], targets: Targets<'_>) -> Error {
    let before = bits(&model);
    let mut trainer = Trainer::new(model, TrainOptions::default()).unwrap();
    let error = trainer.fit((x, targets)).unwrap_err();
    assert_eq!(trainer.step((x, targets)).unwrap_err().to_string(), error.to_string());
    assert_eq!(bits(trainer.model()), before, "{error}");
    assert_eq!(trainer.model().evaluate(x, targets).unwrap_err().to_string(), error.to_string());
    error
}

#[track_caller]
fn assert_says(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn shapes_name_both_sides() {
    let classifier = || model(Loss::SoftmaxCrossEntropy, 3);
    let error = refused(classifier(), &[1.0; 5], Targets::Labels(&[0, 1]));
    assert!(matches!(&error, Error::ShapeMismatch { expected, actual, .. } if expected == &[2, 2] && actual == &[5]));
    assert_says(&error, &["data", "[2, 2]", "[5]"]);

    let error = refused(classifier(), &[1.0; 6], Targets::Labels(&[0, 1]));
    assert_says(&error, &["labels", "[3]", "[2]"]);
    let error = refused(model(Loss::Mse, 2), &[1.0; 6], Targets::Values(&[0.0; 4]));
    assert_says(&error, &["targets", "[3, 2]", "[2, 2]"]);
    let error = refused(model(Loss::Mse, 2), &[1.0; 6], Targets::Values(&[0.0; 7]));
    assert_says(&error, &["targets", "[3, 2]", "[7]"]);

    let mut model = classifier();
    let error = model.set_parameter("0.weight", &[2, 3], &[0.0; 6]).unwrap_err();
    assert_says(&error, &["0.weight", "[3, 2]", "[2, 3]"]);
    let error = model.set_parameter("0.weight", &[3, 2], &[0.0; 5]).unwrap_err();
    assert_says(&error, &["0.weight", "[3, 2]", "[5]"]);
    let error = model.set_parameter("1.weight", &[3, 2], &[0.0; 6]).unwrap_err();
    assert_says(&error, &["1.weight", "0.weight", "2.bias"]);
    let error = model.set_parameter("0.weight", &[3, 2], &[0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0]).unwrap_err();
    assert_says(&error, &["NaN", "row 1, column 1"]);
}

#[test]
fn an_empty_data_set_is_refused() {
    for (loss, targets) in [
        (Loss::Mse, Targets::Values(&[])),
        (Loss::BceWithLogits, Targets::Values(&[])),
        (Loss::SoftmaxCrossEntropy, Targets::Labels(&[])),
    ] {
        let error = refused(model(loss, 3), &[], targets);
        assert!(matches!(error, Error::EmptyData), "{error}");
    }
    assert!(matches!(model(Loss::Mse, 1).predict(&[]).unwrap_err(), Error::EmptyData));
}

#[test]
fn labels_and_probabilities_out_of_range_name_their_row() {
    let error = refused(model(Loss::SoftmaxCrossEntropy, 3), &[1.0; 6], Targets::Labels(&[0, 2, 3]));
    assert!(matches!(error, Error::LabelOutOfRange { row: 2, label: 3, classes: 3 }));
    assert_says(&error, &["row 2", "label 3", "3 classes", "0 to 2"]);
    let error = refused(model(Loss::BceWithLogits, 1), &[1.0; 6], Targets::Labels(&[0, u32::MAX, 1]));
    assert_says(&error, &["row 1", "4294967295", "2 classes"]);
    for loss in [Loss::BceWithLogits, Loss::SoftmaxCrossEntropy] {
        let error = refused(model(loss, 2), &[1.0; 4], Targets::Values(&[0.0, 1.0, 0.5, 1.5]));
        assert!(matches!(error, Error::TargetOutOfRange { row: 1, column: 1, value: 1.5 }));
        assert_says(&error, &["1.5", "row 1, column 1", "between 0 and 1"]);
    }
}

#[test]
fn targets_of_the_wrong_kind_are_refused() {
    let error = refused(model(Loss::Mse, 1), &[1.0; 4], Targets::Labels(&[0, 1]));
    assert_says(&error, &["squared error", "values", "labels"]);
    let error = refused(model(Loss::Huber { delta: 1.0 }, 1), &[1.0; 4], Targets::Labels(&[0, 1]));
    assert_says(&error, &["Huber", "values", "labels"]);
    let error = refused(model(Loss::BceWithLogits, 2), &[1.0; 4], Targets::Labels(&[0, 1]));
    assert_says(&error, &["binary cross-entropy", "several outputs"]);
}

#[test]
fn data_that_is_not_finite_names_row_and_column() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let x = [0.0, 1.0, 2.0, value, 4.0, 5.0];
        let error = refused(model(Loss::SoftmaxCrossEntropy, 3), &x, Targets::Labels(&[0, 1, 2]));
        assert!(matches!(error, Error::NonFiniteInput { row: 1, column: 1, .. }));
        assert_says(&error, &["data", &value.to_string(), "row 1, column 1"]);
        let error = model(Loss::Mse, 1).predict(&x).unwrap_err();
        assert_says(&error, &["row 1, column 1"]);
        for loss in [Loss::Mse, Loss::BceWithLogits] {
            let error = refused(model(loss, 1), &[0.0; 6], Targets::Values(&[0.0, 1.0, value]));
            assert_says(&error, &["targets", &value.to_string(), "row 2, column 0"]);
        }
    }
}

#[test]
fn divergence_names_epoch_batch_and_layer() {
    let x = [1.0, 2.0, 3.0, 4.0, -5.0, 6.0];
    let targets = [1.0f32, -1.0, 2.0];
    let options = TrainOptions { batch_size: BatchSize::Rows(1), ..Default::default() };

    let model = Model::builder(2).linear(1, Activation::Identity).linear(1, Activation::Identity).build().unwrap();
    let mut trainer = Trainer::new(model, TrainOptions { optimizer: descent(1e30), ..options }).unwrap();
    let error = trainer.fit((&x, &targets)).unwrap_err();
    let Error::NonFiniteLoss { epoch: 1, batch, layer: Some(layer), loss } = error else { panic!("{error}") };
    assert!(!loss.is_finite());
    assert!((2..=3).contains(&batch) && layer <= 1, "batch {batch}, layer {layer}");
    assert_says(&error, &["epoch 1", &format!("batch {batch}"), &format!("layer {layer}"), "learning rate"]);

    // The weights of the second layer are so large that its outputs, and only they, overflow at once.
    let mut model = Model::builder(2).linear(1, Activation::Identity).linear(1, Activation::Identity).build().unwrap();
    model.set_parameter("0.weight", &[1, 2], &[1e10, 1e10]).unwrap();
    model.set_parameter("1.weight", &[1, 1], &[1e38]).unwrap();
    let error = Trainer::new(model, options).unwrap().fit((&x, &targets)).unwrap_err();
    assert!(matches!(error, Error::NonFiniteLoss { epoch: 1, batch: 1, layer: Some(1), .. }), "{error}");
}

/// A class weight of 0 counts like a sample weight of 0: without any weight there is no mean.
#[test]
fn rows_without_weight_are_refused() {
    let options = LossOptions { class_weights: Some(vec![0.0, 1.0]), ..LossOptions::default() };
    let model = || {
        let model = Model::builder(1).linear(2, Activation::Identity).loss(Loss::SoftmaxCrossEntropy);
        model.loss_options(options.clone()).build().unwrap()
    };
    let x = [0.0, 1.0, 2.0, 3.0];
    let soft = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    for targets in [Targets::Labels(&[0; 4]), Targets::Values(&soft)] {
        let error = refused(model(), &x, targets);
        assert!(matches!(error, Error::NoWeight { .. }), "{error}");
    }
    assert!(model().evaluate(&x, &[0, 0, 1, 0]).unwrap().loss.is_finite());

    let half = TrainOptions { validation_fraction: 0.5, ..TrainOptions::default() };
    let mut refusals = [0, 0];
    for seed in 0..20 {
        let mut trainer = Trainer::new(model(), TrainOptions { seed, ..half }).unwrap();
        let error = trainer.fit((&x, &[0, 0, 1, 0])).unwrap_err();
        assert!(matches!(error, Error::NoWeight { .. }), "{error}");
        refusals[usize::from(error.to_string().contains("validation"))] += 1;
    }
    assert!(refusals.iter().all(|&count| count > 0), "{refusals:?}");
}

#[test]
fn a_validation_loss_that_is_not_finite_names_its_epoch() {
    let mut model = Model::builder(1).linear(2, Activation::Identity).linear(1, Activation::Identity).build().unwrap();
    model.set_parameter("0.weight", &[2, 1], &[20.0, -20.0]).unwrap();
    model.set_parameter("1.weight", &[1, 2], &[0.1, 0.1]).unwrap();
    let options = TrainOptions { optimizer: descent(1e-6), ..TrainOptions::default() };
    let mut trainer = Trainer::new(model, options).unwrap();
    let (x, y) = ([0.0, 1.0], [0.0f32, 1.0]);
    let observer = |_: &Trainer, _| std::ops::ControlFlow::Continue(());
    let error = trainer.fit_observed((&x, &y), Some((&[1e38], &[1.0f32]).into()), observer).unwrap_err();
    assert!(matches!(error, Error::NonFiniteValidationLoss { epoch: 1, loss } if !loss.is_finite()), "{error}");
    assert_says(&error, &["validation", "epoch 1"]);
}

/// The rows of a step are not cut into shards, so its result would not be that of the options.
#[test]
fn a_single_step_takes_no_shards() {
    let sharding = Some(Sharding { shards: 2, ..Sharding::default() });
    let options = TrainOptions { sharding, ..TrainOptions::default() };
    let mut trainer = Trainer::new(model(Loss::Mse, 1), options).unwrap();
    let error = trainer.step((&[1.0; 4], &[0.0f32; 2])).unwrap_err();
    assert_says(&error, &["sharding", "shards: 2", "None"]);
    assert_eq!(trainer.position().step, 0);
}

#[test]
fn a_count_of_batches_stays_one_that_files_can_hold() {
    let mut model = Model::builder(1).batch_norm(BatchNorm::default()).build().unwrap();
    let name = "0.num_batches_tracked";
    assert_says(&model.set_count(name, 1 << 63).unwrap_err(), &["9223372036854775808", "below 2^63"]);
    model.set_count(name, (1 << 63) - 1).unwrap();
    let mut trainer = Trainer::new(model, TrainOptions::default()).unwrap();
    trainer.step((&[1.0, 2.0], &[0.0f32; 2])).unwrap();
    let count = StateEntry::Count { name, value: (1 << 63) - 1 };
    assert!(trainer.model().state().any(|entry| entry == count));
}

/// An infinite weight behind a ReLU that it turned off does not show in the loss.
#[test]
fn an_infinite_parameter_is_named_after_its_epoch() {
    let mut model = Model::builder(1).linear(1, Activation::Relu).linear(1, Activation::Identity).build().unwrap();
    model.set_parameter("0.weight", &[1, 1], &[1.0]).unwrap();
    model.set_parameter("2.weight", &[1, 1], &[1.0]).unwrap();
    let options = TrainOptions { optimizer: descent(1e30), max_epochs: 1, ..Default::default() };
    let error = Trainer::new(model, options).unwrap().fit((&[1e10], &[0.0f32][..])).unwrap_err();
    let Error::NonFiniteParameter { parameter, epoch: 1, .. } = &error else { panic!("{error}") };
    assert_eq!(parameter, "0.weight");
    assert_says(&error, &["0.weight", "-inf", "epoch 1"]);
}

#[test]
fn hyper_parameters_out_of_range_say_what_is_allowed() {
    let refused = |options: TrainOptions, name: &str, value: &str| {
        let error = Trainer::new(model(Loss::Mse, 1), options).unwrap_err();
        assert!(matches!(error, Error::InvalidHyperParameter { .. }), "{error}");
        assert_says(&error, &[name, value, "it must be"]);
    };
    let default = TrainOptions::default;
    refused(TrainOptions { batch_size: BatchSize::Rows(0), ..default() }, "batch_size", "0");
    refused(TrainOptions { max_epochs: 0, ..default() }, "max_epochs", "0");
    refused(TrainOptions { n_iter_no_change: 0, ..default() }, "n_iter_no_change", "0");
    refused(TrainOptions { threads: usize::MAX, ..default() }, "threads", &usize::MAX.to_string());
    for value in [0.0, -0.1, 1e-60, 1e39, f64::NAN, f64::INFINITY] {
        refused(TrainOptions { optimizer: descent(value), ..default() }, "learning_rate", &format!("{value:?}"));
    }
    for value in [-0.1, f64::NAN, f64::INFINITY] {
        refused(TrainOptions { tol: Some(value), ..default() }, "tol", &value.to_string());
    }
    for value in [-0.1, 1.0, f64::NAN] {
        let options = TrainOptions { validation_fraction: value, ..default() };
        refused(options, "validation_fraction", &value.to_string());
    }
}

#[test]
fn hyper_parameters_of_optimisers_out_of_range_say_what_is_allowed() {
    let (sgd, adam) = (Sgd::default, Adam::default);
    for (optimizer, name, value) in [
        (Sgd { weight_decay: -0.1, ..sgd() }.into(), "weight_decay", "-0.1"),
        (Sgd { momentum: 1.0, ..sgd() }.into(), "momentum", "1"),
        (Sgd { nesterov: true, ..sgd() }.into(), "nesterov", "true"),
        (Adam { beta1: 1.0, ..adam() }.into(), "beta1", "1"),
        (Adam { beta2: -0.5, ..adam() }.into(), "beta2", "-0.5"),
        (Adam { epsilon: 0.0, ..adam() }.into(), "epsilon", "0"),
        (Adam { weight_decay: f64::NAN, ..adam() }.into(), "weight_decay", "NaN"),
        (RmsProp { alpha: 1.5, ..RmsProp::default() }.into(), "alpha", "1.5"),
        (RmsProp { momentum: -1.0, ..RmsProp::default() }.into(), "momentum", "-1"),
        (RmsProp { epsilon: f64::INFINITY, ..RmsProp::default() }.into(), "epsilon", "inf"),
        (Adagrad { learning_rate_decay: -2.0, ..Adagrad::default() }.into(), "learning_rate_decay", "-2"),
        (Adagrad { initial_accumulator: -3.0, ..Adagrad::default() }.into(), "initial_accumulator", "-3"),
    ] {
        let optimizer: Optimizer = optimizer;
        let options = TrainOptions { optimizer, ..TrainOptions::default() };
        assert_says(&Trainer::new(model(Loss::Mse, 1), options).unwrap_err(), &[name, value, "it must be"]);
    }
    for decay in [
        Decay::Step { every: 0, factor: 0.5 },
        Decay::Step { every: 1, factor: 0.0 },
        Decay::Exponential { factor: 1.5 },
        Decay::Cosine { over: 0, last: 0.0 },
        Decay::Cosine { over: 1, last: -0.5 },
        Decay::InverseScaling { power: f64::NAN },
        Decay::Plateau(Plateau { factor: 0.0, ..Plateau::default() }),
        Decay::Plateau(Plateau { factor: 1.0, ..Plateau::default() }),
        Decay::Plateau(Plateau { threshold: -0.5, ..Plateau::default() }),
        Decay::Plateau(Plateau { minimum: 2.0, ..Plateau::default() }),
    ] {
        let options = TrainOptions { schedule: Schedule { decay, ..Schedule::default() }, ..TrainOptions::default() };
        let error = Trainer::new(model(Loss::Mse, 1), options).unwrap_err();
        assert!(matches!(error, Error::InvalidHyperParameter { .. }), "{decay:?}: {error}");
    }
    for clip in [Clip::Norm(0.0), Clip::Value(-1.0), Clip::Norm(f64::NAN)] {
        let options = TrainOptions { clip: Some(clip), ..TrainOptions::default() };
        assert_says(&Trainer::new(model(Loss::Mse, 1), options).unwrap_err(), &["limit of clipping", "above 0"]);
    }
}

#[test]
fn models_that_cannot_be_are_refused() {
    let build = |inputs, outputs: &[usize]| {
        let layers = outputs.iter();
        layers
            .fold(Model::builder(inputs), |model, &outputs| model.linear(outputs, Activation::Relu))
            .build()
            .unwrap_err()
    };
    assert_says(&build(0, &[1]), &["inputs", "0", "at least 1"]);
    assert_says(&build(1, &[]), &["layers", "0", "at least 1"]);
    assert_says(&build(1, &[3, 0, 2]), &["outputs", "0", "at least 1"]);
    for (inputs, outputs) in [(usize::MAX, 2), (2, usize::MAX), (usize::MAX, 1), (1 << 40, 1 << 20), (1, 1 << 61)] {
        let error = build(inputs, &[outputs]);
        assert!(matches!(error, Error::OutOfMemory { .. }), "{inputs} x {outputs}: {error}");
    }
    let last_is_sigmoid = Model::builder(2).linear(1, Activation::Sigmoid).loss(Loss::BceWithLogits).build();
    assert_says(&last_is_sigmoid.unwrap_err(), &["binary cross-entropy", "logits", "Sigmoid"]);
}

#[test]
fn errors_can_be_boxed_and_models_go_between_threads() {
    fn as_error(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
        error.into()
    }
    fn moved<T: Send + Sync + 'static>(value: T) -> T {
        std::thread::spawn(move || value).join().unwrap()
    }
    let trainer = Trainer::new(Model::softmax_regression(2, 2).unwrap(), TrainOptions::default()).unwrap();
    let error = moved(trainer).fit((&[f32::NAN, 0.0], &[1])).unwrap_err();
    let text = error.to_string();
    assert_eq!(moved(as_error(error)).to_string(), text);
}
