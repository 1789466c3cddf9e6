//! Activations, and their derivatives as backpropagation takes them.

use crate::simd::{Float, Simd};

/// An element-wise function whose derivative can be had from its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `max(x, 0)`; its derivative is 1 where the result is above 0, else 0.
    Relu,
    /// `1 / (1 + exp(-x))`; its derivative is `y (1 - y)`.
    Sigmoid,
    /// Its derivative is `1 - y²`.
    Tanh,
}

/// `d` where `y` is above 0, else `0 d`; a NaN of either goes through.
#[inline(always)]
pub(crate) fn relu_backward<V: Float>(d: V, y: V) -> V {
    let (zero, one) = (y.constant(0.0.into()), y.constant(1.0.into()));
    // max(y, 0) is y where y is NaN.
    d * V::select(zero.lt(y), one, zero.max(y))
}

/// `d y (1 - y)`
#[inline(always)]
pub(crate) fn sigmoid_backward<V: Float>(d: V, y: V) -> V {
    d * (y * (y.constant(1.0.into()) - y))
}

/// `d (1 - y²)`
#[inline(always)]
pub(crate) fn tanh_backward<V: Float>(d: V, y: V) -> V {
    d * y.neg_mul_add(y, y.constant(1.0.into()))
}

/// `d[i] *= activation'(z)` where `y[i] = activation(z)`.
#[inline(always)]
pub(crate) fn backward<S: Simd>(s: S, activation: Activation, y: &[f32], d: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => multiply(
            s,
            y,
            d,
            #[inline(always)]
            |d, y| relu_backward(d, y),
        ),
        Activation::Sigmoid => multiply(
            s,
            y,
            d,
            #[inline(always)]
            |d, y| sigmoid_backward(d, y),
        ),
        Activation::Tanh => multiply(
            s,
            y,
            d,
            #[inline(always)]
            |d, y| tanh_backward(d, y),
        ),
    }
}

#[inline(always)]
fn multiply<S: Simd>(s: S, y: &[f32], d: &mut [f32], derivative: impl Fn(S::F32, S::F32) -> S::F32) {
    let lanes = S::F32::LANES;
    for (y, d) in y.chunks(lanes).zip(d.chunks_mut(lanes)) {
        derivative(S::F32::load_partial(s, d), S::F32::load_partial(s, y)).store_partial(s, d);
    }
}
