//! Copies between a matrix and dense rows, in either order, by vectors where the elements of one side's rows or columns
//! are neighbours.

use super::{Arithmetic, MatMut, MatRef};
use crate::simd::{Float, Simd};

/// Copies all elements of `from` to `to`, of the same shape. Rows of `to` are contiguous, or its columns are and the
/// rows of `from`.
#[inline(always)]
pub(crate) fn copy<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, to: MatMut<'_, T>) {
    assert!(from.rows() == to.rows() && from.cols() == to.cols());
    if from.has_contiguous_rows() && to.has_contiguous_rows() {
        copy_rows(from, to);
    } else if from.t().has_contiguous_rows() && to.has_contiguous_rows() {
        transpose::<S, T>(s, from.t(), to);
    } else if from.has_contiguous_rows() && to.as_ref().t().has_contiguous_rows() {
        transpose::<S, T>(s, from, to.t());
    } else {
        copy_elements(from, to);
    }
}

fn copy_rows<T: Arithmetic>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    for i in 0..from.rows() {
        to.row_mut(i).copy_from_slice(from.row(i));
    }
}

fn copy_elements<T: Arithmetic>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    for i in 0..from.rows() {
        for j in 0..from.cols() {
            *to.get_mut(i, j) = from.get(i, j);
        }
    }
}

/// `to[j][i] = from[i][j]`, rows contiguous on both sides: in blocks of vectors, the edges element by element.
#[inline(always)]
fn transpose<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    let lanes = T::Vector::<S>::LANES;
    let (rows, cols) = (from.rows(), from.cols());
    let (whole_rows, whole_cols) = (rows / lanes * lanes, cols / lanes * lanes);
    let (from_stride, to_stride) = (from.row_stride(), to.row_stride());
    let to_ptr = to.as_mut_ptr();
    for j in (0..whole_cols).step_by(lanes) {
        for i in (0..whole_rows).step_by(lanes) {
            // SAFETY: rows i.. and columns j.. of `from` hold a block of LANES squared, and `to`, its transpose, at
            // columns i.. and rows j..; rows are contiguous on both sides; `to` is borrowed mutably.
            unsafe {
                let from = from.as_ptr().offset(i as isize * from_stride + j as isize);
                let to = to_ptr.offset(j as isize * to_stride + i as isize);
                T::Vector::<S>::transpose(s, from, from_stride, to, to_stride);
            }
        }
    }
    let mut rest = |from: MatRef<'_, T>, row: usize, col: usize| {
        copy_elements(from.t(), to.part(row, col, from.cols(), from.rows()));
    };
    rest(from.row_range(whole_rows, rows), 0, whole_rows);
    rest(from.row_range(0, whole_rows).col_range(whole_cols, cols), whole_cols, 0);
}
