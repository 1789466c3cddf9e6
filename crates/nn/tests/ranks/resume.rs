//! A training goes on with another number of ranks, to the same bits.

use std::ops::ControlFlow;
use std::path::Path;

use nn::collective::{Collective, Exchange, Sharding, Single, Threads};
use nn::file::{FileError, Problem};
use nn::{Activation, Adam, BatchNorm, BatchSize, Error, Loss, Model, Progress, StopReason, TrainOptions, Trainer};

use crate::{CLASSES, Data, INPUTS, Outcome, sharded, train, trainer};

fn model() -> Model {
    let builder = Model::builder(INPUTS).linear(16, Activation::Relu).batch_norm(BatchNorm::default()).dropout(0.2);
    builder.linear(CLASSES, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).build().unwrap()
}

fn options() -> TrainOptions {
    TrainOptions {
        batch_size: BatchSize::Rows(64),
        optimizer: Adam::default().into(),
        max_epochs: 6,
        tol: None,
        validation_fraction: 0.1,
        keep_best: true,
        sharding: sharded(16),
        ..TrainOptions::default()
    }
}

fn train_on(ranks: usize, data: &Data, path: &Path, from: bool, stop: Option<(usize, usize)>) -> Vec<Outcome> {
    Threads::run(ranks, |collective| {
        let rank = collective.rank();
        let mut trainer = trainer(&model(), options(), 1);
        if from {
            trainer.resume_over(collective, path).unwrap();
            assert_eq!(trainer.position().batch, 3, "saved within an epoch");
        }
        let part = data.part(options().sharding.unwrap(), rank, ranks);
        let report = trainer.fit_observed_over(collective, part, None, |trainer: &Trainer, progress| match progress {
            Progress::Batch(report) if Some((report.epoch, report.batch)) == stop => {
                trainer.save(path).unwrap();
                // What other ranks than the first want does not count.
                if rank == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            _ if rank > 0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        let report = report.unwrap();
        let expected = if stop.is_some() { StopReason::Stopped } else { StopReason::MaxEpochs };
        assert_eq!(report.stop, expected, "rank {rank}");
        Outcome::new(&trainer, &report)
    })
}

#[test]
fn a_checkpoint_within_an_epoch_goes_on_with_any_number_of_ranks() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(1, 323).weighted();
    let whole = train((1, 1), &model(), options(), &data, None).pop().unwrap();
    for (before, after) in [(1, 4), (4, 1), (2, 16), (16, 2), (8, 8)] {
        let path = directory.path().join(format!("{before}-{after}.safetensors"));
        train_on(before, &data, &path, false, Some((3, 3)));
        for outcome in train_on(after, &data, &path, true, None) {
            assert_eq!(outcome, whole, "from {before} ranks to {after}");
        }
    }
}

#[test]
fn checkpoints_with_other_shards_or_without_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(1, 323);
    let fast = Some(Sharding { exchange: Exchange::Fast, ..Sharding::default() });
    let kinds = [None, sharded(16), sharded(8), fast];
    let with = |sharding| trainer(&model(), TrainOptions { sharding, max_epochs: 1, ..options() }, 1);
    for (number, sharding) in kinds.into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.safetensors"));
        let mut trainer = with(sharding);
        trainer.fit((&data.x, &data.labels)).unwrap();
        trainer.save(&path).unwrap();
        for other in kinds {
            match with(other).resume(&path) {
                Ok(()) => assert_eq!(other, sharding),
                Err(Error::File(FileError { problem: Problem::OtherSetting { name, .. }, .. })) => {
                    assert_eq!(name, "sharding");
                    assert_ne!(other, sharding);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_on_all_ranks_and_changes_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing.safetensors");
    let errors =
        Threads::run(2, |collective| trainer(&model(), options(), 1).resume_over(collective, &path).unwrap_err());
    assert!(matches!(&errors[0], Error::File(_)), "{}", errors[0]);
    assert!(
        matches!(&errors[1], Error::OtherRank { rank: 0, message } if message.contains("missing")),
        "{}",
        errors[1]
    );

    std::fs::write(&path, b"no checkpoint").unwrap();
    for result in Threads::run(2, |collective| trainer(&model(), options(), 1).resume_over(collective, &path)) {
        assert!(matches!(result, Err(Error::File(_))), "{result:?}");
    }
    assert!(trainer(&model(), options(), 1).resume_over(&mut Single, &path).is_err());
}

#[test]
fn only_rank_0_writes() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(1, 100);
    let path = |rank: usize| directory.path().join(rank.to_string());
    Threads::run(2, |collective| {
        let options = TrainOptions { max_epochs: 1, batch_size: BatchSize::All, ..options() };
        let part = data.part(options.sharding.unwrap(), collective.rank(), 2);
        let mut trainer = trainer(&model(), options, 1);
        trainer.fit_over(collective, part).unwrap();
        trainer.save(path(collective.rank())).unwrap();
    });
    assert!(path(0).exists() && !path(1).exists());
}
