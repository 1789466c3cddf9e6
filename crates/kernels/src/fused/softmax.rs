//! `softmax(z)_j = e^(z_j - max z) / Σ_k e^(z_k - max z)`, row by row. A row of at most 16 stays in registers.

use crate::math::exp::exp;
use crate::reduce::{ACCUMULATORS, combine, lane_numbers, load_padded, max_of_numbers, pad};
use crate::simd::{Float, Simd};

#[inline(always)]
pub(crate) fn softmax<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        if cols <= S::F32::LANES {
            let (_, e) = exponentials_narrow(s, x);
            (e * S::F32::splat(s, 1.0 / e.sum_lanes())).store_partial(s, out);
        } else {
            let (_, sum) = exponentials(s, x, None, out);
            scale_row(s, out, 1.0 / sum);
        }
    }
}

/// The largest element of a row of at most 16, passing over NaN, and `e^(z - max)`: 0 in the lanes past the end.
#[inline(always)]
pub(crate) fn exponentials_narrow<S: Simd>(s: S, z: &[f32]) -> (f32, S::F32) {
    let (len, z) = (z.len(), S::F32::load_partial(s, z));
    let max = pad(s, z, len, f32::NEG_INFINITY).max_lanes();
    // e^0 past the end, as a result that underflows would cost far more on some CPUs.
    let e = exp(pad(s, z - S::F32::splat(s, max), len, 0.0));
    (max, pad(s, e, len, 0.0))
}

/// Writes `e^(z - max)`; returns the largest element and the sum of what was written without that of `skipped`, in the
/// order of [`sum`](crate::reduce).
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(s: S, z: &[f32], skipped: Option<u32>, out: &mut [f32]) -> (f32, f32) {
    let lanes = S::F32::LANES;
    let largest = max_of_numbers(s, z);
    let max = S::F32::splat(s, largest);
    let mut acc = [S::F32::splat(s, 0.0); ACCUMULATORS];
    let block = ACCUMULATORS * lanes;
    for (first, (z, out)) in (0..).step_by(block).zip(z.chunks(block).zip(out.chunks_mut(block))) {
        let vectors = z.chunks(lanes).zip(out.chunks_mut(lanes));
        for ((acc, at), (z, out)) in acc.iter_mut().zip((first..).step_by(lanes)).zip(vectors) {
            let e = if out.len() == lanes {
                let e = exp(S::F32::load(s, z) - max);
                e.store(out);
                e
            } else {
                let e = exp(load_padded(s, z, largest) - max);
                e.store_partial(s, out);
                pad(s, e, out.len(), 0.0)
            };
            *acc = *acc + without(s, e, at, skipped);
        }
    }
    (largest, combine(acc).sum_lanes())
}

/// `e` with 0 in the lane of element `skipped`, if that is one of the 16 from `first` on.
#[inline(always)]
fn without<S: Simd>(s: S, e: S::F32, first: usize, skipped: Option<u32>) -> S::F32 {
    let Some(skipped) = skipped else { return e };
    // Its lane, or a number that is none.
    let lane = S::F32::splat(s, skipped.wrapping_sub(first as u32) as f32);
    S::F32::select(lane_numbers(s).eq(lane), S::F32::splat(s, 0.0), e)
}

#[inline(always)]
pub(crate) fn scale_row<S: Simd>(s: S, row: &mut [f32], factor: f32) {
    let factor = S::F32::splat(s, factor);
    let mut vectors = row.chunks_exact_mut(S::F32::LANES);
    for x in &mut vectors {
        (S::F32::load(s, x) * factor).store(x);
    }
    let rest = vectors.into_remainder();
    (S::F32::load_partial(s, rest) * factor).store_partial(s, rest);
}
