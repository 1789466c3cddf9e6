//! The same bits for any number of threads and every instruction set.

use nn::{Activation, BatchSize, EpochReport, KernelSet, Loss, Model, Sgd, ThreadPool, TrainOptions, Trainer};

use crate::{bits, fit, labels, uniform};

/// 300 rows leave a batch of 44.
const INPUTS: usize = 100;
const ROWS: usize = 300;

/// The weights after 102 updates, and every epoch's loss and accuracy.
fn train(kernels: &'static KernelSet, threads: usize) -> (Vec<u32>, Vec<(u64, Option<u64>)>) {
    let model = Model::builder(INPUTS)
        .linear(96, Activation::Relu)
        .linear(96, Activation::Tanh)
        .linear(10, Activation::Identity)
        .loss(Loss::SoftmaxCrossEntropy)
        .seed(42)
        .kernels(kernels)
        .build()
        .unwrap();
    let options = TrainOptions {
        batch_size: BatchSize::Rows(128),
        optimizer: Sgd { learning_rate: 0.05, weight_decay: 1e-3, ..Sgd::default() }.into(),
        max_epochs: 34,
        tol: None,
        seed: 7,
        ..TrainOptions::default()
    };
    // Small as the products are, all threads shall work.
    let pool = ThreadPool::with_work_per_thread(threads, 1).unwrap();
    let mut trainer = Trainer::with_pool(model, options, pool).unwrap();
    let report = trainer.fit((&uniform(1, ROWS * INPUTS), &labels(2, ROWS, 10))).unwrap();
    let judged = |epoch: &EpochReport| (epoch.loss.to_bits(), epoch.accuracy.map(f64::to_bits));
    (bits(trainer.model()), report.epochs.iter().map(judged).collect())
}

#[test]
fn threads_and_instruction_sets_do_not_show() {
    let portable = KernelSet::available().next().unwrap();
    let expected = train(portable, 1);
    assert_ne!(expected.1[0], expected.1[33], "nothing was learned");
    for kernels in KernelSet::available() {
        for threads in [1, 2, 4] {
            let case = format!("{}, {threads} threads", kernels.isa());
            let (weights, epochs) = train(kernels, threads);
            assert_eq!(epochs, expected.1, "{case}");
            let different = weights.iter().zip(&expected.0).filter(|(a, b)| a != b).count();
            assert_eq!((weights.len(), different), (expected.0.len(), 0), "weights that differ for {case}");
        }
    }
}

#[test]
fn seeds_decide_weights_and_order() {
    let (x, labels) = (uniform(1, 50 * 4), labels(2, 50, 2));
    let train = |model_seed, order_seed, shuffle| {
        let mut model = Model::builder(4).linear(3, Activation::Relu).linear(2, Activation::Identity);
        model = model.loss(Loss::SoftmaxCrossEntropy).seed(model_seed);
        let mut model = model.build().unwrap();
        let options = TrainOptions { max_epochs: 2, seed: order_seed, shuffle, ..TrainOptions::default() };
        fit(&mut model, &x, (&labels).into(), options);
        bits(&model)
    };
    assert_eq!(train(1, 1, true), train(1, 1, true));
    assert_ne!(train(1, 1, true), train(2, 1, true));
    assert_ne!(train(1, 1, true), train(1, 2, true));
    assert_ne!(train(1, 1, true), train(1, 1, false));
    assert_eq!(train(1, 1, false), train(1, 2, false), "without a shuffle its seed has no effect");
}
