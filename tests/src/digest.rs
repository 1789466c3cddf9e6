//! Golden digests: SHA-256 of what fixed runs return, the same on every instruction set and for any number of threads.

use crate::gemm_case::GemmCase;
use crate::matrix::{Float, Layout};
use crate::random::Random;
use kernels::fused::{Adagrad, Adam, Descent, Examples, LogisticModel, LogisticSums, RmsProp, Sgd};
use kernels::{
    Activation, Axis, ByteScale, ClassTargets, Epilogue, Function, GemmOptions, KernelSet, LossOptions, MatRef,
    Moments, Norm, ThreadPool,
};
use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};
use nn::random::{Purpose, Stream};
use nn::{BatchNorm, BatchSize, LayerNorm, Loss, Model, TrainOptions, Trainer};
use sha2::{Digest as _, Sha256};
use std::fmt;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data");

/// The digest of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// What ran.
    pub name: String,
    /// In hexadecimal.
    pub sha256: String,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.sha256, self.name)
    }
}

/// Digests of runs that may use threads.
///
/// # Errors
/// If the threads cannot be started or the data sets not read.
pub fn threaded(set: &'static KernelSet, threads: usize) -> nn::Result<Vec<Digest>> {
    // Small as the products are, all threads shall work.
    let pool = || {
        let pool = ThreadPool::with_work_per_thread(threads, 1);
        pool.map_err(|source| nn::Error::ThreadPool { threads, source })
    };
    let mut digests = pool()?.install(|| {
        let mut digests = gemm::<f32>(set, "f32");
        digests.extend(gemm::<f64>(set, "f64"));
        digests
    });
    digests.push(digits(set, pool()?)?);
    digests.push(tumours(set, pool()?)?);
    digests.push(layers(set, pool()?)?);
    digests.push(tumours_one_by_one(set, pool()?)?);
    Ok(digests)
}

/// Digests of the other kernels, which run on the caller's thread.
pub fn serial(set: &KernelSet) -> Vec<Digest> {
    let mut digests = math(set);
    digests.extend(losses(set));
    digests.push(reductions(set));
    digests.push(gathered_bytes(set));
    digests.push(derivatives(set));
    digests.push(shuffles());
    digests.extend(updates(set));
    digests.extend([norm(set, Axis::Columns), norm(set, Axis::Rows), logistic(set)]);
    digests
}

fn digest(name: impl Into<String>, bytes: impl IntoIterator<Item = [u8; 8]>) -> Digest {
    let mut hash = Sha256::new();
    bytes.into_iter().for_each(|bytes| hash.update(bytes));
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Digest { name: name.into(), sha256 }
}

/// The bits, with one NaN for all, as a NaN's sign and payload are not promised.
fn bytes<T: Float>(x: T) -> [u8; 8] {
    let bits = if x.into().is_nan() { f64::NAN.to_bits() } else { x.bits() };
    bits.to_le_bytes()
}

fn gemm<T: Float>(set: &KernelSet, element: &str) -> Vec<Digest> {
    use Layout::{ColMajor, ColPadded, General, RowMajor, RowPadded, RowsBackwards};
    // Every path: as it lies, packed, transposed, tails, blocks of K and of columns, thin, dot products; the largest ones
    // are worth several threads.
    let cases = [
        ("NN", (64, 128, 784), (RowMajor, RowMajor, RowMajor)),
        ("NT", (64, 130, 128), (RowMajor, ColMajor, RowMajor)),
        ("TN", (257, 65, 64), (ColMajor, RowMajor, RowMajor)),
        ("TT", (61, 67, 513), (ColMajor, ColMajor, RowPadded)),
        ("C by columns", (50, 70, 30), (RowMajor, RowMajor, ColPadded)),
        ("general", (37, 41, 43), (General, RowsBackwards, General)),
        ("wide", (5, 1100, 1030), (RowPadded, RowPadded, RowMajor)),
        ("head", (64, 10, 128), (RowMajor, RowMajor, RowMajor)),
        ("row", (1, 300, 700), (RowMajor, RowMajor, RowMajor)),
        ("row of dots", (1, 300, 700), (RowMajor, ColMajor, RowMajor)),
        ("column of dots", (300, 1, 701), (RowMajor, RowMajor, RowMajor)),
        ("column", (300, 1, 60), (ColMajor, RowMajor, RowMajor)),
    ];
    let mut random = Random::new(100);
    let run = |(name, shape, layouts): (&str, _, _)| {
        let case = GemmCase::<T>::with_layouts(shape, layouts, &mut random);
        let epilogues = [
            Epilogue::None,
            Epilogue::Bias { bias: Some(&case.bias), activation: Activation::Relu },
            Epilogue::Bias { bias: Some(&case.bias), activation: Activation::Sigmoid },
            Epilogue::Derivative { activation: Activation::Tanh, kept: case.output.view() },
        ];
        let results =
            epilogues.map(|epilogue| case.run_with(set, &GemmOptions { epilogue, ..GemmOptions::default() }).data);
        digest(format!("gemm {element} {name}"), results.into_iter().flatten().map(bytes))
    };
    cases.map(run).into()
}

fn math(set: &KernelSet) -> Vec<Digest> {
    let xs: Vec<f32> = (0..=u32::MAX).step_by(30_011).map(f32::from_bits).collect();
    let mut ys = vec![0.0; xs.len()];
    let mut run = |function: Function| {
        set.map(function, &xs, &mut ys);
        digest(function.name(), ys.iter().map(|&y| bytes(y)))
    };
    Function::ALL.map(&mut run).into()
}

fn losses(set: &KernelSet) -> Vec<Digest> {
    let mut random = Random::new(101);
    let (rows, cols) = (300, 13);
    let z = random.floats(rows * cols, 9.0);
    let t: Vec<f32> = random.floats(rows * cols, 1.0).iter().map(|t| t.abs()).collect();
    let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
    let run = |name: &str, loss: &dyn Fn(&mut [f32]) -> f64| {
        let mut d = vec![0.0; rows * cols];
        let cost = loss(&mut d);
        digest(name, std::iter::once(bytes(cost)).chain(d.iter().map(|&d| bytes(d))))
    };
    let (indices, probabilities) = (ClassTargets::Indices(&labels), ClassTargets::Probabilities(&t));
    let long: Vec<u32> = labels.iter().step_by(13).map(|label| 10 * label).collect();
    let (long, long_cols) = (ClassTargets::Indices(&long[..rows / 20]), 20 * cols);
    let weights = || LossOptions {
        sample_weights: Some(&t[..rows]),
        class_weights: Some(&t[rows..rows + cols]),
        label_smoothing: 0.1,
        ..LossOptions::default()
    };
    let by_element = || LossOptions { label_smoothing: 0.0, ..weights() };
    let both = || LossOptions { positive_weights: Some(&t[..cols]), ..weights() };
    vec![
        run("mse", &|d| set.mse(cols, &z, &t, LossOptions::default(), d)),
        run("mse, weighted", &|d| set.mse(cols, &z, &t, by_element(), d)),
        run("huber", &|d| set.huber(cols, &z, &t, 2.5, LossOptions::default(), d)),
        run("bce_with_logits", &|d| set.bce_with_logits(cols, &z, &t, LossOptions::default(), d)),
        run("bce_with_logits, weighted and smoothed", &|d| set.bce_with_logits(cols, &z, &t, both(), d)),
        run("softmax_cross_entropy", &|d| set.softmax_cross_entropy(cols, &z, indices, LossOptions::default(), d)),
        run("softmax_cross_entropy, weighted", &|d| set.softmax_cross_entropy(cols, &z, indices, by_element(), d)),
        run("softmax_cross_entropy, smoothed", &|d| set.softmax_cross_entropy(cols, &z, indices, weights(), d)),
        run("softmax_cross_entropy, probabilities", &|d| {
            set.softmax_cross_entropy(cols, &z, probabilities, weights(), d)
        }),
        run("softmax_cross_entropy, long rows", &|d| {
            set.softmax_cross_entropy(long_cols, &z, long, LossOptions::default(), d)
        }),
        run("softmax", &|p| {
            set.softmax(cols, &z, p);
            0.0
        }),
        run("log_softmax", &|p| {
            set.log_softmax(cols, &z, p);
            0.0
        }),
        run("logsumexp", &|sums| {
            set.logsumexp(cols, &z, &mut sums[..rows]);
            0.0
        }),
        run("sgd", &|p| {
            p.copy_from_slice(&t);
            (0..5).for_each(|_| _ = set.sgd(p, &z, 0.01, 0.1));
            0.0
        }),
    ]
}

type Update<'a> = &'a dyn Fn(&mut [f32], [&mut [f32]; 2], u64);

/// Moments, outputs and gradients of a normalisation.
fn norm(set: &KernelSet, axis: Axis) -> Digest {
    let mut random = Random::new(104);
    let (rows, cols) = (70, 37);
    let (x, d_y) = (random.floats(rows * cols, 3.0), random.floats(rows * cols, 1.0));
    let (weight, bias) = (random.floats(cols, 1.0), random.floats(cols, 1.0));
    let groups = if axis == Axis::Columns { cols } else { rows };
    let (mut mean, mut variance, mut inv_std) = (vec![0.0; groups], vec![0.0; groups], vec![0.0; groups]);
    let moments = Moments { mean: &mut mean, variance: &mut variance, inv_std: &mut inv_std };
    set.moments(axis, cols, &x, 1e-5, moments);
    let norm = Norm { axis, cols, mean: &mean, inv_std: &inv_std, weight: Some(&weight), bias: Some(&bias) };
    let (mut y, mut d_weight, mut d_bias) = (vec![0.0; x.len()], vec![0.0; cols], vec![0.0; cols]);
    set.normalise(&norm, &x, &mut y);
    set.normalise_backward_params(&norm, &x, &d_y, &mut d_weight, &mut d_bias);
    let mut d_x = d_y;
    set.normalise_backward_input(&norm, &x, &d_weight, &d_bias, &mut d_x);
    let results = [y, d_weight, d_bias, d_x, variance].into_iter().flatten().chain(mean).chain(inv_std);
    digest(format!("norm of {axis:?}").to_lowercase(), results.map(bytes))
}

/// Weights after 100 examples, and their losses.
fn logistic(set: &KernelSet) -> Digest {
    let mut random = Random::new(105);
    let inputs = 77;
    let x = random.floats(100 * inputs, 1.0);
    let targets: Vec<f32> = (0..100).map(|_| random.below(2) as f32).collect();
    let order: Vec<usize> = (0..100).collect();
    let (mut weight, mut bias, mut sums) = (vec![0.0; inputs], 0.0, LogisticSums::default());
    let model = LogisticModel { weight: &mut weight, bias: Some(&mut bias) };
    let examples = Examples { x: &x, targets: &targets, order: &order };
    set.logistic_descent(&examples, Descent { learning_rate: 0.1, weight_decay: 0.01 }, model, &mut sums);
    digest("logistic descent", weight.into_iter().chain([bias]).map(bytes).chain([bytes(sums.loss)]))
}

/// Parameters and states after five steps, and what prepares gradients.
fn updates(set: &KernelSet) -> Vec<Digest> {
    let mut random = Random::new(103);
    let (params, grads) = (random.floats(999, 1.0), random.floats(999, 2.0));
    let run = |name: &str, update: Update| {
        let (mut p, mut a, mut b) = (params.clone(), vec![0.0; params.len()], vec![0.0; params.len()]);
        (1..=5).for_each(|step| update(&mut p, [&mut a, &mut b], step));
        digest(name, [p, a, b].into_iter().flatten().map(bytes))
    };
    let sgd = Sgd { learning_rate: 0.01, momentum: 0.9, weight_decay: 0.1, nesterov: false };
    let rmsprop = RmsProp { weight_decay: 0.1, ..RmsProp::default() };
    let adagrad = Adagrad { learning_rate_decay: 0.1, ..Adagrad::default() };
    vec![
        run("sgd, momentum", &|p, [b, _], _| {
            set.sgd_momentum(p, &grads, b, &sgd);
        }),
        run("sgd, nesterov", &|p, [b, _], _| {
            set.sgd_momentum(p, &grads, b, &Sgd { nesterov: true, ..sgd });
        }),
        run("adam", &|p, moments, step| {
            set.adam(p, &grads, moments, step, &Adam { weight_decay: 0.1, ..Adam::default() });
        }),
        run("adamw", &|p, moments, step| {
            set.adam(p, &grads, moments, step, &Adam::adamw());
        }),
        run("rmsprop", &|p, [v, _], _| {
            set.rmsprop(p, &grads, v, &mut [], &rmsprop);
        }),
        run("rmsprop, momentum", &|p, [v, b], _| {
            set.rmsprop(p, &grads, v, b, &RmsProp { momentum: 0.9, ..rmsprop });
        }),
        run("adagrad", &|p, [v, _], step| {
            set.adagrad(p, &grads, v, step, &adagrad);
        }),
        run("norm, scale, clip", &|p, _, _| {
            let norm = set.sum_squares_f64(p).sqrt();
            set.scale(p, (20.0 / norm) as f32);
            set.clip(p, 0.9);
        }),
    ]
}

fn reductions(set: &KernelSet) -> Digest {
    let mut random = Random::new(102);
    let (x, y) = (random.floats(9973, 1.0), random.floats(9973, 1.0));
    let mut sums = vec![0.0; 13];
    set.column_sums(13, &x[..13 * 700], &mut sums);
    let mut results = vec![set.sum(&x), set.dot(&x, &y), set.sum_squares(&y), set.max(&x)];
    results.extend(sums);
    digest("reductions", results.into_iter().map(bytes))
}

fn gathered_bytes(set: &KernelSet) -> Digest {
    let mut random = Random::new(104);
    let data: Vec<u8> = random.floats(91 * 77, 1.0).into_iter().map(|x| (x * 1000.0) as i32 as u8).collect();
    let rows: Vec<usize> = (0..64).map(|i| i * 29 % 77).collect();
    let mut to = vec![0.0; 64 * 91];
    let views = [MatRef::from_row_major(&data, 77, 91), MatRef::from_row_major(&data, 91, 77).t()];
    let run = |from| {
        set.gather_bytes(from, &rows, ByteScale { scale: 1.0 / 255.0, offset: -0.3 }, &mut to);
        to.clone()
    };
    digest("gathered bytes", views.map(run).into_iter().flatten().map(bytes))
}

fn derivatives(set: &KernelSet) -> Digest {
    let mut random = Random::new(103);
    let (y, d) = (random.floats(1003, 1.0), random.floats(1003, 1.0));
    let run = |activation| {
        let mut d = d.clone();
        set.activation_backward(activation, &y, &mut d);
        d
    };
    let all = [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh].map(run);
    digest("activation derivatives", all.into_iter().flatten().map(bytes))
}

/// What training draws at random.
fn shuffles() -> Digest {
    let order = |(seed, epoch)| {
        let mut order: Vec<u64> = (0..1437).collect();
        Stream::new(seed, Purpose::Shuffle, epoch).shuffle(&mut order);
        order
    };
    let orders = (0..3).flat_map(|seed| (1..6).map(move |epoch| (seed, epoch))).flat_map(order);
    digest("shuffles", orders.map(u64::to_le_bytes))
}

/// Five epochs of 45 batches, shuffled, the last one smaller.
fn digits(set: &'static KernelSet, pool: ThreadPool) -> nn::Result<Digest> {
    let mut data = Dataset::from_csv(format!("{DATA}/digits.csv.gz"), &CsvOptions::default())?;
    Scaler::constant(data.cols(), 1.0 / 16.0).apply(&mut data)?;
    let (training, _) = data.split(0.2, 42)?;
    let builder = Model::builder(64).linear(128, Activation::Relu).linear(32, Activation::Tanh);
    let builder = builder.linear(10, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).seed(42);
    let optimizer = Sgd { learning_rate: 0.1, weight_decay: 1e-3, ..Sgd::default() }.into();
    let options = TrainOptions { max_epochs: 5, optimizer, ..TrainOptions::default() };
    train("digits, 225 steps", builder.kernels(set).build()?, options, pool, &training)
}

/// 200 steps of full-batch descent.
fn tumours(set: &'static KernelSet, pool: ThreadPool) -> nn::Result<Digest> {
    let options = CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() };
    let mut data = Dataset::from_csv(format!("{DATA}/breast_cancer.csv"), &options)?;
    Scaler::standard(&data).apply(&mut data)?;
    let model = Model::builder(30).linear(1, Activation::Identity).loss(Loss::BceWithLogits).kernels(set).build()?;
    let options = TrainOptions { batch_size: BatchSize::All, max_epochs: 200, tol: None, ..TrainOptions::default() };
    train("breast cancer, 200 steps", model, options, pool, &data)
}

/// Batch norm, layer norm, dropout, activations that keep logits, and every option of a loss.
fn layers(set: &'static KernelSet, pool: ThreadPool) -> nn::Result<Digest> {
    let mut data = Dataset::from_csv(format!("{DATA}/digits.csv.gz"), &CsvOptions::default())?;
    Scaler::constant(data.cols(), 1.0 / 16.0).apply(&mut data)?;
    let builder = Model::builder(64).linear_without_bias(48, Activation::Identity).batch_norm(BatchNorm::default());
    let builder = builder.activation(Activation::Gelu).dropout(0.2).linear(24, Activation::LeakyRelu { slope: 0.1 });
    let builder =
        builder.layer_norm(LayerNorm::default()).linear(16, Activation::Silu).linear(10, Activation::Identity);
    let loss_options = nn::LossOptions {
        class_weights: Some((1..=10).map(|class| 0.2 * class as f32).collect()),
        label_smoothing: 0.1,
        ..nn::LossOptions::default()
    };
    let builder = builder.loss(Loss::SoftmaxCrossEntropy).loss_options(loss_options).kernels(set);
    let options = TrainOptions { max_epochs: 2, optimizer: Adam::adamw().into(), ..TrainOptions::default() };
    train("digits, every layer, 114 steps", builder.build()?, options, pool, &data)
}

/// Logistic regression, one example after the other.
fn tumours_one_by_one(set: &'static KernelSet, pool: ThreadPool) -> nn::Result<Digest> {
    let options = CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() };
    let mut data = Dataset::from_csv(format!("{DATA}/breast_cancer.csv"), &options)?;
    Scaler::standard(&data).apply(&mut data)?;
    let model = Model::builder(30).linear(1, Activation::Identity).loss(Loss::BceWithLogits).kernels(set).build()?;
    let optimizer = Sgd { learning_rate: 0.01, weight_decay: 1e-3, ..Sgd::default() }.into();
    let options =
        TrainOptions { batch_size: BatchSize::Rows(1), max_epochs: 5, optimizer, tol: None, ..TrainOptions::default() };
    train("breast cancer, one by one, 2,845 steps", model, options, pool, &data)
}

fn train(name: &str, model: Model, options: TrainOptions, pool: ThreadPool, data: &Dataset) -> nn::Result<Digest> {
    let mut trainer = Trainer::with_pool(model, options, pool)?;
    let report = trainer.fit(data)?;
    let losses: Vec<[u8; 8]> = report.losses().map(bytes).collect();
    let weights: Vec<[u8; 8]> = trainer.model().parameters().flat_map(|p| p.values()).map(bytes).collect();
    Ok(digest(name, losses.into_iter().chain(weights)))
}
