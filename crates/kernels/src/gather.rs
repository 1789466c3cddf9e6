//! Rows copied from all over a data set to lie side by side.

use crate::gemm::MatRef;
use crate::kernel_set::KernelSet;
use crate::simd::{Float, Float32, Simd};
use crate::threads;
use std::ops::Range;

/// Multiply-adds that take as long as copying an element of four bytes from beyond the caches.
const WORK_PER_ELEMENT: usize = 16;
/// The same for an element of a byte, a quarter of the way to copy.
const WORK_PER_BYTE: usize = WORK_PER_ELEMENT / 4;

/// How bytes stand for numbers: `byte * scale + offset`, rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteScale {
    /// What a step of one is worth.
    pub scale: f32,
    /// What 0 stands for.
    pub offset: f32,
}

/// As they are.
impl Default for ByteScale {
    fn default() -> Self {
        ByteScale { scale: 1.0, offset: 0.0 }
    }
}

impl ByteScale {
    /// The number that a byte stands for.
    pub fn value(&self, byte: u8) -> f32 {
        f32::from(byte).mul_add(self.scale, self.offset)
    }
}

/// Copies the rows `rows` of `from`, a view of any strides, to `to`, one after the other. Like products, a large batch is
/// shared among the threads of the current pool.
///
/// ```
/// use kernels::{MatRef, gather_rows};
/// let data = [0, 1, 10, 11, 20, 21];
/// let mut batch = [0; 4];
/// gather_rows(MatRef::from_row_major(&data, 3, 2), &[2, 0], &mut batch);
/// assert_eq!(batch, [20, 21, 0, 1]);
/// gather_rows(MatRef::from_row_major(&data, 2, 3).t(), &[2, 0], &mut batch);
/// assert_eq!(batch, [10, 21, 0, 11]);
/// ```
///
/// # Panics
/// If a row is not in `from`, or unless `to` has as many elements as the rows.
#[track_caller]
pub fn gather_rows<T: Copy + Send + Sync>(from: MatRef<'_, T>, rows: &[usize], to: &mut [T]) {
    check("gather_rows", &from, rows, to.len());
    let cols = from.cols();
    threads::fork_rows(WORK_PER_ELEMENT * cols, rows.len(), to, &|band: Range<usize>, to: &mut [T]| {
        // To ask for the next row in advance gains 6 %, half a percent of a step.
        for (&row, to) in rows[band].iter().zip(to.chunks_exact_mut(cols.max(1))) {
            if from.has_contiguous_rows() {
                to.copy_from_slice(from.row(row));
            } else {
                to.iter_mut().enumerate().for_each(|(col, to)| *to = from.get(row, col));
            }
        }
    });
}

/// [`KernelSet::gather_bytes`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn gather_bytes(from: MatRef<'_, u8>, rows: &[usize], scale: ByteScale, to: &mut [f32]) {
    KernelSet::best().gather_bytes(from, rows, scale, to);
}

impl KernelSet {
    /// Writes what the rows `rows` of `from`, a view of any strides, stand for to `to`, one after the other. Like products,
    /// a large batch is shared among the threads of the current pool.
    ///
    /// ```
    /// use kernels::{ByteScale, KernelSet, MatRef};
    /// let pixels = [0, 64, 128, 255];
    /// let mut batch = [0.0; 2];
    /// let scale = ByteScale { scale: 1.0 / 128.0, offset: -1.0 };
    /// KernelSet::best().gather_bytes(MatRef::from_row_major(&pixels, 2, 2), &[1], scale, &mut batch);
    /// assert_eq!(batch, [0.0, 0.992_187_5]);
    /// ```
    ///
    /// # Panics
    /// If a row is not in `from`, or unless `to` has as many elements as the rows.
    #[track_caller]
    pub fn gather_bytes(&self, from: MatRef<'_, u8>, rows: &[usize], scale: ByteScale, to: &mut [f32]) {
        check("gather_bytes", &from, rows, to.len());
        threads::fork_rows(WORK_PER_BYTE * from.cols(), rows.len(), to, &|band: Range<usize>, to: &mut [f32]| {
            (self.gather_bytes)(from, &rows[band], scale, to);
        });
    }
}

/// The rows `rows` of `from`, which were checked to exist.
#[inline(always)]
pub(crate) fn gather<S: Simd>(s: S, from: MatRef<'_, u8>, rows: &[usize], scale: ByteScale, to: &mut [f32]) {
    for (&row, to) in rows.iter().zip(to.chunks_exact_mut(from.cols().max(1))) {
        if from.has_contiguous_rows() {
            convert(s, from.row(row), scale, to);
        } else {
            to.iter_mut().enumerate().for_each(
                #[inline(always)]
                |(col, to)| *to = scale.value(from.get(row, col)),
            );
        }
    }
}

#[inline(always)]
fn convert<S: Simd>(s: S, from: &[u8], ByteScale { scale, offset }: ByteScale, to: &mut [f32]) {
    let (scale, offset) = (S::F32::splat(s, scale), S::F32::splat(s, offset));
    let (chunks, rest) = from.as_chunks::<16>();
    let (to_chunks, to_rest) = to.as_chunks_mut::<16>();
    for (bytes, to) in chunks.iter().zip(to_chunks) {
        S::F32::from_bytes(s, bytes).mul_add(scale, offset).store(to);
    }
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    S::F32::from_bytes(s, &last).mul_add(scale, offset).store_partial(s, to_rest);
}

#[track_caller]
fn check<T>(name: &str, from: &MatRef<'_, T>, rows: &[usize], len: usize) {
    let (count, cols) = (rows.len(), from.cols());
    assert!(Some(len) == count.checked_mul(cols), "{name}: {count} rows of {cols} elements into {len}");
    if let Some(&last) = rows.iter().max() {
        assert!(last < from.rows(), "{name}: row {last} of {}", from.rows());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreadPool;
    use crate::testing::for_each_isa;

    /// Rows one after the other, apart, backwards with every second column, and transposed.
    fn views<T: Copy>(data: &[T]) -> [MatRef<'_, T>; 4] {
        [
            MatRef::from_row_major(&data[..4900], 100, 49),
            MatRef::from_strided(data, 3, 90, 49, 51, 1),
            MatRef::from_strided(data, 4900, 90, 23, -50, 2),
            MatRef::from_strided(data, 0, 90, 50, 1, 90),
        ]
    }

    fn expected<T: Copy, U>(from: MatRef<'_, T>, rows: &[usize], value: impl Fn(T) -> U) -> Vec<U> {
        rows.iter()
            .flat_map(|&row| (0..from.cols()).map(move |col| (row, col)))
            .map(|(i, j)| value(from.get(i, j)))
            .collect()
    }

    #[test]
    fn rows_are_copied_in_their_order_by_any_number_of_threads() {
        let data: Vec<u32> = (0..5000).collect();
        let rows: Vec<usize> = (0..50).map(|i| i * 37 % 90).collect();
        for from in views(&data) {
            let expected = expected(from, &rows, |x| x);
            for threads in [1, 2, 3, 8] {
                let pool = ThreadPool::with_work_per_thread(threads, 1).unwrap();
                let mut actual = vec![0; expected.len()];
                pool.install(|| gather_rows(from, &rows, &mut actual));
                assert_eq!(actual, expected, "{from:?}, {threads} threads");
            }
        }
        gather_rows::<u32>(MatRef::from_row_major(&data[..70], 10, 7), &[], &mut []);
        gather_rows::<u32>(MatRef::from_row_major(&[], 3, 0), &[1, 2], &mut []);
    }

    #[test]
    fn bytes_become_what_they_stand_for_on_every_isa_by_any_number_of_threads() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i * 89 % 256) as u8).collect();
        let rows: Vec<usize> = (0..50).map(|i| i * 37 % 90).collect();
        let scales = [(1.0, 0.0), (1.0 / 255.0, 0.0), (0.3, -38.1), (-1e30, 1e32)];
        for_each_isa(|set| {
            for (from, (scale, offset)) in views(&data).into_iter().flat_map(|from| scales.map(|scale| (from, scale))) {
                let expected = expected(from, &rows, |byte| (f32::from(byte)).mul_add(scale, offset).to_bits());
                for threads in [1, 2, 3, 8] {
                    let pool = ThreadPool::with_work_per_thread(threads, 1).unwrap();
                    let mut actual = vec![f32::NAN; expected.len()];
                    pool.install(|| set.gather_bytes(from, &rows, ByteScale { scale, offset }, &mut actual));
                    let actual: Vec<u32> = actual.into_iter().map(f32::to_bits).collect();
                    assert!(actual == expected, "{from:?}, {scale}, {offset}, {threads} threads on {}", set.isa());
                }
            }
        });
    }

    /// Every byte in every lane, and every length of a row.
    #[test]
    fn every_byte_is_exact() {
        for_each_isa(|set| {
            for cols in 0..=272 {
                let data: Vec<u8> = (0..cols + 16).map(|i| (i % 256) as u8).collect();
                for first in 0..16 {
                    let mut to = vec![f32::NAN; cols];
                    let from = MatRef::from_row_major(&data[first..][..cols], 1, cols);
                    set.gather_bytes(from, &[0], ByteScale::default(), &mut to);
                    let right = to.iter().zip(&data[first..]).all(|(&to, &byte)| to == f32::from(byte));
                    assert!(right, "{cols} from {first} on {}: {to:?}", set.isa());
                }
            }
        });
    }

    #[test]
    #[should_panic(expected = "gather_rows: row 2 of 2")]
    fn a_row_beyond_the_data_is_refused() {
        gather_rows(MatRef::from_row_major(&[0; 6], 2, 3), &[0, 2], &mut [0; 6]);
    }

    #[test]
    #[should_panic(expected = "gather_bytes: row 2 of 2")]
    fn a_row_beyond_the_bytes_is_refused() {
        gather_bytes(MatRef::from_row_major(&[0; 6], 2, 3), &[0, 2], ByteScale::default(), &mut [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "gather_rows: 2 rows of 3 elements into 5")]
    fn a_batch_of_another_size_is_refused() {
        gather_rows(MatRef::from_row_major(&[0; 6], 2, 3), &[0, 1], &mut [0; 5]);
    }
}
