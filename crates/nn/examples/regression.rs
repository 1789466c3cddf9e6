//! Regression: learns a function of two inputs from noisy values, and is judged on points that it has not seen.

use nn::data::Dataset;
use nn::estimators::MlpRegressor;
use nn::random::{Purpose, Stream};
use nn::{Activation, Adam, BatchSize, Targets, TrainOptions};

fn main() -> nn::Result<()> {
    let mut random = Stream::new(42, Purpose::Split, 1);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        let (a, b) = (4.0 * random.uniform() - 2.0, 4.0 * random.uniform() - 2.0);
        x.extend([a, b]);
        y.push(a * b + (a + b).abs() + 0.1 * (random.uniform() - 0.5));
    }
    let (training, test) = Dataset::with_values(x, 2, y, 1)?.split(0.25, 42)?;

    let optimizer = Adam { learning_rate: 0.01, ..Adam::default() }.into();
    let options = TrainOptions { optimizer, batch_size: BatchSize::Rows(50), ..MlpRegressor::default_options() };
    let mut regressor = MlpRegressor::new().hidden(&[32, 32]).activation(Activation::Silu).options(options);
    let (Targets::Values(values), Targets::Values(unseen)) = (training.targets(), test.targets()) else {
        unreachable!("the data set has values")
    };
    let report = regressor.fit(training.features(), values)?;
    println!("stopped after {} epochs: {:?}", report.epochs.len(), report.stop);
    println!("training: R² {:.4}", regressor.score(training.features(), values)?);
    println!("test: R² {:.4}", regressor.score(test.features(), unseen)?);
    Ok(())
}
