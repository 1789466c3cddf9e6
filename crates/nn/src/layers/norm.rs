//! Batch norm and layer norm: `y = (x − mean) / √(variance + eps) · weight + bias`, with moments over the rows of a batch for
//! each column, or over each row. Formulas and their gradients: [`kernels::Norm`].

use std::ops::Range;

use kernels::{Axis, KernelSet, Moments, Norm};

use crate::error::Result;
use crate::memory::Buffer;
use crate::stages::Running;

/// Normalises each column over the rows of the batch while training, and by running means and variances in predictions.
///
/// A batch of training needs at least two rows. Parameters and buffers are those of `torch.nn.BatchNorm1d`: after each
/// step `running = (1 − momentum) · running + momentum · batch`, with the variance `1/(m − 1) Σ (x − mean)²` of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct BatchNorm {
    /// Added to variances, above 0; 1e-5.
    pub eps: f32,
    /// The weight of a new batch in the running moments, from 0 to 1; 0.1.
    pub momentum: f32,
    /// Whether a weight and a bias, first 1 and 0, are learnt; yes.
    pub affine: bool,
}

/// Normalises each row. Its parameters are those of `torch.nn.LayerNorm` of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct LayerNorm {
    /// Added to variances, above 0; 1e-5.
    pub eps: f32,
    /// Whether a weight and a bias, first 1 and 0, are learnt; yes.
    pub affine: bool,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { eps: 1e-5, momentum: 0.1, affine: true }
    }
}

impl BatchNorm {
    /// Moves a running moment towards that of a batch.
    pub(crate) fn track(self, running: &mut f32, batch: f64) {
        let momentum = f64::from(self.momentum);
        *running = ((1.0 - momentum) * f64::from(*running) + momentum * batch) as f32;
    }
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { eps: 1e-5, affine: true }
    }
}

/// Where weight and bias lie in the arena of parameters.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

/// The moments of a batch, and room for the sums that its gradient needs.
pub(crate) struct NormState {
    axis: Axis,
    cols: usize,
    mean: Buffer,
    variance: Buffer,
    inv_std: Buffer,
    d_weight: Buffer,
    d_bias: Buffer,
}

impl NormState {
    pub(crate) fn new(axis: Axis, rows: usize, cols: usize) -> Result<Self> {
        let groups = if axis == Axis::Columns { cols } else { rows };
        let moments = || Buffer::zeros("the moments of a norm", 1, groups);
        let sums = || Buffer::zeros("the sums of a norm", 1, cols);
        let (mean, variance, inv_std) = (moments()?, moments()?, moments()?);
        Ok(NormState { axis, cols, mean, variance, inv_std, d_weight: sums()?, d_bias: sums()? })
    }

    /// How many columns, or rows of a batch of `len` elements, have moments of their own.
    fn groups(&self, len: usize) -> usize {
        if self.axis == Axis::Columns { self.cols } else { len / self.cols }
    }

    /// `y` from the moments of the batch.
    pub(crate) fn forward(
        &mut self,
        kernels: &KernelSet,
        eps: f32,
        affine: Option<(&[f32], &[f32])>,
        x: &[f32],
        y: &mut [f32],
    ) {
        let groups = self.groups(x.len());
        let moments = Moments {
            mean: &mut self.mean.as_mut_slice()[..groups],
            variance: &mut self.variance.as_mut_slice()[..groups],
            inv_std: &mut self.inv_std.as_mut_slice()[..groups],
        };
        kernels.moments(self.axis, self.cols, x, eps, moments);
        self.normalise(kernels, affine, x, y);
    }

    /// Takes running moments of columns for those of the batch.
    pub(crate) fn use_running(&mut self, eps: f32, mean: &[f32], variance: &[f32]) {
        self.mean.as_mut_slice().copy_from_slice(mean);
        for (inv_std, variance) in self.inv_std.as_mut_slice().iter_mut().zip(variance) {
            *inv_std = (1.0 / (f64::from(*variance) + f64::from(eps)).sqrt()) as f32;
        }
    }

    /// `y` from the moments at hand.
    pub(crate) fn normalise(&self, kernels: &KernelSet, affine: Option<(&[f32], &[f32])>, x: &[f32], y: &mut [f32]) {
        kernels.normalise(&self.norm(affine, x.len()), x, y);
    }

    /// The gradients of weight and bias, for [`sums`](Self::sums).
    pub(crate) fn backward_params(&mut self, kernels: &KernelSet, x: &[f32], d_y: &[f32]) {
        let groups = self.groups(x.len());
        let norm = Norm {
            axis: self.axis,
            cols: self.cols,
            mean: &self.mean.as_slice()[..groups],
            inv_std: &self.inv_std.as_slice()[..groups],
            weight: None,
            bias: None,
        };
        let (d_weight, d_bias) = (self.d_weight.as_mut_slice(), self.d_bias.as_mut_slice());
        kernels.normalise_backward_params(&norm, x, d_y, d_weight, d_bias);
    }

    /// The gradients of weight and bias, which are sums over the rows of `d_y x̂` and `d_y`.
    pub(crate) fn sums(&self) -> (&[f32], &[f32]) {
        (self.d_weight.as_slice(), self.d_bias.as_slice())
    }

    /// The sums over no rows.
    pub(crate) fn clear_sums(&mut self) {
        self.d_weight.as_mut_slice().fill(0.0);
        self.d_bias.as_mut_slice().fill(0.0);
    }

    /// `d`, the gradient of y, becomes that of x; after [`backward_params`](Self::backward_params) of the same.
    pub(crate) fn backward_input(
        &self,
        kernels: &KernelSet,
        affine: Option<(&[f32], &[f32])>,
        x: &[f32],
        d: &mut [f32],
    ) {
        let norm = self.norm(affine, x.len());
        kernels.normalise_backward_input(&norm, x, self.d_weight.as_slice(), self.d_bias.as_slice(), d);
    }

    /// Moves running moments, whose places in `buffers` are given, towards those of the last batch, of `rows` rows.
    pub(crate) fn track(&self, norm: BatchNorm, rows: usize, buffers: &mut [f32], running: &Running) {
        let unbiased = rows as f64 / (rows as f64 - 1.0);
        for (running, batch) in buffers[running.mean.clone()].iter_mut().zip(self.mean.as_slice()) {
            norm.track(running, f64::from(*batch));
        }
        for (running, batch) in buffers[running.variance.clone()].iter_mut().zip(self.variance.as_slice()) {
            norm.track(running, unbiased * f64::from(*batch));
        }
    }

    /// Means and variances, without correction of their bias, of the last batch.
    pub(crate) fn moments(&self) -> (&[f32], &[f32]) {
        (self.mean.as_slice(), self.variance.as_slice())
    }

    fn norm<'a>(&'a self, affine: Option<(&'a [f32], &'a [f32])>, len: usize) -> Norm<'a> {
        let groups = self.groups(len);
        Norm {
            axis: self.axis,
            cols: self.cols,
            mean: &self.mean.as_slice()[..groups],
            inv_std: &self.inv_std.as_slice()[..groups],
            weight: affine.map(|(weight, _)| weight),
            bias: affine.map(|(_, bias)| bias),
        }
    }
}
