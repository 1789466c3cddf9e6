//! `x` above 0, else `slope x`.

use super::map::{self, Elements};
use crate::simd::{Float, Simd};

/// `x > 0 ? x : slope x`: NaN for NaN, ±0 for ±0 and a slope above 0.
#[inline(always)]
pub(crate) fn leaky_relu<V: Float>(slope: V, x: V) -> V {
    V::select(x.constant(0.0.into()).lt(x), x, slope * x)
}

#[inline(always)]
pub(crate) fn map<S: Simd>(s: S, slope: f32, elements: Elements<'_>) {
    let slope = S::F32::splat(s, slope);
    map::map(
        s,
        elements,
        map::NEAR_AHEAD,
        #[inline(always)]
        |[x, y]| [leaky_relu(slope, x), leaky_relu(slope, y)],
    );
}
