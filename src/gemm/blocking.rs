//! How the three dimensions are cut. Only the cut of K shows in the result, so only it is the same everywhere.

/// The longest block of K. One constant for all ISAs and element types: it is part of the arithmetic.
const KC_MAX: usize = 512;

/// The length of K's blocks, a function of K alone: as few blocks as [`KC_MAX`] allows, of equal length but for the
/// last, which may be shorter.
pub(crate) fn k_block(k: usize) -> usize {
    let blocks = k.div_ceil(KC_MAX).max(1);
    k.div_ceil(blocks)
}

/// Bytes of the block of B that should stay in the L2 cache (256 KiB to 2 MiB on today's cores, and the block leaves
/// room for the rows of A and C that pass by).
const B_BLOCK_BYTES: usize = 512 * 1024;

/// A row tile of C as wide as a block should still be in a near cache when the epilogue comes.
const NC_MAX: usize = 1024;

/// Columns of the block of B that is swept for each row tile of A: a whole number of tiles of `nr` columns.
pub(crate) fn n_block(kc: usize, nr: usize, element_bytes: usize) -> usize {
    let columns = (B_BLOCK_BYTES / (kc.max(1) * element_bytes)).min(NC_MAX);
    (columns / nr).max(1) * nr
}

/// Cuts `len` into as few pieces of at most `max` as possible, none more than one longer than another: (start,
/// length) of each. 64 rows by 14 are 13 + 13 + 13 + 13 + 12, not four times 14 and a short 8.
pub(crate) fn even_pieces(len: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = len.div_ceil(max);
    let (short, longer) = (len.checked_div(pieces).unwrap_or(0), len.checked_rem(pieces).unwrap_or(0));
    (0..pieces).map(move |i| (i * short + i.min(longer), short + usize::from(i < longer)))
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
    fn pieces_cover_evenly() {
        for len in 0..200 {
            for max in 1..20 {
                let mut next = 0;
                let mut lengths = vec![];
                for (start, length) in even_pieces(len, max) {
                    assert_eq!(start, next);
                    next += length;
                    lengths.push(length);
                }
                assert_eq!(next, len);
                assert!(lengths.iter().all(|&l| l <= max && l + 1 >= lengths[0]));
            }
        }
    }
}
