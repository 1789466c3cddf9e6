//! Normalisation: `y = (x - mean) inv_std weight + bias`, over the rows of each column (batch norm) or the columns of each
//! row (layer norm), with `inv_std = 1 / √(variance + eps)` and the variance of all m elements, `1/m Σ (x - mean)²`.
//!
//! Means and variances are sums in f64 of the elements, then of the squared deviations from the mean in f64, so neither
//! a large mean nor many rows cost digits; each is rounded to f32 at the end. Sums over rows run in ascending row; sums over
//! a row run over its vectors of 16, one after the other in two halves of f64, then over the lanes.
//!
//! With x̂ = (x - mean) inv_std, the gradients are `d_weight = Σ_rows d_y x̂` and `d_bias = Σ_rows d_y`, and, as the mean and
//! the variance move with every x: `d_x = inv_std (g - (Σ g + x̂ Σ g x̂) / m)` for `g = d_y weight`, both sums over the m
//! elements normalised together (Ioffe and Szegedy, "Batch Normalization", 2015; Ba, Kiros and Hinton, "Layer
//! Normalization", 2016).

use crate::kernel_set::{KernelSet, same_length, whole_rows};
use crate::reduce::{load_part, pad, store_part};
use crate::simd::{Float, Float32, Simd};

/// Which elements of a matrix are normalised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Those of each column: batch norm.
    Columns,
    /// Those of each row: layer norm.
    Rows,
}

/// Where the moments of each column or row go.
#[derive(Debug)]
pub struct Moments<'a> {
    /// `1/m Σ x`
    pub mean: &'a mut [f32],
    /// `1/m Σ (x - mean)²`
    pub variance: &'a mut [f32],
    /// `1 / √(variance + eps)`
    pub inv_std: &'a mut [f32],
}

/// How rows of `cols` elements are normalised.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Which elements belong together.
    pub axis: Axis,
    /// Elements of a row.
    pub cols: usize,
    /// One value for each column or row.
    pub mean: &'a [f32],
    /// One value for each column or row.
    pub inv_std: &'a [f32],
    /// What each column is multiplied by; 1 if `None`.
    pub weight: Option<&'a [f32]>,
    /// What is added to each column; 0 if `None`.
    pub bias: Option<&'a [f32]>,
}

impl KernelSet {
    /// Mean, variance and inverse standard deviation of each column or row; see [`fused`](crate::fused).
    ///
    /// # Panics
    /// Unless `x` holds whole rows of `cols` elements and each of the moments has one value for each column or row; if
    /// `cols` is 0.
    #[track_caller]
    pub fn moments(&self, axis: Axis, cols: usize, x: &[f32], eps: f32, moments: Moments<'_>) {
        let rows = whole_rows("moments", cols, x.len());
        let groups = if axis == Axis::Columns { cols } else { rows };
        for (name, values) in [("mean", &moments.mean), ("variance", &moments.variance), ("inv_std", &moments.inv_std)]
        {
            same_length("moments", ("columns or rows", groups), (name, values.len()));
        }
        (self.moments)(axis, cols, x, eps, moments);
    }

    /// `y = (x - mean) inv_std weight + bias`, the last two steps fused.
    ///
    /// # Panics
    /// Unless `x` and `y` have the same length, in whole rows, and the slices of `norm` are as [`Norm`] says.
    #[track_caller]
    pub fn normalise(&self, norm: &Norm<'_>, x: &[f32], y: &mut [f32]) {
        norm.check("normalise", x, y.len());
        (self.normalise)(norm, x, y);
    }

    /// The gradients of weight and bias, `d_weight[j] = Σ_i d_y x̂` and `d_bias[j] = Σ_i d_y`, summed in f64 in ascending i.
    ///
    /// # Panics
    /// As [`normalise`](Self::normalise), and unless both gradients have one value for each column.
    #[track_caller]
    pub fn normalise_backward_params(
        &self,
        norm: &Norm<'_>,
        x: &[f32],
        d_y: &[f32],
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        norm.check("normalise_backward_params", x, d_y.len());
        same_length("normalise_backward_params", ("columns", norm.cols), ("d_weight", d_weight.len()));
        same_length("normalise_backward_params", ("columns", norm.cols), ("d_bias", d_bias.len()));
        (self.normalise_backward_params)(norm, x, d_y, d_weight, d_bias);
    }

    /// `d`, the gradient of y, becomes that of x. Columns take their sums from `d_weight` and `d_bias`, as
    /// [`normalise_backward_params`](Self::normalise_backward_params) gives them; rows do not read these.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn normalise_backward_input(
        &self,
        norm: &Norm<'_>,
        x: &[f32],
        d_weight: &[f32],
        d_bias: &[f32],
        d: &mut [f32],
    ) {
        norm.check("normalise_backward_input", x, d.len());
        same_length("normalise_backward_input", ("columns", norm.cols), ("d_weight", d_weight.len()));
        same_length("normalise_backward_input", ("columns", norm.cols), ("d_bias", d_bias.len()));
        (self.normalise_backward_input)(norm, x, d_weight, d_bias, d);
    }
}

impl Norm<'_> {
    #[track_caller]
    fn check(&self, what: &str, x: &[f32], other: usize) {
        let rows = whole_rows(what, self.cols, x.len());
        same_length(what, ("x", x.len()), ("y or its gradient", other));
        let groups = if self.axis == Axis::Columns { self.cols } else { rows };
        same_length(what, ("columns or rows", groups), ("mean", self.mean.len()));
        same_length(what, ("columns or rows", groups), ("inv_std", self.inv_std.len()));
        for (name, values) in [("weight", self.weight), ("bias", self.bias)] {
            same_length(what, ("columns", self.cols), (name, values.map_or(self.cols, <[f32]>::len)));
        }
    }
}

#[inline(always)]
pub(crate) fn moments<S: Simd>(s: S, axis: Axis, cols: usize, x: &[f32], eps: f32, moments: Moments<'_>) {
    let Moments { mean, variance, inv_std } = moments;
    let eps = f64::from(eps);
    match axis {
        Axis::Columns => {
            let lanes = S::F32::LANES;
            let blocks = mean.chunks_mut(lanes).zip(variance.chunks_mut(lanes)).zip(inv_std.chunks_mut(lanes));
            for (block, ((mean, variance), inv_std)) in blocks.enumerate() {
                let (means, variances) = moments_of_columns(s, cols, x, block * lanes, mean.len());
                for j in 0..mean.len() {
                    (mean[j], variance[j]) = (means[j] as f32, variances[j] as f32);
                    inv_std[j] = (1.0 / (variances[j] + eps).sqrt()) as f32;
                }
            }
        }
        Axis::Rows => {
            for (i, row) in x.chunks_exact(cols).enumerate() {
                let (m, v) = moments_of_row(s, row);
                (mean[i], variance[i]) = (m as f32, v as f32);
                inv_std[i] = (1.0 / (v + eps).sqrt()) as f32;
            }
        }
    }
}

/// Means and variances of the columns `from..from + len` of rows of `cols` elements, at most 16.
#[inline(always)]
fn moments_of_columns<S: Simd>(s: S, cols: usize, x: &[f32], from: usize, len: usize) -> ([f64; 16], [f64; 16]) {
    let zero = S::F64::splat(s, 0.0);
    let rows = S::F64::splat(s, (x.len() / cols) as f64);
    let (mut low, mut high) = (zero, zero);
    for row in x.chunks_exact(cols) {
        let (l, h) = load_part(s, row, from, len).widen();
        (low, high) = (low + l, high + h);
    }
    let (mean_low, mean_high) = (low / rows, high / rows);
    (low, high) = (zero, zero);
    for row in x.chunks_exact(cols) {
        let (l, h) = load_part(s, row, from, len).widen();
        let (l, h) = (l - mean_low, h - mean_high);
        (low, high) = (l.mul_add(l, low), h.mul_add(h, high));
    }
    (both_halves(mean_low, mean_high), both_halves(low / rows, high / rows))
}

#[inline(always)]
fn moments_of_row<S: Simd>(s: S, row: &[f32]) -> (f64, f64) {
    let (zero, n) = (S::F64::splat(s, 0.0), row.len() as f64);
    let (mut low, mut high) = (zero, zero);
    for x in row.chunks(S::F32::LANES) {
        let (l, h) = load_part(s, x, 0, x.len()).widen();
        (low, high) = (low + l, high + h);
    }
    let mean = (low + high).sum_lanes() / n;
    let means = S::F64::splat(s, mean);
    (low, high) = (zero, zero);
    for x in row.chunks(S::F32::LANES) {
        // Past the end there would be the deviation of 0.
        let (l, h) = load_part(s, x, 0, x.len()).widen();
        let (l, h) = (l - means, h - means);
        let (l, h) = if x.len() == S::F32::LANES { (l, h) } else { without_padding(s, l, h, x.len()) };
        (low, high) = (l.mul_add(l, low), h.mul_add(h, high));
    }
    (mean, (low + high).sum_lanes() / n)
}

/// 0 in the lanes from `len` on of a vector in two halves.
#[inline(always)]
fn without_padding<S: Simd>(s: S, low: S::F64, high: S::F64, len: usize) -> (S::F64, S::F64) {
    let (inside_low, inside_high) = pad(s, S::F32::splat(s, 1.0), len, 0.0).widen();
    let zero = S::F64::splat(s, 0.0);
    (S::F64::select(zero.lt(inside_low), low, zero), S::F64::select(zero.lt(inside_high), high, zero))
}

#[inline(always)]
fn both_halves<V: Float<Scalar = f64>>(low: V, high: V) -> [f64; 16] {
    let mut values = [0.0; 16];
    low.store(&mut values[..8]);
    high.store(&mut values[8..]);
    values
}

/// `len` of the values from `from` on, or `default` in each lane where there are none.
#[inline(always)]
fn load_or<S: Simd>(s: S, values: Option<&[f32]>, default: f32, from: usize, len: usize) -> S::F32 {
    match values {
        Some(values) => load_part(s, values, from, len),
        None => S::F32::splat(s, default),
    }
}

/// What normalises the 16 columns from `from` on.
struct Columns<'a, S: Simd> {
    s: S,
    norm: &'a Norm<'a>,
    from: usize,
    len: usize,
    mean: S::F32,
    inv_std: S::F32,
    weight: S::F32,
    bias: S::F32,
}

impl<'a, S: Simd> Columns<'a, S> {
    #[inline(always)]
    fn new(s: S, norm: &'a Norm<'a>, from: usize) -> Self {
        let len = (norm.cols - from).min(S::F32::LANES);
        // Rows take their own.
        let (mean, inv_std) = match norm.axis {
            Axis::Columns => (Some(norm.mean), Some(norm.inv_std)),
            Axis::Rows => (None, None),
        };
        Columns {
            s,
            norm,
            from,
            len,
            mean: load_or(s, mean, 0.0, from, len),
            inv_std: load_or(s, inv_std, 0.0, from, len),
            weight: load_or(s, norm.weight, 1.0, from, len),
            bias: load_or(s, norm.bias, 0.0, from, len),
        }
    }

    /// (x̂, inv_std) of row number `i`.
    #[inline(always)]
    fn normalised(&self, i: usize, row: &[f32]) -> (S::F32, S::F32) {
        let (mean, inv_std) = match self.norm.axis {
            Axis::Columns => (self.mean, self.inv_std),
            Axis::Rows => (S::F32::splat(self.s, self.norm.mean[i]), S::F32::splat(self.s, self.norm.inv_std[i])),
        };
        ((load_part(self.s, row, self.from, self.len) - mean) * inv_std, inv_std)
    }
}

#[inline(always)]
pub(crate) fn normalise<S: Simd>(s: S, norm: &Norm<'_>, x: &[f32], y: &mut [f32]) {
    let cols = norm.cols;
    for from in (0..cols).step_by(S::F32::LANES) {
        let columns = Columns::new(s, norm, from);
        for (i, (x, y)) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)).enumerate() {
            let (x_hat, _) = columns.normalised(i, x);
            store_part(s, x_hat.mul_add(columns.weight, columns.bias), y, from, columns.len);
        }
    }
}

#[inline(always)]
pub(crate) fn backward_params<S: Simd>(
    s: S,
    norm: &Norm<'_>,
    x: &[f32],
    d_y: &[f32],
    d_weight: &mut [f32],
    d_bias: &mut [f32],
) {
    let cols = norm.cols;
    for from in (0..cols).step_by(S::F32::LANES) {
        let columns = Columns::new(s, norm, from);
        let zero = S::F64::splat(s, 0.0);
        let (mut weight_low, mut weight_high, mut bias_low, mut bias_high) = (zero, zero, zero, zero);
        for (i, (x, d)) in x.chunks_exact(cols).zip(d_y.chunks_exact(cols)).enumerate() {
            let (x_hat, _) = columns.normalised(i, x);
            let d = load_part(s, d, from, columns.len);
            let (low, high) = (d * x_hat).widen();
            (weight_low, weight_high) = (weight_low + low, weight_high + high);
            let (low, high) = d.widen();
            (bias_low, bias_high) = (bias_low + low, bias_high + high);
        }
        let to = from..from + columns.len;
        narrow(both_halves(weight_low, weight_high), &mut d_weight[to.clone()]);
        narrow(both_halves(bias_low, bias_high), &mut d_bias[to]);
    }
}

#[inline(always)]
fn narrow(from: [f64; 16], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from as f32;
    }
}

#[inline(always)]
pub(crate) fn backward_input<S: Simd>(
    s: S,
    norm: &Norm<'_>,
    x: &[f32],
    d_weight: &[f32],
    d_bias: &[f32],
    d: &mut [f32],
) {
    match norm.axis {
        Axis::Columns => backward_columns(s, norm, x, d_weight, d_bias, d),
        Axis::Rows => backward_rows(s, norm, x, d),
    }
}

/// `d_x = inv_std weight (d - (d_bias + x̂ d_weight) / m)`
#[inline(always)]
fn backward_columns<S: Simd>(s: S, norm: &Norm<'_>, x: &[f32], d_weight: &[f32], d_bias: &[f32], d: &mut [f32]) {
    let cols = norm.cols;
    let share = S::F32::splat(s, (1.0 / (x.len() / cols) as f64) as f32);
    for from in (0..cols).step_by(S::F32::LANES) {
        let columns = Columns::new(s, norm, from);
        let len = columns.len;
        let factor = columns.inv_std * columns.weight;
        let (d_weight, d_bias) = (load_part(s, d_weight, from, len) * share, load_part(s, d_bias, from, len) * share);
        for (i, (x, d)) in x.chunks_exact(cols).zip(d.chunks_exact_mut(cols)).enumerate() {
            let (x_hat, _) = columns.normalised(i, x);
            let centred = load_part(s, d, from, len) - x_hat.mul_add(d_weight, d_bias);
            store_part(s, centred * factor, d, from, len);
        }
    }
}

#[inline(always)]
fn mean_of_halves<S: Simd>(s: S, low: S::F64, high: S::F64, len: usize) -> S::F32 {
    S::F32::splat(s, ((low + high).sum_lanes() / len as f64) as f32)
}

/// `d_x = inv_std (g - (Σ g + x̂ Σ g x̂) / n)` with `g = d weight`.
#[inline(always)]
fn backward_rows<S: Simd>(s: S, norm: &Norm<'_>, x: &[f32], d: &mut [f32]) {
    let (cols, zero) = (norm.cols, S::F64::splat(s, 0.0));
    for (i, (x, d)) in x.chunks_exact(cols).zip(d.chunks_exact_mut(cols)).enumerate() {
        let (mut sum_low, mut sum_high, mut dot_low, mut dot_high) = (zero, zero, zero, zero);
        for from in (0..cols).step_by(S::F32::LANES) {
            let columns = Columns::new(s, norm, from);
            let (x_hat, _) = columns.normalised(i, x);
            // Past the end the gradient is 0, and so is its product.
            let g = load_part(s, d, from, columns.len) * columns.weight;
            let (low, high) = g.widen();
            (sum_low, sum_high) = (sum_low + low, sum_high + high);
            let (low, high) = (g * x_hat).widen();
            (dot_low, dot_high) = (dot_low + low, dot_high + high);
        }
        let (sum, dot) = (mean_of_halves(s, sum_low, sum_high, cols), mean_of_halves(s, dot_low, dot_high, cols));
        for from in (0..cols).step_by(S::F32::LANES) {
            let columns = Columns::new(s, norm, from);
            let (x_hat, inv_std) = columns.normalised(i, x);
            let g = load_part(s, d, from, columns.len) * columns.weight;
            store_part(s, (g - x_hat.mul_add(dot, sum)) * inv_std, d, from, columns.len);
        }
    }
}
