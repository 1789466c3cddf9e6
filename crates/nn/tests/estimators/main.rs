//! Estimators and metrics against scikit-learn: `expected.py` made the files here.

mod logistic;
mod metrics;
mod mlp;

use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");
const TUMOURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/breast_cancer.csv");

/// Pixels from 0 to 1.
fn digits() -> Dataset {
    let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default()).unwrap();
    Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits).unwrap();
    digits
}

/// Each measurement with mean 0 and deviation 1.
fn tumours() -> Dataset {
    let options = CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() };
    let mut tumours = Dataset::from_csv(TUMOURS, &options).unwrap();
    Scaler::standard(&tumours).apply(&mut tumours).unwrap();
    tumours
}
