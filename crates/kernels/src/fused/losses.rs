//! The losses and softmax of a [`KernelSet`]: the checks before the kernels.

use super::bce::Targets;
use super::cross_entropy::Logits;
use super::element_wise::Elements;
use super::options::{
    ClassTargets, LossOptions, Weighting, check_smoothing, check_weights, refuse_options_of_classes,
    refuse_positive_weights, same_rows,
};
use super::rows::Rows;
use crate::kernel_set::{KernelSet, same_length, whole_rows};

impl KernelSet {
    /// Softmax of each row of `cols` elements, `e^x_j / Σ_k e^x_k`. An element of -infinity gives 0. A row with a NaN, with
    /// infinity or of nothing but -infinity gives NaN, as it has no softmax.
    ///
    /// # Panics
    /// Unless `x` holds whole rows and `out` as many elements; if `cols` is 0 or above 2^24.
    #[track_caller]
    pub fn softmax(&self, cols: usize, x: &[f32], out: &mut [f32]) {
        rows_of_classes("softmax", cols, x.len());
        same_length("softmax", ("x", x.len()), ("out", out.len()));
        (self.softmax)(cols, Rows::Apart(x, out));
    }

    /// [`softmax`](Self::softmax) in place.
    ///
    /// # Panics
    /// Unless `x` holds whole rows; if `cols` is 0 or above 2^24.
    #[track_caller]
    pub fn softmax_in_place(&self, cols: usize, x: &mut [f32]) {
        rows_of_classes("softmax_in_place", cols, x.len());
        (self.softmax)(cols, Rows::InPlace(x));
    }

    /// The logarithm of the softmax of each row of `cols` elements, `x_j − ln Σ_k e^x_k`. An element of -infinity gives
    /// -infinity. A row with a NaN, with infinity or of nothing but -infinity has a NaN wherever it would not be -infinity.
    ///
    /// # Panics
    /// Unless `x` holds whole rows and `out` as many elements; if `cols` is 0 or above 2^24.
    #[track_caller]
    pub fn log_softmax(&self, cols: usize, x: &[f32], out: &mut [f32]) {
        rows_of_classes("log_softmax", cols, x.len());
        same_length("log_softmax", ("x", x.len()), ("out", out.len()));
        (self.log_softmax)(cols, Rows::Apart(x, out));
    }

    /// [`log_softmax`](Self::log_softmax) in place.
    ///
    /// # Panics
    /// Unless `x` holds whole rows; if `cols` is 0 or above 2^24.
    #[track_caller]
    pub fn log_softmax_in_place(&self, cols: usize, x: &mut [f32]) {
        rows_of_classes("log_softmax_in_place", cols, x.len());
        (self.log_softmax)(cols, Rows::InPlace(x));
    }

    /// `ln Σ_j e^x_j` of each row of `cols` elements: -infinity where all are -infinity, infinity where one is infinity,
    /// NaN where one is NaN.
    ///
    /// # Panics
    /// Unless `x` holds whole rows and `out` one element for each; if `cols` is 0 or above 2^24.
    #[track_caller]
    pub fn logsumexp(&self, cols: usize, x: &[f32], out: &mut [f32]) {
        let rows = rows_of_classes("logsumexp", cols, x.len());
        same_length("logsumexp", ("rows", rows), ("out", out.len()));
        (self.logsumexp)(cols, x, out);
    }

    /// Squared error `L = ½ Σ_j w_j (y_j − t_j)²` for each row of `cols` elements: returns the cost and writes its
    /// gradient. The loss is infinite where `y − t` is in f32.
    ///
    /// # Panics
    /// Unless all slices have the same length, in whole rows; if `cols` is 0; for options that [`LossOptions`] does not
    /// allow.
    #[track_caller]
    pub fn mse(
        &self,
        cols: usize,
        prediction: &[f32],
        target: &[f32],
        options: LossOptions<'_>,
        d_prediction: &mut [f32],
    ) -> f64 {
        let (elements, rows) = elements("mse", cols, prediction, target, d_prediction);
        refuse_options_of_classes("mse", &options);
        let mut weighting = Weighting::new("mse", (rows, cols), options, None);
        (self.mse)(elements, &mut weighting)
    }

    /// Huber's loss for each row of `cols` elements, `L = Σ_j w_j h(y_j − t_j)` with `h(d) = ½ d²` up to `|d| = δ` and
    /// `δ (|d| − ½ δ)` beyond: returns the cost and writes its gradient. The loss is infinite where `y − t` is in f32.
    ///
    /// # Panics
    /// Unless all slices have the same length, in whole rows; if `cols` is 0; unless `delta` is positive and finite; for
    /// options that [`LossOptions`] does not allow.
    #[track_caller]
    pub fn huber(
        &self,
        cols: usize,
        prediction: &[f32],
        target: &[f32],
        delta: f32,
        options: LossOptions<'_>,
        d_prediction: &mut [f32],
    ) -> f64 {
        let (elements, rows) = elements("huber", cols, prediction, target, d_prediction);
        assert!(delta > 0.0 && delta < f32::INFINITY, "huber: delta is {delta}, must be positive and finite");
        refuse_options_of_classes("huber", &options);
        let mut weighting = Weighting::new("huber", (rows, cols), options, None);
        (self.huber)(elements, delta, &mut weighting)
    }

    /// Binary cross-entropy `L = Σ_j w_j ((1 − t_j) ln(1 + e^z_j) + p_j t_j ln(1 + e^−z_j))` for each row of `cols` logits
    /// z and targets t: returns the cost and writes its gradient, without cancellation: that of a target of 1 is
    /// `−w p σ(−z)`.
    ///
    /// # Panics
    /// Unless all slices have the same length, in whole rows; if `cols` is 0; for options that [`LossOptions`] does not
    /// allow.
    #[track_caller]
    pub fn bce_with_logits(
        &self,
        cols: usize,
        logits: &[f32],
        target: &[f32],
        options: LossOptions<'_>,
        d_logits: &mut [f32],
    ) -> f64 {
        const WHAT: &str = "bce_with_logits";
        let rows =
            same_rows(WHAT, cols, ("logits", logits.len()), ("target", target.len()), ("d_logits", d_logits.len()));
        let LossOptions { positive_weights, label_smoothing: smoothing, .. } = options;
        check_weights(WHAT, "positive_weights", positive_weights, ("cols", cols));
        check_smoothing(WHAT, smoothing);
        let mut weighting = Weighting::new(WHAT, (rows, cols), options, None);
        let elements = Elements { cols, x: logits, y: target, d_x: d_logits };
        (self.bce)(elements, &Targets { positive_weights, smoothing }, &mut weighting)
    }

    /// Softmax cross-entropy `L = Σ_j w_j t_j (ln Σ_k e^z_k − z_j)` for each row of `cols` logits z and target
    /// probabilities t, or 1 for the label and 0 else: returns the cost and writes its gradient, which for a row of one
    /// label is `softmax(z) − onehot(label)`, without cancellation. Where `t_j` is 0, `z_j` may be -infinity.
    ///
    /// # Panics
    /// Unless `logits` and `d_logits` have the same length, in whole rows, with a label below `cols` or `cols`
    /// probabilities for each; if `cols` is 0 or above 2^24; for options that [`LossOptions`] does not allow.
    #[track_caller]
    pub fn softmax_cross_entropy(
        &self,
        cols: usize,
        logits: &[f32],
        targets: ClassTargets<'_>,
        options: LossOptions<'_>,
        d_logits: &mut [f32],
    ) -> f64 {
        const WHAT: &str = "softmax_cross_entropy";
        let rows = rows_of_classes(WHAT, cols, logits.len());
        same_length(WHAT, ("logits", logits.len()), ("d_logits", d_logits.len()));
        match targets {
            ClassTargets::Indices(labels) => {
                same_length(WHAT, ("rows", rows), ("labels", labels.len()));
                check_labels(WHAT, labels, cols);
            }
            ClassTargets::Probabilities(t) => same_length(WHAT, ("logits", logits.len()), ("probabilities", t.len())),
        }
        refuse_positive_weights(WHAT, &options);
        let smoothing = options.label_smoothing;
        check_smoothing(WHAT, smoothing);
        let target_weight = |weights: &[f32], row: usize| match targets {
            ClassTargets::Indices(labels) => f64::from(weights[labels[row] as usize]),
            ClassTargets::Probabilities(t) => {
                weights.iter().zip(&t[row * cols..]).map(|(&w, &t)| f64::from(w) * f64::from(t)).sum()
            }
        };
        let mut weighting = Weighting::new(WHAT, (rows, cols), options, Some(&target_weight));
        (self.cross_entropy)(&mut Logits { cols, z: logits, d: d_logits }, targets, smoothing, &mut weighting)
    }
}

/// How many rows there are of as many classes as can be told apart by a f32.
#[track_caller]
fn rows_of_classes(what: &str, cols: usize, len: usize) -> usize {
    assert!(cols <= 1 << 24, "{what}: {cols} columns, at most 2^24");
    whole_rows(what, cols, len)
}

/// Checks that all labels are below `cols`.
#[track_caller]
fn check_labels(what: &str, labels: &[u32], cols: usize) {
    // Without an early exit, so that the compiler makes vectors of it.
    if labels.iter().fold(0, |highest, &label| label.max(highest)) as usize >= cols
        && let Some((row, label)) = labels.iter().enumerate().find(|&(_, &label)| label as usize >= cols)
    {
        panic!("{what}: label {label} of row {row} with {cols} classes");
    }
}

/// The operands of a loss of predictions, and their rows.
#[track_caller]
fn elements<'a>(
    what: &str,
    cols: usize,
    prediction: &'a [f32],
    target: &'a [f32],
    d: &'a mut [f32],
) -> (Elements<'a>, usize) {
    let lengths = (prediction.len(), target.len(), d.len());
    let rows = same_rows(what, cols, ("prediction", lengths.0), ("target", lengths.1), ("d_prediction", lengths.2));
    (Elements { cols, x: prediction, y: target, d_x: d }, rows)
}
