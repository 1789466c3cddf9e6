//! Loss and gradient in one pass over the logits, softmax and its kin, and the parameter updates.
//!
//! Each row of a batch has a loss; [`LossOptions`] says how they become one number, the cost, whose gradient is written.
//! A batch of no rows costs 0. Losses are summed in f64: element-wise ones in chunks of 1,024, those of softmax in 16
//! lanes, row i in lane i mod 16, by the tree of [`reduce`](crate::reduce).
//!
//! Losses and gradients are finite for every finite logit, and NaN where a logit or a target is. A logit of -infinity is a
//! class that cannot be; a row of nothing else, or with infinity, has no softmax: its loss and gradient are NaN.
//!
//! For targets of 0 and 1, and for labels, losses and gradients are right to 3 units in the last place of an f32: over all
//! logits for one output and for two classes (2.2 were found), for more classes over random ones.

pub(crate) mod adagrad;
pub(crate) mod adam;
pub(crate) mod bce;
pub(crate) mod cross_entropy;
pub(crate) mod dense;
mod element_wise;
pub(crate) mod huber;
pub(crate) mod logistic;
mod losses;
pub(crate) mod mse;
pub(crate) mod norm;
mod options;
pub(crate) mod rank_one;
pub(crate) mod rmsprop;
mod rows;
pub(crate) mod sgd;
pub(crate) mod softmax;
pub(crate) mod update;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use dense::{DenseLayer, DenseNet};
pub use logistic::{Descent, Examples, LogisticModel, LogisticSums};
pub use norm::{Axis, Moments, Norm};
pub use options::{ClassTargets, LossOptions, Reduction};
pub use rank_one::RankOne;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use crate::kernel_set::KernelSet;
pub(crate) use cross_entropy::Logits;
pub(crate) use element_wise::Elements;
pub(crate) use options::Weighting;
pub(crate) use rows::Rows;

/// Functions that call a method of the same name.
macro_rules! on_the_best_isa {
    ($($(#[$attribute:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        #[doc = concat!("[`KernelSet::", stringify!($name), "`] on the best instruction set of this CPU.")]
        ///
        $(#[$attribute])*
        /// # Panics
        /// As it does.
        #[track_caller]
        pub fn $name($($arg: $type),*) $(-> $result)? {
            KernelSet::best().$name($($arg),*)
        }
    )*};
}

on_the_best_isa! {
    fn softmax(cols: usize, x: &[f32], out: &mut [f32]);
    fn softmax_in_place(cols: usize, x: &mut [f32]);
    fn log_softmax(cols: usize, x: &[f32], out: &mut [f32]);
    fn log_softmax_in_place(cols: usize, x: &mut [f32]);
    fn logsumexp(cols: usize, x: &[f32], out: &mut [f32]);
    fn mse(cols: usize, prediction: &[f32], target: &[f32], options: LossOptions<'_>, d_prediction: &mut [f32]) -> f64;
    fn huber(
        cols: usize, prediction: &[f32], target: &[f32], delta: f32, options: LossOptions<'_>, d_prediction: &mut [f32]
    ) -> f64;
    fn bce_with_logits(
        cols: usize, logits: &[f32], target: &[f32], options: LossOptions<'_>, d_logits: &mut [f32]
    ) -> f64;
    /// ```
    /// use kernels::{ClassTargets, LossOptions, fused};
    /// let mut d_logits = [0.0; 2];
    /// let targets = ClassTargets::Indices(&[1]);
    /// let cost = fused::softmax_cross_entropy(2, &[0.0, 0.0], targets, LossOptions::default(), &mut d_logits);
    /// assert!((cost - 2f64.ln()).abs() < 1e-7);
    /// assert_eq!(d_logits, [0.5, -0.5]);
    /// ```
    ///
    fn softmax_cross_entropy(
        cols: usize, logits: &[f32], targets: ClassTargets<'_>, options: LossOptions<'_>, d_logits: &mut [f32]
    ) -> f64;
    fn sgd(params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) -> bool;
    fn sgd_momentum(params: &mut [f32], grads: &[f32], velocity: &mut [f32], options: &Sgd) -> bool;
    /// ```
    /// use kernels::fused::{Adam, adam};
    /// let (mut params, mut mean, mut mean_square) = ([1.0f32; 2], [0.0; 2], [0.0; 2]);
    /// adam(&mut params, &[0.5, -200.0], [&mut mean, &mut mean_square], 1, &Adam::default());
    /// // The first step is the learning rate, whatever the size of the gradient.
    /// assert_eq!(params, [0.999, 1.001]);
    /// ```
    ///
    fn adam(params: &mut [f32], grads: &[f32], moments: [&mut [f32]; 2], step: u64, options: &Adam) -> bool;
    fn rmsprop(
        params: &mut [f32], grads: &[f32], mean_square: &mut [f32], velocity: &mut [f32], options: &RmsProp
    ) -> bool;
    fn adagrad(params: &mut [f32], grads: &[f32], sum_squares: &mut [f32], step: u64, options: &Adagrad) -> bool;
}
