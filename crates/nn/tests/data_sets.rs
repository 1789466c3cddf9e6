//! The two data sets that come with the repository, read and learned as the examples do.

use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};
use nn::{Activation, Loss, Model, StopReason, Targets, TrainOptions, Trainer, checkpoint};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");
const TUMOURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/breast_cancer.csv");

fn tumours() -> Dataset {
    Dataset::from_csv(TUMOURS, &CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() }).unwrap()
}

fn accuracy(model: &Model, data: &Dataset) -> f64 {
    model.evaluate(data.features(), data.targets()).unwrap().accuracy.unwrap()
}

#[test]
fn the_files_hold_what_their_authors_say() {
    let digits = Dataset::from_csv(DIGITS, &CsvOptions::default()).unwrap();
    assert_eq!((digits.rows(), digits.cols(), digits.classes()), (1797, 64, Some(10)));
    assert!(digits.to_f32().iter().all(|pixel| (0.0..=16.0).contains(pixel) && pixel.fract() == 0.0));

    let tumours = tumours();
    assert_eq!((tumours.rows(), tumours.cols()), (569, 30));
    assert_eq!(tumours.class_names(), ["malignant", "benign"]);
    let Targets::Labels(labels) = tumours.targets() else { panic!("labels") };
    assert_eq!(labels.iter().filter(|&&label| label == 0).count(), 212);
}

#[test]
fn digits_are_learned_and_the_saved_weights_know_them() {
    let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default()).unwrap();
    Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits).unwrap();
    let (training, test) = digits.split(0.2, 42).unwrap();
    let model = |seed| {
        let builder = Model::builder(64).linear(128, Activation::Relu).linear(10, Activation::Identity);
        builder.loss(Loss::SoftmaxCrossEntropy).seed(seed).build().unwrap()
    };
    let options = TrainOptions { max_epochs: 60, tol: None, seed: 42, ..TrainOptions::default() };
    let mut trainer = Trainer::new(model(42), options).unwrap();
    trainer.fit(&training).unwrap();
    let trained = trainer.into_model();
    let score = accuracy(&trained, &test);
    assert!(score >= 0.97, "accuracy {score}");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("digits.safetensors");
    checkpoint::save(&trained, &path).unwrap();
    let mut loaded = model(1);
    assert!(accuracy(&loaded, &test) < 0.5);
    checkpoint::load(&mut loaded, &path).unwrap();
    assert_eq!(accuracy(&loaded, &test), score);
}

#[test]
fn tumours_are_told_apart_once_converged() {
    let (mut training, mut test) = tumours().split(0.25, 42).unwrap();
    let scaler = Scaler::standard(&training);
    scaler.apply(&mut training).unwrap();
    scaler.apply(&mut test).unwrap();
    let options = TrainOptions { max_epochs: 1000, seed: 42, ..TrainOptions::default() };
    let mut trainer = Trainer::new(Model::logistic_regression(30).unwrap(), options).unwrap();
    let report = trainer.fit(&training).unwrap();
    assert_eq!(report.stop, StopReason::Converged);
    let score = accuracy(trainer.model(), &test);
    assert!(score >= 0.95, "accuracy {score}");
}
