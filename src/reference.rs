//! The same mathematics in f64 by plain loops and stable formulas, to judge the kernels by. It shares nothing with them.

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

/// `½ Σ (y - t)²` and its gradient.
pub fn mse(y: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    let d: Vec<f64> = y.iter().zip(t).map(|(y, t)| y - t).collect();
    (d.iter().map(|d| 0.5 * d * d).sum(), d)
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
