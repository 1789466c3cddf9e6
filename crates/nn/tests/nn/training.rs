//! What training does to a model, and when it stops.

use std::ops::ControlFlow;

use nn::{Activation, BatchSize, KernelSet, Loss, Model, Progress, Sgd, StopReason, TrainOptions, Trainer};

use crate::{bits, descent, fit, labels, uniform};

const XOR: [f32; 8] = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
const XOR_LABELS: [u32; 4] = [0, 1, 1, 0];

#[test]
fn xor_is_learned_with_every_batch_size_and_classification_loss() {
    for kernels in KernelSet::available() {
        for (loss, outputs) in [(Loss::BceWithLogits, 1), (Loss::SoftmaxCrossEntropy, 2)] {
            for batch_size in [BatchSize::Rows(1), BatchSize::Rows(3), BatchSize::All] {
                let mut model = Model::builder(2)
                    .linear(8, Activation::Tanh)
                    .linear(outputs, Activation::Identity)
                    .loss(loss)
                    .kernels(kernels)
                    .build()
                    .unwrap();
                let options = TrainOptions {
                    batch_size,
                    optimizer: descent(0.2),
                    max_epochs: 1000,
                    tol: None,
                    ..Default::default()
                };
                let report = fit(&mut model, &XOR, XOR_LABELS[..].into(), options);
                let case = format!("{}: {loss}, {batch_size:?}", kernels.isa());
                assert_eq!(model.predict_classes(&XOR).unwrap(), XOR_LABELS, "{case}");
                let evaluation = model.evaluate(&XOR, &XOR_LABELS[..]).unwrap();
                assert!(evaluation.loss < 0.1, "{case}: {evaluation:?}");
                assert_eq!(evaluation.accuracy, Some(1.0), "{case}");
                assert_eq!(report.epochs.last().unwrap().accuracy, Some(1.0), "{case}");
            }
        }
    }
}

#[test]
fn least_squares_finds_the_line_that_made_the_data() {
    let x = uniform(1, 100 * 2);
    let targets: Vec<f32> = x.chunks(2).map(|row| 2.0 * row[0] - 3.0 * row[1] + 0.5).collect();
    let mut model = Model::builder(2).linear(1, Activation::Identity).build().unwrap();
    fit(&mut model, &x, (&targets).into(), TrainOptions { tol: None, ..Default::default() });
    let found: Vec<f32> = model.parameters().flat_map(|parameter| parameter.values()).collect();
    for (found, expected) in found.iter().zip([2.0, -3.0, 0.5]) {
        assert!((found - expected).abs() <= 1e-4, "{found}, expected {expected}");
    }
}

/// The update of logistic regression from zero weights is exact: every gradient of a logit is ±1/2.
#[test]
fn one_update_is_the_mean_gradient_of_its_batch() {
    let x = [1.0, 2.0, 3.0, -1.0, 0.5, 4.0];
    let step = |batch_size| {
        let mut model = Model::logistic_regression(2).unwrap();
        model.set_parameter("0.weight", &[1, 2], &[0.0, 0.0]).unwrap();
        let options =
            TrainOptions { batch_size, optimizer: descent(0.25), max_epochs: 1, shuffle: false, ..Default::default() };
        let report = fit(&mut model, &x, [1, 0, 1][..].into(), options);
        let parameters: Vec<f32> = model.parameters().flat_map(|parameter| parameter.values()).collect();
        (parameters, report.epochs[0].loss)
    };
    // d_z = (-1/2, 1/2, -1/2): d_w = 1/3 (-1/2 + 3/2 - 1/4, -1 - 1/2 - 2), d_b = -1/6.
    let (parameters, loss) = step(BatchSize::All);
    for (actual, expected) in parameters.iter().zip([-0.25 * 0.25, 0.25 * 3.5 / 3.0, 0.25 / 6.0f32]) {
        assert!((actual - expected).abs() <= 1e-7, "{parameters:?}");
    }
    assert!((loss - f64::ln(2.0)).abs() <= 1e-7, "{loss}");
    // The first batch is two rows: d_w = 1/2 (-1/2 + 3/2, -1 - 1/2), d_b = 0; the second is one row, its gradient its own.
    let first = [-0.25 * 0.5, 0.25 * 0.75];
    let z: f32 = 0.5 * first[0] + 4.0 * first[1];
    let d_z = -1.0 / (1.0 + z.exp());
    let expected = [first[0] - 0.25 * 0.5 * d_z, first[1] - 0.25 * 4.0 * d_z, -0.25 * d_z];
    let (parameters, loss) = step(BatchSize::Rows(2));
    for (actual, expected) in parameters.iter().zip(expected) {
        assert!((actual - expected).abs() <= 1e-6, "{parameters:?}, expected {expected:?}");
    }
    let expected = (2.0 * f64::ln(2.0) + f64::from(-z).exp().ln_1p()) / 3.0;
    assert!((loss - expected).abs() <= 1e-7, "{loss}, expected {expected}");
}

#[test]
fn weight_decay_shrinks_what_the_gradient_leaves() {
    let train = |weight_decay| {
        let mut model = Model::builder(2).linear(1, Activation::Identity).build().unwrap();
        model.set_parameter("0.weight", &[1, 2], &[1.0, -2.0]).unwrap();
        let optimizer = Sgd { learning_rate: 0.5, weight_decay, ..Sgd::default() }.into();
        let options = TrainOptions { optimizer, max_epochs: 1, ..Default::default() };
        // The output is the target, so the gradient is 0.
        fit(&mut model, &[1.0, 1.0], [-1.0f32][..].into(), options);
        model.parameters().next().unwrap().values().collect::<Vec<_>>()
    };
    assert_eq!(train(0.0), [1.0, -2.0]);
    assert_eq!(train(0.5), [0.75, -1.5]);
}

#[test]
fn the_batch_size_sets_the_number_of_updates() {
    let (x, targets) = (uniform(1, 10 * 3), uniform(2, 10));
    for (batch_size, expected) in [
        (BatchSize::Rows(1), 10),
        (BatchSize::Rows(4), 3),
        (BatchSize::Rows(5), 2),
        (BatchSize::Rows(10), 1),
        (BatchSize::Rows(usize::MAX), 1),
        (BatchSize::All, 1),
    ] {
        let model = Model::builder(3).linear(1, Activation::Identity).build().unwrap();
        let mut trainer =
            Trainer::new(model, TrainOptions { batch_size, max_epochs: 2, ..Default::default() }).unwrap();
        let mut seen = Vec::new();
        let observer = |_: &Trainer, progress| {
            if let Progress::Batch(batch) = progress {
                assert!(batch.loss.is_finite());
                seen.push((batch.epoch, batch.batch, batch.batches));
            }
            ControlFlow::Continue(())
        };
        trainer.fit_observed((&x, &targets), None, observer).unwrap();
        let all: Vec<_> = (1..=2).flat_map(|epoch| (1..=expected).map(move |batch| (epoch, batch, expected))).collect();
        assert_eq!(seen, all, "{batch_size:?}");
    }
}

#[test]
fn all_rows_at_once_is_full_batch_descent_in_any_order() {
    let (x, labels) = (uniform(1, 40 * 6), labels(2, 40, 3));
    let train = |batch_size, shuffle| {
        let mut model =
            Model::builder(6).linear(3, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).build().unwrap();
        let options = TrainOptions { batch_size, shuffle, max_epochs: 5, ..Default::default() };
        fit(&mut model, &x, (&labels).into(), options);
        bits(&model)
    };
    assert_eq!(train(BatchSize::All, true), train(BatchSize::All, false));
    assert_eq!(train(BatchSize::All, true), train(BatchSize::Rows(40), true));
    assert_ne!(train(BatchSize::All, true), train(BatchSize::Rows(20), true));
}

#[test]
fn a_logistic_regression_stops_when_it_has_converged() {
    let x = uniform(1, 200 * 4);
    let labels: Vec<u32> = x.chunks(4).map(|row| u32::from(row[0] - 0.5 * row[1] + 0.2 > 0.0)).collect();
    let mut model = Model::logistic_regression(4).unwrap();
    let options = TrainOptions { tol: Some(1e-3), n_iter_no_change: 3, max_epochs: 1000, ..Default::default() };
    let report = fit(&mut model, &x, (&labels).into(), options);
    assert_eq!(report.stop, StopReason::Converged);
    let losses: Vec<f64> = report.losses().collect();
    assert!(losses.len() < 1000, "{}", losses.len());
    let best = losses[..losses.len() - 3].iter().fold(f64::INFINITY, |min, &loss| min.min(loss));
    assert!(losses[losses.len() - 3..].iter().all(|&loss| loss > best - 3.0 * 1e-3), "{losses:?}");
    assert!(model.evaluate(&x, &labels).unwrap().accuracy.unwrap() >= 0.97);
    assert!(report.samples_per_second > 0.0);

    let options = TrainOptions { max_epochs: losses.len() - 1, ..options };
    let report = fit(&mut Model::logistic_regression(4).unwrap(), &x, (&labels).into(), options);
    assert_eq!((report.stop, report.epochs.len()), (StopReason::MaxEpochs, losses.len() - 1));
}

#[test]
fn the_observer_can_stop_after_an_epoch_and_within_one() {
    let (x, targets) = (uniform(1, 10 * 3), uniform(2, 10));
    let options = TrainOptions { batch_size: BatchSize::Rows(2), ..Default::default() };
    let train = |stop: fn(Progress) -> bool| {
        let model = Model::builder(3).linear(1, Activation::Identity).build().unwrap();
        let mut trainer = Trainer::new(model, options).unwrap();
        let mut updates = 0;
        let observer = |_: &Trainer, progress| {
            updates += usize::from(matches!(progress, Progress::Batch(_)));
            if stop(progress) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let report = trainer.fit_observed((&x, &targets), None, observer).unwrap();
        assert_eq!(report.stop, StopReason::Stopped);
        (report.epochs.len(), updates)
    };
    assert_eq!(train(|progress| matches!(progress, Progress::Epoch(epoch) if epoch.epoch == 3)), (3, 15));
    assert_eq!(
        train(|progress| matches!(progress, Progress::Batch(batch) if (batch.epoch, batch.batch) == (2, 3))),
        (1, 8)
    );
}

/// Where nobody watches, a logistic regression learns from one example after the other by one kernel.
#[test]
fn one_by_one_a_logistic_regression_takes_the_same_steps_watched_or_not() {
    let (rows, inputs) = (150, 21);
    let (x, labels) = (uniform(1, rows * inputs), labels(2, rows, 2));
    for shuffle in [true, false] {
        for (bias, weight_decay) in [(true, 0.0), (false, 0.1)] {
            let options = TrainOptions {
                batch_size: BatchSize::Rows(1),
                optimizer: Sgd { learning_rate: 0.05, weight_decay, ..Sgd::default() }.into(),
                max_epochs: 3,
                shuffle,
                ..Default::default()
            };
            let builder = || match bias {
                true => Model::builder(inputs).linear(1, Activation::Identity),
                false => Model::builder(inputs).linear_without_bias(1, Activation::Identity),
            };
            let trainer = || Trainer::new(builder().loss(Loss::BceWithLogits).build().unwrap(), options).unwrap();
            let (mut watched, mut alone, mut stopped) = (trainer(), trainer(), trainer());
            let expected = watched.fit_observed((&x, &labels), None, |_, _| ControlFlow::Continue(())).unwrap();
            let reports = |report: &nn::TrainReport| -> Vec<(u64, Option<f64>)> {
                report.epochs.iter().map(|epoch| (epoch.loss.to_bits(), epoch.accuracy)).collect()
            };
            let report = alone.fit((&x, &labels)).unwrap();
            assert_eq!(bits(alone.model()), bits(watched.model()), "bias {bias}, shuffle {shuffle}");
            assert_eq!(reports(&report), reports(&expected), "bias {bias}, shuffle {shuffle}");
            assert_eq!(alone.position(), watched.position());

            // Watched up to the middle of an epoch, then alone.
            let until = |_: &Trainer, progress| match progress {
                Progress::Batch(batch) if (batch.epoch, batch.batch) == (2, 77) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            stopped.fit_observed((&x, &labels), None, until).unwrap();
            let report = stopped.fit((&x, &labels)).unwrap();
            assert_eq!(bits(stopped.model()), bits(watched.model()), "bias {bias}, shuffle {shuffle}");
            assert_eq!(reports(&report), reports(&expected), "bias {bias}, shuffle {shuffle}");
        }
    }
}

#[test]
fn one_by_one_a_divergence_is_found_at_the_same_example() {
    let x: Vec<f32> = uniform(1, 40).iter().map(|x| 1e30 * x).collect();
    let labels = labels(2, 20, 2);
    let options =
        TrainOptions { batch_size: BatchSize::Rows(1), optimizer: descent(1e30), shuffle: false, ..Default::default() };
    let trainer = || Trainer::new(Model::logistic_regression(2).unwrap(), options).unwrap();
    let (mut watched, mut alone) = (trainer(), trainer());
    let expected = watched.fit_observed((&x, &labels), None, |_, _| ControlFlow::Continue(())).unwrap_err().to_string();
    assert_eq!(alone.fit((&x, &labels)).unwrap_err().to_string(), expected);
    assert!(expected.contains("epoch 1, batch 3"), "{expected}");
    assert_eq!(bits(alone.model()), bits(watched.model()));
}
