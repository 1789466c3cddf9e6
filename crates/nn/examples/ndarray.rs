//! Arrays of `ndarray` in and out: `cargo run -p nn --example ndarray --features ndarray`.

use ndarray::{Array2, Axis};
use nn::arrays;
use nn::data::{CsvOptions, Dataset};
use nn::estimators::LogisticRegression;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");

fn main() -> nn::Result<()> {
    let digits = Dataset::from_csv(DIGITS, &CsvOptions::default())?;
    let mut x: Array2<f32> = arrays::from_rows(digits.to_f32().into_owned(), digits.cols())?;
    x /= 16.0;
    let labels = digits.labels().unwrap_or_default();
    let (training, test) = x.view().split_at(Axis(0), 1400);

    let mut classifier = LogisticRegression::new();
    // Nothing is copied, in whatever order the elements lie.
    let report = classifier.fit(training, &labels[..1400])?;
    println!("{} iterations, cost {:.4}", report.iterations, report.cost);
    let probabilities = arrays::from_rows(classifier.predict_proba(test)?, 10)?;
    let sure = probabilities.map_axis(Axis(1), |row| row.fold(0.0f32, |max, &p| max.max(p))).mean();
    println!("mean probability of the class that is predicted: {:.3}", sure.unwrap_or(0.0));
    println!("test: accuracy {:.4}", classifier.score(test, &labels[1400..])?);
    Ok(())
}
