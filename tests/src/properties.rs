//! What is known of the element-wise functions beside their values.

use kernels::Function;

const INFINITY: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

/// Arguments and what must be returned for them exactly, the sign of zero included. This is said apart from
/// [`exact`](crate::exact::exact), so that each checks the other. That NaN gives NaN goes for all of them.
pub fn special_values(function: Function) -> &'static [(f32, f32)] {
    match function {
        Function::Exp => &[(-INFINITY, 0.0), (-0.0, 1.0), (0.0, 1.0), (89.0, INFINITY), (INFINITY, INFINITY)],
        Function::Expm1 => &[(-INFINITY, -1.0), (-0.0, -0.0), (0.0, 0.0), (89.0, INFINITY), (INFINITY, INFINITY)],
        Function::Ln => &[(-1e-45, NAN), (-0.0, -INFINITY), (0.0, -INFINITY), (1.0, 0.0), (INFINITY, INFINITY)],
        Function::Log1p => &[(-1.5, NAN), (-1.0, -INFINITY), (-0.0, -0.0), (0.0, 0.0), (INFINITY, INFINITY)],
        Function::Sigmoid => &[(-INFINITY, 0.0), (-0.0, 0.5), (0.0, 0.5), (INFINITY, 1.0)],
        Function::Tanh | Function::Erf => &[(-INFINITY, -1.0), (-0.0, -0.0), (0.0, 0.0), (INFINITY, 1.0)],
        Function::Softplus => &[(-INFINITY, 0.0), (INFINITY, INFINITY)],
        Function::Gelu | Function::GeluTanh | Function::Silu => {
            &[(-INFINITY, -0.0), (-0.0, -0.0), (0.0, 0.0), (INFINITY, INFINITY)]
        }
        Function::Relu => &[(-INFINITY, 0.0), (-1e-45, 0.0), (-0.0, -0.0), (0.0, 0.0), (INFINITY, INFINITY)],
    }
}

/// Whether it must never fall, in f32 too. Only functions that are good to one ULP are held to that.
pub fn is_monotone(function: Function) -> bool {
    matches!(function, Function::Exp | Function::Ln | Function::Sigmoid | Function::Tanh | Function::Erf)
}

/// Whether `f(-x) = -f(x)`.
pub fn is_odd(function: Function) -> bool {
    matches!(function, Function::Tanh | Function::Erf)
}
