//! What the element-wise functions should return, in f64.

use kernels::{Activation, Function, reference};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// `function(x)`, to a few units in the last place of f64.
pub fn exact(function: Function, x: f32) -> f64 {
    let wide = f64::from(x);
    match function {
        Function::Exp => wide.exp(),
        Function::Expm1 => wide.exp_m1(),
        Function::Ln => wide.ln(),
        Function::Log1p => wide.ln_1p(),
        Function::Sigmoid => reference::sigmoid(wide),
        Function::Tanh => wide.tanh(),
        Function::Softplus => reference::softplus(wide),
        Function::Erf => libm::erf(wide),
        Function::Gelu => gelu(wide),
        Function::GeluTanh => gelu_tanh(wide),
        Function::Silu => silu(wide),
        // The maximum of -0 and 0 is either: the function keeps its argument. The choice is made in f32, as LLVM gets the
        // sign wrong where it sees a widened number compared.
        Function::Relu => f64::from(if x < 0.0 { 0.0 } else { x }),
    }
}

/// `x Φ(x)`
pub fn gelu(x: f64) -> f64 {
    times_probability(x, |x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2))
}

/// `x σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`
pub fn gelu_tanh(x: f64) -> f64 {
    times_probability(x, |x| reference::sigmoid((8.0 / PI).sqrt() * (x + 0.044715 * x * x * x)))
}

/// `x σ(x)`
pub fn silu(x: f64) -> f64 {
    times_probability(x, reference::sigmoid)
}

/// `x p(x)` for a p that goes to 0 faster than x to -infinity.
fn times_probability(x: f64, p: impl Fn(f64) -> f64) -> f64 {
    if x == f64::NEG_INFINITY { -0.0 } else { x * p(x) }
}

/// `activation(z)`
pub fn activate(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Relu => z.max(0.0),
        Activation::LeakyRelu { slope } => z.max(0.0) + f64::from(slope) * z.min(0.0),
        Activation::Sigmoid => reference::sigmoid(z),
        Activation::Tanh => z.tanh(),
        Activation::Softplus => reference::softplus(z),
        Activation::Gelu => gelu(z),
        Activation::GeluTanh => gelu_tanh(z),
        Activation::Silu => silu(z),
    }
}

/// `activation'(z)`
pub fn derivative(activation: Activation, z: f64) -> f64 {
    let gated = |v: f64, d_v: f64| {
        let both = reference::sigmoid(v) * reference::sigmoid(-v);
        reference::sigmoid(v) + if both == 0.0 { 0.0 } else { z * d_v * both }
    };
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(z > 0.0),
        Activation::LeakyRelu { slope } => {
            if z > 0.0 {
                1.0
            } else {
                slope.into()
            }
        }
        Activation::Sigmoid => reference::sigmoid(z) * reference::sigmoid(-z),
        Activation::Tanh => 1.0 - z.tanh().powi(2),
        Activation::Softplus => reference::sigmoid(z),
        Activation::Gelu => {
            let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
            0.5 * libm::erfc(-z * FRAC_1_SQRT_2) + if density == 0.0 { 0.0 } else { z * density }
        }
        Activation::GeluTanh => {
            let scale = (8.0 / PI).sqrt();
            gated(scale * (z + 0.044715 * z * z * z), scale * (1.0 + 3.0 * 0.044715 * z * z))
        }
        Activation::Silu => gated(z, 1.0),
    }
}
