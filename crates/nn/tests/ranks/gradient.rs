//! An update over ranks is that by the mean gradient of the batch, by weight.

use nn::collective::{Collective, Part, Threads};
use nn::{Activation, BatchSize, Loss, Model, Parameter, Sgd, Targets, TrainOptions};

use crate::{sharded, trainer, uniform};

const ROWS: usize = 1000;
const INPUTS: usize = 30;
const OUTPUTS: usize = 7;

/// Linear regression: `d_W = Σ_i s_i x_i (x_i W + b − t_i)ᵀ / Σ_i s_i`.
#[test]
fn one_update_is_by_the_weighted_mean_of_all_rows() {
    let (x, targets) = (uniform(1, ROWS * INPUTS), uniform(2, ROWS * OUTPUTS));
    let weights: Vec<f32> = uniform(3, ROWS).iter().map(|weight| weight.max(0.0)).collect();
    let builder = Model::builder(INPUTS).linear(OUTPUTS, Activation::Identity).loss(Loss::Mse);
    let model = builder.seed(4).build().unwrap();
    let learning_rate = 0.5;
    let options = TrainOptions {
        batch_size: BatchSize::All,
        optimizer: Sgd { learning_rate, ..Sgd::default() }.into(),
        max_epochs: 1,
        sharding: sharded(16),
        ..TrainOptions::default()
    };
    let (expected, bounds) = expected(&model, &x, &targets, &weights, learning_rate);
    for ranks in [1, 2, 16] {
        let updated = Threads::run(ranks, |collective| {
            let rows = sharded(16).unwrap().rows(collective.rank(), ranks, ROWS).unwrap();
            let own = Targets::Values(&targets[rows.start * OUTPUTS..rows.end * OUTPUTS]);
            let x = &x[rows.start * INPUTS..rows.end * INPUTS];
            let mut trainer = trainer(&model, options, 1);
            trainer.fit_over(collective, Part::new((x, own.weighted(&weights[rows])), ROWS)).unwrap();
            memory(trainer.model())
        });
        for updated in updated {
            for ((&updated, &expected), &bound) in updated.iter().zip(&expected).zip(&bounds) {
                let error = (f64::from(updated) - expected).abs();
                assert!(error <= bound, "{ranks} ranks: {updated} for {expected}, {error} above {bound}");
            }
        }
    }
}

/// Weight, `[inputs][outputs]`, and bias.
fn memory(model: &Model) -> Vec<f32> {
    model.parameters().flat_map(|parameter: Parameter<'_>| parameter.as_slice().to_vec()).collect()
}

/// The parameters after the update, and how far each may be off.
fn expected(model: &Model, x: &[f32], targets: &[f32], weights: &[f32], learning_rate: f64) -> (Vec<f64>, Vec<f64>) {
    let params: Vec<f64> = memory(model).into_iter().map(f64::from).collect();
    let (mut gradient, mut magnitude) = (vec![0.0; params.len()], vec![0.0; params.len()]);
    let rows = x.chunks(INPUTS).zip(targets.chunks(OUTPUTS)).zip(weights);
    for ((x, targets), &weight) in rows {
        for (j, &target) in targets.iter().enumerate() {
            let terms = (0..INPUTS).map(|i| f64::from(x[i]) * params[i * OUTPUTS + j]);
            let (bias, target) = (params[INPUTS * OUTPUTS + j], f64::from(target));
            let output = terms.clone().sum::<f64>() + bias;
            let d = f64::from(weight) * (output - target);
            // What is rounded on the way to the difference.
            let sizes = terms.map(f64::abs).sum::<f64>() + bias.abs() + target.abs();
            let size = f64::from(weight) * sizes;
            for (i, &x) in x.iter().chain([&1.0]).enumerate() {
                gradient[i * OUTPUTS + j] += f64::from(x) * d;
                magnitude[i * OUTPUTS + j] += f64::from(x).abs() * size;
            }
        }
    }
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let expected = params.iter().zip(&gradient).map(|(p, g)| p - learning_rate * g / total).collect();
    // Each term passes INPUTS + 3 roundings to the difference, one for its weight, one for the product with x, those of a chain of
    // the 63 rows of a share and of 4 levels of the tree, that of the factor and the product with it; the update has two more.
    let roundings = (INPUTS + 3 + 2 + 63 + 4 + 2 + 2) as f64;
    let unit = f64::from(f32::EPSILON) / 2.0;
    let bound = |(m, p): (&f64, &f64)| unit * (roundings * learning_rate * m / total + 2.0 * p.abs());
    (expected, magnitude.iter().zip(&params).map(bound).collect())
}
