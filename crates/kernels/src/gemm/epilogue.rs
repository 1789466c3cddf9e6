//! What is applied to a tile of C that was just completed, while its lines are in the L1 cache.

use super::{Arithmetic, Epilogue, MatMut, MatRef};
use crate::activation::{Activation, with_backward, with_forward};
use crate::reduce::add_rows;
use crate::simd::{Float, Simd};

/// One [`Epilogue`](super::Epilogue), as seen from C or, where the product is computed transposed, from its transpose.
#[derive(Clone, Copy)]
pub(crate) enum TileEpilogue<'a, T> {
    None,
    Bias { bias: Bias<'a, T>, activation: Activation },
    Derivative { activation: Activation, kept: MatRef<'a, T> },
}

/// Along which dimension of C the bias runs.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a, T> {
    None,
    OfColumn(&'a [T]),
    OfRow(&'a [T]),
}

impl<'a, T> From<Epilogue<'a, T>> for TileEpilogue<'a, T> {
    #[inline(always)]
    fn from(epilogue: Epilogue<'a, T>) -> Self {
        match epilogue {
            Epilogue::None => TileEpilogue::None,
            Epilogue::Bias { bias, activation } => {
                TileEpilogue::Bias { bias: bias.map_or(Bias::None, Bias::OfColumn), activation }
            }
            Epilogue::Derivative { activation, kept } => TileEpilogue::Derivative { activation, kept },
        }
    }
}

impl<'a, T: Arithmetic> TileEpilogue<'a, T> {
    /// Panics unless it fits a C of m×n.
    #[track_caller]
    #[inline]
    pub(crate) fn check(&self, m: usize, n: usize) {
        match self {
            TileEpilogue::Bias { bias: Bias::OfColumn(bias), .. } => {
                assert!(bias.len() == n, "gemm: a bias of {} values for a C of {m}x{n}", bias.len());
            }
            TileEpilogue::Derivative { kept, .. } => assert!(
                kept.rows() == m && kept.cols() == n,
                "gemm: a derivative from {}x{} values for a C of {m}x{n}",
                kept.rows(),
                kept.cols()
            ),
            _ => {}
        }
    }

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
            TileEpilogue::Derivative { activation, kept } => TileEpilogue::Derivative { activation, kept: kept.t() },
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
            TileEpilogue::Derivative { activation, kept } => TileEpilogue::Derivative {
                activation,
                kept: kept.row_range(row, row + rows).col_range(col, col + cols),
            },
        }
    }

    /// Applies it to the part of C from (row, col) on, whose rows are contiguous, and then adds these to the sums of C's
    /// columns, if there are any.
    #[inline(always)]
    pub(crate) fn apply_to_part<S: Simd>(
        &self,
        s: S,
        row: usize,
        col: usize,
        part: MatMut<'_, T>,
        column_sums: &mut Option<&mut [T]>,
    ) {
        if self.is_some() || column_sums.is_some() {
            let sums = column_sums.as_deref_mut().map(|sums| &mut sums[col..col + part.cols()]);
            self.apply_out_of_line(s, row, col, part, sums);
        }
    }

    /// Whether there is one.
    pub(crate) fn is_some(&self) -> bool {
        !matches!(self, TileEpilogue::None)
    }

    /// A function of its own, so that the loops that call it keep their registers.
    #[inline(never)]
    fn apply_out_of_line<S: Simd>(
        &self,
        s: S,
        row: usize,
        col: usize,
        mut part: MatMut<'_, T>,
        column_sums: Option<&mut [T]>,
    ) {
        let epilogue = self.part(row, col, part.rows(), part.cols());
        s.run(
            #[inline(always)]
            |s| {
                epilogue.apply(s, part.reborrow());
                if let Some(sums) = column_sums {
                    add_rows(s, part.as_ref(), sums);
                }
            },
        );
    }

    /// Applies it to a tile of C whose rows are contiguous.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, mut tile: MatMut<'_, T>) {
        match self {
            TileEpilogue::None => {}
            TileEpilogue::Bias { bias, activation } => match T::mapped(activation) {
                None => with_forward!(activation, T, S, add_bias(s, tile, bias)),
                Some(function) => {
                    if !matches!(bias, Bias::None) {
                        add_bias(
                            s,
                            tile.reborrow(),
                            bias,
                            #[inline(always)]
                            |z| z,
                        );
                    }
                    for_each_run(
                        tile,
                        #[inline(always)]
                        |x| T::map::<S>(function, x),
                    );
                }
            },
            TileEpilogue::Derivative { activation, kept } => with_backward!(activation, T, S, multiply(s, tile, kept)),
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
    for i in 0..tile.rows() {
        for_each_vector(
            s,
            tile.row_mut(i),
            #[inline(always)]
            |x, j, len| {
                let x = match bias {
                    Bias::None => x,
                    Bias::OfRow(bias) => x + T::Vector::<S>::splat(s, bias[i]),
                    Bias::OfColumn(bias) => x + load(s, &bias[j..j + len]),
                };
                activation(x)
            },
        );
    }
}

/// Calls `f` with each row, or with all of them where they follow each other.
#[inline(always)]
fn for_each_run<T: Arithmetic>(mut tile: MatMut<'_, T>, f: impl Fn(&mut [T])) {
    if let Some(all) = tile.as_slice_mut() {
        return f(all);
    }
    for i in 0..tile.rows() {
        f(tile.row_mut(i));
    }
}

/// `d * activation'(z)`, from `d` and what the activation keeps.
#[inline(always)]
fn multiply<S: Simd, T: Arithmetic>(
    s: S,
    mut tile: MatMut<'_, T>,
    kept: MatRef<'_, T>,
    backward: impl Fn(T::Vector<S>, T::Vector<S>) -> T::Vector<S>,
) {
    for i in 0..tile.rows() {
        let row = tile.row_mut(i);
        if kept.col_stride() == 1 {
            let kept = kept.row(i);
            for_each_vector(
                s,
                row,
                #[inline(always)]
                |d, j, len| backward(d, load(s, &kept[j..j + len])),
            );
        } else {
            // Element by element, with the same operations in one lane.
            for (j, d) in row.iter_mut().enumerate() {
                let one_kept = T::Vector::<S>::splat(s, kept.get(i, j));
                backward(T::Vector::<S>::splat(s, *d), one_kept).store_partial(s, std::slice::from_mut(d));
            }
        }
    }
}

/// Replaces each vector of a row by `f` of it, its first column and the number of its lanes. There is one call of `f`, for
/// whole vectors and for what is left, as every activation is compiled into it.
#[inline(always)]
fn for_each_vector<S: Simd, T: Arithmetic>(
    s: S,
    row: &mut [T],
    f: impl Fn(T::Vector<S>, usize, usize) -> T::Vector<S>,
) {
    let lanes = T::Vector::<S>::LANES;
    for (col, part) in (0..).step_by(lanes).zip(row.chunks_mut(lanes)) {
        let y = f(load(s, part), col, part.len());
        if part.len() == lanes { y.store(part) } else { y.store_partial(s, part) }
    }
}

/// A whole vector, or what there is of one.
#[inline(always)]
fn load<S: Simd, T: Arithmetic>(s: S, from: &[T]) -> T::Vector<S> {
    match from.len() == T::Vector::<S>::LANES {
        true => T::Vector::<S>::load(s, from),
        false => T::Vector::<S>::load_partial(s, from),
    }
}
