//! The accuracy of classifiers after runs in batches of one, some and all rows, as means over seeds; `accuracy.py` in
//! `benches/python` prints the same table for scikit-learn.
//!
//! Each seed is judged on all rows: of every five rows one is held out, each in turn, so that both judge by the same ones.
//! Fashion-MNIST, which has test rows of its own, takes part where `--data DIR` says where its four files are.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};
use nn::estimators::MlpClassifier;
use nn::{Adam, BatchSize, Optimizer, TrainOptions};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");
const TUMOURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/breast_cancer.csv");

/// Prints the mean test accuracy of each data set and way to train.
#[derive(Parser)]
struct Args {
    /// Also learn the images in this directory: train-images-idx3-ubyte.gz and the three other files of Fashion-MNIST
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only these ways to train
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// A way to train.
struct Way {
    name: &'static str,
    seeds: u64,
    hidden: Vec<usize>,
    options: TrainOptions,
}

fn ways(data: &str) -> Vec<Way> {
    let all_epochs = TrainOptions { tol: None, ..MlpClassifier::default_options() };
    let sgd = |learning_rate| Optimizer::default().with_learning_rate(learning_rate);
    let adam = |learning_rate| Adam { learning_rate, ..Adam::default() }.into();
    let way = |name, batch_size, optimizer, max_epochs| Way {
        name,
        seeds: 5,
        // Of few rows, a hidden layer would learn more noise than is to be compared.
        hidden: if data == "breast_cancer" { Vec::new() } else { vec![64] },
        options: TrainOptions { batch_size, optimizer, max_epochs, ..all_epochs },
    };
    // What an estimator does unless told otherwise.
    let default = || Way { name: "default", seeds: 10, hidden: vec![100], options: MlpClassifier::default_options() };
    match data {
        "digits" => vec![
            way("one", BatchSize::Rows(1), sgd(0.005), 30),
            way("mini", BatchSize::Rows(32), sgd(0.1), 60),
            way("full", BatchSize::All, adam(0.01), 200),
            default(),
        ],
        "breast_cancer" => vec![
            way("one", BatchSize::Rows(1), sgd(0.002), 30),
            way("mini", BatchSize::Rows(32), sgd(0.05), 30),
            way("full", BatchSize::All, adam(0.01), 200),
            default(),
        ],
        _ => vec![
            way("one", BatchSize::Rows(1), sgd(0.002), 4),
            way("mini", BatchSize::Rows(64), sgd(0.05), 10),
            way("full", BatchSize::All, adam(0.005), 100),
        ],
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> nn::Result<()> {
    let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default())?;
    Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits)?;
    let counts = CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() };
    let mut tumours = Dataset::from_csv(TUMOURS, &counts)?;
    Scaler::standard(&tumours).apply(&mut tumours)?;
    for (name, data) in [("digits", &digits), ("breast_cancer", &tumours)] {
        let fold = |held_out| {
            let (test, training): (Vec<_>, Vec<_>) = (0..data.rows()).partition(|row| row % 5 == held_out);
            Ok((data.select(&training)?, data.select(&test)?))
        };
        judge(args, name, &(0..5).map(fold).collect::<nn::Result<Vec<_>>>()?)?;
    }
    if let Some(directory) = &args.data {
        judge(args, "fashion_mnist", &[fashion(directory)?])?;
    }
    Ok(())
}

/// Prints a line for each way to train: the accuracy in percent, its mean over seeds and each.
fn judge(args: &Args, data: &str, folds: &[(Dataset, Dataset)]) -> nn::Result<()> {
    for way in ways(data).iter().filter(|way| args.only.is_empty() || args.only.iter().any(|name| name == way.name)) {
        let mut scores = Vec::new();
        for seed in 0..way.seeds {
            let (mut right, mut rows) = (0.0, 0.0);
            for (training, test) in folds {
                let options = TrainOptions { seed, ..way.options };
                let mut classifier = MlpClassifier::new().hidden(&way.hidden).options(options);
                classifier.fit(training.features(), training.labels().unwrap_or_default())?;
                let score = classifier.score(test.features(), test.labels().unwrap_or_default())?;
                right += score * test.rows() as f64;
                rows += test.rows() as f64;
            }
            scores.push(100.0 * right / rows);
        }
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let scores: Vec<String> = scores.iter().map(|score| format!("{score:.2}")).collect();
        println!("{data} {}: {mean:.2} of {}", way.name, scores.join(" "));
    }
    Ok(())
}

fn fashion(directory: &Path) -> nn::Result<(Dataset, Dataset)> {
    let read = |part: &str| {
        let file = |kind: &str| directory.join(format!("{part}-{kind}-ubyte.gz"));
        Dataset::from_idx(file("images-idx3"), file("labels-idx1"), Some(10))
    };
    Ok((read("train")?, read("t10k")?))
}
