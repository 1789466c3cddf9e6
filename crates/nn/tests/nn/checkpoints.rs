//! Trainings that stop and go on: the same bits as without, from any step, and never from a damaged file.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use nn::file::Problem;
use nn::{
    Activation, Adagrad, Adam, BatchNorm, BatchSize, Clip, Clock, Decay, Error, Loss, Model, Optimizer, Plateau,
    Progress, RmsProp, Schedule, Sgd, TrainOptions, Trainer, checkpoint,
};

use crate::{bits, labels, uniform};

const INPUTS: usize = 3;
const ROWS: usize = 22;

pub(crate) fn model() -> Model {
    let builder = Model::builder(INPUTS).linear(4, Activation::Relu).batch_norm(BatchNorm::default()).dropout(0.2);
    builder.linear(3, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).seed(5).build().unwrap()
}

pub(crate) fn data() -> (Vec<f32>, Vec<u32>) {
    (uniform(1, ROWS * INPUTS), labels(2, ROWS, 3))
}

/// Four batches an epoch, the last one smaller.
pub(crate) fn options(optimizer: impl Into<Optimizer>) -> TrainOptions {
    TrainOptions {
        batch_size: BatchSize::Rows(6),
        optimizer: optimizer.into(),
        max_epochs: 5,
        tol: None,
        seed: 9,
        threads: 1,
        ..TrainOptions::default()
    }
}

/// All kinds of state that a training can have.
fn kinds() -> Vec<TrainOptions> {
    let plateau = Decay::Plateau(Plateau { patience: 0, factor: 0.5, ..Plateau::default() });
    let momentum = Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 0.01, nesterov: true };
    vec![
        options(Optimizer::default()),
        TrainOptions {
            schedule: Schedule { decay: Decay::Cosine { over: 15, last: 0.1 }, clock: Clock::Step, warmup: 3 },
            ..options(momentum)
        },
        TrainOptions {
            schedule: Schedule { decay: plateau, ..Schedule::default() },
            clip: Some(Clip::Norm(0.5)),
            ..options(Adam { learning_rate: 0.3, ..Adam::default() })
        },
        TrainOptions {
            validation_fraction: 0.3,
            keep_best: true,
            ..options(Adam { learning_rate: 0.2, ..Adam::adamw() })
        },
        TrainOptions { clip: Some(Clip::Value(0.01)), ..options(RmsProp { momentum: 0.5, ..RmsProp::default() }) },
        TrainOptions {
            tol: Some(0.2),
            n_iter_no_change: 2,
            keep_best: true,
            ..options(Adagrad { initial_accumulator: 0.1, ..Adagrad::default() })
        },
        TrainOptions { shuffle: false, ..options(RmsProp::default()) },
    ]
}

/// Everything that the end of a training can show.
#[derive(Debug, PartialEq)]
struct End {
    state: Vec<String>,
    epochs: Vec<String>,
    stop: String,
}

fn end(trainer: &mut Trainer) -> End {
    let (x, labels) = data();
    let report = trainer.fit((&x, &labels)).unwrap();
    End {
        state: trainer.model().state().map(|entry| format!("{entry:?}")).collect(),
        epochs: report
            .epochs
            .iter()
            .map(|e| format!("{} {:?} {:?} {:?}", e.epoch, e.loss, e.accuracy, e.validation))
            .collect(),
        stop: format!("{:?}, {:?}", report.stop, trainer.position()),
    }
}

/// Trains until `stop` says so.
fn train_until(trainer: &mut Trainer, stop: impl Fn(&Trainer, Progress) -> bool + Send + Sync) {
    let (x, labels) = data();
    let observer = |trainer: &Trainer, progress: Progress| match stop(trainer, progress) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    trainer.fit_observed((&x, &labels), None, observer).unwrap();
}

#[test]
fn going_on_from_any_step_gives_the_same_bits_as_not_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    for options in kinds() {
        let mut whole = Trainer::new(model(), options).unwrap();
        let expected = end(&mut whole);
        let steps = whole.position().step;
        assert!(steps >= 12, "{steps} steps of {options:?}");
        for step in 0..=steps {
            for stop_after_epoch in [false, true] {
                let mut first = Trainer::new(model(), options).unwrap();
                if step > 0 {
                    train_until(&mut first, |trainer, progress| {
                        trainer.position().step >= step && stop_after_epoch == matches!(progress, Progress::Epoch(_))
                    });
                }
                first.save(&path).unwrap();
                let mut second = Trainer::new(model(), options).unwrap();
                second.resume(&path).unwrap();
                assert_eq!(second.position(), first.position(), "{options:?}");
                assert_eq!(end(&mut second), expected, "from step {step} of {options:?}");
                assert_eq!(end(&mut first), expected, "in memory from step {step} of {options:?}");
            }
        }
    }
}

#[test]
fn steps_of_ones_own_loop_go_on_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    let (x, labels) = data();
    let step = |trainer: &mut Trainer, number: usize| {
        let from = number % 4 * 5;
        trainer.step((&x[from * INPUTS..][..5 * INPUTS], &labels[from..][..5])).unwrap()
    };
    let schedule = Schedule { decay: Decay::InverseScaling { power: 0.5 }, clock: Clock::Step, warmup: 2 };
    let options = TrainOptions { schedule, ..options(Adam::default()) };
    let mut whole = Trainer::new(model(), options).unwrap();
    let losses: Vec<f64> = (0..9).map(|number| step(&mut whole, number)).collect();
    assert_eq!((whole.position().step, whole.position().epoch), (9, 0));

    let mut first = Trainer::new(model(), options).unwrap();
    let mut again: Vec<f64> = (0..4).map(|number| step(&mut first, number)).collect();
    first.save(&path).unwrap();
    let mut second = Trainer::new(model(), options).unwrap();
    second.resume(&path).unwrap();
    again.extend((4..9).map(|number| step(&mut second, number)));
    assert_eq!(again, losses);
    assert_eq!(bits(second.model()), bits(whole.model()));
}

#[test]
fn equal_trainings_are_equal_files_and_their_weights_can_be_had() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| directory.path().join(name));
    let mut trainer = Trainer::new(model(), kinds()[3]).unwrap();
    for path in [&one, &two] {
        let mut trainer = Trainer::new(model(), kinds()[3]).unwrap();
        train_until(&mut trainer, |trainer, _| trainer.position().step == 10);
        trainer.save(path).unwrap();
    }
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());

    let mut weights = model();
    checkpoint::load(&mut weights, &one).unwrap();
    trainer.resume(&one).unwrap();
    assert_eq!(bits(&weights), bits(trainer.model()));
}

/// Resuming from `bytes`, which must fail and change nothing.
fn refused(trainer: &mut Trainer, path: &Path, bytes: &[u8]) -> Problem {
    // Some file systems wait for the disk when a file is truncated, but not for one that is new.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    let before = (bits(trainer.model()), trainer.position());
    let error = trainer.resume(path).unwrap_err();
    assert_eq!((bits(trainer.model()), trainer.position()), before, "{error}");
    match error {
        Error::File(error) => {
            assert_eq!(error.path, path);
            error.problem
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_cut_anywhere_or_with_a_bit_of_any_byte_flipped_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    let small = || Model::logistic_regression(1).unwrap();
    let options = options(Adam::default());
    let mut trainer = Trainer::new(small(), options).unwrap();
    trainer.fit((&[0.5, -0.5], &[0, 1])).unwrap();
    trainer.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();

    let mut fresh = Trainer::new(small(), options).unwrap();
    for len in 0..whole.len() {
        refused(&mut fresh, &path, &whole[..len]);
    }
    refused(&mut fresh, &path, &[&whole[..], &[0]].concat());
    // Each bit of such a file is flipped in a test inside the crate.
    let mut damaged = whole.clone();
    for at in 0..whole.len() {
        damaged[at] ^= 1 << (at % 8);
        refused(&mut fresh, &path, &damaged);
        damaged[at] ^= 1 << (at % 8);
    }
    fs::write(&path, &whole).unwrap();
    fresh.resume(&path).unwrap();
    assert_eq!(bits(fresh.model()), bits(trainer.model()));
}

#[test]
fn other_models_other_options_and_plain_weights_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    let options = options(Adam::default());
    let mut trainer = Trainer::new(model(), options).unwrap();
    train_until(&mut trainer, |trainer, _| trainer.position().step == 6);
    trainer.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();

    let wider = Model::builder(INPUTS).linear(5, Activation::Relu).linear(3, Activation::Identity);
    let wider = wider.loss(Loss::SoftmaxCrossEntropy).build().unwrap();
    let other = |model: Model, options: TrainOptions| {
        let mut trainer = Trainer::new(model, options).unwrap();
        match refused(&mut trainer, &path, &whole) {
            Problem::OtherSetting { name, .. } => name,
            other => panic!("{other}"),
        }
    };
    assert_eq!(other(wider, options), "layers");
    let slower = Adam { learning_rate: 1e-4, ..Adam::default() };
    for (changed, name) in [
        (TrainOptions { optimizer: slower.into(), ..options }, "optimizer"),
        (TrainOptions { optimizer: Optimizer::default(), ..options }, "optimizer"),
        (TrainOptions { batch_size: BatchSize::Rows(5), ..options }, "batch_size"),
        (TrainOptions { batch_size: BatchSize::All, ..options }, "batch_size"),
        (TrainOptions { schedule: Schedule { warmup: 1, ..options.schedule }, ..options }, "schedule"),
        (TrainOptions { clip: Some(Clip::Norm(1.0)), ..options }, "clip"),
        (TrainOptions { validation_fraction: 0.5, ..options }, "validation_fraction"),
        (TrainOptions { keep_best: true, ..options }, "keep_best"),
        (TrainOptions { shuffle: false, ..options }, "shuffle"),
        (TrainOptions { seed: 1, ..options }, "seed"),
    ] {
        assert_eq!(other(model(), changed), name);
    }
    // How long to train is no part of it.
    let longer = TrainOptions { max_epochs: 9, tol: Some(0.0), n_iter_no_change: 50, threads: 2, ..options };
    let mut longer = Trainer::new(model(), longer).unwrap();
    longer.resume(&path).unwrap();
    assert_eq!(end(&mut longer).epochs.len(), 9);

    checkpoint::save(trainer.model(), &path).unwrap();
    let weights = fs::read(&path).unwrap();
    assert!(matches!(refused(&mut trainer, &path, &weights), Problem::NoTraining));

    // In the middle of an epoch, its rows must be as many as before.
    let error = trainer.fit((&[0.0; 3 * INPUTS], &[0, 1, 2])).unwrap_err();
    assert!(matches!(error, Error::OtherData { epoch: 2, begun: ROWS, rows: 3 }), "{error}");
}
