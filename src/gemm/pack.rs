//! Copies of operands in the order in which the micro-kernel reads them.

use super::copy::copy;
use super::{Arithmetic, MatMut, MatRef};
use crate::simd::Simd;

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
#[inline(always)]
pub(crate) fn pack_b<S: Simd, T: Arithmetic>(s: S, b: MatRef<'_, T>, nr: usize, out: &mut [T]) {
    let k = b.rows();
    for (panel, out) in out.chunks_exact_mut((k * nr).max(1)).enumerate() {
        let from = panel * nr;
        let cols = nr.min(b.cols() - from);
        if cols < nr {
            out.fill(T::default());
        }
        let out = MatMut::from_row_major(out, k, nr).split_cols(cols).0;
        copy(s, b.col_range(from, from + cols), out);
    }
}
