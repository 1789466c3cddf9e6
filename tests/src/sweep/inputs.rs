//! Which magnitudes a sweep takes, in ascending order.

/// The bits of a magnitude are below this.
const END: u32 = 1 << 31;

/// Numbers around which a function changes its branch, over- or underflows or reaches its limit.
const ENDS: [f32; 27] = [
    0.34, 0.33, 0.66, 1.33, 3.92, 5.4, 9.02, 10.0, 10.3, 10.8, 13.0, 14.5, 16.64, 17.33, 18.0, 20.0, 40.0, 87.0, 87.34,
    88.02, 88.38, 88.72, 88.73, 89.0, 103.98, 104.0, 110.0,
];

/// Neighbours of such a number that are taken, on either side.
const NEIGHBOURS: u32 = 8;

/// All magnitudes, infinity and NaNs included, or a sample of them with all of the special ones.
pub(super) struct Magnitudes {
    every: u32,
    special: Vec<u32>,
}

impl Magnitudes {
    /// Of a sample in a block; all buffers of a block fit a second-level cache.
    const BLOCK: u32 = 1 << 12;

    pub(super) fn new(every: u32) -> Self {
        assert!(every > 0, "one input of 0");
        let centres = (0..=255u32).map(|exponent| exponent << 23).chain(ENDS.map(f32::to_bits)).chain([END - 1]);
        let near = |centre: u32| centre.saturating_sub(NEIGHBOURS)..=(centre + NEIGHBOURS).min(END - 1);
        Magnitudes { every, special: centres.flat_map(near).collect() }
    }

    pub(super) fn blocks(&self) -> u32 {
        END.div_ceil(self.every).div_ceil(Self::BLOCK)
    }

    pub(super) fn block(&self, block: u32) -> Vec<f32> {
        // One of each `every`, not always at the same place: its last bits would always be 0.
        let indices = u64::from(block * Self::BLOCK)..u64::from((block + 1) * Self::BLOCK);
        let every = u64::from(self.every);
        let range = indices.start * every..(indices.end * every).min(END.into());
        let sample = indices.map(|index| index * every + index % every);
        let special = self.special.iter().map(|&bits| bits.into());
        let mut magnitudes: Vec<u64> = sample.chain(special).filter(|bits| range.contains(bits)).collect();
        magnitudes.sort_unstable();
        magnitudes.dedup();
        magnitudes.into_iter().map(|bits| f32::from_bits(bits as u32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(every: u32, blocks: impl Iterator<Item = u32>) -> Vec<u32> {
        let magnitudes = Magnitudes::new(every);
        blocks.flat_map(|block| magnitudes.block(block)).map(f32::to_bits).collect()
    }

    #[test]
    fn all_are_all() {
        let blocks = Magnitudes::new(1).blocks();
        assert_eq!(bits(1, 0..3), Vec::from_iter(0..3 * Magnitudes::BLOCK));
        assert_eq!(bits(1, blocks - 1..blocks), Vec::from_iter(END - Magnitudes::BLOCK..END));
    }

    #[test]
    fn a_sample_ascends_and_has_what_is_special() {
        for every in [2, 9_973, 1 << 20, 1 << 31, u32::MAX] {
            let blocks = Magnitudes::new(every).blocks();
            let bits = bits(every, if every == 2 { blocks - 4..blocks } else { 0..blocks });
            assert!(bits.is_sorted_by(|a, b| a < b));
            let special = [f32::INFINITY.to_bits(), f32::INFINITY.to_bits() + 1, END - 1];
            assert!(special.iter().all(|special| every == 2 || bits.contains(special)), "{every}");
        }
        let sample = bits(1 << 16, 0..8);
        assert!((1 << 15..(1 << 15) + 256 * 20).contains(&sample.len()));
        let low = |bits: &u32| bits & 0xffff;
        assert!(sample.iter().map(low).max() > Some(0xff00));
    }
}
