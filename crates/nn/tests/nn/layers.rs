//! Dropout, norms and what a model says of them.

use nn::{
    Activation, BatchNorm, BatchSize, Error, KernelSet, Layer, LayerNorm, Loss, LossOptions, Model, Predictor, Sgd,
    StateEntry, Targets, TrainOptions, Trainer,
};

use crate::{bits, descent, fit, labels, uniform};

const ROWS: usize = 30;

#[test]
fn names_shapes_and_order_are_those_of_a_sequential() {
    let model = Model::builder(3)
        .linear_without_bias(4, Activation::Identity)
        .batch_norm(BatchNorm::default())
        .activation(Activation::Gelu)
        .dropout(0.5)
        .linear(2, Activation::Identity)
        .layer_norm(LayerNorm::default())
        .batch_norm(BatchNorm { affine: false, ..BatchNorm::default() })
        .build()
        .unwrap();
    assert_eq!(model.layers().len(), 7);
    assert!(matches!(model.layers()[3], Layer::Dropout(dropout) if dropout.p == 0.5));
    let entries: Vec<(&str, Vec<usize>)> = model
        .state()
        .map(|entry| match entry {
            StateEntry::Tensor(parameter) => (parameter.name(), parameter.shape().to_vec()),
            StateEntry::Count { name, value } => {
                assert_eq!(value, 0);
                (name, vec![])
            }
        })
        .collect();
    let expected: Vec<(&str, Vec<usize>)> = vec![
        ("0.weight", vec![4, 3]),
        ("1.weight", vec![4]),
        ("1.bias", vec![4]),
        ("4.weight", vec![2, 4]),
        ("4.bias", vec![2]),
        ("5.weight", vec![2]),
        ("5.bias", vec![2]),
        ("1.running_mean", vec![4]),
        ("1.running_var", vec![4]),
        ("6.running_mean", vec![2]),
        ("6.running_var", vec![2]),
        ("1.num_batches_tracked", vec![]),
        ("6.num_batches_tracked", vec![]),
    ];
    assert_eq!(entries, expected);
    let value = |name: &str| -> Vec<f32> {
        model
            .state()
            .find_map(|entry| match entry {
                StateEntry::Tensor(parameter) if parameter.name() == name => Some(parameter.values().collect()),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!((value("1.weight"), value("1.bias")), (vec![1.0; 4], vec![0.0; 4]));
    assert_eq!((value("5.weight"), value("5.bias")), (vec![1.0; 2], vec![0.0; 2]));
    assert_eq!((value("1.running_mean"), value("1.running_var")), (vec![0.0; 4], vec![1.0; 4]));
}

/// One step with a learning rate that changes nothing, so that only the running moments move.
fn watched_batch(norm: BatchNorm, x: &[f32], steps: usize) -> Model {
    let mut model = Model::builder(2).batch_norm(norm).linear(1, Activation::Identity).build().unwrap();
    let options = TrainOptions {
        batch_size: BatchSize::All,
        optimizer: descent(f64::from(f32::MIN_POSITIVE)),
        max_epochs: steps,
        tol: None,
        ..TrainOptions::default()
    };
    fit(&mut model, x, vec![0.0f32; x.len() / 2][..].into(), options);
    model
}

#[test]
fn running_moments_follow_the_batches_and_serve_predictions() {
    let x = [1.0f32, 10.0, 2.0, 30.0, 6.0, 20.0];
    let norm = BatchNorm { momentum: 0.25, ..BatchNorm::default() };
    let mut model = watched_batch(norm, &x, 2);
    let state: Vec<StateEntry<'_>> = model.state().collect();
    let moments = |name: &str| -> Vec<f32> {
        let found = state.iter().find(|entry| entry.name() == name).unwrap();
        match found {
            StateEntry::Tensor(parameter) => parameter.values().collect(),
            StateEntry::Count { value, .. } => vec![*value as f32],
        }
    };
    // Means 3 and 20; variances with m - 1 = 2 below: 7 and 100. Twice a quarter of the way from 0 and from 1.
    let moved = |from: f64, to: f64| (1..=2).fold(from, |at, _| 0.75 * at + 0.25 * to) as f32;
    assert_eq!(moments("0.running_mean"), [moved(0.0, 3.0), moved(0.0, 20.0)]);
    assert_eq!(moments("0.running_var"), [moved(1.0, 7.0), moved(1.0, 100.0)]);
    assert_eq!(moments("0.num_batches_tracked"), [2.0]);

    model.set_parameter("0.running_mean", &[2], &[1.0, -2.0]).unwrap();
    model.set_parameter("0.running_var", &[2], &[4.0, 0.25]).unwrap();
    model.set_parameter("1.weight", &[1, 2], &[1.0, 1.0]).unwrap();
    model.set_parameter("1.bias", &[1], &[0.0]).unwrap();
    model.set_parameter("0.weight", &[2], &[2.0, 1.0]).unwrap();
    model.set_parameter("0.bias", &[2], &[0.5, 0.0]).unwrap();
    let y = model.predict(&[5.0, -1.0]).unwrap()[0];
    let expected = 2.0 * 4.0 / (4.0f64 + 1e-5).sqrt() + 0.5 + 1.0 / (0.25f64 + 1e-5).sqrt();
    assert!((f64::from(y) - expected).abs() <= 1e-5, "{y}, expected {expected}");
}

#[test]
fn one_row_is_too_few_for_batch_norm_before_anything_is_trained() {
    let mut model = Model::builder(2).linear(3, Activation::Relu).batch_norm(BatchNorm::default()).build().unwrap();
    let before = bits(&model);
    // Five rows by two leave one.
    let options = TrainOptions { batch_size: BatchSize::Rows(2), ..TrainOptions::default() };
    let mut trainer = Trainer::new(model.clone(), options).unwrap();
    let error = trainer.fit((&uniform(1, 10), &uniform(2, 15))).unwrap_err();
    assert!(matches!(error, Error::BatchTooSmall { layer: 2, rows: 1 }), "{error}");
    assert_eq!(bits(trainer.model()), before);
    assert!(matches!(trainer.step((&[1.0, 2.0], &[0.0f32; 3])).unwrap_err(), Error::BatchTooSmall { .. }));
    assert!(model.predict(&[1.0, 2.0]).is_ok(), "predictions take any number of rows");
    let error = model.set_parameter("2.running_var", &[3], &[1.0, -0.5, 0.0]).unwrap_err();
    assert!(matches!(error, Error::NegativeVariance { index: 1, value: -0.5, .. }), "{error}");
}

#[test]
fn dropout_is_drawn_anew_each_step_and_off_in_predictions() {
    let model = |p| {
        let builder = Model::builder(4).linear(16, Activation::Tanh).dropout(p);
        builder.linear(1, Activation::Identity).seed(3).build().unwrap()
    };
    let x = uniform(1, 4 * ROWS);
    assert_eq!(model(0.5).predict(&x).unwrap(), model(0.0).predict(&x).unwrap());

    // The loss of a step depends on its mask alone while the weights hardly move.
    let losses = |p, seed| -> Vec<f64> {
        let options = TrainOptions {
            optimizer: descent(f64::from(f32::MIN_POSITIVE)),
            batch_size: BatchSize::All,
            max_epochs: 3,
            tol: None,
            seed,
            ..TrainOptions::default()
        };
        fit(&mut model(p), &x, uniform(2, ROWS)[..].into(), options).losses().collect()
    };
    let (none, some) = (losses(0.0, 1), losses(0.5, 1));
    assert!(none[0] == none[1] && none[1] == none[2], "{none:?}");
    assert!(some[0] != some[1] && some[1] != some[2] && some[0] != none[0], "{some:?}");
    assert_eq!(some, losses(0.5, 1));
    assert_ne!(some, losses(0.5, 2));
}

#[test]
fn options_of_layers_and_losses_out_of_range_are_refused() {
    let name = |builder: nn::ModelBuilder| match builder.build().unwrap_err() {
        Error::InvalidHyperParameter { name, .. } => name,
        other => panic!("{other}"),
    };
    let linear = || Model::builder(2).linear(2, Activation::Identity);
    for p in [-0.1, 1.0, f32::NAN] {
        assert_eq!(name(linear().dropout(p)), "the probability of a dropout");
    }
    for eps in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(name(linear().layer_norm(LayerNorm { eps, ..LayerNorm::default() })), "eps of a norm");
        assert_eq!(name(linear().batch_norm(BatchNorm { eps, ..BatchNorm::default() })), "eps of a norm");
    }
    let momentum = |momentum| linear().batch_norm(BatchNorm { momentum, ..BatchNorm::default() });
    assert_eq!(name(momentum(1.5)), "momentum of a batch norm");
    let slope = Activation::LeakyRelu { slope: f32::NAN };
    assert_eq!(name(linear().activation(slope)), "the slope of a leaky ReLU");
    assert_eq!(name(linear().loss(Loss::Huber { delta: 0.0 })), "delta of a Huber loss");
    for (loss, label_smoothing) in [(Loss::Mse, 0.1), (Loss::BceWithLogits, 1.0), (Loss::SoftmaxCrossEntropy, -0.1)] {
        let options = LossOptions { label_smoothing, ..LossOptions::default() };
        assert_eq!(name(linear().loss(loss).loss_options(options)), "label_smoothing");
    }

    let weights = |class_weights: &[f32]| {
        let options = LossOptions { class_weights: Some(class_weights.to_vec()), ..LossOptions::default() };
        linear().loss_options(options).build().unwrap_err()
    };
    assert!(matches!(weights(&[1.0; 3]), Error::ShapeMismatch { .. }));
    assert!(matches!(weights(&[1.0, -1.0]), Error::InvalidWeight { index: 1, value: -1.0, .. }));
    assert!(matches!(weights(&[0.0, 0.0]), Error::NoWeight { .. }));
    let positive = LossOptions { positive_weights: Some(vec![1.0; 2]), ..LossOptions::default() };
    let error = linear().loss(Loss::SoftmaxCrossEntropy).loss_options(positive).build().unwrap_err();
    assert!(matches!(error, Error::PositiveWeights { .. }), "{error}");

    let model = linear().build().unwrap();
    let evaluate =
        |weights: &[f32]| model.evaluate(&[1.0; 4], Targets::Values(&[0.0; 4]).weighted(weights)).unwrap_err();
    assert!(matches!(evaluate(&[1.0]), Error::ShapeMismatch { .. }));
    assert!(matches!(evaluate(&[1.0, f32::NAN]), Error::InvalidWeight { index: 1, .. }));
    assert!(matches!(evaluate(&[0.0, 0.0]), Error::NoWeight { .. }));
}

/// A weight counts like as many copies of the row, in training and in judging.
#[test]
fn sample_weights_are_repetitions() {
    let (x, y) = (uniform(1, 5 * 3), uniform(2, 5));
    let weights = [2.0f32, 0.0, 1.0, 3.0, 1.0];
    let repeated = |values: &[f32], cols: usize| -> Vec<f32> {
        let rows = values.chunks(cols).zip(weights);
        rows.flat_map(|(row, weight)| row.repeat(weight as usize)).collect()
    };
    let (x_repeated, y_repeated) = (repeated(&x, 3), repeated(&y, 1));
    let model = Model::builder(3).linear(4, Activation::Tanh).linear(1, Activation::Identity).build().unwrap();
    let weighted = model.evaluate(&x, Targets::Values(&y).weighted(&weights)).unwrap().loss;
    let expected = model.evaluate(&x_repeated, &y_repeated).unwrap().loss;
    assert!((weighted - expected).abs() <= 1e-6, "{weighted}, expected {expected}");

    let trained = |x: &[f32], targets: nn::WeightedTargets<'_>| {
        let options = TrainOptions {
            batch_size: BatchSize::All,
            optimizer: descent(0.1),
            max_epochs: 20,
            tol: None,
            ..TrainOptions::default()
        };
        let mut trainer = Trainer::new(model.clone(), options).unwrap();
        let loss = trainer.fit((x, targets)).unwrap().losses().last().unwrap();
        (trainer.into_model().predict(&uniform(3, 3)).unwrap()[0], loss)
    };
    let (weighted, expected) = (
        trained(&x, Targets::Values(&y).weighted(&weights)),
        trained(&x_repeated, Targets::Values(&y_repeated).into()),
    );
    assert!((weighted.0 - expected.0).abs() <= 1e-5, "{weighted:?}, expected {expected:?}");
    assert!((weighted.1 - expected.1).abs() <= 1e-6, "{weighted:?}, expected {expected:?}");
}

/// Weights are gathered with their rows: in whatever order these come, a row of weight 0 is as if it were not there.
#[test]
fn weights_follow_their_rows_through_the_shuffle() {
    let (x, y) = (uniform(1, 40 * 3), labels(2, 40, 3));
    let weights: Vec<f32> = (0..40).map(|row| if row % 4 == 0 { 0.0 } else { 1.0 }).collect();
    let mut spoiled = x.clone();
    spoiled.chunks_mut(3).step_by(4).for_each(|row| row.fill(100.0));
    let trained = |x: &[f32]| {
        let options =
            TrainOptions { batch_size: BatchSize::Rows(6), max_epochs: 3, tol: None, ..TrainOptions::default() };
        let mut trainer = Trainer::new(Model::softmax_regression(3, 3).unwrap(), options).unwrap();
        trainer.fit((x, Targets::Labels(&y).weighted(&weights))).unwrap();
        bits(trainer.model())
    };
    assert_eq!(trained(&x), trained(&spoiled));
}

/// Whether weights are updated by the gemm of their gradient or an optimiser is called on a stored one.
#[test]
fn descent_gives_the_same_bits_with_and_without_a_stored_gradient() {
    for kernels in KernelSet::available() {
        for rows in [1, 7, 300, 512, 513, 700] {
            for weight_decay in [0.0, 0.01] {
                let (x, y) = (uniform(1, rows * 9), labels(2, rows, 4));
                let norm = LayerNorm::default();
                let builder = Model::builder(9).linear(17, Activation::Gelu).layer_norm(norm);
                let builder = builder.linear(8, Activation::Relu).linear_without_bias(4, Activation::Identity);
                let model = builder.loss(Loss::SoftmaxCrossEntropy).kernels(kernels).build().unwrap();
                let trained = |clip| {
                    let options = TrainOptions {
                        optimizer: Sgd { learning_rate: 0.3, weight_decay, ..Sgd::default() }.into(),
                        batch_size: BatchSize::All,
                        max_epochs: 3,
                        clip,
                        ..TrainOptions::default()
                    };
                    let mut trainer = Trainer::new(model.clone(), options).unwrap();
                    trainer.fit((&x, &y)).unwrap();
                    bits(trainer.model())
                };
                // A bound that is never reached asks for gradients all the same.
                let stored = trained(Some(nn::Clip::Value(1e30)));
                assert_eq!(trained(None), stored, "{}, {rows} rows", kernels.isa());
            }
        }
    }
}

#[test]
fn a_predictor_says_what_predict_says_and_takes_no_more_rows_than_it_was_made_for() {
    let model = Model::builder(5)
        .layer_norm(LayerNorm::default())
        .linear(7, Activation::Silu)
        .dropout(0.3)
        .batch_norm(BatchNorm::default())
        .linear(2, Activation::Identity)
        .build()
        .unwrap();
    let x = uniform(1, 5 * 4);
    let expected = model.predict(&x).unwrap();
    let mut predictor = Predictor::new(&model, 4).unwrap();
    assert_eq!(predictor.predict(&x).unwrap(), expected);
    assert_eq!(predictor.predict(&x[5..10]).unwrap(), &expected[2..4]);
    assert!(matches!(predictor.predict(&uniform(2, 25)).unwrap_err(), Error::ShapeMismatch { .. }));
    assert!(matches!(predictor.predict(&x[..4]).unwrap_err(), Error::ShapeMismatch { .. }));
}
