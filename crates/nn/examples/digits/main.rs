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

use clap::Parser;
use indicatif::HumanCount;
use nn::data::{CsvOptions, Dataset, Scaler};
use nn::file::{atomic_write, check_writable};
use nn::{Activation, BatchSize, Layer, Loss, Model, Progress, TrainOptions, Trainer, checkpoint};

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
    /// The step along the gradient
    #[arg(long, default_value_t = 0.1)]
    learning_rate: f32,
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
    let mut model = builder.linear(classes, Activation::Identity).build()?;
    let trainer = Trainer::new(TrainOptions {
        batch_size: BatchSize::Rows(args.batch),
        learning_rate: args.learning_rate,
        max_epochs: args.epochs,
        tol: None,
        seed: args.seed,
        threads: args.threads,
        ..TrainOptions::default()
    })?;
    let outputs = |layer: &Layer| match layer {
        Layer::Linear(linear) => format!("-{}", linear.outputs),
        _ => String::new(),
    };
    let layers: String = model.layers().iter().map(outputs).collect();
    println!("model: {}{layers}, isa {}, threads {}", model.inputs(), model.kernels().isa(), trainer.pool().threads());

    // Faults that would otherwise show after the work is done.
    let svg = output(args.loss_curve.as_deref(), "digits-loss.svg")?;
    let weights = output(args.save.as_deref(), "digits.safetensors")?;
    if svg == weights {
        return Err(format!("{}: cannot hold both the loss curve and the weights", svg.display()).into());
    }
    let mut curve = LossCurve::default();
    let untrained = model.evaluate(training.features(), training.targets())?;
    curve.push(untrained.loss, model.evaluate(test.features(), test.targets())?.loss);

    let bar = ProgressBar::new(args.epochs);
    let mut evaluation = Ok(());
    let report = trainer.fit_observed(&mut model, training.features(), training.targets(), |model, progress| {
        match progress {
            Progress::Batch(batch) => bar.batch(&batch),
            Progress::Epoch(epoch) => match model.evaluate(test.features(), test.targets()) {
                Ok(test) => {
                    bar.epoch(&epoch);
                    curve.push(epoch.loss, test.loss);
                }
                Err(error) => {
                    evaluation = Err(error);
                    return ControlFlow::Break(());
                }
            },
        }
        ControlFlow::Continue(())
    });
    bar.clear();
    let report = report?;
    evaluation?;

    if let Some(last) = report.epochs.last() {
        let (accuracy, speed) = (last.accuracy.unwrap_or(0.0), HumanCount(report.samples_per_second as u64));
        println!("trained: loss {:.4}, accuracy {accuracy:.4}, {speed} samples/s", last.loss);
    }
    let test = model.evaluate(test.features(), test.targets())?;
    println!("test: loss {:.4}, accuracy {:.4}", test.loss, test.accuracy.unwrap_or(0.0));

    checkpoint::save(&model, &weights)?;
    println!("weights: {}, checksum {:016x}", weights.display(), checksum(&model));
    atomic_write(&svg, curve.to_svg()?.as_bytes())?;
    println!("loss curve: {}", svg.display());
    Ok(())
}

/// Training and test rows.
fn load(idx_files: Option<&Path>, seed: u64) -> nn::Result<(Dataset, Dataset)> {
    let Some(directory) = idx_files else {
        let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default())?;
        // Pixels are 0 to 16.
        Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits)?;
        return digits.split(0.2, seed);
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
