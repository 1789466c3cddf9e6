//! Copies between a matrix and dense rows, in either order, by vectors where the elements of one side's rows or columns
//! are neighbours.

use super::band::nr;
use super::micro::opaque;
use super::{Arithmetic, MatMut, MatRef};
use crate::simd::{Float, Simd};
use std::mem::MaybeUninit;

/// Copies all elements of `from` to `to`, of the same shape. Rows of `to` are contiguous, or its columns are and the
/// rows of `from`. A function of its own, so that the loops that call it keep their registers.
#[inline(never)]
pub(crate) fn copy<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, to: MatMut<'_, T>) {
    assert!(from.rows() == to.rows() && from.cols() == to.cols());
    s.run(
        #[inline(always)]
        |s| copy_inlined(s, from, to),
    );
}

#[inline(always)]
fn copy_inlined<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, to: MatMut<'_, T>) {
    if from.has_contiguous_rows() && to.has_contiguous_rows() {
        copy_rows(s, from, to);
    } else if from.t().has_contiguous_rows() && to.has_contiguous_rows() {
        transpose::<S, T>(s, from.t(), to);
    } else if from.has_contiguous_rows() && to.as_ref().t().has_contiguous_rows() {
        transpose::<S, T>(s, from, to.t());
    } else {
        copy_elements(from, to);
    }
}

#[inline(always)]
fn copy_rows<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    let stride = to.row_stride();
    // SAFETY: `to` is borrowed mutably and has the shape of `from`, rows contiguous: panels side by side.
    unsafe { copy_panels(s, from, to.as_mut_ptr(), stride, nr::<S, T>()) };
}

/// Packs contiguous rows of `from` as panels, one after the other, each row-major; `to` holds exactly these. What fills up
/// the last panel is left as it is.
#[inline(never)]
pub(crate) fn rows_to_panels<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, to: &mut [T]) {
    let (rows, nr) = (from.rows(), nr::<S, T>());
    assert!(from.has_contiguous_rows() && to.len() == rows * from.cols().next_multiple_of(nr));
    s.run(
        #[inline(always)]
        // SAFETY: `to` holds these panels, each of as many rows of `nr` elements; the rows of `from` were found contiguous.
        |s| unsafe { copy_panels(s, from, to.as_mut_ptr(), nr as isize, rows * nr) },
    );
}

/// Panels that [`copy_panels`] goes down together: rows far apart are each a page, and few lines of one at a time are not
/// a stream that the hardware sees. 1.4 times as fast as one panel at a time from an L3 cache.
const PANELS_AT_ONCE: usize = 4;

/// Rows ahead of their copy that lines are asked for.
const ROWS_AHEAD: isize = 4;

/// Copies rows of `from`, contiguous, to panels of [`nr`] columns: row i of panel p goes to
/// `to + p panel_stride + i to_stride`.
///
/// # Safety
/// - The rows of `from` must be contiguous. All of that, but for the columns of the last panel that `from` does not have, must be
///   writable and used by nothing else.
#[inline(always)]
unsafe fn copy_panels<S: Simd, T: Arithmetic>(
    s: S,
    from: MatRef<'_, T>,
    to: *mut T,
    to_stride: isize,
    panel_stride: usize,
) {
    let (lanes, nr) = (T::Vector::<S>::LANES, nr::<S, T>());
    let from_stride = from.row_stride();
    let tail = T::Vector::<S>::tail(s, from.cols() % lanes);
    let mut j = 0;
    while j < from.cols() {
        let cols = (from.cols() - j).min(PANELS_AT_ONCE * nr);
        let mut source = from.as_ptr().wrapping_add(j);
        let mut target = to.wrapping_add(j / nr * panel_stride);
        for _ in 0..from.rows() {
            // SAFETY: rows of `from` are contiguous, so `cols` neighbours from `source` on are its; the caller promises
            // where they go.
            unsafe {
                if cols == PANELS_AT_ONCE * nr {
                    for panel in 0..PANELS_AT_ONCE {
                        for v in 0..S::NV {
                            let source = source.add(panel * nr + v * lanes);
                            T::Vector::<S>::prefetch(s, source.wrapping_offset(ROWS_AHEAD * from_stride));
                            let target = target.add(panel * panel_stride + v * lanes);
                            T::Vector::<S>::load_ptr(s, source).store_ptr(target);
                        }
                    }
                } else {
                    let whole = cols / lanes * lanes;
                    let place = |j: usize| j / nr * panel_stride + j % nr;
                    for j in (0..whole).step_by(lanes) {
                        T::Vector::<S>::load_ptr(s, source.add(j)).store_ptr(target.add(place(j)));
                    }
                    // A masked store of nothing takes as long as one of something.
                    if whole < cols {
                        let target = target.add(place(whole));
                        T::Vector::<S>::load_tail(s, source.add(whole), tail).store_tail(target, tail);
                    }
                }
            }
            source = source.wrapping_offset(from_stride);
            target = target.wrapping_offset(to_stride);
        }
        j += cols;
    }
}

fn copy_elements<T: Arithmetic>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    for i in 0..from.rows() {
        for j in 0..from.cols() {
            *to.get_mut(i, j) = from.get(i, j);
        }
    }
}

/// How many blocks ahead of its work [`transpose`] asks for one, past the end of its rows for one of as many rows after them, as
/// the next panel of B is.
const BLOCKS_AHEAD: usize = 2;

/// `to[j][i] = from[i][j]`, rows contiguous on both sides, in blocks of vectors.
#[inline(always)]
fn transpose<S: Simd, T: Arithmetic>(s: S, from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    let lanes = T::Vector::<S>::LANES;
    let (rows, cols) = (from.rows(), from.cols());
    let (from_stride, to_stride) = (from.row_stride(), to.row_stride());
    let to_ptr = to.as_mut_ptr();
    let mut blocks = MaybeUninit::uninit();
    if !rows.is_multiple_of(lanes) {
        let zeros = [T::default(); LANES_MAX * LANES_MAX];
        blocks.write(EdgeBlocks { from: zeros, to: zeros });
    }
    for j in (0..cols).step_by(lanes) {
        let block_cols = lanes.min(cols - j);
        let whole_rows = if block_cols < lanes { rows / lanes * lanes } else { 0 };
        if whole_rows > 0 {
            // SAFETY: columns j.. of `from` have so many rows and more, and rows j.. of `to`, its transpose, as many columns;
            // rows are contiguous on both sides; `to` is borrowed mutably.
            unsafe {
                let (from, to) = (from.as_ptr().add(j), to_ptr.offset(j as isize * to_stride));
                transpose_columns(s, (whole_rows, block_cols), from, from_stride, to, to_stride);
            }
        }
        for i in (whole_rows..rows).step_by(lanes) {
            let block_rows = lanes.min(rows - i);
            // SAFETY: rows i.. and columns j.. of `from` hold a block of that size, and `to`, its transpose, at columns
            // i.. and rows j..; rows are contiguous on both sides; `to` is borrowed mutably; `blocks` was written if some
            // block has fewer rows than a vector has lanes.
            unsafe {
                let from = from.as_ptr().offset(i as isize * from_stride + j as isize);
                let to = to_ptr.offset(j as isize * to_stride + i as isize);
                // Few of a row at a time, blocks are not a stream that the hardware sees.
                let next = from.wrapping_add(BLOCKS_AHEAD * lanes);
                let next = match j + BLOCKS_AHEAD * lanes < cols {
                    true => next,
                    false => {
                        next.wrapping_sub(cols.next_multiple_of(lanes)).wrapping_offset(lanes as isize * from_stride)
                    }
                };
                // As many as a whole block has, by fours that share a pointer: no loop whose end has to be found.
                for group in (0..lanes).step_by(4) {
                    let group = opaque(next.wrapping_offset(group as isize * from_stride));
                    for row in 0..4 {
                        T::Vector::<S>::prefetch(s, group.wrapping_offset(row * from_stride));
                    }
                }
                if block_rows == lanes {
                    T::Vector::<S>::transpose(s, from, from_stride, to, to_stride);
                } else {
                    let shape = (block_rows, block_cols);
                    transpose_edge(s, shape, from, from_stride, to, to_stride, blocks.assume_init_mut());
                }
            }
        }
    }
}

/// Fewer columns than a vector has lanes, of a multiple of as many rows. A function of its own, so that the loop over whole
/// blocks keeps its registers.
///
/// # Safety
/// - Each of the rows from `from` on must have as many readable elements as there are columns, and from `to` on the other
///   way round for writing; the two must not share memory.
#[inline(never)]
unsafe fn transpose_columns<S: Simd, T: Arithmetic>(
    s: S,
    (rows, cols): (usize, usize),
    from: *const T,
    from_stride: isize,
    to: *mut T,
    to_stride: isize,
) {
    s.run(
        #[inline(always)]
        |s| {
            let lanes = T::Vector::<S>::LANES;
            for i in (0..rows).step_by(lanes) {
                // SAFETY: the caller's promise, for LANES rows from i on.
                unsafe {
                    let (from, to) = (from.offset(i as isize * from_stride), to.add(i));
                    T::Vector::<S>::transpose_part(s, cols, from, from_stride, to, to_stride);
                }
            }
        },
    );
}

/// The most lanes of any vector.
const LANES_MAX: usize = 16;

/// Whole blocks of LANES squared, by way of which smaller ones go.
struct EdgeBlocks<T> {
    from: [T; LANES_MAX * LANES_MAX],
    to: [T; LANES_MAX * LANES_MAX],
}

/// A block with fewer rows than a vector has lanes, perhaps also fewer columns. What else is in `blocks` does not matter.
///
/// # Safety
/// - Each of the rows from `from` on must have as many readable elements as there are columns, and from `to` on the other
///   way round for writing; neither number may be above `LANES`, and the two must not share memory.
#[inline(always)]
unsafe fn transpose_edge<S: Simd, T: Arithmetic>(
    s: S,
    (rows, cols): (usize, usize),
    from: *const T,
    from_stride: isize,
    to: *mut T,
    to_stride: isize,
    blocks: &mut EdgeBlocks<T>,
) {
    let lanes = T::Vector::<S>::LANES;
    let (row_tail, col_tail) = (T::Vector::<S>::tail(s, cols), T::Vector::<S>::tail(s, rows));
    for (i, row) in blocks.from.chunks_exact_mut(lanes).take(rows).enumerate() {
        // SAFETY: the caller promises `cols` elements in each of `rows` rows.
        unsafe { T::Vector::<S>::load_tail(s, from.offset(i as isize * from_stride), row_tail) }.store(row);
    }
    let stride = lanes as isize;
    // SAFETY: both arrays hold a block of LANES squared.
    unsafe { T::Vector::<S>::transpose(s, blocks.from.as_ptr(), stride, blocks.to.as_mut_ptr(), stride) };
    for (j, row) in blocks.to.chunks_exact(lanes).take(cols).enumerate() {
        // SAFETY: the caller promises `rows` elements in each of `cols` rows.
        unsafe { T::Vector::<S>::load(s, row).store_tail(to.offset(j as isize * to_stride), col_tail) };
    }
}
