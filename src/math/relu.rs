//! `max(x, 0)`.

use crate::simd::Float;

/// `0 > x ? 0 : x`: NaN for NaN, and -0 stays -0.
#[inline(always)]
pub(crate) fn relu<V: Float>(x: V) -> V {
    x.constant(V::Scalar::from(0.0)).max(x)
}
