//! Features where they lie, in any form that a batch can be gathered from.

use std::borrow::Cow;
use std::ops::Range;

use kernels::{ByteScale, KernelSet, MatRef, gather_rows};

use super::Dataset;
use crate::check;
use crate::error::{Error, Result};

/// Rows of features where they lie. Only the rows of a batch are ever copied, when it is their turn.
///
/// ```
/// use nn::{ByteScale, Features, MatRef, Model, TrainOptions, Trainer};
/// # fn main() -> nn::Result<()> {
/// let options = TrainOptions { max_epochs: 3, ..TrainOptions::default() };
/// // Two rows of two features, then the same as pixels and by columns.
/// let rows = [0.5, 1.0, 0.0, 0.25];
/// let pixels = Features::Bytes { bytes: &[2, 4, 0, 1], scale: ByteScale { scale: 0.25, offset: 0.0 } };
/// let by_columns = MatRef::from_row_major(&[0.5, 0.0, 1.0, 0.25], 2, 2).t();
/// let mut losses = Vec::new();
/// for x in [Features::from(&rows), pixels, by_columns.into()] {
///     let mut trainer = Trainer::new(Model::logistic_regression(2)?, options)?;
///     losses.push(trainer.fit((x, &[0, 1]))?.epochs[2].loss);
/// }
/// assert_eq!(losses, [losses[0]; 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Features<'a> {
    /// `[rows][inputs]`, one row after the other.
    Rows(&'a [f32]),
    /// The same in bytes, such as pixels, a quarter as long.
    Bytes {
        /// `[rows][inputs]`, one row after the other.
        bytes: &'a [u8],
        /// What they stand for.
        scale: ByteScale,
    },
    /// `[rows][inputs]` with any strides: columns one after the other, every second row, and so on.
    View(MatRef<'a, f32>),
}

impl<'a> Features<'a> {
    /// How many whole rows of `inputs` features there are.
    pub(crate) fn count(&self, inputs: usize) -> usize {
        match self {
            Features::Rows(slice) => slice.len().checked_div(inputs).unwrap_or(0),
            Features::Bytes { bytes, .. } => bytes.len().checked_div(inputs).unwrap_or(0),
            Features::View(view) => view.rows(),
        }
    }

    /// Some of the rows, of `inputs` features each.
    pub(crate) fn part(self, rows: Range<usize>, inputs: usize) -> Self {
        let elements = rows.start * inputs..rows.end * inputs;
        match self {
            Features::Rows(slice) => Features::Rows(&slice[elements]),
            Features::Bytes { bytes, scale } => Features::Bytes { bytes: &bytes[elements], scale },
            Features::View(view) => Features::View(view.row_range(rows.start, rows.end)),
        }
    }

    /// How many features each of `rows` rows has, at least one.
    pub(crate) fn inputs(&self, rows: usize) -> Result<usize> {
        let len = match self {
            Features::Rows(slice) => slice.len(),
            Features::Bytes { bytes, .. } => bytes.len(),
            Features::View(view) if view.rows() != rows => {
                return Err(check::mismatch("the data", &[rows, view.cols()], &[view.rows(), view.cols()]));
            }
            Features::View(view) => rows * view.cols(),
        };
        match len.checked_div(rows) {
            None | Some(0) => Err(Error::EmptyData),
            Some(inputs) if inputs * rows == len => Ok(inputs),
            Some(inputs) => Err(check::mismatch("the data", &[rows, inputs], &[len])),
        }
    }
}

impl<'a> From<&'a [f32]> for Features<'a> {
    fn from(rows: &'a [f32]) -> Self {
        Features::Rows(rows)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Features<'a> {
    fn from(rows: &'a [f32; N]) -> Self {
        Features::Rows(rows)
    }
}

impl<'a> From<&'a Vec<f32>> for Features<'a> {
    fn from(rows: &'a Vec<f32>) -> Self {
        Features::Rows(rows)
    }
}

impl<'a> From<&'a Cow<'_, [f32]>> for Features<'a> {
    fn from(rows: &'a Cow<'_, [f32]>) -> Self {
        Features::Rows(rows)
    }
}

impl<'a> From<MatRef<'a, f32>> for Features<'a> {
    fn from(view: MatRef<'a, f32>) -> Self {
        Features::View(view)
    }
}

impl<'a> From<&'a Dataset> for Features<'a> {
    fn from(data: &'a Dataset) -> Self {
        data.features()
    }
}

/// Nothing is copied, in whatever order the elements lie.
#[cfg(feature = "ndarray")]
impl<'a> From<ndarray::ArrayView2<'a, f32>> for Features<'a> {
    fn from(view: ndarray::ArrayView2<'a, f32>) -> Self {
        view.to_slice().map_or_else(|| Features::View(view.into()), Features::Rows)
    }
}

/// Features that fit a model: whole rows, at least one, every number finite.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    source: Source<'a>,
    count: usize,
    cols: usize,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Slice(&'a [f32]),
    Bytes(MatRef<'a, u8>, ByteScale),
    View(MatRef<'a, f32>),
}

/// Rows that were gathered, in memory that is kept.
#[derive(Default)]
pub(crate) struct Scratch {
    order: Vec<usize>,
    x: Vec<f32>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(what: &'static str, features: Features<'a>, cols: usize) -> Result<Self> {
        let (source, count) = match features {
            Features::Rows(slice) => {
                let count = check::rows(what, slice, cols, None)?;
                check::finite(what, slice, cols)?;
                (Source::Slice(slice), count)
            }
            Features::Bytes { bytes, scale } => {
                let count = check::rows(what, bytes, cols, None)?;
                check_scale(scale)?;
                (Source::Bytes(MatRef::from_row_major(bytes, count, cols), scale), count)
            }
            Features::View(view) => {
                if view.cols() != cols {
                    return Err(check::mismatch(what, &[view.rows(), cols], &[view.rows(), view.cols()]));
                }
                if view.rows() == 0 || cols == 0 {
                    return Err(Error::EmptyData);
                }
                check_view(what, view)?;
                (Source::View(view), view.rows())
            }
        };
        Ok(Rows { source, count, cols })
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Some of the rows.
    pub(crate) fn part(&self, rows: Range<usize>) -> Rows<'a> {
        let (from, to) = (rows.start, rows.end);
        let source = match self.source {
            Source::Slice(slice) => Source::Slice(&slice[from * self.cols..to * self.cols]),
            Source::Bytes(bytes, scale) => Source::Bytes(bytes.row_range(from, to), scale),
            Source::View(view) => Source::View(view.row_range(from, to)),
        };
        Rows { source, count: rows.len(), cols: self.cols }
    }

    /// All rows, where they are floats that lie one after the other.
    pub(crate) fn as_slice(&self) -> Option<&'a [f32]> {
        match self.source {
            Source::Slice(slice) => Some(slice),
            _ => None,
        }
    }

    /// Writes the rows with the numbers `order` to the start of `to` and returns them.
    pub(crate) fn gather<'t>(&self, kernels: &KernelSet, order: &[usize], to: &'t mut [f32]) -> &'t [f32] {
        let to = &mut to[..order.len() * self.cols];
        match self.source {
            Source::Slice(slice) => gather_rows(MatRef::from_row_major(slice, self.count, self.cols), order, to),
            Source::Bytes(bytes, scale) => kernels.gather_bytes(bytes, order, scale, to),
            Source::View(view) => gather_rows(view, order, to),
        }
        to
    }

    /// Rows `from..to`, where they lie if they lie so, else gathered into `scratch`.
    pub(crate) fn range<'s>(&self, kernels: &KernelSet, from: usize, to: usize, scratch: &'s mut Scratch) -> &'s [f32]
    where
        'a: 's,
    {
        if let Some(slice) = self.as_slice() {
            return &slice[from * self.cols..to * self.cols];
        }
        let Scratch { order, x } = scratch;
        order.clear();
        order.extend(from..to);
        x.resize(order.len() * self.cols, 0.0);
        self.gather(kernels, order, x)
    }

    /// A copy of the rows with the numbers `order`; bytes stay bytes.
    pub(crate) fn select(&self, order: &[usize]) -> OwnedFeatures {
        match self.source {
            Source::Slice(slice) => {
                OwnedFeatures::Floats(select(MatRef::from_row_major(slice, self.count, self.cols), order))
            }
            Source::Bytes(bytes, scale) => OwnedFeatures::Bytes { bytes: select(bytes, order), scale },
            Source::View(view) => OwnedFeatures::Floats(select(view, order)),
        }
    }
}

/// Features of a data set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OwnedFeatures {
    Floats(Vec<f32>),
    Bytes { bytes: Vec<u8>, scale: ByteScale },
}

impl OwnedFeatures {
    pub(crate) fn view(&self) -> Features<'_> {
        match self {
            OwnedFeatures::Floats(floats) => Features::Rows(floats),
            OwnedFeatures::Bytes { bytes, scale } => Features::Bytes { bytes, scale: *scale },
        }
    }
}

fn select<T: Copy + Default + Send + Sync>(from: MatRef<'_, T>, order: &[usize]) -> Vec<T> {
    let mut rows = vec![T::default(); order.len() * from.cols()];
    gather_rows(from, order, &mut rows);
    rows
}

/// An error unless every byte stands for a finite number.
pub(crate) fn check_scale(scale: ByteScale) -> Result<()> {
    // Between its ends a line is finite if they are.
    if scale.value(0).is_finite() && scale.value(255).is_finite() {
        return Ok(());
    }
    Err(Error::InvalidHyperParameter {
        name: "the scale of bytes",
        value: format!("{scale:?}"),
        allowed: "such that every byte stands for a finite number",
    })
}

fn check_view(what: &'static str, view: MatRef<'_, f32>) -> Result<()> {
    for row in 0..view.rows() {
        for column in 0..view.cols() {
            let value = view.get(row, column);
            if !value.is_finite() {
                return Err(Error::NonFiniteInput { what, row, column, value });
            }
        }
    }
    Ok(())
}
