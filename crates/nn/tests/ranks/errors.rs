//! No rank is left waiting for one that does not come.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nn::collective::{Collective, CollectiveError, Fault, Part, Single, Threads};
use nn::{Activation, BatchNorm, BatchSize, Error, Loss, Model, Progress, TrainOptions, Trainer};

use crate::{CLASSES, Data, INPUTS, sharded, trainer};

fn model() -> Model {
    let builder = Model::builder(INPUTS).linear(16, Activation::Relu).linear(CLASSES, Activation::Identity);
    builder.loss(Loss::SoftmaxCrossEntropy).build().unwrap()
}

fn options() -> TrainOptions {
    TrainOptions { max_epochs: 3, sharding: sharded(16), ..TrainOptions::default() }
}

/// What a rank trains with.
struct Given {
    data: Data,
    total: usize,
    model: Model,
    options: TrainOptions,
}

/// The error of each of four ranks, of which `spoil` changes what some get.
fn errors(spoil: impl Fn(usize, &mut Given) + Sync) -> Vec<Error> {
    Threads::run(4, |collective| {
        let rank = collective.rank();
        let mut given = Given { data: Data::new(1, 200), total: 200, model: model(), options: options() };
        let (rows, data) = (sharded(16).unwrap().rows(rank, 4, 200).unwrap(), &mut given.data);
        data.x = data.x[rows.start * INPUTS..rows.end * INPUTS].to_vec();
        data.labels = data.labels[rows].to_vec();
        spoil(rank, &mut given);
        let Given { data, total, model, options } = given;
        let mut trainer = trainer(&model, options, 1);
        trainer.fit_over(collective, Part::new((&data.x, &data.labels), total)).unwrap_err()
    })
}

#[test]
fn data_that_one_rank_cannot_use_is_an_error_on_all_before_training() {
    let errors = errors(|rank, Given { data, .. }| {
        if rank == 2 {
            data.labels[5] = 77;
        }
    });
    for (rank, error) in errors.iter().enumerate() {
        match error {
            Error::LabelOutOfRange { row: 5, label: 77, .. } => assert_eq!(rank, 2),
            Error::OtherRank { rank: 2, message } => {
                assert!(rank != 2 && message.contains("row 5 has label 77"), "{message}");
            }
            error => panic!("rank {rank}: {error}"),
        }
    }
}

#[test]
fn ranks_that_are_not_alike_are_told() {
    let told = |errors: Vec<Error>, expected: &str| {
        for error in errors {
            let Error::OtherRankDiffers { rank: 3, what } = error else { panic!("{error}") };
            assert_eq!(what, expected);
        }
    };
    told(errors(|rank, given| given.options.seed = u64::from(rank == 3)), "options");
    told(errors(|rank, given| given.options.max_epochs += usize::from(rank == 3)), "options");
    told(
        errors(|rank, Given { model, .. }| {
            if rank == 3 {
                let name = "0.bias";
                model.set_parameter(name, &[16], &[1.0; 16]).unwrap();
            }
        }),
        "parameters or another position",
    );
    // 13 rows more for each of the shards would be another part, so only rank 3 notices, and says so.
    for (rank, error) in errors(|rank, given| given.total += usize::from(rank == 3) * 208).iter().enumerate() {
        match error {
            Error::ShapeMismatch { .. } => assert_eq!(rank, 3),
            Error::OtherRank { rank: 3, .. } => {}
            error => panic!("rank {rank}: {error}"),
        }
    }
}

#[test]
fn weights_may_be_0_on_one_rank_and_not_on_all() {
    let weighted = |zero_on: fn(usize) -> bool| {
        Threads::run(4, |collective| {
            let data = Data::new(1, 200);
            let rows = options().sharding.unwrap().rows(collective.rank(), 4, 200).unwrap();
            let weights = vec![if zero_on(collective.rank()) { 0.0 } else { 1.0 }; rows.len()];
            let targets = nn::Targets::Labels(&data.labels[rows.clone()]).weighted(&weights);
            let part = Part::new((&data.x[rows.start * INPUTS..rows.end * INPUTS], targets), 200);
            trainer(&model(), options(), 1).fit_over(collective, part)
        })
    };
    assert!(weighted(|rank| rank == 1).iter().all(Result::is_ok));
    assert!(weighted(|_| true).iter().all(|result| matches!(result, Err(Error::NoWeight { .. }))));
}

#[test]
fn a_loss_that_is_not_finite_on_one_rank_is_the_same_error_on_all() {
    let errors = errors(|rank, Given { data, .. }| {
        if rank == 1 {
            data.x.fill(3e38);
        }
    });
    let text = errors[0].to_string();
    for error in &errors {
        assert!(matches!(error, Error::NonFiniteLoss { epoch: 1, batch: 1, layer: Some(0), .. }), "{error}");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_rank_that_panics_or_ends_ends_the_others() {
    for (what, threads) in [("observer", 1), ("observer", 2), ("never comes", 1)] {
        let data = Data::new(1, 200);
        let errors = Threads::run(4, |collective| {
            let rank = collective.rank();
            if rank == 2 && what == "never comes" {
                return None;
            }
            let part = data.part(options().sharding.unwrap(), rank, 4);
            let mut trainer = trainer(&model(), options(), threads);
            let watch = |_: &Trainer, progress: Progress| {
                assert!(!(rank == 2 && matches!(progress, Progress::Epoch(_))), "rank 2 panics");
                ControlFlow::Continue(())
            };
            catch_unwind(AssertUnwindSafe(|| trainer.fit_observed_over(collective, part, None, watch).unwrap_err()))
                .ok()
        });
        for (rank, error) in errors.iter().enumerate() {
            match error {
                None => assert_eq!(rank, 2, "{what}"),
                Some(Error::Collective(CollectiveError { cause, .. })) => {
                    assert_eq!(cause.downcast_ref(), Some(&Fault::Gone { rank: 2 }), "{what}");
                }
                Some(error) => panic!("{what}, rank {rank}: {error}"),
            }
        }
    }
}

/// One rank whose calls fail from some call on.
struct Failing(usize);

impl Failing {
    fn call(&mut self) -> Result<(), CollectiveError> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| CollectiveError::new(0, "a call", "the cable is cut"))?;
        Ok(())
    }
}

impl Collective for Failing {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    fn broadcast(&mut self, _: usize, _: &mut [u8]) -> Result<(), CollectiveError> {
        self.call()
    }
    fn all_gather(&mut self, part: &[u8], all: &mut [u8]) -> Result<(), CollectiveError> {
        all.copy_from_slice(part);
        self.call()
    }
    fn sum(&mut self, _: &mut [f32]) -> Result<(), CollectiveError> {
        self.call()
    }
    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.call()
    }
}

#[test]
fn a_call_that_fails_ends_the_training_with_its_error_whenever_it_comes() {
    let data = Data::new(1, 200);
    for calls in 0..20 {
        let part = Part::new((&data.x, &data.labels), 200);
        let error = trainer(&model(), options(), 1).fit_over(&mut Failing(calls), part).unwrap_err();
        assert_eq!(error.to_string(), "rank 0, a call: the cable is cut", "after {calls} calls");
    }
}

#[test]
fn shards_that_do_not_fit_are_refused() {
    let data = Data::new(1, 200);
    let fit = |options: TrainOptions, model: &Model, rows: usize| {
        trainer(model, options, 1).fit((&data.x[..rows * INPUTS], &data.labels[..rows])).unwrap_err()
    };
    let error = fit(options(), &model(), 15);
    assert!(matches!(error, Error::InvalidHyperParameter { name: "shards", .. }), "{error}");
    let norm = Model::builder(INPUTS).batch_norm(BatchNorm::default()).linear(CLASSES, Activation::Identity);
    let norm = norm.loss(Loss::SoftmaxCrossEntropy).build().unwrap();
    let error = fit(TrainOptions { batch_size: BatchSize::Rows(90), ..options() }, &norm, 200);
    assert!(matches!(error, Error::ShareTooSmall { layer: 0, rows: 20, shards: 16 }), "{error}");

    let errors = Threads::run(3, |collective| {
        let part = Part::new((&data.x, &data.labels), 200);
        trainer(&model(), options(), 1).fit_over(collective, part).unwrap_err()
    });
    assert!(errors.iter().all(|error| matches!(error, Error::Ranks { shards: 16, ranks: 3, .. })), "{errors:?}");
    let none = TrainOptions { sharding: None, ..options() };
    let error = trainer(&model(), none, 1).fit_over(&mut Single, Part::new((&data.x, &data.labels), 200)).unwrap_err();
    assert!(matches!(error, Error::InvalidHyperParameter { name: "sharding", .. }), "{error}");
    let error = Trainer::new(model(), TrainOptions { sharding: sharded(0), ..options() }).unwrap_err();
    assert!(matches!(error, Error::InvalidHyperParameter { name: "shards", .. }), "{error}");
}

#[test]
fn time_and_bytes_of_the_exchange_are_told() {
    let data = Data::new(1, 200);
    let reports = Threads::run(2, |collective| {
        let part = data.part(options().sharding.unwrap(), collective.rank(), 2);
        trainer(&model(), options(), 1).fit_over(collective, part).unwrap()
    });
    // 3 epochs of 7 batches; in each the losses and one bucket, of the arena of parameters.
    for report in reports {
        let nn::Communication { seconds, waited_seconds, calls, bytes } = report.communication;
        assert!(seconds > 0.0 && waited_seconds > 0.0, "{seconds} {waited_seconds}");
        assert_eq!(calls, 3 * 7 * 2);
        let parameters = (12 * 16 + 16 + 16 * 4 + 16) as u64;
        assert_eq!(bytes, 3 * 7 * (4 * parameters + 8 * 32));
    }
    let mut plain = trainer(&model(), TrainOptions { sharding: None, ..options() }, 1);
    assert_eq!(plain.fit((&data.x, &data.labels)).unwrap().communication, nn::Communication::default());
}
