//! Dropout: each element is 0 with probability p while training, and the others are divided by `1 − p`, so that nothing is
//! left to do for predictions (Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
//! 2014).

use crate::random::{Purpose, Stream};

/// Zeros elements at random while training; predictions are not touched.
///
/// Whether an element of a batch is kept is a function of the seed of the training, the number of the step, the number of the
/// layer and the place of the element in the batch, or in the share of its shard, so it is the same on any number of threads and
/// after a resumption.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dropout {
    /// The probability of a zero: from 0 to below 1.
    pub p: f32,
}

/// Writes what each element of a batch is multiplied by: 0, or `1 / (1 − p)`. Element i is kept where number i of the
/// stream is at least p. The stream has the index [`index`].
pub(crate) fn draw_mask(seed: u64, step: u64, index: u64, Dropout { p }: Dropout, mask: &mut [f32]) {
    let mut stream = Stream::with_index(seed, Purpose::Dropout, step, index);
    let scale = 1.0 / (1.0 - p);
    for factor in mask {
        *factor = if stream.uniform() >= p { scale } else { 0.0 };
    }
}

/// What names the stream of a layer, for a shard counted from 1 or for 0, all rows.
pub(crate) fn index(layer: usize, shard: usize) -> u64 {
    layer as u64 | (shard as u64) << 32
}

/// `y = x · mask`
pub(crate) fn dropout_forward(x: &[f32], mask: &[f32], y: &mut [f32]) {
    for ((y, x), factor) in y.iter_mut().zip(x).zip(mask) {
        *y = x * factor;
    }
}

/// `d_y` becomes `d_x = d_y · mask`.
pub(crate) fn dropout_backward(mask: &[f32], d_y: &mut [f32]) {
    for (d, factor) in d_y.iter_mut().zip(mask) {
        *d *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(seed: u64, step: u64, layer: usize, p: f32, len: usize) -> Vec<f32> {
        let mut mask = vec![f32::NAN; len];
        draw_mask(seed, step, index(layer, 0), Dropout { p }, &mut mask);
        mask
    }

    #[test]
    fn the_share_of_zeros_is_p_and_the_mean_is_kept() {
        for p in [0.0, 0.1, 0.5, 0.9] {
            let mask = mask(1, 2, 3, p, 100_000);
            let zeros = mask.iter().filter(|&&factor| factor == 0.0).count() as f64 / mask.len() as f64;
            let mean = mask.iter().map(|&factor| f64::from(factor)).sum::<f64>() / mask.len() as f64;
            let p = f64::from(p);
            // Five standard deviations.
            let bound = 5.0 * (p * (1.0 - p) / mask.len() as f64).sqrt();
            assert!((zeros - p).abs() <= bound, "{zeros} for {p}");
            assert!((mean - 1.0).abs() <= bound / (1.0 - p) + 1e-6, "{mean} for {p}");
        }
    }

    #[test]
    fn seed_step_and_layer_each_change_the_mask_and_its_length_does_not() {
        let base = mask(1, 2, 3, 0.5, 64);
        assert_eq!(base, mask(1, 2, 3, 0.5, 64));
        assert_eq!(base[..10], mask(1, 2, 3, 0.5, 10));
        for other in [mask(2, 2, 3, 0.5, 64), mask(1, 3, 3, 0.5, 64), mask(1, 2, 4, 0.5, 64)] {
            assert_ne!(base, other);
        }
    }
}
