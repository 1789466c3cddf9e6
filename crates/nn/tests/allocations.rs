//! After a trainer has planned its memory, its steps allocate none; nor do predictions with a `Predictor`. A program of
//! its own, as the count is of the whole process.

use std::alloc::System;
use std::ops::ControlFlow;
use std::sync::Arc;

use kernels::ThreadPool;
use nn::collective::{Collective, Part, Sharding, Threads};
use nn::random::{Purpose, Stream};
use nn::{
    Activation, Adagrad, Adam, BatchNorm, BatchSize, ByteScale, Features, LayerNorm, Loss, Model, ModelBuilder,
    Optimizer, Predictor, Progress, RmsProp, Sgd, Targets, TrainOptions, Trainer,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROWS: usize = 200;
const INPUTS: usize = 40;
const CLASSES: usize = 5;
const EPOCHS: usize = 8;

/// How often memory was asked for so far, by any thread.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn uniform(seed: u64, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Split, 0);
    (0..len).map(|_| 2.0 * stream.uniform() - 1.0).collect()
}

type Append = fn(ModelBuilder) -> ModelBuilder;

const MODELS: [(&str, Append); 4] = [
    ("softmax regression", |b| b),
    ("two hidden layers", |b| b.linear(64, Activation::Relu).linear(32, Activation::Tanh)),
    ("batch norm and dropout", |b| {
        b.linear_without_bias(48, Activation::Identity)
            .batch_norm(BatchNorm::default())
            .activation(Activation::Gelu)
            .dropout(0.2)
    }),
    ("layer norm", |b| b.layer_norm(LayerNorm::default()).linear(32, Activation::Silu)),
];

/// What was allocated from the second epoch on: the first fills what threads keep for themselves.
#[derive(Default)]
struct Counted {
    start: usize,
    end: usize,
    steps: usize,
}

impl Counted {
    fn watch(&mut self, progress: Progress) -> ControlFlow<()> {
        match progress {
            Progress::Batch(report) if report.epoch > 1 && report.batch == 1 && self.steps == 0 => {
                (self.start, self.steps) = (allocations(), 1);
            }
            Progress::Batch(report) if report.epoch == EPOCHS && report.batch == report.batches => {
                self.end = allocations();
            }
            Progress::Batch(_) => self.steps += usize::from(self.steps > 0),
            Progress::Epoch(_) => {}
        }
        ControlFlow::Continue(())
    }

    /// Each epoch ends with a report that joins the history.
    fn check(&self, allowed: usize, case: &str) {
        let Counted { start, end, steps } = self;
        assert!(*steps > 2 * allowed, "{case}: {steps} steps");
        assert!(end - start <= allowed, "{case}: {} allocations in {steps} steps", end - start);
    }
}

/// The ranks are threads that start and end before and after all that is counted; each trains on a pool of its own.
fn steps_over_ranks_allocate_nothing(pools: &[Arc<ThreadPool>], name: &str, append: Append, x: &[f32], labels: &[u32]) {
    let ranks = pools.len();
    let sharding = Sharding { shards: 2, ..Sharding::default() };
    Threads::run(ranks, |collective| {
        let builder = append(Model::builder(INPUTS)).linear(CLASSES, Activation::Identity);
        let model = builder.loss(Loss::SoftmaxCrossEntropy).build().unwrap();
        let options = TrainOptions {
            optimizer: Adam::default().into(),
            batch_size: BatchSize::Rows(7),
            max_epochs: EPOCHS,
            tol: None,
            sharding: Some(sharding),
            ..TrainOptions::default()
        };
        let mut trainer = Trainer::with_pool(model, options, Arc::clone(&pools[collective.rank()])).unwrap();
        let rows = sharding.rows(collective.rank(), ranks, ROWS).unwrap();
        let part = Part::new((&x[rows.start * INPUTS..rows.end * INPUTS], &labels[rows]), ROWS);
        let mut counted = Counted::default();
        trainer.fit_observed_over(collective, part, None, |_, progress| counted.watch(progress)).unwrap();
        if collective.rank() == 0 {
            counted.check(ranks * EPOCHS, &format!("{name} over {ranks} ranks"));
        }
    });
}

fn main() {
    let x = uniform(1, ROWS * INPUTS);
    let bytes: Vec<u8> = x.iter().map(|x| (100.0 * (x + 1.0)) as u8).collect();
    let labels: Vec<u32> = (0..ROWS).map(|row| (row % CLASSES) as u32).collect();
    let weights: Vec<f32> = uniform(2, ROWS).iter().map(|w| w.abs() + 0.1).collect();
    let optimizers: [Optimizer; 6] = [
        Sgd { learning_rate: 0.01, ..Sgd::default() }.into(),
        Sgd { momentum: 0.9, nesterov: true, ..Sgd::default() }.into(),
        Adam::default().into(),
        Adam::adamw().into(),
        RmsProp::default().into(),
        Adagrad::default().into(),
    ];
    // Before there are threads: those that start or end may allocate at any time.
    for (name, append) in MODELS {
        let model = append(Model::builder(INPUTS)).linear(CLASSES, Activation::Identity).build().unwrap();
        let mut predictor = Predictor::new(&model, 3).unwrap();
        predictor.predict(&x[..3 * INPUTS]).unwrap();
        let before = allocations();
        for row in x.chunks_exact(INPUTS) {
            predictor.predict(row).unwrap();
        }
        assert_eq!(allocations(), before, "{name}");
    }
    // Small as the products are, all threads shall work. All pools live to the end.
    let pools = [1, 2].map(|threads| Arc::new(ThreadPool::with_work_per_thread(threads, 1).unwrap()));
    for pool in &pools {
        let threads = pool.threads();
        for (name, append) in MODELS {
            for optimizer in optimizers {
                for batch in [7, 64] {
                    let case = format!("{name}, {optimizer:?}, batches of {batch}, {threads} threads");
                    let model = append(Model::builder(INPUTS))
                        .linear(CLASSES, Activation::Identity)
                        .loss(Loss::SoftmaxCrossEntropy)
                        .build()
                        .unwrap();
                    let options = TrainOptions {
                        optimizer,
                        batch_size: BatchSize::Rows(batch),
                        max_epochs: EPOCHS,
                        tol: None,
                        ..TrainOptions::default()
                    };
                    let mut trainer = Trainer::with_pool(model, options, Arc::clone(pool)).unwrap();
                    // Bytes are gathered as floats are.
                    let scale = ByteScale { scale: 0.01, offset: -1.0 };
                    let x: Features<'_> =
                        if batch == 7 { Features::Bytes { bytes: &bytes, scale } } else { (&x).into() };
                    let targets = Targets::Labels(&labels).weighted(&weights);
                    let mut counted = Counted::default();
                    trainer.fit_observed((x, targets), None, |_, progress| counted.watch(progress)).unwrap();
                    // A second thread may get its first work late.
                    counted.check(EPOCHS + 3 * (threads - 1), &case);
                }
            }
        }
    }
    let of_ranks = [(); 2].map(|()| Arc::new(ThreadPool::new(1).unwrap()));
    for ranks in [1, 2] {
        for (name, append) in MODELS {
            steps_over_ranks_allocate_nothing(&of_ranks[..ranks], name, append, &x, &labels);
        }
    }
}
