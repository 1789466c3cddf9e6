//! An update over ranks is that by the mean gradient of the batch, by weight.

use nn::collective::{Collective, Part, Threads};
use nn::{Activation, BatchNorm, BatchSize, Loss, Model, Parameter, Sgd, StateEntry, Targets, TrainOptions};

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

/// With a momentum of 1 running moments are those of the batch: the mean of all rows, and the variances of the shares pooled.
#[test]
fn running_moments_are_those_of_the_shares_together() {
    let x = uniform(5, 700 * INPUTS);
    let builder = Model::builder(INPUTS).batch_norm(BatchNorm { momentum: 1.0, ..BatchNorm::default() });
    let model = builder.linear(1, Activation::Identity).build().unwrap();
    let targets = uniform(6, 700);
    for (shards, ranks) in [(16, 1), (16, 4), (3, 3), (1, 1)] {
        let options = TrainOptions {
            batch_size: BatchSize::All,
            max_epochs: 1,
            sharding: sharded(shards),
            ..TrainOptions::default()
        };
        let moments = Threads::run(ranks, |collective| {
            let rows = sharded(shards).unwrap().rows(collective.rank(), ranks, 700).unwrap();
            let part = Part::new((&x[rows.start * INPUTS..rows.end * INPUTS], &targets[rows]), 700);
            let mut trainer = trainer(&model, options, 1);
            trainer.fit_over(collective, part).unwrap();
            let state = |name: &str| {
                let entry = trainer.model().state().find(|entry| entry.name() == name);
                let Some(StateEntry::Tensor(values)) = entry else { panic!("no {name}") };
                values.values().map(f64::from).collect::<Vec<_>>()
            };
            (state("0.running_mean"), state("0.running_var"))
        });
        for (means, variances) in moments {
            for column in 0..INPUTS {
                let column_of = |rows: std::ops::Range<usize>| {
                    rows.map(|row| f64::from(x[row * INPUTS + column])).collect::<Vec<_>>()
                };
                let (mut sum, mut squares) = (0.0, 0.0);
                for shard in 0..shards {
                    let share = column_of(sharded(shards).unwrap().rows(shard, shards, 700).unwrap());
                    let mean = share.iter().sum::<f64>() / share.len() as f64;
                    sum += share.iter().sum::<f64>();
                    squares += share.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
                }
                let (mean, variance) = (sum / 700.0, squares / (700 - shards) as f64);
                // Sums of up to 700 numbers below 1, and a tree over them.
                let bound = 720.0 * f64::from(f32::EPSILON);
                assert!((means[column] - mean).abs() <= bound, "{shards} shards: {} for {mean}", means[column]);
                assert!(
                    (variances[column] - variance).abs() <= bound,
                    "{shards} shards: {} for {variance}",
                    variances[column]
                );
            }
        }
    }
}
