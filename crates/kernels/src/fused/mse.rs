//! Squared error, `L = ½ Σ_j (y_j - t_j)²`; its gradient is `y - t`. The square is taken in f64, where it cannot overflow.

use super::element_wise;
use crate::simd::{Float32, Simd};

#[inline(always)]
pub(crate) fn mse<S: Simd>(s: S, prediction: &[f32], target: &[f32], scale: f32, d_prediction: &mut [f32]) -> f64 {
    let twice = element_wise(
        s,
        prediction,
        target,
        d_prediction,
        scale,
        #[inline(always)]
        |y, t| {
            let d = y - t;
            (d, d)
        },
        #[inline(always)]
        |d| {
            let (low, high) = d.widen();
            (low * low, high * high)
        },
    );
    0.5 * twice
}
