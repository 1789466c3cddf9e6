//! Trains a classifier of handwritten digits, shows how well it does on digits that it has not seen, and writes the loss
//! curve and the trained weights to files.

mod loss_curve;
mod progress;

use std::env;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use indicatif::HumanCount;
use nn::data::{CsvOptions, Dataset};
use nn::file::{atomic_write, check_writable};
use nn::{
    Activation, Adagrad, Adam, BatchSize, ByteScale, Examples, Loss, Model, Optimizer, Progress, RmsProp, Sgd,
    TrainOptions, Trainer, checkpoint,
};

use crate::loss_curve::LossCurve;
use crate::progress::ProgressBar;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");

/// Trains a classifier of handwritten digits, or of the images in IDX files.
///
/// The same options give the same weights bit for bit, on any number of threads and on every instruction set; compare
/// the checksums.
#[derive(Parser)]
struct Args {
    /// Passes over the training rows
    #[arg(long, default_value_t = 60)]
    epochs: usize,
    /// Rows of one update
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Sizes of the hidden layers, separated by commas
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "128")]
    hidden: Vec<usize>,
    /// How the weights follow from their gradients
    #[arg(long, value_enum, default_value = "sgd")]
    optimizer: OptimizerName,
    /// The learning rate [default: 0.1 for sgd, 0.05 for momentum, else that of PyTorch]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Where the random numbers start: the split, the first weights, the order of the rows
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads that work; 0 is one for each core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// A directory with train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k, each with or without .gz,
    /// as MNIST and Fashion-MNIST come [default: the digits that come with the repository]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to write the loss curve [default: digits-loss.svg in the target directory]
    #[arg(long, value_name = "FILE")]
    loss_curve: Option<PathBuf>,
    /// Where to write the weights [default: digits.safetensors in the target directory]
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// A file to keep the state of the training in, written after each epoch
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, with the same options; more epochs are fine
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum OptimizerName {
    Sgd,
    Momentum,
    Adam,
    Adamw,
    Rmsprop,
    Adagrad,
}

impl Args {
    fn optimizer(&self) -> Optimizer {
        let optimizer: Optimizer = match self.optimizer {
            OptimizerName::Sgd => Optimizer::default(),
            OptimizerName::Momentum => Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() }.into(),
            OptimizerName::Adam => Adam::default().into(),
            OptimizerName::Adamw => Adam::adamw().into(),
            OptimizerName::Rmsprop => RmsProp::default().into(),
            OptimizerName::Adagrad => Adagrad::default().into(),
        };
        optimizer.with_learning_rate(self.learning_rate.unwrap_or(optimizer.learning_rate()))
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let (training, test) = load(args.data.as_deref(), args.seed)?;
    let classes = training.classes().ok_or("the targets are not labels")?;
    println!(
        "data: {} rows to learn from, {} held out, {} features, {classes} classes",
        HumanCount(training.rows() as u64),
        HumanCount(test.rows() as u64),
        training.cols()
    );

    let mut builder = Model::builder(training.cols()).loss(Loss::SoftmaxCrossEntropy).seed(args.seed);
    for &size in &args.hidden {
        builder = builder.linear(size, Activation::Relu);
    }
    let model = builder.linear(classes, Activation::Identity).build()?;
    let options = TrainOptions {
        batch_size: BatchSize::Rows(args.batch),
        optimizer: args.optimizer(),
        max_epochs: args.epochs,
        tol: None,
        seed: args.seed,
        threads: args.threads,
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(model, options)?;
    let hidden: String = args.hidden.iter().map(|size| format!("-{size}")).collect();
    let isa = trainer.model().kernels().isa();
    println!("model: {}{hidden}-{classes}, isa {isa}, threads {}", training.cols(), trainer.pool().threads());

    // Faults that would otherwise show after the work is done.
    let svg = output(args.loss_curve.as_deref(), "digits-loss.svg")?;
    let weights = output(args.save.as_deref(), "digits.safetensors")?;
    args.checkpoint.as_deref().map_or(Ok(()), check_writable)?;
    let files = [Some(&svg), Some(&weights), args.checkpoint.as_ref()];
    if let Some(twice) = (1..3).find_map(|i| files[i].filter(|_| files[..i].contains(&files[i]))) {
        return Err(format!("{}: cannot hold two of loss curve, weights and checkpoint", twice.display()).into());
    }
    let evaluate = |model: &Model, data: &Dataset| model.evaluate(data, data.targets());
    let mut curve = LossCurve::default();
    curve.push(evaluate(trainer.model(), &training)?.loss, evaluate(trainer.model(), &test)?.loss);
    if let (Some(path), true) = (&args.checkpoint, args.resume) {
        trainer.resume(path)?;
        println!("resumed: after epoch {}", trainer.position().epoch);
    }

    let bar = ProgressBar::new(args.epochs);
    let mut saved = Ok(());
    let report = trainer.fit_observed(&training, Some(Examples::from(&test)), |trainer, progress| {
        match progress {
            Progress::Batch(batch) => bar.batch(&batch),
            Progress::Epoch(epoch) => {
                bar.epoch(&epoch);
                saved = args.checkpoint.as_ref().map_or(Ok(()), |path| trainer.save(path));
            }
        }
        if saved.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    bar.clear();
    let report = report?;
    saved?;

    for epoch in &report.epochs {
        curve.push(epoch.loss, epoch.validation.map_or(f64::NAN, |test| test.loss));
    }
    let model = trainer.model();
    // Before anything is printed, which fails where nobody reads on, as behind a pipe to `head`.
    checkpoint::save(model, &weights)?;
    atomic_write(&svg, curve.to_svg()?.as_bytes())?;
    if let Some(last) = report.epochs.last() {
        let (accuracy, speed) = (last.accuracy.unwrap_or(0.0), HumanCount(report.samples_per_second as u64));
        println!("trained: loss {:.4}, accuracy {accuracy:.4}, {speed} samples/s", last.loss);
    }
    let test = evaluate(model, &test)?;
    println!("test: loss {:.4}, accuracy {:.4}", test.loss, test.accuracy.unwrap_or(0.0));
    println!("weights: {}, checksum {:016x}", weights.display(), checksum(model));
    println!("loss curve: {}", svg.display());
    Ok(())
}

/// Training and test rows.
fn load(idx_files: Option<&Path>, seed: u64) -> nn::Result<(Dataset, Dataset)> {
    let Some(directory) = idx_files else {
        let digits = Dataset::from_csv(DIGITS, &CsvOptions::default())?;
        // Pixels are 0 to 16.
        let scale = ByteScale { scale: 1.0 / 16.0, offset: 0.0 };
        return digits.into_bytes(scale)?.split(0.2, seed);
    };
    let file = |name: &str| {
        let (plain, compressed) = (directory.join(name), directory.join(format!("{name}.gz")));
        if compressed.exists() && !plain.exists() { compressed } else { plain }
    };
    let training = Dataset::from_idx(file("train-images-idx3-ubyte"), file("train-labels-idx1-ubyte"), None)?;
    let classes = training.classes();
    let test = Dataset::from_idx(file("t10k-images-idx3-ubyte"), file("t10k-labels-idx1-ubyte"), classes)?;
    Ok((training, test))
}

/// The path that was given, or `name` in cargo's target directory; one that can be written.
fn output(given: Option<&Path>, name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => {
            let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| TARGET.into());
            fs::create_dir_all(&target)
                .and_then(|()| fs::canonicalize(&target))
                .map_err(|error| format!("{}: {error}", target.display()))?
                .join(name)
        }
    };
    check_writable(&path)?;
    Ok(path)
}

/// FNV-1a over the bits of all weights.
fn checksum(model: &Model) -> u64 {
    let bytes = model.parameters().flat_map(|parameter| parameter.values()).flat_map(f32::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
