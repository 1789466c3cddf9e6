//! Copies of operands in the order in which the micro-kernel reads them.

use super::MatRef;
use super::scratch::Pod;

/// Distances at which rows fall into the same few sets of an L1 cache, whose ways they then fight for.
const CONFLICT_BYTES: usize = 2048;

/// Whether a tile of A that `uses` tiles of B share is better copied than read as it lies.
pub(crate) fn pays_for_a<T>(a: MatRef<'_, T>, uses: usize) -> bool {
    let stride = if a.col_stride() == 1 { a.row_stride() } else { a.col_stride() };
    uses >= 4 && (stride.unsigned_abs() * size_of::<T>()).is_multiple_of(CONFLICT_BYTES)
}

/// Whether a contiguous block of B that `m` rows of A share is better copied than read as it lies.
pub(crate) fn pays_for_b<T>(b: MatRef<'_, T>, m: usize) -> bool {
    m >= 64 && b.row_stride().unsigned_abs() * size_of::<T>() >= CONFLICT_BYTES
}

/// The distance of the rows of a packed tile of A of depth `k`: an odd number of cache lines.
pub(crate) fn a_row_stride<T>(k: usize) -> usize {
    let line = 64 / size_of::<T>();
    (k.div_ceil(line) | 1) * line
}

/// Packs columns of `b` as panels of `nr` columns, one after the other, each row-major with a row of `nr`, the last
/// one filled up with zeros. `out` holds exactly these panels.
pub(crate) fn pack_b<T: Pod + Default>(b: MatRef<'_, T>, nr: usize, out: &mut [T]) {
    let k = b.rows();
    for (panel, out) in out.chunks_exact_mut((k * nr).max(1)).enumerate() {
        let from = panel * nr;
        let cols = nr.min(b.cols() - from);
        let columns = b.col_range(from, from + cols);
        if cols < nr {
            out.fill(T::default());
        }
        copy_into_rows(columns, nr, out);
    }
}

/// Packs rows of `a`, a tile high, as rows `stride` apart.
pub(crate) fn pack_a_rows<T: Pod>(a: MatRef<'_, T>, stride: usize, out: &mut [T]) {
    copy_into_rows(a, stride, out);
}

/// Packs rows of `a`, a tile high, as columns: element (i, k) at `i + k * rows`.
pub(crate) fn pack_a_columns<T: Pod>(a: MatRef<'_, T>, out: &mut [T]) {
    copy_into_rows(a.t(), a.rows(), out);
}

/// Copies a matrix to row-major memory with rows `stride` apart.
fn copy_into_rows<T: Pod>(from: MatRef<'_, T>, stride: usize, out: &mut [T]) {
    let cols = from.cols();
    if cols == 0 {
        return;
    }
    if from.col_stride() == 1 || cols == 1 {
        for (row, out) in out.chunks_mut(stride).take(from.rows()).enumerate() {
            out[..cols].copy_from_slice(from.row(row));
        }
    } else {
        // A transpose: blocks of 16 by 16 touch each cache line of either side once while it is near.
        for row in (0..from.rows()).step_by(16) {
            for col in (0..cols).step_by(16) {
                for i in row..from.rows().min(row + 16) {
                    for j in col..cols.min(col + 16) {
                        out[i * stride + j] = from.get(i, j);
                    }
                }
            }
        }
    }
}
