//! Squared error, `L = ½ Σ_j (y_j - t_j)²`; its gradient is `y - t`. The square is taken in f64, where it cannot overflow.

use super::element_wise::{Elements, plain, weighted};
use super::options::Weighting;
use crate::simd::{Float, Float32, Simd};

#[inline(always)]
pub(crate) fn mse<S: Simd>(s: S, elements: Elements<'_>, weighting: &mut Weighting<'_>) -> f64 {
    let sum = if weighting.is_plain() {
        0.5 * plain(
            s,
            elements,
            weighting.scale,
            #[inline(always)]
            |y, t| (y - t, y - t),
            #[inline(always)]
            |d| {
                let (low, high) = d.widen();
                (low * low, high * high)
            },
        )
    } else {
        weighted(
            s,
            elements,
            weighting,
            None,
            #[inline(always)]
            |y, t, _| (y - t, y - t),
            #[inline(always)]
            |d| {
                let (low, high) = d.widen();
                let half = low.constant(0.5);
                (half * low * low, half * high * high)
            },
        )
    };
    weighting.scale * sum
}
