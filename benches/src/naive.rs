//! What one writes without a library: plain loops and the functions of `std`.

use crate::problem::{Operand, Real};
use kernels::Function;
use std::f32::consts::{FRAC_1_SQRT_2, PI};

/// The textbook triple loop.
pub fn gemm<T: Real>(a: &Operand<'_, T>, b: &Operand<'_, T>, c: &mut [T]) {
    let n = b.cols();
    for i in 0..a.rows() {
        for j in 0..n {
            let mut sum = T::from(0.0);
            for p in 0..a.cols() {
                sum += a.data()[a.index(i, p)] * b.data()[b.index(p, j)];
            }
            c[i * n + j] = sum;
        }
    }
}

/// One call of `std`, or of `libm` for what `std` has not, for each element.
pub fn map(function: Function, x: &[f32], out: &mut [f32]) {
    match function {
        Function::Exp => each(x, out, f32::exp),
        Function::Expm1 => each(x, out, f32::exp_m1),
        Function::Ln => each(x, out, f32::ln),
        Function::Log1p => each(x, out, f32::ln_1p),
        Function::Sigmoid => each(x, out, sigmoid),
        Function::Tanh => each(x, out, f32::tanh),
        Function::Softplus => each(x, out, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        Function::Erf => each(x, out, libm::erff),
        Function::Gelu => each(x, out, |x| 0.5 * x * (1.0 + libm::erff(x * FRAC_1_SQRT_2))),
        Function::GeluTanh => {
            each(x, out, |x| 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()))
        }
        Function::Silu => each(x, out, |x| x * sigmoid(x)),
        Function::Relu => each(x, out, |x| x.max(0.0)),
    }
}

fn each(x: &[f32], out: &mut [f32], function: impl Fn(f32) -> f32) {
    for (x, out) in x.iter().zip(out) {
        *out = function(*x);
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Softmax, then the logarithm, then the gradient: a pass over memory each.
pub fn softmax_cross_entropy(cols: usize, logits: &[f32], labels: &[u32], d_logits: &mut [f32]) -> f64 {
    let scale = 1.0 / labels.len() as f32;
    softmax(cols, logits, d_logits);
    let rows = d_logits.chunks_exact(cols).zip(labels);
    let loss: f64 = rows.map(|(p, &label)| -f64::from(p[label as usize].ln())).sum();
    for (p, &label) in d_logits.chunks_exact_mut(cols).zip(labels) {
        p[label as usize] -= 1.0;
        p.iter_mut().for_each(|d| *d *= scale);
    }
    loss / labels.len() as f64
}

/// The same with a probability for each class.
pub fn soft_cross_entropy(cols: usize, logits: &[f32], probabilities: &[f32], d_logits: &mut [f32]) -> f64 {
    let rows = logits.len() / cols;
    softmax(cols, logits, d_logits);
    let loss: f64 = d_logits.iter().zip(probabilities).map(|(p, t)| -f64::from(t * p.ln())).sum();
    for (d, t) in d_logits.iter_mut().zip(probabilities) {
        *d = (*d - t) / rows as f32;
    }
    loss / rows as f64
}

fn softmax(cols: usize, x: &[f32], out: &mut [f32]) {
    for (z, p) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        each(z, p, |z| (z - max).exp());
        let sum: f32 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= sum);
    }
}

/// Half the squared error, then the gradient, averaged over `rows`.
pub fn mse(rows: usize, prediction: &[f32], targets: &[f32], d_prediction: &mut [f32]) -> f64 {
    let squares = prediction.iter().zip(targets).map(|(&y, &t)| f64::from(0.5 * (y - t) * (y - t)));
    let loss = squares.sum::<f64>() / rows as f64;
    for (d, (&y, &t)) in d_prediction.iter_mut().zip(prediction.iter().zip(targets)) {
        *d = (y - t) / rows as f32;
    }
    loss
}

/// Sigmoid, then the loss, then the gradient, averaged over `rows`.
pub fn bce(rows: usize, logits: &[f32], targets: &[f32], d_logits: &mut [f32]) -> f64 {
    each(logits, d_logits, sigmoid);
    let terms = logits.iter().zip(targets).map(|(&z, &t)| f64::from(z.max(0.0) - z * t + (-z.abs()).exp().ln_1p()));
    let loss = terms.sum::<f64>() / rows as f64;
    for (d, &t) in d_logits.iter_mut().zip(targets) {
        *d = (*d - t) / rows as f32;
    }
    loss
}
