//! What is applied to a tile of C that was just completed, while its lines are in the L1 cache.

use super::{Arithmetic, MatMut, MatRef};
use crate::activation::{Activation, relu_backward, sigmoid_backward, tanh_backward};
use crate::math::relu::relu;
use crate::simd::{Float, Simd};

/// One [`Epilogue`](super::Epilogue), as seen from C or, where the product is computed transposed, from its transpose.
#[derive(Clone, Copy)]
pub(crate) enum TileEpilogue<'a, T> {
    None,
    Bias { bias: Bias<'a, T>, activation: Activation },
    Derivative { activation: Activation, output: MatRef<'a, T> },
}

/// Along which dimension of C the bias runs.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a, T> {
    None,
    OfColumn(&'a [T]),
    OfRow(&'a [T]),
}

impl<'a, T: Arithmetic> TileEpilogue<'a, T> {
    pub(crate) fn transposed(self) -> Self {
        match self {
            TileEpilogue::None => TileEpilogue::None,
            TileEpilogue::Bias { bias, activation } => {
                let bias = match bias {
                    Bias::None => Bias::None,
                    Bias::OfColumn(bias) => Bias::OfRow(bias),
                    Bias::OfRow(bias) => Bias::OfColumn(bias),
                };
                TileEpilogue::Bias { bias, activation }
            }
            TileEpilogue::Derivative { activation, output } => {
                TileEpilogue::Derivative { activation, output: output.t() }
            }
        }
    }

    /// For rows and columns of C from (row, col) on, `rows` by `cols` of them.
    pub(crate) fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        match self {
            TileEpilogue::None => TileEpilogue::None,
            TileEpilogue::Bias { bias, activation } => {
                let bias = match bias {
                    Bias::None => Bias::None,
                    Bias::OfColumn(bias) => Bias::OfColumn(&bias[col..col + cols]),
                    Bias::OfRow(bias) => Bias::OfRow(&bias[row..row + rows]),
                };
                TileEpilogue::Bias { bias, activation }
            }
            TileEpilogue::Derivative { activation, output } => TileEpilogue::Derivative {
                activation,
                output: output.row_range(row, row + rows).col_range(col, col + cols),
            },
        }
    }

    /// Applies it to a tile of C whose rows are contiguous.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, tile: MatMut<'_, T>) {
        match self {
            TileEpilogue::None => {}
            TileEpilogue::Bias { bias, activation } => match activation {
                Activation::Identity => add_bias(
                    s,
                    tile,
                    bias,
                    #[inline(always)]
                    |x| x,
                ),
                Activation::Relu => add_bias(
                    s,
                    tile,
                    bias,
                    #[inline(always)]
                    |x| relu(x),
                ),
                Activation::Sigmoid => add_bias(
                    s,
                    tile,
                    bias,
                    #[inline(always)]
                    |x| T::sigmoid::<S>(x),
                ),
                Activation::Tanh => add_bias(
                    s,
                    tile,
                    bias,
                    #[inline(always)]
                    |x| T::tanh::<S>(x),
                ),
            },
            TileEpilogue::Derivative { activation, output } => match activation {
                Activation::Identity => {}
                Activation::Relu => multiply(
                    s,
                    tile,
                    output,
                    #[inline(always)]
                    |d, y| relu_backward(d, y),
                ),
                Activation::Sigmoid => multiply(
                    s,
                    tile,
                    output,
                    #[inline(always)]
                    |d, y| sigmoid_backward(d, y),
                ),
                Activation::Tanh => multiply(
                    s,
                    tile,
                    output,
                    #[inline(always)]
                    |d, y| tanh_backward(d, y),
                ),
            },
        }
    }
}

#[inline(always)]
fn add_bias<S: Simd, T: Arithmetic>(
    s: S,
    mut tile: MatMut<'_, T>,
    bias: Bias<'_, T>,
    activation: impl Fn(T::Vector<S>) -> T::Vector<S>,
) {
    let lanes = T::Vector::<S>::LANES;
    for i in 0..tile.rows() {
        let row = tile.row_mut(i);
        match bias {
            Bias::None => for_each_vector(
                s,
                row,
                #[inline(always)]
                |x, _, _| activation(x),
            ),
            Bias::OfRow(bias) => {
                let bias = T::Vector::<S>::splat(s, bias[i]);
                for_each_vector(
                    s,
                    row,
                    #[inline(always)]
                    |x, _, _| activation(x + bias),
                );
            }
            Bias::OfColumn(bias) => for_each_vector(
                s,
                row,
                #[inline(always)]
                |x, j, len| {
                    let bias = if len == lanes {
                        T::Vector::<S>::load(s, &bias[j..])
                    } else {
                        T::Vector::<S>::load_partial(s, &bias[j..j + len])
                    };
                    activation(x + bias)
                },
            ),
        }
    }
}

/// `d * activation'(z)`, from `d` and `y = activation(z)`.
#[inline(always)]
fn multiply<S: Simd, T: Arithmetic>(
    s: S,
    mut tile: MatMut<'_, T>,
    output: MatRef<'_, T>,
    backward: impl Fn(T::Vector<S>, T::Vector<S>) -> T::Vector<S>,
) {
    for i in 0..tile.rows() {
        let row = tile.row_mut(i);
        if output.col_stride() == 1 {
            let output = output.row(i);
            for_each_vector(
                s,
                row,
                #[inline(always)]
                |d, j, len| backward(d, T::Vector::<S>::load_partial(s, &output[j..j + len])),
            );
        } else {
            // Element by element, with the same operations in one lane.
            for (j, d) in row.iter_mut().enumerate() {
                let y = T::Vector::<S>::splat(s, output.get(i, j));
                backward(T::Vector::<S>::splat(s, *d), y).store_partial(s, std::slice::from_mut(d));
            }
        }
    }
}

/// Replaces each vector of a row by `f` of it, its first column and the number of its lanes.
#[inline(always)]
fn for_each_vector<S: Simd, T: Arithmetic>(
    s: S,
    row: &mut [T],
    f: impl Fn(T::Vector<S>, usize, usize) -> T::Vector<S>,
) {
    let lanes = T::Vector::<S>::LANES;
    let mut whole = row.chunks_exact_mut(lanes);
    let mut col = 0;
    for part in &mut whole {
        f(T::Vector::<S>::load(s, part), col, lanes).store(part);
        col += lanes;
    }
    let rest = whole.into_remainder();
    if !rest.is_empty() {
        f(T::Vector::<S>::load_partial(s, rest), col, rest.len()).store_partial(s, rest);
    }
}
