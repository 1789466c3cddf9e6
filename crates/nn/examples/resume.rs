//! A training that is stopped in the middle of an epoch and gone on with from a file ends with the same bits.

use std::env;
use std::ops::ControlFlow;

use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};
use nn::{Activation, Adam, Loss, Model, Progress, StopReason, TrainOptions, Trainer};

const TUMOURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/breast_cancer.csv");

fn main() -> nn::Result<()> {
    let mut tumours = Dataset::from_csv(TUMOURS, &CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() })?;
    Scaler::standard(&tumours).apply(&mut tumours)?;
    let (training, test) = tumours.split(0.25, 42)?;
    let options = TrainOptions { optimizer: Adam::default().into(), max_epochs: 30, ..TrainOptions::default() };
    let trainer = || {
        let builder = Model::builder(30).linear(16, Activation::Tanh).dropout(0.2).linear(1, Activation::Identity);
        Trainer::new(builder.loss(Loss::BceWithLogits).build()?, options)
    };
    let path = env::temp_dir().join(format!("resume-{}.safetensors", std::process::id()));

    let mut stopped = trainer()?;
    let mut saved = Ok(());
    let report = stopped.fit_observed(&training, None, |trainer, progress| match progress {
        Progress::Batch(batch) if (batch.epoch, batch.batch) == (11, 5) => {
            saved = trainer.save(&path);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    saved?;
    assert_eq!(report.stop, StopReason::Stopped);
    println!("stopped after {} epochs and {} batches", report.epochs.len(), stopped.position().batch);

    let mut resumed = trainer()?;
    resumed.resume(&path)?;
    let _ = std::fs::remove_file(&path);
    resumed.fit(&training)?;
    let mut whole = trainer()?;
    whole.fit(&training)?;
    assert!(whole.model().parameters().eq(resumed.model().parameters()), "the bits differ");
    println!("gone on with to epoch {}: the same bits as without a stop", resumed.position().epoch);

    let evaluation = resumed.model().evaluate(&test, test.targets())?;
    println!("test: loss {:.4}, accuracy {:.4}", evaluation.loss, evaluation.accuracy.unwrap_or(0.0));
    Ok(())
}
