//! Loss and gradient in one pass over the logits, softmax and its kin, and the parameter updates.
//!
//! Each row of a batch has a loss; [`LossOptions`] says how they become one number, the cost, whose gradient is written.
//! A batch of no rows costs 0. Losses are summed in f64: those of rows in their order, element-wise ones in chunks of 1,024.
//!
//! Losses and gradients are finite for every finite logit, and NaN where a logit or a target is. A logit of -infinity is a
//! class that cannot be; a row of nothing else, or with infinity, has no softmax: its loss and gradient are NaN.

pub(crate) mod bce;
pub(crate) mod cross_entropy;
mod element_wise;
pub(crate) mod huber;
mod losses;
pub(crate) mod mse;
mod options;
mod rows;
pub(crate) mod sgd;
pub(crate) mod softmax;

pub use options::{ClassTargets, LossOptions, Reduction};

use crate::kernel_set::KernelSet;
pub(crate) use cross_entropy::Logits;
pub(crate) use element_wise::Elements;
pub(crate) use options::Weighting;

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
}

/// [`KernelSet::sgd`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn sgd(params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) {
    KernelSet::best().sgd(params, grads, learning_rate, weight_decay);
}
