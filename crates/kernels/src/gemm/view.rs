//! Strided views of matrices: the one place where the extent of a matrix is checked against its memory.

#[cfg(feature = "ndarray")]
mod ndarray;

use std::fmt;
use std::marker::PhantomData;

/// A view of a matrix that is only read: any strides, in elements, so negative and zero ones too.
///
/// ```
/// use kernels::MatRef;
/// let data = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let a = MatRef::from_row_major(&data, 2, 3);
/// assert_eq!(a.get(1, 0), 4.0);
/// assert_eq!(a.t().get(0, 1), 4.0);
/// ```
#[derive(Clone, Copy)]
pub struct MatRef<'a, T> {
    ptr: *const T,
    shape: Shape,
    memory: PhantomData<&'a [T]>,
}

/// A view of a matrix that is written: no two of its elements share memory.
pub struct MatMut<'a, T> {
    ptr: *mut T,
    shape: Shape,
    memory: PhantomData<&'a mut [T]>,
}

/// Rows, columns and the distance between neighbours, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: isize,
    pub(crate) col_stride: isize,
}

// SAFETY: a `MatRef` gives no more than a `&[T]` does.
unsafe impl<T: Sync> Send for MatRef<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatRef<'_, T> {}
// SAFETY: a `MatMut` gives no more than a `&mut [T]` does: its elements are its own, also against its splits.
unsafe impl<T: Send> Send for MatMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatMut<'_, T> {}

impl Shape {
    fn transposed(self) -> Shape {
        Shape { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// Rows one after the other in a slice of `len` elements, which has to be filled by them.
    #[track_caller]
    #[inline]
    fn row_major(len: usize, rows: usize, cols: usize) -> Shape {
        assert!(
            rows.checked_mul(cols) == Some(len),
            "a dense {rows}x{cols} matrix needs rows * cols elements, the slice has {len}"
        );
        Shape { rows, cols, row_stride: cols as isize, col_stride: 1 }
    }

    fn is_empty(self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    /// The lowest and highest element reached from the first one, or `None` on overflow. Not for empty shapes.
    fn extent(self) -> Option<(isize, isize)> {
        let reach = |count: usize, stride: isize| isize::try_from(count - 1).ok()?.checked_mul(stride);
        let (down, right) = (reach(self.rows, self.row_stride)?, reach(self.cols, self.col_stride)?);
        Some((down.min(0).checked_add(right.min(0))?, down.max(0).checked_add(right.max(0))?))
    }

    /// Panics unless every element lies in a slice of `len` elements when element (0, 0) lies at `offset`.
    #[track_caller]
    #[inline]
    fn check(self, len: usize, offset: usize) {
        if self.is_empty() {
            return;
        }
        let fits = self.extent().is_some_and(|(lowest, highest)| {
            isize::try_from(offset).is_ok_and(|offset| {
                offset.checked_add(lowest).is_some_and(|first| first >= 0)
                    && offset.checked_add(highest).is_some_and(|last| (last as usize) < len)
            })
        });
        let Shape { rows, cols, row_stride, col_stride } = self;
        assert!(
            fits,
            "a {rows}x{cols} matrix with strides {row_stride}, {col_stride} from element {offset} on does not fit a slice of {len} elements"
        );
    }

    /// Panics unless the elements are provably apart: one stride must step over all that the other reaches.
    #[track_caller]
    fn check_distinct(self) {
        if self.is_empty() {
            return;
        }
        let Shape { rows, cols, row_stride, col_stride } = self;
        let (down, right) = (row_stride.unsigned_abs(), col_stride.unsigned_abs());
        let apart = match (rows > 1, cols > 1) {
            (false, false) => true,
            (true, false) => down > 0,
            (false, true) => right > 0,
            // The extent was checked, so these products cannot overflow.
            (true, true) => (right > 0 && down > (cols - 1) * right) || (down > 0 && right > (rows - 1) * down),
        };
        assert!(
            apart,
            "elements of a writable {rows}x{cols} matrix share memory or interleave with strides {row_stride}, {col_stride}"
        );
    }

    fn offset(self, row: usize, col: usize) -> isize {
        row as isize * self.row_stride + col as isize * self.col_stride
    }

    #[track_caller]
    fn check_index(self, row: usize, col: usize) {
        let Shape { rows, cols, .. } = self;
        assert!(row < rows && col < cols, "element ({row}, {col}) of a {rows}x{cols} matrix");
    }
}

impl<'a, T: Copy> MatRef<'a, T> {
    /// `rows` rows of `cols` elements, one after the other.
    ///
    /// # Panics
    /// Unless `data` has exactly `rows * cols` elements.
    #[track_caller]
    #[inline]
    pub fn from_row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        let shape = Shape::row_major(data.len(), rows, cols);
        MatRef { ptr: data.as_ptr(), shape, memory: PhantomData }
    }

    /// Element (i, j) is `data[offset + i * row_stride + j * col_stride]`.
    ///
    /// # Panics
    /// If an element lies outside `data`.
    #[track_caller]
    pub fn from_strided(
        data: &'a [T],
        offset: usize,
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Self {
        let shape = Shape { rows, cols, row_stride, col_stride };
        shape.check(data.len(), offset);
        MatRef { ptr: data.as_ptr().wrapping_add(offset), shape, memory: PhantomData }
    }

    /// # Safety
    /// - Every element `ptr + i * row_stride + j * col_stride` must be readable, and not written, while the view lives.
    pub unsafe fn from_raw_parts(
        ptr: *const T,
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Self {
        MatRef { ptr, shape: Shape { rows, cols, row_stride, col_stride }, memory: PhantomData }
    }

    /// The same memory seen as the transpose.
    #[must_use]
    #[inline]
    pub fn t(self) -> Self {
        MatRef { shape: self.shape.transposed(), ..self }
    }

    /// One element.
    ///
    /// # Panics
    /// If it is outside the matrix.
    #[track_caller]
    pub fn get(&self, row: usize, col: usize) -> T {
        self.shape.check_index(row, col);
        // SAFETY: the index was checked; the constructor checked that every such element is readable.
        unsafe { *self.ptr.offset(self.shape.offset(row, col)) }
    }

    /// Rows `from..to`.
    ///
    /// # Panics
    /// Unless `from <= to <= rows`.
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn row_range(self, from: usize, to: usize) -> Self {
        check_range(from, to, self.shape.rows);
        let ptr = self.ptr.wrapping_offset(from as isize * self.shape.row_stride);
        MatRef { ptr, shape: Shape { rows: to - from, ..self.shape }, memory: PhantomData }
    }

    /// Columns `from..to`.
    ///
    /// # Panics
    /// Unless `from <= to <= cols`.
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn col_range(self, from: usize, to: usize) -> Self {
        self.t().row_range(from, to).t()
    }

    pub(crate) fn as_ptr(&self) -> *const T {
        self.ptr
    }

    /// Row `row` as a slice, where the elements of a row lie side by side.
    #[track_caller]
    pub(crate) fn row(&self, row: usize) -> &'a [T] {
        assert!(self.has_contiguous_rows());
        if self.shape.cols == 0 {
            return &[];
        }
        self.shape.check_index(row, 0);
        // SAFETY: the row was checked to exist and its elements to be neighbours; the constructor checked that all
        // are readable.
        unsafe { std::slice::from_raw_parts(self.ptr.offset(self.shape.offset(row, 0)), self.shape.cols) }
    }
}

impl<'a, T: Copy> MatMut<'a, T> {
    /// `rows` rows of `cols` elements, one after the other.
    ///
    /// # Panics
    /// Unless `data` has exactly `rows * cols` elements.
    #[track_caller]
    #[inline]
    pub fn from_row_major(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        let shape = Shape::row_major(data.len(), rows, cols);
        MatMut { ptr: data.as_mut_ptr(), shape, memory: PhantomData }
    }

    /// Element (i, j) is `data[offset + i * row_stride + j * col_stride]`.
    ///
    /// # Panics
    /// If an element lies outside `data`, or if two elements may share memory: one stride has to step over all that
    /// the other dimension reaches.
    #[track_caller]
    pub fn from_strided(
        data: &'a mut [T],
        offset: usize,
        rows: usize,
        cols: usize,
        row_stride: isize,
        col_stride: isize,
    ) -> Self {
        let shape = Shape { rows, cols, row_stride, col_stride };
        shape.check(data.len(), offset);
        shape.check_distinct();
        MatMut { ptr: data.as_mut_ptr().wrapping_add(offset), shape, memory: PhantomData }
    }

    /// # Safety
    /// - Every element `ptr + i * row_stride + j * col_stride` must be readable and writable, and used by nothing else
    ///   while the view lives.
    /// - No two elements may share memory.
    pub unsafe fn from_raw_parts(ptr: *mut T, rows: usize, cols: usize, row_stride: isize, col_stride: isize) -> Self {
        MatMut { ptr, shape: Shape { rows, cols, row_stride, col_stride }, memory: PhantomData }
    }

    /// The same memory seen as the transpose.
    #[must_use]
    #[inline]
    pub fn t(self) -> Self {
        MatMut { shape: self.shape.transposed(), ..self }
    }

    /// Becomes [`t`](Self::t).
    pub(crate) fn transpose(&mut self) {
        self.shape = self.shape.transposed();
    }

    /// The same view for a shorter time.
    #[inline]
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { ptr: self.ptr, shape: self.shape, memory: PhantomData }
    }

    /// The same elements, only to be read.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef { ptr: self.ptr, shape: self.shape, memory: PhantomData }
    }

    /// Rows before `at`, and the rest.
    ///
    /// # Panics
    /// If `at > rows`.
    #[track_caller]
    #[inline]
    pub fn split_rows(self, at: usize) -> (Self, Self) {
        check_range(at, self.shape.rows, self.shape.rows);
        let below = self.ptr.wrapping_offset(at as isize * self.shape.row_stride);
        let rest = self.shape.rows - at;
        (
            MatMut { shape: Shape { rows: at, ..self.shape }, ..self },
            MatMut { ptr: below, shape: Shape { rows: rest, ..self.shape }, memory: PhantomData },
        )
    }

    /// Columns before `at`, and the rest.
    ///
    /// # Panics
    /// If `at > cols`.
    #[track_caller]
    #[inline]
    pub fn split_cols(self, at: usize) -> (Self, Self) {
        let (left, right) = self.t().split_rows(at);
        (left.t(), right.t())
    }

    /// The same view once more.
    ///
    /// # Safety
    /// - No element may be used through both, unless only to be read.
    pub(crate) unsafe fn alias(&self) -> MatMut<'_, T> {
        MatMut { ptr: self.ptr, shape: self.shape, memory: PhantomData }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr
    }

    /// Rows `rows` and columns `cols`, for as long as the borrow.
    #[track_caller]
    #[inline]
    pub(crate) fn part(&mut self, row: usize, col: usize, rows: usize, cols: usize) -> MatMut<'_, T> {
        self.reborrow().split_rows(row).1.split_rows(rows).0.split_cols(col).1.split_cols(cols).0
    }

    /// Row `row` as a slice, where the elements of a row lie side by side.
    #[track_caller]
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(self.has_contiguous_rows());
        if self.shape.cols == 0 {
            return &mut [];
        }
        self.shape.check_index(row, 0);
        // SAFETY: the row was checked to exist and its elements to be neighbours; the constructor checked that all
        // are ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.offset(self.shape.offset(row, 0)), self.shape.cols) }
    }

    /// All elements as a slice, where rows lie side by side and follow each other.
    pub(crate) fn as_slice_mut(&mut self) -> Option<&mut [T]> {
        let Shape { rows, cols, row_stride, .. } = self.shape;
        let is_dense = self.has_contiguous_rows() && row_stride == cols as isize && rows > 0;
        // SAFETY: the elements were found to be neighbours; the constructor checked that all are ours alone.
        is_dense.then(|| unsafe { std::slice::from_raw_parts_mut(self.ptr, rows * cols) })
    }

    /// One element.
    ///
    /// # Panics
    /// If it is outside the matrix.
    #[track_caller]
    pub fn get_mut(&mut self, row: usize, col: usize) -> &mut T {
        self.shape.check_index(row, col);
        // SAFETY: the index was checked; the constructor checked that every such element is ours alone.
        unsafe { &mut *self.ptr.offset(self.shape.offset(row, col)) }
    }
}

macro_rules! shape_getters {
    ($($view:ident),*) => {$(
        impl<T> $view<'_, T> {
            /// The number of rows.
            pub fn rows(&self) -> usize {
                self.shape.rows
            }

            /// The number of columns.
            pub fn cols(&self) -> usize {
                self.shape.cols
            }

            /// The distance in elements from one row to the next.
            pub fn row_stride(&self) -> isize {
                self.shape.row_stride
            }

            /// Whether the elements of a row lie side by side.
            pub(crate) fn has_contiguous_rows(&self) -> bool {
                self.shape.col_stride == 1 || self.shape.cols <= 1
            }

            /// The distance in elements from one column to the next.
            pub fn col_stride(&self) -> isize {
                self.shape.col_stride
            }
        }

        impl<T> fmt::Debug for $view<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Shape { rows, cols, row_stride, col_stride } = self.shape;
                write!(f, concat!(stringify!($view), "({}x{}, strides {}, {})"), rows, cols, row_stride, col_stride)
            }
        }
    )*};
}
shape_getters!(MatRef, MatMut);

#[track_caller]
#[inline]
fn check_range(from: usize, to: usize, len: usize) {
    if !(from <= to && to <= len) {
        out_of_range(from, to, len);
    }
}

/// Apart, as the message would have the numbers in memory before each check.
#[track_caller]
#[cold]
#[inline(never)]
fn out_of_range(from: usize, to: usize, len: usize) -> ! {
    panic!("range {from}..{to} of {len} rows or columns");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_elements_are_where_the_strides_say() {
        let data: Vec<f32> = (0..24).map(|i| i as f32).collect();
        // Rows backwards, every second column.
        let view = MatRef::from_strided(&data, 18, 4, 3, -6, 2);
        assert_eq!(view.get(0, 0), 18.0);
        assert_eq!(view.get(3, 2), 4.0);
        assert_eq!(view.row_range(1, 3).col_range(1, 3).get(1, 0), 8.0);
        let repeated = MatRef::from_strided(&data, 5, 100, 100, 0, 0);
        assert_eq!(repeated.get(99, 99), 5.0);
    }

    #[test]
    fn elements_outside_the_slice_are_refused() {
        let data = [0.0f32; 10];
        let refused = |offset, rows, cols, rs, cs| {
            std::panic::catch_unwind(|| MatRef::from_strided(&data, offset, rows, cols, rs, cs)).is_err()
        };
        assert!(refused(0, 2, 6, 5, 1));
        assert!(refused(0, 2, 2, -1, 1));
        assert!(refused(4, 3, 1, -3, 1));
        assert!(refused(0, 2, 2, isize::MAX, 1));
        assert!(refused(usize::MAX, 1, 1, 0, 0));
        assert!(refused(0, usize::MAX, 2, 1, 0));
        assert!(!refused(6, 3, 1, -3, 1));
        assert!(!refused(99, 0, 5, 5, 1), "an empty matrix has no elements to be outside");
    }

    #[test]
    fn writable_elements_that_share_memory_are_refused() {
        let refused = |rows, cols, rs, cs| {
            std::panic::catch_unwind(move || {
                MatMut::from_strided(&mut [0.0f32; 100], 0, rows, cols, rs, cs).rows();
            })
            .is_err()
        };
        assert!(refused(2, 2, 0, 1));
        assert!(refused(2, 2, 1, 1));
        assert!(refused(3, 5, 4, 1));
        assert!(!refused(3, 4, 4, 1));
        assert!(!refused(3, 4, 1, 3));
        assert!(!refused(1, 5, 0, 1));
    }
}
