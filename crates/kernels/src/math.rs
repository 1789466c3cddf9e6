//! Vector math: one function a file.

/// The element-wise functions, for tables, sweeps and benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `e^x`
    Exp,
    /// The natural logarithm.
    Ln,
    /// `ln(1 + x)`
    Log1p,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`
    Relu,
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 6] =
        [Function::Exp, Function::Ln, Function::Log1p, Function::Sigmoid, Function::Tanh, Function::Relu];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Ln => "ln",
            Function::Log1p => "log1p",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Relu => "relu",
        }
    }
}

pub(crate) fn stub(function: Function, x: f32) -> f32 {
    match function {
        Function::Exp => x.exp(),
        Function::Ln => x.ln(),
        Function::Log1p => x.ln_1p(),
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::Tanh => x.tanh(),
        Function::Relu => x.max(0.0),
    }
}
