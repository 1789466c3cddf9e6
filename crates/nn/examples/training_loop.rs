//! A training loop of one's own: two models take turns, each learning those of some rows that the other one is least sure of.

use nn::data::{CsvOptions, Dataset, Scaler};
use nn::random::{Purpose, Stream};
use nn::{Activation, Adam, Loss, Model, TrainOptions, Trainer};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");
const BATCH: usize = 64;

fn main() -> nn::Result<()> {
    let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default())?;
    Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits)?;
    let (training, test) = digits.split(0.2, 42)?;
    let (x, labels) = (training.to_f32(), training.labels().unwrap_or_default());

    let trainer = |seed| {
        let builder = Model::builder(64).linear(64, Activation::Relu).linear(10, Activation::Identity);
        let model = builder.loss(Loss::SoftmaxCrossEntropy).seed(seed).build()?;
        Trainer::new(
            model,
            TrainOptions {
                optimizer: Adam { learning_rate: 0.003, ..Adam::default() }.into(),
                ..TrainOptions::default()
            },
        )
    };
    let mut pair = [trainer(1)?, trainer(2)?];
    let mut random = Stream::new(42, Purpose::Shuffle, 0);
    let row_of = |row: usize| &x[row * 64..][..64];
    for round in 0..1500 {
        let [learner, other] = &mut pair;
        let drawn: Vec<usize> = (0..2 * BATCH).map(|_| random.below(labels.len() as u64) as usize).collect();
        let candidates: Vec<f32> = drawn.iter().flat_map(|&row| row_of(row)).copied().collect();
        let probabilities = other.model().predict_proba(&candidates)?;
        let mut margins: Vec<(f32, usize)> = probabilities.chunks(10).map(margin).zip(drawn).collect();
        margins.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rows = margins[..BATCH].iter().map(|&(_, row)| row);
        let batch: Vec<f32> = rows.clone().flat_map(row_of).copied().collect();
        let targets: Vec<u32> = rows.map(|row| labels[row]).collect();
        learner.step((&batch, &targets))?;
        if round % 300 == 0 {
            let loss = learner.model().evaluate(&x, labels)?.loss;
            println!("round {round}: loss {loss:.4}");
        }
        pair.swap(0, 1);
    }
    let evaluation = pair[0].model().evaluate(&test, test.targets())?;
    println!("test: loss {:.4}, accuracy {:.4}", evaluation.loss, evaluation.accuracy.unwrap_or(0.0));
    Ok(())
}

/// How far the most likely class is ahead of the next one.
fn margin(probabilities: &[f32]) -> f32 {
    let (mut first, mut second) = (0.0, 0.0);
    for &p in probabilities {
        if p > first {
            (first, second) = (p, first);
        } else if p > second {
            second = p;
        }
    }
    first - second
}
