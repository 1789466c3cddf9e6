//! The cost of a logistic regression and its gradient, in f64.

use kernels::{Activation, Epilogue, GemmOptions, KernelSet, MatMut, MatRef};

use crate::data::features::{Rows, Scratch};
use crate::error::Result;
use crate::math;
use crate::memory::zeros;

/// Rows computed at a time. A constant, so that sums over blocks do not depend on the machine.
const BLOCK: usize = 256;

/// What the cost is of: rows that were checked.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) kernels: &'static KernelSet,
    /// `[rows][inputs]`
    pub(super) x: Rows<'a>,
    /// The class of each row, below 2 for one output, else below the number of outputs.
    pub(super) targets: &'a [u32],
    pub(super) weights: Option<&'a [f32]>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) intercept: bool,
    pub(super) l2: f64,
}

/// `J(θ) = (Σ_i s_i L_i + ½ l2 ‖w‖²) / Σ_i s_i`, where L is binary cross-entropy for one output and softmax cross-entropy for
/// more. θ is w, `[inputs][outputs]`, then the intercepts, `[outputs]`, if there are any.
///
/// Rows are taken in blocks, so the data is never as a whole in memory as f64. Products run on the kernels; exponentials and
/// logarithms are those of [`math`], the same on every machine.
pub(super) struct Cost<'a> {
    problem: Problem<'a>,
    total_weight: f64,
    narrow: Scratch,
    x: Vec<f64>,
    z: Vec<f64>,
}

impl<'a> Cost<'a> {
    pub(super) fn new(problem: Problem<'a>) -> Result<Self> {
        let Problem { targets, weights, inputs, outputs, .. } = problem;
        let total_weight =
            weights.map_or(targets.len() as f64, |weights| weights.iter().map(|&weight| f64::from(weight)).sum());
        let rows = targets.len().min(BLOCK);
        let x = zeros("a block of data in f64", rows, inputs)?;
        let z = zeros("a block of logits in f64", rows, outputs)?;
        Ok(Cost { problem, total_weight, narrow: Scratch::default(), x, z })
    }

    /// How many elements θ has.
    pub(super) fn parameters(&self) -> usize {
        let Problem { inputs, outputs, intercept, .. } = self.problem;
        (inputs + usize::from(intercept)) * outputs
    }

    /// The cost at `theta`; writes its gradient to `d_theta`.
    pub(super) fn evaluate(&mut self, theta: &[f64], d_theta: &mut [f64]) -> f64 {
        let Problem { kernels, x, targets, inputs, outputs, intercept, l2, .. } = self.problem;
        let (w, b) = theta.split_at(inputs * outputs);
        let (d_w, d_b) = d_theta.split_at_mut(inputs * outputs);
        d_b.fill(0.0);
        let epilogue = Epilogue::Bias { bias: intercept.then_some(b), activation: Activation::Identity };
        let with_bias = GemmOptions { epilogue, ..GemmOptions::default() };
        let w_view = MatRef::from_row_major(w, inputs, outputs);

        let mut sum = 0.0;
        for first in (0..targets.len()).step_by(BLOCK) {
            let rows = BLOCK.min(targets.len() - first);
            let x_block = &mut self.x[..rows * inputs];
            let narrow = x.range(kernels, first, first + rows, &mut self.narrow);
            for (wide, &narrow) in x_block.iter_mut().zip(narrow) {
                *wide = f64::from(narrow);
            }
            let z = &mut self.z[..rows * outputs];
            let x_view = MatRef::from_row_major(&*x_block, rows, inputs);
            kernels.gemm(1.0, x_view, w_view, 0.0, MatMut::from_row_major(z, rows, outputs), &with_bias);
            for (row, z) in (first..).zip(z.chunks_exact_mut(outputs)) {
                let weight = self.problem.weights.map_or(1.0, |weights| f64::from(weights[row])) / self.total_weight;
                sum += weight * loss_and_gradient(z, targets[row] as usize);
                z.iter_mut().for_each(|d_z| *d_z *= weight);
                d_b.iter_mut().zip(&*z).for_each(|(d_b, d_z)| *d_b += d_z);
            }
            let d_z = MatRef::from_row_major(&*z, rows, outputs);
            let beta = if first == 0 { 0.0 } else { 1.0 };
            let d_w = MatMut::from_row_major(d_w, inputs, outputs);
            kernels.gemm(1.0, x_view.t(), d_z, beta, d_w, &GemmOptions::default());
        }

        let share = l2 / self.total_weight;
        for (d_w, w) in d_w.iter_mut().zip(w) {
            *d_w += share * w;
        }
        sum + 0.5 * share * w.iter().map(|w| w * w).sum::<f64>()
    }
}

/// The loss of one row; puts the gradient in the place of its logits.
fn loss_and_gradient(z: &mut [f64], target: usize) -> f64 {
    if let [z] = z {
        let logit = *z;
        let e = math::exp(-logit.abs());
        let sigmoid = if logit < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
        *z = sigmoid - target as f64;
        return logit.max(0.0) - logit * target as f64 + math::ln_1p(e);
    }
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let logit = z[target];
    let mut sum = 0.0;
    for z in &mut *z {
        *z = math::exp(*z - largest);
        sum += *z;
    }
    z.iter_mut().for_each(|z| *z /= sum);
    z[target] -= 1.0;
    math::ln(sum) + (largest - logit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(x: &[f32], inputs: usize) -> Rows<'_> {
        Rows::new("the data", x.into(), inputs).unwrap()
    }

    /// Gradients against central differences; one more block than one, weights, one and three outputs.
    #[test]
    fn the_gradient_is_that_of_the_cost() {
        let (rows, inputs) = (BLOCK + 7, 3);
        let x: Vec<f32> = (0..rows * inputs).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect();
        let weights: Vec<f32> = (0..rows).map(|i| (i % 4) as f32).collect();
        for outputs in [1, 3] {
            let classes = outputs.max(2) as u32;
            let targets: Vec<u32> = (0..rows as u32).map(|i| i * i % classes).collect();
            let weights = Some(weights.as_slice());
            let kernels = KernelSet::best();
            let problem = Problem {
                kernels,
                x: rows_of(&x, inputs),
                targets: &targets,
                weights,
                inputs,
                outputs,
                intercept: true,
                l2: 2.5,
            };
            let mut cost = Cost::new(problem).unwrap();
            let mut theta: Vec<f64> = (0..cost.parameters()).map(|i| (i as f64 - 4.0) / 3.0).collect();
            let (mut gradient, mut unused) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
            cost.evaluate(&theta, &mut gradient);
            for (i, expected) in gradient.iter().enumerate() {
                let (at, h) = (theta[i], 1e-5);
                theta[i] = at + h;
                let above = cost.evaluate(&theta, &mut unused);
                theta[i] = at - h;
                let below = cost.evaluate(&theta, &mut unused);
                theta[i] = at;
                let error = ((above - below) / (2.0 * h) - expected).abs();
                assert!(error <= 1e-8, "parameter {i} of {outputs} outputs: {error:e}");
            }
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same_bits() {
        let (rows, inputs, outputs) = (2 * BLOCK + 31, 19, 3);
        let x: Vec<f32> = (0..rows * inputs).map(|i| ((i * 37 % 101) as f32 - 50.0) / 30.0).collect();
        let targets: Vec<u32> = (0..rows as u32).map(|i| i * i % 3).collect();
        let mut first: Option<Vec<u64>> = None;
        kernels::testing::for_each_isa(|kernels| {
            let problem = Problem {
                kernels,
                x: rows_of(&x, inputs),
                targets: &targets,
                weights: None,
                inputs,
                outputs,
                intercept: true,
                l2: 1.0,
            };
            let mut cost = Cost::new(problem).unwrap();
            let theta: Vec<f64> = (0..cost.parameters()).map(|i| (i % 7) as f64 / 3.0 - 1.0).collect();
            let mut gradient = vec![0.0; theta.len()];
            let value = cost.evaluate(&theta, &mut gradient);
            let bits: Vec<u64> = gradient.iter().chain([&value]).map(|x| x.to_bits()).collect();
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits, "{}", kernels.isa());
        });
    }

    #[test]
    fn losses_of_large_logits_are_finite_and_exact() {
        assert_eq!(loss_and_gradient(&mut [1e4], 0), 1e4);
        assert_eq!(loss_and_gradient(&mut [-1e4], 1), 1e4);
        assert_eq!(loss_and_gradient(&mut [1e4, -1e4, 0.0], 1), 2e4);
        let mut z = [1e4, -1e4, 0.0];
        assert_eq!((loss_and_gradient(&mut z, 0), z), (0.0, [0.0; 3]));
    }
}
