//! Copies of operands in the order in which the micro-kernel reads them.

use super::band::{self, is_shallow};
use super::copy::{self, copy};
use super::{Arithmetic, MatMut, MatRef, blocking};
use crate::simd::{Float, Simd};

/// Distances at which rows fall into the same few sets of an L1 cache, whose ways they then fight for.
const CONFLICT_BYTES: usize = 2048;

/// A tile whose columns are apart is read from as many pages as they span, for each tile of B that it meets: if these are
/// more than this together, copying it costs less, where the CPU computes fast enough to wait for them
/// ([`Simd::PACKS_SCATTERED_A`]): 17 % for 784x512x256, 10 % for 784x256x128, 2 % for 784x64x256, and it would be 2 % more for
/// 784x128x64.
const SCATTERED_BYTES: usize = 1 << 20;

/// From so many rows of A on a block of B is copied whose rows span more than an L2 cache, where those of a conflicting distance
/// share few of its sets: 1.03 times as fast for 256x1024x1024. Over such copies short tiles are no loss; over B as it lies, which
/// each of them reads from far, 64x1024x1024 would take 1.2 times as long as with A in tall tiles that are packed.
const M_FOR_WIDE_ROWS: usize = 192;

/// Whether a tile of A that `uses` tiles of B share is better copied than read as it lies.
pub(crate) fn pays_for_a<S: Simd, T: Arithmetic>(a: MatRef<'_, T>, uses: usize) -> bool {
    let in_rows = a.col_stride() == 1;
    let stride = if in_rows { a.row_stride() } else { a.col_stride() };
    let bytes = stride.unsigned_abs() * size_of::<T>();
    let conflicts = uses >= 4 && bytes.is_multiple_of(CONFLICT_BYTES);
    match (in_rows, S::PACKS_SCATTERED_A) {
        (true, _) => conflicting_rows::<S, T>(a, uses).is_some_and(|rows| rows < S::MR && a.rows() < M_FOR_WIDE_ROWS),
        (false, true) => conflicts || uses * a.cols() * bytes >= SCATTERED_BYTES,
        (false, false) => uses >= 4 && a.cols() > blocking::lines_in_l1(bytes),
    }
}

/// How many rows of A stay in an L1 cache together where they share few of its sets, as `uses` tiles of B ask them to. Tiles of no
/// more cost less, read as they lie, than copies of A: 256x1024x1024 is 1.04 times as fast, 1024x1024x128 1.1 times, 256 cubed in
/// `f64` 1.05 times. Of 12 rows, as many as an L1 cache of 12 ways holds, they are as fast as of 8.
pub(crate) fn conflicting_rows<S: Simd, T: Arithmetic>(a: MatRef<'_, T>, uses: usize) -> Option<usize> {
    let bytes = a.row_stride().unsigned_abs() * size_of::<T>();
    let conflict =
        S::MR > blocking::L1_WAYS && a.col_stride() == 1 && uses >= 4 && bytes.is_multiple_of(CONFLICT_BYTES);
    conflict.then(|| blocking::lines_in_l1(bytes))
}

/// From so many bytes of A on its tiles are packed where several blocks of B read them: with AVX2 1000 cubed is 1.02 times as
/// fast then, 1536 cubed 1.08, but 512 cubed 0.97 and 256x1024x1024 0.99.
const LARGE_A_BYTES: usize = 2 << 20;

/// Whether an A in rows is so large that it comes from the L3 cache for each of more than one block of B.
pub(crate) fn pays_for_large_a<S: Simd, T: Arithmetic>(a: MatRef<'_, T>, n: usize) -> bool {
    let (kc, bytes) = (blocking::k_block(a.cols()), a.rows() * a.cols() * size_of::<T>());
    S::MR <= blocking::L1_WAYS
        && a.has_contiguous_rows()
        && bytes > LARGE_A_BYTES
        && n * kc * size_of::<T>() > S::B_BLOCK_BYTES
}

/// Whether a contiguous block of B that `m` rows of A share is better copied than read as it lies.
pub(crate) fn pays_for_b<S: Simd, T: Arithmetic>(b: MatRef<'_, T>, m: usize) -> bool {
    if is_shallow::<S, T>(b.rows(), b.cols()) {
        return false;
    }
    let bytes = b.row_stride().unsigned_abs() * size_of::<T>();
    let leaves_l2 = b.rows() * bytes > blocking::L2_BYTES;
    bytes >= CONFLICT_BYTES && (m >= S::M_FOR_PACKING_B || (leaves_l2 && m >= M_FOR_WIDE_ROWS))
}

/// The distance of the rows of a packed tile of A of depth `k`: an odd number of cache lines.
pub(crate) fn a_row_stride<T>(k: usize) -> usize {
    let line = 64 / size_of::<T>();
    (k.div_ceil(line) | 1) * line
}

/// Copies the columns of `b`, fewer than a vector has lanes, to rows of a vector that zeros fill up.
#[inline(always)]
pub(crate) fn pad_b<S: Simd, T: Arithmetic>(s: S, b: MatRef<'_, T>, out: &mut [T]) {
    let lanes = T::Vector::<S>::LANES;
    let tail = T::Vector::<S>::tail(s, b.cols());
    for (i, out) in out.chunks_exact_mut(lanes).take(b.rows()).enumerate() {
        // SAFETY: row i of `b` has as many contiguous elements as `tail` lanes.
        unsafe { T::Vector::<S>::load_tail(s, b.as_ptr().offset(i as isize * b.row_stride()), tail) }.store(out);
    }
}

/// A packed operand: panels of `nr` columns, each of all `k` rows, as [`pack_b`] leaves them.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a, T> {
    pub(crate) memory: &'a [T],
    pub(crate) nr: usize,
    pub(crate) k: usize,
    /// How many columns exist; the last panel is filled up.
    pub(crate) cols: usize,
}

impl<T> Panels<'_, T> {
    /// Columns from `from`, a multiple of `nr`, to `to`.
    pub(crate) fn col_range(self, from: usize, to: usize) -> Self {
        assert!(from.is_multiple_of(self.nr) && from <= to && to <= self.cols);
        Panels { memory: &self.memory[from * self.k..to.next_multiple_of(self.nr) * self.k], cols: to - from, ..self }
    }
}

/// Packs columns of `b` as panels of `nr` columns, one after the other, each row-major with a row of `nr`, the last
/// one filled up with zeros. `out` holds exactly these panels.
#[inline(always)]
pub(crate) fn pack_b<S: Simd, T: Arithmetic>(s: S, b: MatRef<'_, T>, nr: usize, out: &mut [T]) {
    let k = b.rows();
    // Nothing where the last one is whole.
    out[b.cols() / nr * nr * k..].fill(T::default());
    if b.has_contiguous_rows() && nr == band::nr::<S, T>() {
        return copy::rows_to_panels(s, b, out);
    }
    for (panel, out) in out.chunks_exact_mut((k * nr).max(1)).enumerate() {
        let from = panel * nr;
        let cols = nr.min(b.cols() - from);
        let out = MatMut::from_row_major(out, k, nr).split_cols(cols).0;
        copy(s, b.col_range(from, from + cols), out);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::simd::{avx2::Avx2, avx512::Avx512};

    #[test]
    fn conflicting_rows_are_read_by_few_or_packed() {
        let memory = vec![0.0f32; 192 * 1024];
        let a = |m, k| MatRef::from_row_major(&memory[..m * k], m, k);
        let rows = |k, uses| conflicting_rows::<Avx512, f32>(a(14, k), uses);
        assert_eq!([rows(256, 4), rows(512, 4), rows(784, 4)], [None, Some(16), None]);
        assert_eq!([rows(1024, 4), rows(1024, 3), rows(2048, 4)], [Some(8), None, Some(8)]);
        assert_eq!(conflicting_rows::<Avx2, f32>(a(14, 1024), 4), None);
        let packs = |m, k| pays_for_a::<Avx512, f32>(a(m, k), 4);
        assert_eq!([packs(191, 1024), packs(192, 1024), packs(191, 512), packs(191, 784)], [true, false, false, false]);
    }
}
