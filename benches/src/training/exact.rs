//! The same in `f64`, in plain loops, to judge by.

use super::{Place, Training, places};
use crate::cases::Pass;
use crate::check::{Reference, Wrong};
use crate::problem::Real;
use std::ops::Range;

/// How far from the parameters in `f64` those of an engine may lie, as a part of the way that training went, each in the
/// Euclidean norm over a weight or a bias: where a hidden unit is within rounding of 0, whether it takes part in a step is
/// chance. What is wrong in a formula shows by more than a hundredth.
///
/// Besides, each addition to a parameter may round it by u of its size, by chance up or down; an engine may add for each
/// example.
const TOLERATED: f64 = 0.01;

/// Judges what a run leaves.
pub(crate) enum Judge {
    /// By the distance of each weight and each bias from those in `f64`.
    Parameters { tensors: Vec<Range<usize>>, last: Vec<f64>, distances: Reference },
    /// By each logit.
    Logits(Reference),
}

impl Judge {
    pub(crate) fn new(training: &Training) -> Self {
        let net = training.net();
        if net.pass == Pass::Predict {
            return Judge::Logits(logits(training));
        }
        let (first, last) = (widened(training.first()), trained(training));
        let tensors: Vec<_> = places(net).flat_map(|place| [place.weight, place.bias]).collect();
        let rounding = f32::UNIT_ROUNDOFF * (net.examples_of_run() as f64).sqrt();
        let bound = |at: &Range<usize>| {
            let (first, last) = (&first[at.clone()], &last[at.clone()]);
            TOLERATED * distance(first, last) + rounding * distance(last, &vec![0.0; last.len()])
        };
        let distances = Reference::new(1, tensors.iter().map(|at| (0.0, bound(at))));
        Judge::Parameters { tensors, last, distances }
    }

    /// # Errors
    /// The first logit that is off; or of the first tensor that is, the number and the distance.
    pub(crate) fn check(&self, result: &[f32]) -> Result<(), Wrong> {
        match self {
            Judge::Logits(reference) => reference.check(result),
            Judge::Parameters { tensors, last, distances } => {
                let distance = |at: &Range<usize>| distance(&widened(&result[at.clone()]), &last[at.clone()]);
                distances.check(&tensors.iter().map(distance).collect::<Vec<_>>())
            }
        }
    }
}

fn widened(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}

/// The parameters after all batches.
fn trained(training: &Training) -> Vec<f64> {
    trained_on(training, training.batches())
}

fn trained_on<'a>(training: &Training, batches: impl Iterator<Item = (&'a [f32], &'a [u32])>) -> Vec<f64> {
    let net = training.net();
    let places = Vec::from_iter(places(net));
    let mut params = widened(training.first());
    let mut gradient = vec![0.0; params.len()];
    for (x, labels) in batches {
        gradient.fill(0.0);
        for (x, &label) in x.chunks_exact(net.inputs).zip(labels) {
            add_gradient(&places, &params, &widened(x), label as usize, &mut gradient);
        }
        let rate = f64::from(training.rate()) / labels.len() as f64;
        params.iter_mut().zip(&gradient).for_each(|(param, d)| *param -= rate * d);
    }
    params
}

/// Adds the gradient of the loss of an example.
fn add_gradient(places: &[Place], params: &[f64], x: &[f64], label: usize, gradient: &mut [f64]) {
    let mut outputs: Vec<Vec<f64>> = vec![x.to_vec()];
    for (number, place) in places.iter().enumerate() {
        let mut y = params[place.bias.clone()].to_vec();
        for (x, row) in outputs[number].iter().zip(params[place.weight.clone()].chunks_exact(place.outputs)) {
            if *x != 0.0 {
                y.iter_mut().zip(row).for_each(|(y, w)| *y += x * w);
            }
        }
        if number + 1 < places.len() {
            y.iter_mut().for_each(|y| *y = y.max(0.0));
        }
        outputs.push(y);
    }

    let mut d_y = d_logits(&outputs[places.len()], label);
    for (place, x) in places.iter().zip(&outputs).rev() {
        let mut d_x = vec![0.0; x.len()];
        let weight = params[place.weight.clone()].chunks_exact(place.outputs);
        let d_weight = gradient[place.weight.clone()].chunks_exact_mut(place.outputs);
        for ((x, d_x), (row, d_row)) in x.iter().zip(&mut d_x).zip(weight.zip(d_weight)) {
            // Of a hidden unit at 0 both are.
            if *x != 0.0 {
                *d_x = row.iter().zip(&d_y).map(|(w, d)| w * d).sum();
                d_row.iter_mut().zip(&d_y).for_each(|(sum, d)| *sum += x * d);
            }
        }
        gradient[place.bias.clone()].iter_mut().zip(&d_y).for_each(|(sum, d)| *sum += d);
        d_y = d_x;
    }
}

/// The gradient of cross-entropy: the probability of each class less that which it should have.
fn d_logits(logits: &[f64], label: usize) -> Vec<f64> {
    if let [logit] = logits {
        return vec![1.0 / (1.0 + (-logit).exp()) - label as f64];
    }
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut d: Vec<f64> = logits.iter().map(|z| (z - max).exp()).collect();
    let sum: f64 = d.iter().sum();
    d.iter_mut().for_each(|p| *p /= sum);
    d[label] -= 1.0;
    d
}

/// The logits, with their bounds: a sum of k products is off by (k + 4) u Σ|x||w|, see [`Reference::product`], and carries
/// on what its inputs are off by; the bias adds a rounding more, ReLU nothing.
fn logits(training: &Training) -> Reference {
    let net = training.net();
    let first = widened(training.first());
    let places = Vec::from_iter(places(net));
    let of = |x: &[f32]| {
        let mut values: Vec<(f64, f64)> = x.iter().map(|&x| (x.into(), 0.0)).collect();
        for (number, place) in places.iter().enumerate() {
            let tolerance = (place.inputs + 5) as f64 * f32::UNIT_ROUNDOFF;
            let output = |j: usize| {
                let bias = first[place.bias.start + j];
                let column = first[place.weight.clone()].iter().skip(j).step_by(place.outputs);
                let (sum, bound) =
                    values.iter().zip(column).fold((bias, bias.abs() * tolerance), |(sum, bound), (x, w)| {
                        (sum + x.0 * w, bound + (x.1 + tolerance * (x.0.abs() + x.1)) * w.abs())
                    });
                (if number + 1 < places.len() { sum.max(0.0) } else { sum }, bound)
            };
            values = (0..place.outputs).map(output).collect();
        }
        values
    };
    Reference::new(net.outputs, training.x().chunks_exact(net.inputs).flat_map(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Net;

    const NET: Net = Net { inputs: 6, hidden: &[5, 4], outputs: 3, batch: 2, examples: 2, pass: Pass::Train };

    /// The mean loss of the first batch.
    fn loss(training: &Training, params: &[f32]) -> f64 {
        let mut changed = training.clone();
        changed.first.copy_from_slice(params);
        let rows = Vec::from_iter(logits(&changed).elements().map(|(value, _)| value));
        let each = rows.chunks_exact(training.net().outputs).zip(training.labels()).map(|(z, &label)| match z {
            [z] => z.max(0.0) - z * f64::from(label) + (-z.abs()).exp().ln_1p(),
            _ => z.iter().map(|z| z.exp()).sum::<f64>().ln() - z[label as usize],
        });
        each.sum::<f64>() / training.labels().len() as f64
    }

    #[test]
    fn a_step_goes_along_the_gradient() {
        for net in [NET, Net { hidden: &[], outputs: 1, ..NET }] {
            let training = Training::new(net);
            let last = trained_on(&training, training.batches().take(1));
            for (i, last) in last.iter().enumerate() {
                let at = |change: f32| {
                    let mut params = training.first().to_vec();
                    params[i] += change;
                    (loss(&training, &params), f64::from(params[i]))
                };
                let ((above, high), (below, low)) = (at(1e-5), at(-1e-5));
                let expected = -f64::from(training.rate()) * (above - below) / (high - low);
                let step = last - f64::from(training.first()[i]);
                assert!(
                    (step - expected).abs() <= 1e-5 * training.rate() as f64,
                    "{net:?}, {i}: {step}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn wrong_parameters_fail() {
        let training = Training::new(NET);
        let judge = Judge::new(&training);
        let right: Vec<f32> = trained(&training).into_iter().map(|x| x as f32).collect();
        assert_eq!(judge.check(&right), Ok(()));
        // Where training did not begin, and a bias that it left out.
        assert_eq!(judge.check(training.first()).unwrap_err().row, 0);
        let bias = places(NET).nth(1).unwrap().bias;
        let mut wrong = right.clone();
        wrong[bias.clone()].copy_from_slice(&training.first()[bias]);
        assert_eq!(judge.check(&wrong).unwrap_err().row, 3);
        wrong.fill(f32::NAN);
        assert!(judge.check(&wrong).is_err());
    }
}
