//! Loss and gradient in one pass over the logits, softmax, and the parameter updates.
//!
//! For a batch of m examples with losses L the cost is `1/m Σ L` or `Σ L`; gradients are of the cost. A batch of no
//! examples costs 0. Losses are summed in f64: of each row, or of each 1,024 elements, in their order. Losses are finite for
//! every finite logit, and NaN where a logit or a target is.

pub(crate) mod adagrad;
pub(crate) mod adam;
pub(crate) mod bce;
pub(crate) mod cross_entropy;
pub(crate) mod mse;
pub(crate) mod rmsprop;
pub(crate) mod sgd;
pub(crate) mod softmax;
pub(crate) mod update;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use crate::kernel_set::KernelSet;
use crate::reduce::pad;
use crate::simd::{Float, Simd};

/// How the losses of a batch of `m` examples become one number; gradients are scaled alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// `1/m Σ L`
    #[default]
    Mean,
    /// `Σ L`
    Sum,
}

impl Reduction {
    /// What the sum of the losses of `rows` examples is multiplied by.
    pub(crate) fn scale(self, rows: usize) -> f64 {
        match self {
            Reduction::Mean if rows > 0 => 1.0 / rows as f64,
            Reduction::Mean | Reduction::Sum => 1.0,
        }
    }
}

/// Elements whose losses are added lane by lane before they meet the others'.
const CHUNK: usize = 1024;

/// The sum of element-wise losses; `f` of a vector of x and one of y gives what `loss` takes, and the gradients, which are
/// written times `scale`. `loss` gives the losses in two halves of f64, 0 for 0.
#[inline(always)]
fn element_wise<S: Simd>(
    s: S,
    x: &[f32],
    y: &[f32],
    d_x: &mut [f32],
    scale: f32,
    f: impl Fn(S::F32, S::F32) -> (S::F32, S::F32),
    loss: impl Fn(S::F32) -> (S::F64, S::F64),
) -> f64 {
    let lanes = S::F32::LANES;
    let scale = S::F32::splat(s, scale);
    let mut total = 0.0;
    for ((x, y), d_x) in x.chunks(CHUNK).zip(y.chunks(CHUNK)).zip(d_x.chunks_mut(CHUNK)) {
        let (mut low, mut high) = (S::F64::splat(s, 0.0), S::F64::splat(s, 0.0));
        let (mut xs, mut ys, mut ds) = (x.chunks_exact(lanes), y.chunks_exact(lanes), d_x.chunks_exact_mut(lanes));
        for ((x, y), d_x) in (&mut xs).zip(&mut ys).zip(&mut ds) {
            let (term, d) = f(S::F32::load(s, x), S::F32::load(s, y));
            (d * scale).store(d_x);
            let loss = loss(term);
            (low, high) = (low + loss.0, high + loss.1);
        }
        let rest = ds.into_remainder();
        if !rest.is_empty() {
            let (x, y) = (S::F32::load_partial(s, xs.remainder()), S::F32::load_partial(s, ys.remainder()));
            let (term, d) = f(x, y);
            (d * scale).store_partial(s, rest);
            let loss = loss(pad(s, term, rest.len(), 0.0));
            (low, high) = (low + loss.0, high + loss.1);
        }
        total += (low + high).sum_lanes();
    }
    total
}

/// [`KernelSet::softmax`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn softmax(cols: usize, x: &[f32], out: &mut [f32]) {
    KernelSet::best().softmax(cols, x, out);
}

/// [`KernelSet::mse`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn mse(cols: usize, prediction: &[f32], target: &[f32], reduction: Reduction, d_prediction: &mut [f32]) -> f64 {
    KernelSet::best().mse(cols, prediction, target, reduction, d_prediction)
}

/// [`KernelSet::bce_with_logits`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn bce_with_logits(cols: usize, logits: &[f32], target: &[f32], reduction: Reduction, d_logits: &mut [f32]) -> f64 {
    KernelSet::best().bce_with_logits(cols, logits, target, reduction, d_logits)
}

/// [`KernelSet::softmax_cross_entropy`] on the best instruction set of this CPU.
///
/// ```
/// use kernels::{Reduction, fused};
/// let mut d_logits = [0.0; 2];
/// let cost = fused::softmax_cross_entropy(2, &[0.0, 0.0], &[1], Reduction::Mean, &mut d_logits);
/// assert!((cost - 2f64.ln()).abs() < 1e-7);
/// assert_eq!(d_logits, [0.5, -0.5]);
/// ```
///
/// # Panics
/// As it does.
#[track_caller]
pub fn softmax_cross_entropy(
    cols: usize,
    logits: &[f32],
    labels: &[u32],
    reduction: Reduction,
    d_logits: &mut [f32],
) -> f64 {
    KernelSet::best().softmax_cross_entropy(cols, logits, labels, reduction, d_logits)
}

/// [`KernelSet::sgd`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn sgd(params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) -> bool {
    KernelSet::best().sgd(params, grads, learning_rate, weight_decay)
}

/// [`KernelSet::sgd_momentum`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn sgd_momentum(params: &mut [f32], grads: &[f32], velocity: &mut [f32], options: &Sgd) -> bool {
    KernelSet::best().sgd_momentum(params, grads, velocity, options)
}

/// [`KernelSet::adam`] on the best instruction set of this CPU.
///
/// ```
/// use kernels::fused::{Adam, adam};
/// let (mut params, mut mean, mut mean_square) = ([1.0f32; 2], [0.0; 2], [0.0; 2]);
/// adam(&mut params, &[0.5, -200.0], [&mut mean, &mut mean_square], 1, &Adam::default());
/// assert_eq!(params, [0.999, 1.001]); // The first step is the learning rate, whatever the size of the gradient.
/// ```
///
/// # Panics
/// As it does.
#[track_caller]
pub fn adam(params: &mut [f32], grads: &[f32], moments: [&mut [f32]; 2], step: u64, options: &Adam) -> bool {
    KernelSet::best().adam(params, grads, moments, step, options)
}

/// [`KernelSet::rmsprop`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn rmsprop(
    params: &mut [f32],
    grads: &[f32],
    mean_square: &mut [f32],
    velocity: &mut [f32],
    options: &RmsProp,
) -> bool {
    KernelSet::best().rmsprop(params, grads, mean_square, velocity, options)
}

/// [`KernelSet::adagrad`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn adagrad(params: &mut [f32], grads: &[f32], sum_squares: &mut [f32], step: u64, options: &Adagrad) -> bool {
    KernelSet::best().adagrad(params, grads, sum_squares, step, options)
}
