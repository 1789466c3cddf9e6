//! Optimisers, schedules, clipping and validation, as training applies them; the formulas themselves are tested in the tests
//! across crates.

use std::ops::ControlFlow;

use nn::data::Dataset;
use nn::random::{Purpose, Stream};
use nn::{
    Activation, Adagrad, Adam, BatchSize, Clip, Clock, Decay, Error, Examples, Loss, Model, Optimizer, Plateau,
    Progress, RmsProp, Schedule, Sgd, StopReason, TrainOptions, Trainer,
};

use crate::{bits, descent, fit, labels, uniform};

/// One weight and no other parameter that matters: `y = w x`, and what it is after each of `steps` steps on x = 1 with a
/// target so far away that the gradient is about `-gradient`.
fn weights(options: TrainOptions, gradient: f32, steps: usize) -> Vec<f64> {
    let mut model = Model::builder(1).linear_without_bias(1, Activation::Identity).build().unwrap();
    model.set_parameter("0.weight", &[1, 1], &[0.0]).unwrap();
    let mut trainer = Trainer::new(model, options).unwrap();
    let weight = |trainer: &Trainer| f64::from(trainer.model().parameters().next().unwrap().as_slice()[0]);
    (0..steps)
        .map(|_| {
            trainer.step((&[1.0], &[gradient])).unwrap();
            weight(&trainer)
        })
        .collect()
}

fn with(optimizer: impl Into<Optimizer>) -> TrainOptions {
    TrainOptions { optimizer: optimizer.into(), threads: 1, ..TrainOptions::default() }
}

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64]) {
    let close = |(a, e): (&f64, &f64)| (a - e).abs() <= 1e-4 * e.abs();
    assert!(actual.len() == expected.len() && actual.iter().zip(expected).all(close), "{actual:?}, not {expected:?}");
}

#[test]
fn first_steps_are_those_of_the_formulas() {
    let big = 1e4;
    assert_close(&weights(with(descent(1e-6)), big, 2), &[0.01, 0.02]);
    let momentum = Sgd { learning_rate: 1e-6, momentum: 0.5, ..Sgd::default() };
    assert_close(&weights(with(momentum), big, 3), &[0.01, 0.025, 0.0425]);
    let nesterov = Sgd { nesterov: true, ..momentum };
    assert_close(&weights(with(nesterov), big, 2), &[0.015, 0.0325]);
    // With equal gradients, bias correction makes both moments exact at once.
    assert_close(&weights(with(Adam::default()), big, 4), &[1e-3, 2e-3, 3e-3, 4e-3]);
    assert_close(&weights(with(RmsProp::default()), big, 1), &[0.01 / 0.01f64.sqrt()]);
    assert_close(&weights(with(Adagrad::default()), big, 2), &[0.01, 0.01 + 0.01 / 2f64.sqrt()]);
    let filled = Adagrad { initial_accumulator: 3e8, learning_rate_decay: 1.0, ..Adagrad::default() };
    assert_close(&weights(with(filled), big, 2), &[0.005, 0.005 + 0.005 / 5f64.sqrt()]);
}

#[test]
fn every_optimiser_learns() {
    let (x, labels) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [0, 1, 1, 0]);
    for optimizer in [
        Sgd { learning_rate: 0.1, momentum: 0.9, ..Sgd::default() }.into(),
        Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4 }.into(),
        Adam { learning_rate: 0.05, ..Adam::default() }.into(),
        Adam { learning_rate: 0.05, ..Adam::adamw() }.into(),
        RmsProp { learning_rate: 0.02, ..RmsProp::default() }.into(),
        Adagrad { learning_rate: 0.5, ..Adagrad::default() }.into(),
    ] {
        let optimizer: Optimizer = optimizer;
        let builder = Model::builder(2).linear(8, Activation::Tanh).linear(2, Activation::Identity);
        let mut model = builder.loss(Loss::SoftmaxCrossEntropy).build().unwrap();
        let options = TrainOptions { batch_size: BatchSize::All, max_epochs: 500, tol: None, ..with(optimizer) };
        fit(&mut model, &x, (&labels).into(), options);
        let evaluation = model.evaluate(&x, &labels).unwrap();
        assert!(evaluation.loss < 0.1 && evaluation.accuracy == Some(1.0), "{optimizer:?}: {evaluation:?}");
    }
}

/// With the gradient clipped to 1, steps are as long as the learning rate.
#[test]
fn a_schedule_sets_the_learning_rate_of_each_step() {
    let schedule = Schedule { decay: Decay::Step { every: 2, factor: 0.5 }, clock: Clock::Step, warmup: 2 };
    let options = TrainOptions { schedule, clip: Some(Clip::Value(1.0)), ..with(descent(0.1)) };
    assert_close(&weights(options, 1e4, 6), &[0.05, 0.15, 0.25, 0.35, 0.4, 0.45]);

    let by_epoch = |decay, x: &[f32], targets: &[f32], epochs| {
        let mut model = Model::builder(1).linear_without_bias(1, Activation::Identity).build().unwrap();
        model.set_parameter("0.weight", &[1, 1], &[0.0]).unwrap();
        let options = TrainOptions {
            schedule: Schedule { decay, ..Schedule::default() },
            batch_size: BatchSize::Rows(1),
            max_epochs: epochs,
            tol: None,
            ..options
        };
        fit(&mut model, x, targets.into(), options);
        f64::from(model.parameters().next().unwrap().as_slice()[0])
    };
    // Two steps of 0.1 and two of 0.05.
    let halves = Decay::Exponential { factor: 0.5 };
    assert_close(&[by_epoch(halves, &[1.0, 1.0], &[1e4, 1e4], 2)], &[0.3]);
    // The loss grows: the target is on the other side for each second row. Each epoch is a plateau but the first.
    let plateau = Decay::Plateau(Plateau { patience: 0, factor: 0.5, ..Plateau::default() });
    assert_close(&[by_epoch(plateau, &[1.0], &[1e9], 4)], &[0.1 + 0.1 + 0.05 + 0.025]);
}

#[test]
fn a_step_of_ones_own_has_the_rate_that_a_plateau_left() {
    let plateau = Decay::Plateau(Plateau { patience: 0, factor: 0.5, ..Plateau::default() });
    let options = TrainOptions {
        schedule: Schedule { decay: plateau, ..Schedule::default() },
        clip: Some(Clip::Value(1.0)),
        max_epochs: 3,
        tol: None,
        ..with(descent(0.1))
    };
    let mut model = Model::builder(1).linear_without_bias(1, Activation::Identity).build().unwrap();
    model.set_parameter("0.weight", &[1, 1], &[0.0]).unwrap();
    let mut trainer = Trainer::new(model, options).unwrap();
    let weight = |trainer: &Trainer| f64::from(trainer.model().parameters().next().unwrap().as_slice()[0]);
    let (x, target) = ([1.0], [1e9f32]);
    trainer.fit((&x, &target)).unwrap();
    assert_close(&[weight(&trainer)], &[0.1 + 0.1 + 0.05]);
    trainer.step((&x, &target)).unwrap();
    assert_close(&[weight(&trainer)], &[0.1 + 0.1 + 0.05 + 0.025]);
}

#[test]
fn clipping_by_norm_keeps_the_direction() {
    let step = |clip| {
        let mut model = Model::builder(2).linear(1, Activation::Identity).build().unwrap();
        model.set_parameter("0.weight", &[1, 2], &[0.0, 0.0]).unwrap();
        let mut trainer = Trainer::new(model, TrainOptions { clip, ..with(descent(1.0)) }).unwrap();
        trainer.step((&[2.0, 6.0], &[3.0f32])).unwrap();
        trainer.model().parameters().flat_map(|p| p.values()).map(f64::from).collect::<Vec<_>>()
    };
    // The gradient is -3 (2, 6, 1), of norm 3 √41.
    let whole = [6.0, 18.0, 3.0];
    assert_close(&step(None), &whole);
    assert_close(&step(Some(Clip::Norm(20.0))), &whole);
    assert_close(&step(Some(Clip::Norm(0.5))), &whole.map(|g| g * 0.5 / (3.0 * 41f64.sqrt())));
    assert_close(&step(Some(Clip::Value(5.0))), &[5.0, 5.0, 3.0]);
}

#[test]
fn a_step_of_ones_own_is_the_step_of_fit() {
    // By a power of two of rows the sum of an epoch is divided exactly.
    let (x, labels) = (uniform(1, 16 * 3), labels(2, 16, 2));
    let model = || Model::softmax_regression(3, 2).unwrap();
    let options = TrainOptions { batch_size: BatchSize::All, max_epochs: 3, tol: None, ..with(Adam::default()) };
    let mut fitted = Trainer::new(model(), options).unwrap();
    let report = fitted.fit((&x, &labels)).unwrap();
    let mut stepped = Trainer::new(model(), options).unwrap();
    let losses: Vec<f64> = (0..3).map(|_| stepped.step((&x, &labels)).unwrap()).collect();
    assert_eq!(report.losses().collect::<Vec<_>>(), losses);
    assert_eq!(bits(fitted.model()), bits(stepped.model()));
    // Batches of any size after that.
    for rows in [1, 16, 5] {
        stepped.step((&x[..rows * 3], &labels[..rows])).unwrap();
    }
}

#[test]
fn validation_rows_are_judged_and_not_trained_on() {
    let data = Dataset::with_labels(uniform(1, 40 * 3), 3, labels(2, 40, 2), 2).unwrap();
    let options = TrainOptions { validation_fraction: 0.25, max_epochs: 3, tol: None, ..with(Adam::default()) };
    let mut rows_seen = Vec::new();
    for options in [options, TrainOptions { validation_fraction: 0.0, ..options }] {
        let mut trainer = Trainer::new(Model::softmax_regression(3, 2).unwrap(), options).unwrap();
        let report = trainer.fit(&data).unwrap();
        let validated = report.epochs.iter().filter(|epoch| epoch.validation.is_some()).count();
        assert_eq!(validated, if options.validation_fraction > 0.0 { 3 } else { 0 });
        rows_seen.push(trainer.position().step);
    }
    // 30 rows are one batch, 40 are two.
    assert_eq!(rows_seen, [3, 6]);

    // What the rows drawn for validation are labelled shows in their loss, and not in the weights.
    let mut order: Vec<usize> = (0..40).collect();
    Stream::new(options.seed, Purpose::Validation, 0).shuffle(&mut order);
    let results = [false, true].map(|other| {
        let mut labels = labels(2, 40, 2);
        order[..10].iter().filter(|_| other).for_each(|&row| labels[row] = 1 - labels[row]);
        let mut trainer = Trainer::new(Model::softmax_regression(3, 2).unwrap(), options).unwrap();
        let report = trainer.fit((data.features(), &labels)).unwrap();
        (bits(trainer.model()), report.losses().collect::<Vec<_>>(), report.epochs[2].validation.unwrap())
    });
    assert_eq!((&results[0].0, &results[0].1), (&results[1].0, &results[1].1));
    assert!((results[0].2.loss - results[1].2.loss).abs() > 0.01, "{results:?}");

    let (training, held_out) = data.split(0.25, 3).unwrap();
    let mut trainer = Trainer::new(Model::softmax_regression(3, 2).unwrap(), options).unwrap();
    let held_out = Examples::from(&held_out);
    let observer = |trainer: &Trainer, progress| {
        if let Progress::Epoch(epoch) = progress {
            let evaluation = trainer.model().evaluate(held_out.x, held_out.targets).unwrap();
            assert_eq!(epoch.validation, Some(evaluation));
        }
        ControlFlow::Continue(())
    };
    assert_eq!(trainer.fit_observed(&training, Some(held_out), observer).unwrap().epochs.len(), 3);

    for fraction in [1e-9, 0.99] {
        let options = TrainOptions { validation_fraction: fraction, ..options };
        let mut trainer = Trainer::new(Model::softmax_regression(3, 2).unwrap(), options).unwrap();
        let error = trainer.fit(&data).unwrap_err();
        assert!(matches!(error, Error::InvalidHyperParameter { name: "validation_fraction", .. }), "{error}");
    }
    let mut trainer = Trainer::new(Model::softmax_regression(3, 2).unwrap(), options).unwrap();
    let bad = Some(Examples::from((&[0.0, 0.0, f32::NAN], &[0])));
    let error = trainer.fit_observed(&data, bad, |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::NonFiniteInput { .. }) && trainer.position().step == 0, "{error}");
}

/// Labels at random cannot be learned: the loss on rows held out rises sooner or later.
#[test]
fn early_stopping_keeps_the_best_weights() {
    let data = Dataset::with_labels(uniform(1, 60 * 4), 4, labels(2, 60, 2), 2).unwrap();
    let model = || {
        let builder = Model::builder(4).linear(32, Activation::Tanh).linear(2, Activation::Identity);
        builder.loss(Loss::SoftmaxCrossEntropy).build().unwrap()
    };
    let options = TrainOptions {
        validation_fraction: 0.3,
        keep_best: true,
        n_iter_no_change: 4,
        tol: Some(0.0),
        ..with(Adam { learning_rate: 0.03, ..Adam::default() })
    };
    let mut trainer = Trainer::new(model(), options).unwrap();
    let mut after = Vec::new();
    let observer = |trainer: &Trainer, progress| {
        if let Progress::Epoch(epoch) = progress {
            after.push((epoch.validation.unwrap().loss, bits(trainer.model())));
        }
        ControlFlow::Continue(())
    };
    let report = trainer.fit_observed(&data, None, observer).unwrap();
    assert_eq!(report.stop, StopReason::Converged);
    let best = after.iter().map(|(loss, _)| *loss).fold(f64::INFINITY, f64::min);
    let first_best = after.iter().position(|(loss, _)| *loss == best).unwrap();
    assert_eq!(first_best + 1 + 4, after.len(), "four epochs without improvement");
    assert_eq!(bits(trainer.model()), after[first_best].1);
    assert_ne!(bits(trainer.model()), after.last().unwrap().1);
    assert_eq!(trainer.fit(&data).unwrap().epochs, report.epochs, "it has ended");

    let mut last = Trainer::new(model(), TrainOptions { keep_best: false, ..options }).unwrap();
    last.fit(&data).unwrap();
    assert_eq!(bits(last.model()), after.last().unwrap().1);
}

#[test]
fn gradients_that_are_not_finite_name_epoch_batch_layer_and_parameter() {
    let fault = |optimizer: Optimizer, clip, x: f32, target: f32| {
        let model = Model::builder(1).linear(1, Activation::Identity).build().unwrap();
        let options = TrainOptions { batch_size: BatchSize::Rows(1), shuffle: false, clip, ..with(optimizer) };
        let mut trainer = Trainer::new(model, options).unwrap();
        // The first batch is harmless.
        let error = trainer.fit((&[1.0, x], &[0.0, target])).unwrap_err();
        let Error::NonFiniteUpdate { what, parameter, layer: 0, epoch: 1, batch: 2, value } = &error else {
            panic!("{error}")
        };
        assert!(!value.is_finite() && error.to_string().contains("epoch 1, batch 2"), "{error}");
        format!("{what} {parameter}")
    };
    let adam: Optimizer = Adam::default().into();
    assert_eq!(fault(adam, None, 1e20, 1e30), "the gradient of 0.weight");
    assert_eq!(fault(adam, Some(Clip::Norm(1.0)), 1e20, 1e30), "the gradient of 0.weight");
    assert_eq!(fault(descent(0.1), Some(Clip::Norm(1.0)), 1e20, 1e30), "the gradient of 0.weight");
    assert_eq!(fault(adam, None, 1.0, 1e25), "the state of the optimiser for 0.weight");
    let fast = Sgd { learning_rate: 1e20, momentum: 0.5, ..Sgd::default() };
    assert_eq!(fault(fast.into(), None, 1.0, 1e25), "the new value of 0.weight");

    let mut trainer = Trainer::new(Model::logistic_regression(1).unwrap(), with(descent(1e30))).unwrap();
    let error = loop {
        match trainer.step((&[1.0, 3e38], &[0, 1])) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::NonFiniteLoss { epoch: 0, .. }), "{error}");
}
