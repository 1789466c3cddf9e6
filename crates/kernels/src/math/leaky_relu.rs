//! `x` above 0, else `slope x`.

use crate::simd::{Float, Simd};

/// `x > 0 ? x : slope x`: NaN for NaN, ±0 for ±0 and a slope above 0.
#[inline(always)]
pub(crate) fn leaky_relu<V: Float>(slope: V, x: V) -> V {
    V::select(x.constant(0.0.into()).lt(x), x, slope * x)
}

#[inline(always)]
pub(crate) fn map<S: Simd>(s: S, slope: f32, x: &[f32], out: &mut [f32]) {
    let slope = S::F32::splat(s, slope);
    super::map(
        s,
        x,
        out,
        #[inline(always)]
        |[x, y]| [leaky_relu(slope, x), leaky_relu(slope, y)],
    );
}

#[inline(always)]
pub(crate) fn map_in_place<S: Simd>(s: S, slope: f32, x: &mut [f32]) {
    let slope = S::F32::splat(s, slope);
    super::map_in_place(
        s,
        x,
        #[inline(always)]
        |[x, y]| [leaky_relu(slope, x), leaky_relu(slope, y)],
    );
}
