//! `softmax(z)_j = e^(z_j - max z) / Σ_k e^(z_k - max z)`, row by row.

use crate::math::exp::exp;
use crate::simd::{Float, Simd};

#[inline(always)]
pub(crate) fn softmax<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        let max = row_max(s, x);
        let mut acc = S::F32::splat(s, 0.0);
        for (x, out) in x.chunks(S::F32::LANES).zip(out.chunks_mut(S::F32::LANES)) {
            let e = exp(S::F32::load_partial(s, x) - max);
            e.store_partial(s, out);
            acc = acc + S::F32::load_partial(s, out);
        }
        let factor = S::F32::splat(s, 1.0 / acc.sum_lanes());
        scale_row(s, out, factor);
    }
}

/// The largest element in every lane; NaN is passed over, as it shows again in the exponentials.
#[inline(always)]
pub(crate) fn row_max<S: Simd>(s: S, row: &[f32]) -> S::F32 {
    let lanes = S::F32::LANES;
    let mut vectors = row.chunks_exact(lanes);
    let mut max = S::F32::splat(s, f32::NEG_INFINITY);
    for x in &mut vectors {
        max = S::F32::load(s, x).max(max);
    }
    let mut max = max.max_lanes();
    for &x in vectors.remainder() {
        max = if x > max { x } else { max };
    }
    S::F32::splat(s, max)
}

#[inline(always)]
pub(crate) fn scale_row<S: Simd>(s: S, row: &mut [f32], factor: S::F32) {
    for part in row.chunks_mut(S::F32::LANES) {
        (S::F32::load_partial(s, part) * factor).store_partial(s, part);
    }
}
