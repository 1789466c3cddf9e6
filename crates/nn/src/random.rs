//! Random numbers that are the same on every machine and in every version.
//!
//! The generator is ChaCha with 8 rounds: block `i` of a stream is a function of the key, the stream and `i` alone.
//! What is drawn from its 32-bit words is written out here, since a library's own distributions may change between
//! versions.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// What random numbers are drawn for; different purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The first weights of a layer.
    Init = 0,
    /// The order of the rows in an epoch.
    Shuffle = 1,
    /// Which rows are held out.
    Split = 2,
    /// Which elements a dropout layer keeps.
    Dropout = 3,
    /// Which rows training leaves for validation.
    Validation = 4,
}

/// A sequence of random numbers that is a function of (seed, purpose, epoch, index).
///
/// The key of ChaCha8 is the seed (bytes 0 to 7, little-endian), the purpose (byte 8), the index (bytes 16 to 23) and
/// zeros; the 64-bit stream number is the epoch.
///
/// ```
/// use nn::random::{Purpose, Stream};
/// let mut order: Vec<usize> = (0..5).collect();
/// Stream::new(42, Purpose::Shuffle, 1).shuffle(&mut order);
/// let mut again: Vec<usize> = (0..5).collect();
/// Stream::new(42, Purpose::Shuffle, 1).shuffle(&mut again);
/// assert_eq!(order, again);
/// ```
#[derive(Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The start of the stream. `epoch` numbers the streams of one purpose: the epoch of a shuffle, the layer of an
    /// initialisation.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64) -> Self {
        Self::with_index(seed, purpose, epoch, 0)
    }

    /// [`new`](Self::new) where one number does not name the stream: the step and the layer of a dropout.
    pub fn with_index(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = purpose as u8;
        key[16..24].copy_from_slice(&index.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(epoch);
        Stream(rng)
    }

    /// Uniform in [0, 1): the upper 24 bits of a word, times 2^-24, so every value is exact.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform in `0..bound`, without bias; 0 for a bound of 0.
    ///
    /// Lemire, "Fast random integer generation in an interval" (2019): the upper half of `word * bound` is the number,
    /// and the `2^64 mod bound` lowest values of the lower half are drawn again.
    pub fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            let (number, rest) = ((product >> 64) as u64, product as u64);
            if rest >= bound || rest >= bound.wrapping_neg().checked_rem(bound).unwrap_or(0) {
                return number;
            }
        }
    }

    /// Every order is equally likely: Fisher-Yates from the end.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// A copy goes on from the same place.
impl Clone for Stream {
    fn clone(&self) -> Self {
        let mut rng = ChaCha8Rng::from_seed(self.0.get_seed());
        rng.set_stream(self.0.get_stream());
        rng.set_word_pos(self.0.get_word_pos());
        Stream(rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_goes_on_from_the_same_place() {
        let mut stream = Stream::with_index(1, Purpose::Dropout, 2, 3);
        for _ in 0..200 {
            let mut copy = stream.clone();
            assert_eq!(copy.below(u64::MAX), stream.below(u64::MAX));
            assert_eq!(copy.uniform(), stream.uniform());
        }
    }

    /// The keystream of ChaCha8 for a key, stream and counter of 0 as published in the eSTREAM test vectors.
    #[test]
    fn words_are_those_of_chacha8() {
        let mut stream = Stream::new(0, Purpose::Init, 0);
        let words: Vec<u32> = (0..4).map(|_| stream.0.next_u32()).collect();
        assert_eq!(words, [0x2fef_003e, 0xd640_5f89, 0xe8b8_5b7f, 0xa1a5_091f]);
    }

    #[test]
    fn seed_purpose_and_epoch_each_change_the_stream() {
        let first = |seed, purpose, epoch| Stream::new(seed, purpose, epoch).0.next_u64();
        let base = first(1, Purpose::Shuffle, 1);
        assert_eq!(base, first(1, Purpose::Shuffle, 1));
        assert_ne!(base, first(2, Purpose::Shuffle, 1));
        assert_ne!(base, first(1, Purpose::Split, 1));
        assert_ne!(base, first(1, Purpose::Shuffle, 2));
        let indexed = |index| Stream::with_index(1, Purpose::Shuffle, 1, index).0.next_u64();
        assert_eq!(base, indexed(0));
        assert_ne!(base, indexed(1));
    }

    #[test]
    fn uniform_stays_below_one_and_fills_the_interval() {
        let mut stream = Stream::new(3, Purpose::Init, 0);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let u = stream.uniform();
            assert!((0.0..1.0).contains(&u), "{u}");
            tenths[(u * 10.0) as usize] += 1;
        }
        // 1000 expected in each; 5 standard deviations are 150.
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn bounded_numbers_are_unbiased_where_the_bound_does_not_divide() {
        // Without rejection, a third of the numbers would be drawn twice as often as the others.
        let bound = 3 << 62;
        let mut stream = Stream::new(5, Purpose::Split, 0);
        let mut thirds = [0; 3];
        for _ in 0..9_000 {
            thirds[(stream.below(bound) >> 62) as usize] += 1;
        }
        assert!(thirds.iter().all(|count| (2_770..3_230).contains(count)), "{thirds:?}");
        assert_eq!((stream.below(0), stream.below(1)), (0, 0));
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6_000 {
            let mut items = [0, 1, 2];
            Stream::new(7, Purpose::Shuffle, epoch).shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6, "{counts:?}");
        assert!(counts.values().all(|count| (855..1145).contains(count)), "{counts:?}");
    }

    /// The order was computed by another program from the documentation of [`Stream`].
    #[test]
    fn shuffles_never_change_between_versions() {
        let mut order: Vec<u32> = (0..10).collect();
        Stream::new(42, Purpose::Shuffle, 1).shuffle(&mut order);
        assert_eq!(order, [8, 9, 3, 2, 1, 5, 0, 7, 6, 4]);
    }
}
