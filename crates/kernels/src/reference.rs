//! The same mathematics in f64 by plain loops and stable formulas, to judge the kernels by. It shares nothing with them.

use crate::fused::{Adagrad, Adam, RmsProp, Sgd};
use crate::gemm::{Element, MatRef};

/// A product and what its error is measured by.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// `alpha Σ_p a[i][p] b[p][j] + beta c[i][j]`, row-major.
    pub values: Vec<f64>,
    /// `|alpha| Σ_p |a[i][p]| |b[p][j]| + |beta c[i][j]|`, row-major.
    pub magnitudes: Vec<f64>,
}

/// `alpha A B + beta C`, row-major; C is not read where `beta` is 0.
///
/// # Panics
/// Unless A is m×k, B k×n and C m×n.
pub fn gemm<T: Element + Into<f64>>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: MatRef<'_, T>,
) -> Product {
    let (m, k, n) = (a.rows(), a.cols(), b.cols());
    assert!(b.rows() == k && c.rows() == m && c.cols() == n, "A {a:?}, B {b:?}, C {c:?}");
    let (alpha, beta): (f64, f64) = (alpha.into(), beta.into());
    let mut product = Product { values: Vec::with_capacity(m * n), magnitudes: Vec::with_capacity(m * n) };
    for i in 0..m {
        for j in 0..n {
            let (mut sum, mut magnitude) = (0.0, 0.0);
            for p in 0..k {
                let term = a.get(i, p).into() * b.get(p, j).into();
                sum += term;
                magnitude += term.abs();
            }
            let old = if beta == 0.0 { 0.0 } else { beta * c.get(i, j).into() };
            product.values.push(alpha * sum + old);
            product.magnitudes.push(alpha.abs() * magnitude + old.abs());
        }
    }
    product
}

/// `1 / (1 + e^-x)`
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// `ln(1 + e^x)`
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `Φ(x)`, the distribution function of the normal distribution.
pub fn normal_cdf(x: f64) -> f64 {
    let a = x.abs();
    let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let below = if a < 2.0 {
        // a + a³/3 + a⁵/(3·5) + ...
        let (mut sum, mut term) = (a, a);
        for odd in (3..100).step_by(2) {
            term *= a * a / f64::from(odd);
            sum += term;
        }
        0.5 - density * sum
    } else {
        // a + 1/(a + 2/(a + 3/(a + ...)))
        let fraction = (1..=200).rev().fold(a, |fraction, i| a + f64::from(i) / fraction);
        density / fraction
    };
    if x < 0.0 { below } else { 1.0 - below }
}

/// `x Φ(x)`
pub fn gelu(x: f64) -> f64 {
    x * normal_cdf(x)
}

/// `x σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`
pub fn gelu_tanh(x: f64) -> f64 {
    x * sigmoid((8.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x))
}

/// `x σ(x)`
pub fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}

/// `ln Σ e^z`
pub fn logsumexp(z: &[f64]) -> f64 {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + z.iter().map(|z| (z - max).exp()).sum::<f64>().ln()
}

/// `e^z / Σ e^z`
pub fn softmax(z: &[f64]) -> Vec<f64> {
    let total = logsumexp(z);
    z.iter().map(|z| (z - total).exp()).collect()
}

/// `z - ln Σ e^z`
pub fn log_softmax(z: &[f64]) -> Vec<f64> {
    (0..z.len()).map(|label| -softmax_cross_entropy(z, label).0).collect()
}

/// `½ Σ (y - t)²` and its gradient.
pub fn mse(y: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    let d: Vec<f64> = y.iter().zip(t).map(|(y, t)| y - t).collect();
    (d.iter().map(|d| 0.5 * d * d).sum(), d)
}

/// `Σ h(y - t)`, where `h(d)` is `½ d²` up to `|d| = delta` and `delta (|d| - ½ delta)` beyond, and its gradient.
pub fn huber(y: &[f64], t: &[f64], delta: f64) -> (f64, Vec<f64>) {
    let h = |d: f64| if d.abs() <= delta { 0.5 * d * d } else { delta * (d.abs() - 0.5 * delta) };
    let differences = y.iter().zip(t).map(|(y, t)| y - t);
    (differences.clone().map(h).sum(), differences.map(|d| d.clamp(-delta, delta)).collect())
}

/// `Σ max(z, 0) - z t + ln(1 + e^-|z|)` and its gradient.
pub fn bce_with_logits(z: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    let loss = z.iter().zip(t).map(|(z, t)| z.max(0.0) - z * t + (-z.abs()).exp().ln_1p()).sum();
    let d = z.iter().zip(t).map(|(&z, &t)| (1.0 - t) * sigmoid(z) - t * sigmoid(-z)).collect();
    (loss, d)
}

/// `ln Σ e^z - z[label]` and its gradient.
///
/// # Panics
/// Unless `label` is an index of `z`.
pub fn softmax_cross_entropy(z: &[f64], label: usize) -> (f64, Vec<f64>) {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let others: f64 = z.iter().enumerate().filter(|&(j, _)| j != label).map(|(_, z)| (z - max).exp()).sum();
    let own = (z[label] - max).exp();
    let loss = if z[label] == max { others.ln_1p() } else { (others + own).ln() - (z[label] - max) };
    let mut d: Vec<f64> = z.iter().map(|z| (z - max).exp() / (others + own)).collect();
    d[label] = -others / (others + own);
    (loss, d)
}

/// `(1 - learning_rate weight_decay) p - learning_rate g`
pub fn sgd(p: f64, g: f64, learning_rate: f64, weight_decay: f64) -> f64 {
    (1.0 - learning_rate * weight_decay) * p - learning_rate * g
}

/// The new parameter and velocity of [`Sgd`].
pub fn sgd_momentum(p: f64, g: f64, b: f64, options: &Sgd) -> (f64, f64) {
    let g = g + options.weight_decay * p;
    let b = options.momentum * b + g;
    let direction = if options.nesterov { g + options.momentum * b } else { b };
    (p - options.learning_rate * direction, b)
}

/// The new parameter and moments of [`Adam`] in step `step`, counted from 1.
pub fn adam(p: f64, g: f64, [m, v]: [f64; 2], step: u64, options: &Adam) -> (f64, [f64; 2]) {
    let &Adam { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled_weight_decay } = options;
    let (p, g) =
        if decoupled_weight_decay { (p - learning_rate * weight_decay * p, g) } else { (p, g + weight_decay * p) };
    let (m, v) = (beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g);
    let (correction1, correction2) = (1.0 - beta1.powf(step as f64), 1.0 - beta2.powf(step as f64));
    let denominator = v.sqrt() / correction2.sqrt() + epsilon;
    (p - learning_rate / correction1 * m / denominator, [m, v])
}

/// The new parameter, mean square and velocity of [`RmsProp`].
pub fn rmsprop(p: f64, g: f64, [v, b]: [f64; 2], options: &RmsProp) -> (f64, [f64; 2]) {
    let g = g + options.weight_decay * p;
    let v = options.alpha * v + (1.0 - options.alpha) * g * g;
    let b = options.momentum * b + g / (v.sqrt() + options.epsilon);
    (p - options.learning_rate * b, [v, b])
}

/// The new parameter and sum of squares of [`Adagrad`] in step `step`, counted from 1.
pub fn adagrad(p: f64, g: f64, v: f64, step: u64, options: &Adagrad) -> (f64, f64) {
    let g = g + options.weight_decay * p;
    let v = v + g * g;
    let rate = options.learning_rate / (1.0 + (step - 1) as f64 * options.learning_rate_decay);
    (p - rate * g / (v.sqrt() + options.epsilon), v)
}
