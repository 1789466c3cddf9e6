//! The losses in f64, by their formulas.

use crate::losses::{Loss, Objective, Reduction, Targets, WeightedTargets};

/// The cost of the outputs of a batch.
pub(super) fn cost(objective: &Objective, outputs: &[f64], targets: WeightedTargets<'_>) -> f64 {
    let WeightedTargets { targets, weights } = targets;
    let cols = objective.outputs;
    let classes = objective.options.class_weights.as_deref();
    let (mut sum, mut total) = (0.0, 0.0);
    for (i, row) in outputs.chunks_exact(cols).enumerate() {
        let sample = weights.map_or(1.0, |weights| f64::from(weights[i]));
        let t: Vec<f64> = match targets {
            Targets::Labels(labels) => (0..cols).map(|j| f64::from(u8::from(labels[i] as usize == j))).collect(),
            Targets::Values(values) => values[i * cols..][..cols].iter().map(|&t| t.into()).collect(),
        };
        let class = |j: usize| classes.map_or(1.0, |classes| f64::from(classes[j]));
        let terms = terms(objective, row, &t);
        sum += sample * terms.iter().enumerate().map(|(j, term)| class(j) * term).sum::<f64>();
        total += match objective.loss {
            Loss::SoftmaxCrossEntropy if classes.is_some() => {
                sample * t.iter().enumerate().map(|(j, t)| class(j) * t).sum::<f64>()
            }
            _ => sample,
        };
    }
    match objective.options.reduction {
        Reduction::Mean => sum / total,
        Reduction::Sum => sum,
    }
}

/// The term of each column of a row of outputs y with targets t.
fn terms(objective: &Objective, y: &[f64], t: &[f64]) -> Vec<f64> {
    let smoothing = f64::from(objective.options.label_smoothing);
    let smooth = |t: f64, classes: f64| (1.0 - smoothing) * t + smoothing / classes;
    let positive = |j: usize| objective.options.positive_weights.as_ref().map_or(1.0, |p| f64::from(p[j]));
    let max = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let others: f64 = y.iter().map(|y| (y - max).exp()).sum();
    // ln(1 + e^z)
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    let term = |j: usize| match objective.loss {
        Loss::Mse => 0.5 * (y[j] - t[j]).powi(2),
        Loss::Huber { delta } => {
            let (d, delta) = ((y[j] - t[j]).abs(), f64::from(delta));
            if d <= delta { 0.5 * d * d } else { delta * (d - 0.5 * delta) }
        }
        Loss::BceWithLogits => {
            let t = smooth(t[j], 2.0);
            (1.0 - t) * softplus(y[j]) + positive(j) * t * softplus(-y[j])
        }
        Loss::SoftmaxCrossEntropy => smooth(t[j], y.len() as f64) * ((max - y[j]) + others.ln()),
    };
    (0..y.len()).map(term).collect()
}
