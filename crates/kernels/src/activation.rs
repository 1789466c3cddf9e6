//! Activations, and their derivatives as backpropagation takes them.

use crate::gemm::epilogue::TileEpilogue;
use crate::gemm::{MatMut, MatRef};
use crate::math::Function;
use crate::simd::{Float, Simd};

/// An element-wise function `y = f(z)` of the logits z of a layer.
///
/// A derivative is within 2^-23 of the true one for f32, and within 2^-50 for f64, also where its terms cancel; it is 0 or
/// 1 in the tails, and NaN for NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Activation {
    /// `z`.
    #[default]
    Identity,
    /// `max(z, 0)`; its derivative is 1 where the result is above 0, else 0.
    Relu,
    /// `z` above 0, else `slope z`; its derivative is 1 or `slope` in the same places.
    LeakyRelu {
        /// The derivative below 0.
        slope: f32,
    },
    /// `1 / (1 + exp(-z))`; its derivative is `y (1 - y)`.
    Sigmoid,
    /// Its derivative is `1 - y²`.
    Tanh,
    /// `ln(1 + e^z)`; its derivative is `1 - e^-y`.
    Softplus,
    /// `z Φ(z)`, Φ the distribution function of the normal distribution; its derivative is `Φ(z) + z φ(z)` with φ its
    /// density.
    Gelu,
    /// `z σ(v)` with `v = 2 √(2/π) (z + 0.044715 z³)`; its derivative is `σ(v) + z σ(v) σ(-v) v'`.
    GeluTanh,
    /// `z σ(z)`; its derivative is `σ(z) + z σ(z) σ(-z)`.
    Silu,
}

/// What the derivative of an [`Activation`] is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Its result, so that a forward pass may overwrite the logits.
    Output,
    /// Its argument.
    Logits,
}

impl Activation {
    /// What a forward pass must keep for the derivative: the output where that tells it, else the logits.
    pub fn keeps(self) -> Kept {
        match self {
            Activation::Identity | Activation::Relu | Activation::Sigmoid | Activation::Tanh | Activation::Softplus => {
                Kept::Output
            }
            // The output has the sign of the logits.
            Activation::LeakyRelu { slope } if slope >= 0.0 => Kept::Output,
            Activation::LeakyRelu { .. } | Activation::Gelu | Activation::GeluTanh | Activation::Silu => Kept::Logits,
        }
    }

    /// The function that it is, if it has no parameter and is not the identity.
    pub(crate) fn function(self) -> Option<Function> {
        match self {
            Activation::Identity | Activation::LeakyRelu { .. } => None,
            Activation::Relu => Some(Function::Relu),
            Activation::Sigmoid => Some(Function::Sigmoid),
            Activation::Tanh => Some(Function::Tanh),
            Activation::Softplus => Some(Function::Softplus),
            Activation::Gelu => Some(Function::Gelu),
            Activation::GeluTanh => Some(Function::GeluTanh),
            Activation::Silu => Some(Function::Silu),
        }
    }
}

/// Calls `$run($args, f)` with f the activation as a closure of a vector, so that the loop inside is compiled for each.
macro_rules! with_forward {
    ($activation:expr, $element:ty, $simd:ty, $run:ident($($arg:expr),*)) => {
        match $activation {
            Activation::Identity => $run($($arg,)* #[inline(always)] |z| z),
            Activation::Relu => $run($($arg,)* #[inline(always)] |z| crate::math::relu::relu(z)),
            Activation::LeakyRelu { slope } => $run(
                $($arg,)*
                #[inline(always)]
                |z| crate::math::leaky_relu::leaky_relu(z.constant(slope.into()), z),
            ),
            Activation::Sigmoid => $run($($arg,)* #[inline(always)] |z| <$element>::sigmoid::<$simd>(z)),
            Activation::Tanh => $run($($arg,)* #[inline(always)] |z| <$element>::tanh::<$simd>(z)),
            Activation::Softplus => $run($($arg,)* #[inline(always)] |z| <$element>::softplus::<$simd>(z)),
            Activation::Gelu => $run($($arg,)* #[inline(always)] |z| <$element>::gelu::<$simd>(z)),
            Activation::GeluTanh => $run($($arg,)* #[inline(always)] |z| <$element>::gelu_tanh::<$simd>(z)),
            Activation::Silu => $run($($arg,)* #[inline(always)] |z| <$element>::silu::<$simd>(z)),
        }
    };
}
pub(crate) use with_forward;

/// Calls `$run($args, f)` with f the closure `(d, kept) -> d activation'(z)`, unless that is d.
macro_rules! with_backward {
    ($activation:expr, $element:ty, $simd:ty, $run:ident($($arg:expr),*)) => {
        match $activation {
            Activation::Identity => {}
            Activation::Relu => $run(
                $($arg,)*
                #[inline(always)]
                |d, y| crate::activation::leaky_relu_backward(y.constant(0.0_f32.into()), d, y),
            ),
            Activation::LeakyRelu { slope } => $run(
                $($arg,)*
                #[inline(always)]
                |d, kept| crate::activation::leaky_relu_backward(kept.constant(slope.into()), d, kept),
            ),
            Activation::Sigmoid => $run($($arg,)* #[inline(always)] |d, y| crate::activation::sigmoid_backward(d, y)),
            Activation::Tanh => $run($($arg,)* #[inline(always)] |d, y| crate::activation::tanh_backward(d, y)),
            Activation::Softplus => {
                $run($($arg,)* #[inline(always)] |d, y| d * <$element>::softplus_derivative::<$simd>(y))
            }
            Activation::Gelu => $run($($arg,)* #[inline(always)] |d, z| d * <$element>::gelu_derivative::<$simd>(z)),
            Activation::GeluTanh => {
                $run($($arg,)* #[inline(always)] |d, z| d * <$element>::gelu_tanh_derivative::<$simd>(z))
            }
            Activation::Silu => $run($($arg,)* #[inline(always)] |d, z| d * <$element>::silu_derivative::<$simd>(z)),
        }
    };
}
pub(crate) use with_backward;

/// `d` where `kept` is above 0, else `slope d`; a NaN of either goes through.
#[inline(always)]
pub(crate) fn leaky_relu_backward<V: Float>(slope: V, d: V, kept: V) -> V {
    let (zero, one) = (kept.constant(0.0.into()), kept.constant(1.0.into()));
    let slope = V::select(kept.is_nan(), kept, slope);
    d * V::select(zero.lt(kept), one, slope)
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

/// `d[i] *= activation'(z)` from what the activation keeps.
#[inline(always)]
pub(crate) fn backward<S: Simd>(s: S, activation: Activation, kept: &[f32], d: &mut [f32]) {
    let len = d.len();
    let kept = MatRef::from_row_major(kept, 1, len);
    TileEpilogue::Derivative { activation, kept }.apply(s, MatMut::from_row_major(d, 1, len));
}
