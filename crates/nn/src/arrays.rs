//! Arrays of `ndarray` in and out; with the feature `ndarray`.
//!
//! Training, evaluation and predictions take a view as [`Features`](crate::Features) in whatever order its elements lie,
//! transposed, sliced or reversed, and copy only the rows of a batch, when it is their turn; those of a view whose rows lie
//! one after the other are not even copied then, unless their order is shuffled. [`rows`] is for what takes slices, such as
//! targets. To multiply views, [`MatRef`](kernels::MatRef) and [`MatMut`](kernels::MatMut) are made from them by `into()`.
//!
//! ```
//! use ndarray::arr2;
//! use nn::{Model, TrainOptions, Trainer, arrays};
//! # fn main() -> nn::Result<()> {
//! // Features by columns.
//! let x = arr2(&[[0.0f32, 1.0, 2.0, 3.0], [1.0, 0.5, 1.5, 0.0]]);
//! let mut trainer = Trainer::new(Model::softmax_regression(2, 2)?, TrainOptions::default())?;
//! trainer.fit((x.t(), &[0, 0, 1, 1]))?;
//!
//! let model = trainer.into_model();
//! let logits = arrays::from_rows(model.predict(x.t())?, model.outputs())?;
//! assert_eq!(logits.dim(), (4, 2));
//! # Ok(())
//! # }
//! ```

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2};

use crate::check;
use crate::error::Result;

/// The elements of `[rows][cols]`, row by row: borrowed where they lie so, else copied.
pub fn rows<T: Copy>(view: ArrayView2<'_, T>) -> Cow<'_, [T]> {
    match view.to_slice() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(view.iter().copied().collect()),
    }
}

/// An array of rows of `cols` elements, such as predictions; nothing is copied.
///
/// # Errors
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) unless the rows are whole.
pub fn from_rows<T>(values: Vec<T>, cols: usize) -> Result<Array2<T>> {
    let (len, rows) = (values.len(), values.len().checked_div(cols).unwrap_or(0));
    Array2::from_shape_vec((rows, cols), values).map_err(|_| check::mismatch("the rows", &[rows, cols], &[len]))
}
