//! What the losses take beside their numbers, and the checks of it.

use crate::kernel_set::{same_length, whole_rows};

/// What becomes of the losses of the rows. Gradients are of what is returned.
#[derive(Debug, Default)]
pub enum Reduction<'a> {
    /// The mean by weight, `Σ_i s_i L_i / Σ_i s_i v_i`; the weights are explained at [`LossOptions`]. 0 where they are all 0.
    #[default]
    Mean,
    /// `Σ_i s_i L_i`
    Sum,
    /// Each `s_i L_i` goes to this slice; returned is their sum.
    None(&'a mut [f64]),
}

/// Options of a loss: by default the mean over rows that all count the same.
///
/// The loss of row i counts `s_i` times, its sample weight. In it the term of column j counts `w_j` times, its class
/// weight: a class of `softmax_cross_entropy`, an output of the others. [`Reduction::Mean`] divides by `Σ_i s_i v_i`. Here
/// `v_i` is 1 but for `softmax_cross_entropy` with class weights, where it is the weight of the row's target: `w_label`, or
/// `Σ_j w_j t_ij` for probabilities t. So a class weight counts there like that many samples of the class; PyTorch
/// has the same mean for class indices, scikit-learn for samples weighted by their class.
///
/// Weights are finite and not negative. A gradient is infinite where a weight makes it exceed the largest f32.
///
/// ```
/// use kernels::{LossOptions, Reduction, fused};
/// let (y, t) = ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]);
/// let mut d = [0.0; 3];
/// let options = LossOptions { sample_weights: Some(&[3.0, 1.0, 0.0]), ..LossOptions::default() };
/// assert_eq!(fused::mse(1, &y, &t, options, &mut d), (3.0 * 0.5 + 1.0 * 2.0) / 4.0);
/// assert_eq!(d, [0.75, 0.5, 0.0]);
///
/// let mut losses = [0.0; 3];
/// fused::mse(1, &y, &t, Reduction::None(&mut losses).into(), &mut d);
/// assert_eq!((losses, d), ([0.5, 2.0, 4.5], [1.0, 2.0, 3.0]));
/// ```
#[derive(Debug, Default)]
pub struct LossOptions<'a> {
    /// What becomes of the losses of the rows.
    pub reduction: Reduction<'a>,
    /// s, one weight for each row; 1 by default.
    pub sample_weights: Option<&'a [f32]>,
    /// w, one weight for each column; 1 by default.
    pub class_weights: Option<&'a [f32]>,
    /// p, one weight for each column that multiplies the term of the target 1; 1 by default. Only `bce_with_logits` takes
    /// it.
    pub positive_weights: Option<&'a [f32]>,
    /// α in [0, 1), 0 by default: `softmax_cross_entropy` replaces each target probability t of K classes by
    /// `(1 - α) t + α / K`, `bce_with_logits` each target t by `(1 - α) t + α / 2`. The others take none.
    pub label_smoothing: f32,
}

impl<'a> From<Reduction<'a>> for LossOptions<'a> {
    fn from(reduction: Reduction<'a>) -> Self {
        LossOptions { reduction, ..LossOptions::default() }
    }
}

/// What the rows of `softmax_cross_entropy` should have been.
#[derive(Clone, Copy, Debug)]
pub enum ClassTargets<'a> {
    /// The class of each row, counted from 0.
    Indices(&'a [u32]),
    /// A probability for each class of each row, row by row. They need not add up to 1.
    Probabilities(&'a [f32]),
}

/// `v_i` of row i, given the class weights and i.
pub(crate) type TargetWeight<'a> = &'a dyn Fn(&[f32], usize) -> f64;

/// The weights of rows and columns, checked, and where the losses of rows go.
pub(crate) struct Weighting<'a> {
    /// What the sum of all losses is multiplied by.
    pub(crate) scale: f64,
    pub(crate) samples: Option<&'a [f32]>,
    pub(crate) classes: Option<&'a [f32]>,
    pub(crate) row_losses: Option<&'a mut [f64]>,
}

impl<'a> Weighting<'a> {
    /// The parts of `options` that every loss takes. `targets` gives `v_i` of the rows, where it is not 1.
    #[track_caller]
    pub(crate) fn new(
        what: &str,
        (rows, cols): (usize, usize),
        options: LossOptions<'a>,
        target_weight: Option<TargetWeight<'_>>,
    ) -> Self {
        let LossOptions { reduction, sample_weights: samples, class_weights: classes, .. } = options;
        check_weights(what, "sample_weights", samples, ("rows", rows));
        check_weights(what, "class_weights", classes, ("cols", cols));
        let (mean, row_losses) = match reduction {
            Reduction::Mean => (true, None),
            Reduction::Sum => (false, None),
            Reduction::None(losses) => {
                same_length(what, ("rows", rows), ("the losses", losses.len()));
                (false, Some(losses))
            }
        };
        let total: f64 = match (samples, classes.zip(target_weight)) {
            _ if !mean => 1.0,
            (None, None) => rows as f64,
            (samples, by_target) => (0..rows)
                .map(|row| {
                    let sample = samples.map_or(1.0, |samples| f64::from(samples[row]));
                    sample * by_target.map_or(1.0, |(classes, weight)| weight(classes, row))
                })
                .sum(),
        };
        let scale = if total == 0.0 { 1.0 } else { 1.0 / total };
        Weighting { scale, samples, classes, row_losses }
    }

    /// Keeps the losses of the rows from `first` on if they are asked for.
    pub(crate) fn note(&mut self, first: usize, losses: &[f64]) {
        if let Some(rows) = &mut self.row_losses {
            rows[first..first + losses.len()].copy_from_slice(losses);
        }
    }

    /// Whether all weights are 1 and nobody asks for the losses of rows.
    pub(crate) fn is_plain(&self) -> bool {
        self.samples.is_none() && self.classes.is_none() && self.row_losses.is_none()
    }

    /// The weight of a row, without those of its columns.
    pub(crate) fn sample(&self, row: usize) -> f64 {
        self.samples.map_or(1.0, |samples| f64::from(samples[row]))
    }

    /// The weight of a column.
    pub(crate) fn class(&self, column: usize) -> f32 {
        self.classes.map_or(1.0, |classes| classes[column])
    }
}

/// Checks that there is one weight for each of `len`, none of them NaN, infinite or negative.
#[track_caller]
pub(crate) fn check_weights(what: &str, name: &str, weights: Option<&[f32]>, of: (&str, usize)) {
    let Some(weights) = weights else { return };
    same_length(what, of, (name, weights.len()));
    if let Some(at) = weights.iter().position(|weight| !(0.0..f32::INFINITY).contains(weight)) {
        panic!("{what}: {name}[{at}] is {}, must be finite and not negative", weights[at]);
    }
}

#[track_caller]
pub(crate) fn check_smoothing(what: &str, smoothing: f32) {
    assert!((0.0..1.0).contains(&smoothing), "{what}: label_smoothing is {smoothing}, must be from 0 to below 1");
}

/// Panics if an option is set that the loss does not take.
#[track_caller]
pub(crate) fn refuse_positive_weights(what: &str, options: &LossOptions<'_>) {
    let weights = options.positive_weights.map_or(0, <[f32]>::len);
    assert!(options.positive_weights.is_none(), "{what}: takes no positive_weights, {weights} given");
}

/// Panics if an option is set that only losses of classes take.
#[track_caller]
pub(crate) fn refuse_options_of_classes(what: &str, options: &LossOptions<'_>) {
    refuse_positive_weights(what, options);
    let smoothing = options.label_smoothing;
    assert!(smoothing == 0.0, "{what}: takes no label_smoothing, {smoothing} given");
}

/// The number of rows of the two sides of an element-wise loss and of the gradient.
#[track_caller]
pub(crate) fn same_rows(what: &str, cols: usize, x: (&str, usize), y: (&str, usize), d: (&str, usize)) -> usize {
    let rows = whole_rows(what, cols, x.1);
    same_length(what, x, y);
    same_length(what, x, d);
    rows
}
