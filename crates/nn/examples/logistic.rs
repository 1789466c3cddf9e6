//! Logistic regression: tells malignant tumours from benign ones by thirty measurements.

use std::process::ExitCode;

use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};
use nn::{Model, StopReason, TrainOptions, Trainer};

const TUMOURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/breast_cancer.csv");
const SEED: u64 = 42;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> nn::Result<()> {
    let tumours = Dataset::from_csv(TUMOURS, &CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() })?;
    let (mut training, mut test) = tumours.split(0.25, SEED)?;
    let scaler = Scaler::standard(&training);
    scaler.apply(&mut training)?;
    scaler.apply(&mut test)?;
    println!("data: {} rows to learn from, {} held out, {} features", training.rows(), test.rows(), training.cols());
    println!("classes: {}", training.class_names().join(", "));

    let model = Model::logistic_regression(training.cols())?;
    let mut trainer = Trainer::new(model, TrainOptions { max_epochs: 1000, seed: SEED, ..TrainOptions::default() })?;
    let report = trainer.fit(&training)?;

    let TrainOptions { tol, n_iter_no_change, .. } = trainer.options();
    let reason = match report.stop {
        StopReason::Converged => {
            format!("converged, no improvement by {:?} in {n_iter_no_change} epochs in a row", tol.unwrap_or(0.0))
        }
        StopReason::MaxEpochs => "not converged within the epochs allowed".to_owned(),
        _ => "stopped by the observer".to_owned(),
    };
    println!("stopped after {} epochs: {reason}", report.epochs.len());
    for (name, data) in [("training", &training), ("test", &test)] {
        let evaluation = trainer.model().evaluate(data, data.targets())?;
        println!("{name}: loss {:.4}, accuracy {:.4}", evaluation.loss, evaluation.accuracy.unwrap_or(0.0));
    }
    Ok(())
}
