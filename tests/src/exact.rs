//! What the element-wise functions should return, in f64.

use kernels::{Function, reference};

/// `function(x)`, to a few units in the last place of f64.
pub fn exact(function: Function, x: f32) -> f64 {
    let wide = f64::from(x);
    match function {
        Function::Exp => wide.exp(),
        Function::Ln => wide.ln(),
        Function::Log1p => wide.ln_1p(),
        Function::Sigmoid => reference::sigmoid(wide),
        Function::Tanh => wide.tanh(),
        // The maximum of -0 and 0 is either: the function keeps its argument. The choice is made in f32, as LLVM gets the
        // sign wrong where it sees a widened number compared.
        Function::Relu => f64::from(if x < 0.0 { 0.0 } else { x }),
    }
}
