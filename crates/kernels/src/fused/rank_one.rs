//! An outer product added to a matrix, `W[i][j] = keep W[i][j] - rate x_i d_j`: a step of gradient descent on a weight for
//! one example.
//!
//! Each element is `g = fma(x, d, 0)`, then `fma(-rate, g, keep w)`: the operations of `gemm` with k = 1, alpha = -rate and
//! beta = keep, so the bits are its. There W passes through tiles whose products are over at once; here rows of W are
//! updated as they lie.

use crate::kernel_set::{KernelSet, same_length};
use crate::simd::{Float, Simd};

impl KernelSet {
    /// `w[i][j] = keep w[i][j] - rate x[i] d[j]` for a `w` of `x.len()` rows of `d.len()` elements, to the bits of
    /// [`gemm`](Self::gemm) with alpha = -rate and beta = keep; `keep` may not be 0.
    ///
    /// # Panics
    /// Unless `w` has as many elements as the product of the other lengths; if `keep` is 0.
    #[track_caller]
    pub fn rank_one_descent(&self, rate: f32, x: &[f32], d: &[f32], keep: f32, w: &mut [f32]) {
        same_length("rank_one_descent", ("x times d", x.len() * d.len()), ("w", w.len()));
        assert!(keep != 0.0, "rank_one_descent: keep is 0");
        (self.rank_one_descent)(rate, x, d, keep, w);
    }
}

/// Vectors of d that stay in registers while the rows pass.
const VECTORS: usize = 4;

#[inline(always)]
pub(crate) fn rank_one_descent<S: Simd>(s: S, rate: f32, x: &[f32], d: &[f32], keep: f32, w: &mut [f32]) {
    let (lanes, cols) = (S::F32::LANES, d.len());
    let whole = cols / (VECTORS * lanes) * (VECTORS * lanes);
    let (rate, keep) = (S::F32::splat(s, rate), S::F32::splat(s, keep));
    for from in (0..whole).step_by(VECTORS * lanes) {
        let mut ds = [S::F32::splat(s, 0.0); VECTORS];
        for (v, part) in ds.iter_mut().zip(d[from..].chunks_exact(lanes)) {
            *v = S::F32::load(s, part);
        }
        for (row, &x) in w.chunks_exact_mut(cols).zip(x) {
            let x = S::F32::splat(s, x);
            for (part, d) in row[from..from + VECTORS * lanes].chunks_exact_mut(lanes).zip(ds) {
                step(S::F32::load(s, part), x, d, rate, keep).store(part);
            }
        }
    }
    for from in (whole..cols).step_by(lanes) {
        let to = cols.min(from + lanes);
        let d = S::F32::load_partial(s, &d[from..to]);
        for (row, &x) in w.chunks_exact_mut(cols).zip(x) {
            let part = &mut row[from..to];
            step(S::F32::load_partial(s, part), S::F32::splat(s, x), d, rate, keep).store_partial(s, part);
        }
    }
}

#[inline(always)]
fn step<V: Float<Scalar = f32>>(w: V, x: V, d: V, rate: V, keep: V) -> V {
    rate.neg_mul_add(x.mul_add(d, x.constant(0.0)), keep * w)
}

#[cfg(test)]
mod tests {

    use crate::testing::for_each_isa;
    use crate::{GemmOptions, MatMut, MatRef};

    #[test]
    fn the_bits_are_those_of_gemm() {
        let values = |len: usize, shift: usize| -> Vec<f32> {
            (0..len)
                .map(|i| {
                    if (i + shift).is_multiple_of(9) { -0.0 } else { ((i + shift) as f64 * 0.618).fract() as f32 - 0.5 }
                })
                .collect()
        };
        for_each_isa(|set| {
            for (rows, cols) in [(1, 1), (6, 64), (64, 8), (8, 4), (5, 17), (3, 100), (20, 130), (784, 128)] {
                for keep in [1.0, 0.75] {
                    let (x, d, w) = (values(rows, 1), values(cols, 2), values(rows * cols, 3));
                    let (mut actual, mut expected) = (w.clone(), w);
                    set.rank_one_descent(0.3, &x, &d, keep, &mut actual);
                    let (x, d) = (MatRef::from_row_major(&x, 1, rows).t(), MatRef::from_row_major(&d, 1, cols));
                    let c = MatMut::from_row_major(&mut expected, rows, cols);
                    set.gemm(-0.3, x, d, keep, c, &GemmOptions::default());
                    let bits = |w: &[f32]| -> Vec<u32> { w.iter().map(|w| w.to_bits()).collect() };
                    assert_eq!(bits(&actual), bits(&expected), "{}, {rows}x{cols}, keep {keep}", set.isa());
                }
            }
        });
    }
}
