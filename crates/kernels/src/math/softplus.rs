//! `ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(-|x|))`.

use super::exp::exp;
use super::expm1::expm1;
use super::log1p;
use super::relu::relu;
use crate::simd::Float32;

/// `ln(1 + e^x)`. 0 for -infinity, infinity for infinity, NaN for NaN.
#[inline(always)]
pub(crate) fn softplus<V: Float32>(x: V) -> V {
    relu(x) + log1p::finite(exp(x.constant(0.0) - x.abs()))
}

/// `1 - e^-y`, the derivative where y is the softplus.
#[inline(always)]
pub(crate) fn derivative<V: Float32>(y: V) -> V {
    let zero = y.constant(0.0);
    zero - expm1(zero - y)
}
