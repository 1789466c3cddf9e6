//! How the three dimensions are cut. Only the cut of K shows in the result, so only it is the same everywhere.

use crate::simd::Simd;

/// The longest block of K. One constant for all ISAs and element types: it is part of the arithmetic.
const KC_MAX: usize = 512;

/// The length of K's blocks, a function of K alone: as few blocks as [`KC_MAX`] allows, of equal length but for the
/// last, which may be shorter.
pub(crate) fn k_block(k: usize) -> usize {
    let blocks = k.div_ceil(KC_MAX).max(1);
    k.div_ceil(blocks)
}

/// More than this does not stay in an L1 cache.
pub(crate) const L1_BYTES: usize = 48 * 1024;

/// Lines of the same set that an L1 cache holds, 8 to 12 on today's cores.
pub(crate) const L1_WAYS: usize = 8;

/// How many lines an L1 cache of 64 sets holds that lie so many bytes apart: those apart by a power of two share few sets.
pub(crate) fn lines_in_l1(bytes: usize) -> usize {
    const SETS: usize = 64;
    const SETS_BYTES: usize = SETS * 64;
    L1_WAYS * (SETS_BYTES >> bytes.trailing_zeros().min(SETS_BYTES.ilog2())).min(SETS)
}

/// How many row tiles of `mr` rows pass together over each tile of B: as many as have their A in the L1 cache, which every
/// tile of B reads again, and their C in a near cache, where the epilogue finds it. Packed tiles may come from the L2 cache, as
/// their lines are neighbours.
pub(crate) fn tiles_at_once<T>(mr: usize, n: usize, k: usize, packed: bool) -> usize {
    let (a_bytes, c_bytes) = if packed { (A_BLOCK_BYTES, L2_BYTES / 2) } else { (L1_BYTES / 2, 2 * L1_BYTES) };
    let rows = (a_bytes / k.max(1)).min(c_bytes / n.max(1)) / size_of::<T>();
    (rows / mr).max(1)
}

/// How many wide tiles, of so many of n columns, a row tile of C is computed along at once: as many as leave their B in the L1
/// cache, so that lines of C are written one after the other and B is not read again from the L2 cache for each row tile.
pub(crate) fn wide_tiles_across<T>(n: usize, k: usize, columns: usize) -> usize {
    const B_BYTES: usize = L1_BYTES / 3 * 2;
    let bytes = k * columns * size_of::<T>();
    // No division for the usual ones.
    if n / columns * bytes <= B_BYTES { n / columns } else { (B_BYTES / bytes).max(1) }
}

/// More than this does not stay in most L2 caches.
pub(crate) const L2_BYTES: usize = 1 << 20;

/// Bytes of the rows of A that are packed together, in the L2 cache beside a tile of B, C and what else passes by: half of it
/// or twice as much changes no product by more than 2 %.
const A_BLOCK_BYTES: usize = 192 * 1024;

/// Bytes and columns of a block of B where A is packed. It comes from the L3 cache, once for each block of A, so that A, whose
/// copy nothing hides, is packed once: 1.05 times as fast for 1024 cubed as blocks in the L2 cache, 1.09 times for 2048 cubed.
pub(crate) const B_SHARED: (usize, usize) = (4 << 20, 2048);

/// Bytes and columns of a block of B beside rows of A that conflict in the L1 cache and are read as they lie: few blocks, as each
/// takes all of A from afar, but such as come from the L2 cache. 1.01 to 1.02 times as fast as 512 KiB for 256x1024x1024 and, in
/// `f64`, 512 and 1024 cubed; 1 MiB is as fast where the L2 cache has two.
pub(crate) const B_BESIDE_ROWS: (usize, usize) = (768 << 10, NC_MAX);

/// A row tile of C as wide as a block should still be in a near cache when the epilogue comes.
pub(crate) const NC_MAX: usize = 1024;

/// Columns of the block of B that is swept for each row tile of A: a whole number of tiles of `nr` columns, in as few blocks
/// of `n` as `bytes` and `nc_max` columns allow, all of about the same size.
pub(crate) fn n_block<T>(kc: usize, n: usize, nr: usize, (bytes, nc_max): (usize, usize)) -> usize {
    let columns = (bytes / (kc.max(1) * size_of::<T>())).min(nc_max);
    let most = (columns / nr).max(1) * nr;
    n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(nr)
}

/// Whether neither K nor the columns of B have to be cut.
pub(crate) fn is_one_block<S: Simd, T>(k: usize, n: usize) -> bool {
    (1..=KC_MAX).contains(&k) && n <= NC_MAX && k * n * size_of::<T>() <= S::B_BLOCK_BYTES
}

/// From this depth of K on, a B that has to be transposed is packed panel by panel: each is read from the L1 cache, where
/// writing it has left it, and all go through the same few KiB. It pays for reading all of A again for each panel: 1.07
/// times as fast for 64x784x128 with AVX-512, 0.6 times for 512x512x10.
pub(crate) const KC_FOR_SINGLE_PANELS: usize = 64;

/// How many rows of B are transposed and multiplied in one step, where a row of the panel has so many bytes: all of a block of K, or
/// a whole number of vectors that stay in the L1 cache, beside the sums of `m` rows, which wait in memory between steps. Panels of
/// 392 rows do not stay there: by steps 13x784x128 NT is 1.13 times as fast, 20x784x128 1.1, with AVX2 13x784x128 1.14, 64x784x128
/// 1.03.
pub(crate) fn k_step(kc: usize, m: usize, row_bytes: usize, lanes: usize) -> usize {
    const BYTES: usize = L1_BYTES / 3;
    if m * row_bytes > BYTES {
        return kc;
    }
    let steps = (kc * row_bytes).div_ceil(BYTES).max(1);
    kc.div_ceil(steps).next_multiple_of(lanes)
}

/// Cuts `len` into as few pieces of at most `max` as possible, none more than one longer than another, and returns runs of
/// at most `most` pieces of equal length: (start, length of a piece, how many). 64 rows by 14 are four times 13 and one 12, not
/// four times 14 and a short 8.
#[inline]
pub(crate) fn even_runs(len: usize, max: usize, most: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    // Most are one piece: no division for them.
    let pieces = if len <= max { usize::from(len > 0) } else { len.div_ceil(max) };
    let (short, longer) = if pieces <= 1 { (len, 0) } else { (len / pieces, len % pieces) };
    let (mut start, mut piece) = (0, 0);
    std::iter::from_fn(move || {
        let (length, end) = if piece < longer { (short + 1, longer) } else { (short, pieces) };
        let count = most.min(end - piece);
        let run = (start, length, count);
        start += length * count;
        piece += count;
        (count > 0).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_blocks_are_equal_and_bounded() {
        for k in 1..5000 {
            let kc = k_block(k);
            assert!(kc <= KC_MAX && kc * k.div_ceil(KC_MAX) >= k);
            assert!(k <= KC_MAX || kc > KC_MAX / 2, "k = {k}: {kc}");
        }
        assert_eq!([k_block(0), k_block(512), k_block(513), k_block(784)], [0, 512, 257, 392]);
    }

    #[test]
    fn lines_share_sets_at_powers_of_two() {
        assert_eq!([4, 64, 100, 3136].map(lines_in_l1), [512; 4]);
        assert_eq!([128, 1024, 3 * 1024, 4096, 1 << 20].map(lines_in_l1), [256, 32, 32, 8, 8]);
    }

    #[test]
    fn steps_of_k_are_whole_vectors() {
        assert_eq!([0, 64, 128, 129, 392, 512].map(|kc| k_step(kc, 64, 128, 16)), [0, 64, 128, 80, 112, 128]);
        assert_eq!((k_step(392, 128, 128, 16), k_step(392, 129, 128, 16)), (112, 392));
    }

    #[test]
    fn pieces_cover_evenly() {
        for len in 0..200 {
            for max in 1..20 {
                for most in 1..4 {
                    let mut next = 0;
                    let mut lengths = vec![];
                    for (start, length, count) in even_runs(len, max, most) {
                        assert_eq!(start, next);
                        assert!(count <= most);
                        next += length * count;
                        lengths.extend(vec![length; count]);
                    }
                    assert_eq!((next, lengths.len()), (len, len.div_ceil(max)));
                    assert!(lengths.iter().all(|&l| l <= max && l + 1 >= lengths[0]));
                }
            }
        }
    }
}
