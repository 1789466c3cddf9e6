//! Views of `ndarray` as matrices, with whatever strides they have.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::{MatMut, MatRef, Shape};
use std::marker::PhantomData;

fn shape(shape: &[usize], strides: &[isize]) -> Shape {
    Shape { rows: shape[0], cols: shape[1], row_stride: strides[0], col_stride: strides[1] }
}

/// Nothing is copied, in whatever order the elements lie.
///
/// ```
/// use kernels::{GemmOptions, MatMut, MatRef, gemm};
/// use ndarray::{Array2, arr2, s};
/// let a = arr2(&[[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
/// // The rows backwards, transposed.
/// let a = a.slice(s![..;-1, ..]).reversed_axes();
/// let mut c = Array2::zeros((2, 2));
/// gemm(1.0, a.view().into(), a.t().into(), 0.0, c.view_mut().into(), &GemmOptions::default());
/// assert_eq!(c, a.dot(&a.t()));
/// ```
impl<'a, T> From<ArrayView2<'a, T>> for MatRef<'a, T> {
    fn from(view: ArrayView2<'a, T>) -> Self {
        // `ndarray` upholds for 'a what `MatRef` needs: every element that shape and strides reach from the first one exists.
        MatRef { ptr: view.as_ptr(), shape: shape(view.shape(), view.strides()), memory: PhantomData }
    }
}

/// Nothing is copied, in whatever order the elements lie.
impl<'a, T> From<ArrayViewMut2<'a, T>> for MatMut<'a, T> {
    fn from(mut view: ArrayViewMut2<'a, T>) -> Self {
        // As above; and no two elements of a view that can be written are the same.
        MatMut { ptr: view.as_mut_ptr(), shape: shape(view.shape(), view.strides()), memory: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use crate::{GemmOptions, MatMut, MatRef, gemm};
    use ndarray::{Array1, Array2, ArrayView2, s};

    /// Products of whole numbers are exact, so any order of summation is right.
    fn check(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) {
        let (m, n) = (a.nrows(), b.ncols());
        let expected = a.dot(&b);
        let mut whole = Array2::from_elem((2 * m, 3 * n), 7.0);
        let c = whole.slice_mut(s![..;-2, 1..;3]);
        gemm(1.0, a.into(), b.into(), 0.0, c.into(), &GemmOptions::default());
        assert_eq!(whole.slice(s![..;-2, 1..;3]), expected);
        let untouched = whole.iter().filter(|&&x| x == 7.0).count();
        assert!(untouched >= 5 * m * n, "{untouched} of {}", 6 * m * n);
    }

    #[test]
    fn every_stride_gives_the_product() {
        let a = Array2::from_shape_fn((24, 20), |(i, j)| ((i * 7 + j * 3) % 11) as f32 - 5.0);
        let b = Array2::from_shape_fn((20, 18), |(i, j)| ((i * 5 + j * 2) % 7) as f32 - 3.0);
        check(a.view(), b.view());
        check(a.slice(s![..;-1, ..]), b.slice(s![.., ..;-1]));
        check(a.slice(s![3..17;2, ..;-1]), b.slice(s![..;-1, 4..9]));
        check(a.slice(s![.., ..18]).reversed_axes(), a.slice(s![..;-1, ..4]));
        let row = Array1::from_shape_fn(20, |i| i as f32);
        check(row.broadcast((5, 20)).unwrap(), b.view());
    }

    #[test]
    fn empty_views_are_matrices_too() {
        let empty = Array2::<f32>::zeros((0, 3));
        let view = MatRef::from(empty.view());
        assert_eq!((view.rows(), view.cols()), (0, 3));
        let mut one = Array2::<f32>::zeros((1, 0));
        assert_eq!(MatMut::from(one.view_mut()).cols(), 0);
    }
}
