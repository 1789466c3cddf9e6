//! Huber's loss of `d = y - t`, summed over columns: `½ d²` where `|d| <= δ`, `δ (|d| - ½ δ)` beyond. Its gradient is d
//! clamped to ±δ; with that as c the loss is `c (d - ½ c)`, taken in f64, where it cannot overflow.

use super::element_wise::{Elements, plain, weighted};
use super::options::Weighting;
use crate::simd::{Float, Float32, Simd};

#[inline(always)]
pub(crate) fn huber<S: Simd>(s: S, elements: Elements<'_>, delta: f32, weighting: &mut Weighting<'_>) -> f64 {
    let sum = if weighting.is_plain() {
        plain(
            s,
            elements,
            weighting.scale,
            #[inline(always)]
            |y, t| (y - t, clamp(y - t, delta)),
            #[inline(always)]
            |d| loss::<S>(d, delta),
        )
    } else {
        weighted(
            s,
            elements,
            weighting,
            None,
            #[inline(always)]
            |y, t, _| (y - t, clamp(y - t, delta)),
            #[inline(always)]
            |d| loss::<S>(d, delta),
        )
    };
    weighting.scale * sum
}

#[inline(always)]
fn clamp<V: Float<Scalar = f32>>(d: V, delta: f32) -> V {
    // The constant first: where d is NaN, both choose d.
    d.constant(delta).min(d.constant(-delta).max(d))
}

#[inline(always)]
fn loss<S: Simd>(d: S::F32, delta: f32) -> (S::F64, S::F64) {
    let ((low, high), (c_low, c_high)) = (d.widen(), clamp(d, delta).widen());
    let half = low.constant(0.5);
    (c_low * half.neg_mul_add(c_low, low), c_high * half.neg_mul_add(c_high, high))
}
