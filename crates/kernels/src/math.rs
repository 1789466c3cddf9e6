//! Vector math: one function a file, each written once for all instruction sets.
//!
//! | function | error in ULP, at most | at 0, infinity, NaN |
//! |---|---|---|
//! | [`exp`] | 0.91 | 1; infinity, 0 for -infinity; NaN |
//! | [`expm1`] | 0.80 | its argument; infinity, -1 for -infinity; NaN |
//! | [`ln`] | 0.77 | -infinity; infinity; NaN, also for what is below 0 |
//! | [`log1p`] | 0.78 | its argument; infinity; NaN, also for what is below -1 |
//! | [`sigmoid`] | 0.97 | 0.5; 1, 0 for -infinity; NaN |
//! | [`tanh`] | 0.95 | its argument; ±1; NaN |
//! | [`softplus`] | 1.9 | ln 2; infinity, 0 for -infinity; NaN |
//! | [`erf`] | 1 | its argument; ±1; NaN |
//! | [`gelu`] | 2, or 2^-24 of the argument where that is more | its argument; infinity, -0 for -infinity; NaN |
//! | [`gelu_tanh`] | 2, or 2^-24 of the argument where that is more | its argument; infinity, -0 for -infinity; NaN |
//! | [`silu`] | 2 | its argument; infinity, -0 for -infinity; NaN |
//! | [`relu`], [`leaky_relu`] | exact, a rounded product | its argument; infinity, 0 or -infinity for -infinity; NaN |
//!
//! Subnormal arguments and results included. All go from a slice to another of the same length, or work in place.
//!
#![doc = include_str!("math/accuracy.md")]

pub(crate) mod double;
pub(crate) mod erf;
pub(crate) mod exp;
pub(crate) mod expm1;
pub(crate) mod gelu;
pub(crate) mod gelu_tanh;
pub(crate) mod leaky_relu;
pub(crate) mod ln;
pub(crate) mod log1p;
pub(crate) mod map;
pub(crate) mod relu;
pub(crate) mod sigmoid;
pub(crate) mod silu;
pub(crate) mod softplus;
pub(crate) mod tanh;

use crate::kernel_set::KernelSet;
use crate::simd::{Float, Float32, Simd};
use map::{Elements, Factors};

/// The element-wise functions, for tables, sweeps and benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `e^x`
    Exp,
    /// `e^x - 1`
    Expm1,
    /// The natural logarithm.
    Ln,
    /// `ln(1 + x)`
    Log1p,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `ln(1 + e^x)`
    Softplus,
    /// The error function, `2/√π ∫ e^-t² dt` from 0 to x.
    Erf,
    /// `x Φ(x)`, Φ the distribution function of the normal distribution.
    Gelu,
    /// `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`
    GeluTanh,
    /// `x / (1 + e^-x)`
    Silu,
    /// `max(x, 0)`
    Relu,
}

impl Function {
    /// Every function, in the order of the enumeration.
    pub const ALL: [Function; 12] = [
        Function::Exp,
        Function::Expm1,
        Function::Ln,
        Function::Log1p,
        Function::Sigmoid,
        Function::Tanh,
        Function::Softplus,
        Function::Erf,
        Function::Gelu,
        Function::GeluTanh,
        Function::Silu,
        Function::Relu,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Expm1 => "expm1",
            Function::Ln => "ln",
            Function::Log1p => "log1p",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Softplus => "softplus",
            Function::Erf => "erf",
            Function::Gelu => "gelu",
            Function::GeluTanh => "gelu_tanh",
            Function::Silu => "silu",
            Function::Relu => "relu",
        }
    }

    /// The bound on its error in ULP, over all inputs, that the tests hold it to; subnormal results may be off by one
    /// more unit of 2^-149.
    pub const fn max_ulp(self) -> f64 {
        match self {
            Function::Exp => 0.91,
            Function::Expm1 => 0.8,
            Function::Ln => 0.77,
            Function::Log1p => 0.78,
            Function::Sigmoid => 0.97,
            Function::Tanh => 0.95,
            Function::Softplus => 1.9,
            Function::Erf => 1.0,
            Function::Gelu => 2.0,
            Function::GeluTanh => 2.0,
            Function::Silu => 2.0,
            Function::Relu => 0.0,
        }
    }

    /// Where this times |x| is more than [`max_ulp`](Self::max_ulp), it is the bound on the error instead.
    pub const fn max_error_per_argument(self) -> f64 {
        match self {
            // The probability that x is multiplied with is found to this.
            Function::Gelu | Function::GeluTanh => 1.0 / 16_777_216.0,
            _ => 0.0,
        }
    }
}

macro_rules! on_slices {
    ($($name:ident $in_place:ident $function:ident),*) => {$(
        #[doc = concat!("`", stringify!($name), "` of each element, on the best instruction set of this CPU.")]
        ///
        /// # Panics
        /// Unless `x` and `out` have the same length.
        #[track_caller]
        pub fn $name(x: &[f32], out: &mut [f32]) {
            KernelSet::best().map(Function::$function, x, out);
        }

        #[doc = concat!("`", stringify!($name), "` of each element, in place.")]
        pub fn $in_place(x: &mut [f32]) {
            KernelSet::best().map_in_place(Function::$function, x);
        }
    )*};
}
on_slices!(
    exp exp_in_place Exp,
    expm1 expm1_in_place Expm1,
    ln ln_in_place Ln,
    log1p log1p_in_place Log1p,
    sigmoid sigmoid_in_place Sigmoid,
    tanh tanh_in_place Tanh,
    softplus softplus_in_place Softplus,
    erf erf_in_place Erf,
    gelu gelu_in_place Gelu,
    gelu_tanh gelu_tanh_in_place GeluTanh,
    silu silu_in_place Silu,
    relu relu_in_place Relu
);

/// [`KernelSet::leaky_relu`] on the best instruction set of this CPU.
///
/// # Panics
/// As it does.
#[track_caller]
pub fn leaky_relu(slope: f32, x: &[f32], out: &mut [f32]) {
    KernelSet::best().leaky_relu(slope, x, out);
}

/// [`KernelSet::leaky_relu_in_place`] on the best instruction set of this CPU.
pub fn leaky_relu_in_place(slope: f32, x: &mut [f32]) {
    KernelSet::best().leaky_relu_in_place(slope, x);
}

/// `c[0] + c[1] x + c[2] x² + ...` by Horner's rule.
#[inline(always)]
pub(crate) fn polynomial<V: Float, const N: usize>(x: V, coefficients: &[V::Scalar; N]) -> V {
    V::apart(
        #[inline(always)]
        || {
            let mut y = x.constant(coefficients[N - 1]);
            for i in (0..N - 1).rev() {
                y = y.mul_add(x, x.constant(coefficients[i]));
            }
            y
        },
    )
}

/// [`polynomial`] of each. Step by step for all of them, as a step waits for the one before.
#[inline(always)]
pub(crate) fn polynomials<V: Float32, const N: usize, const TERMS: usize>(
    x: [V; N],
    coefficients: &[f32; TERMS],
) -> [V; N] {
    V::apart(
        #[inline(always)]
        || {
            let mut y = x;
            for y in &mut y {
                *y = y.constant(coefficients[TERMS - 1]);
            }
            for i in (0..TERMS - 1).rev() {
                for (y, x) in y.iter_mut().zip(&x) {
                    *y = y.mul_add(*x, x.constant(coefficients[i]));
                }
                V::in_step(&mut y);
            }
            y
        },
    )
}

/// The functions that the epilogue of `gemm` needs, as [`double`] has them for f64.
pub(crate) mod single {
    pub(crate) use super::gelu::{derivative as gelu_derivative, gelu};
    pub(crate) use super::gelu_tanh::{derivative as gelu_tanh_derivative, gelu_tanh};
    pub(crate) use super::sigmoid::sigmoid;
    pub(crate) use super::silu::{derivative as silu_derivative, silu};
    pub(crate) use super::softplus::{derivative as softplus_derivative, softplus};
    pub(crate) use super::tanh::tanh;
}

/// A function of each lane.
pub(crate) trait Unary {
    fn map<S: Simd>(s: S, elements: Elements<'_>);
}

pub(crate) struct Relu;
impl Unary for Relu {
    #[inline(always)]
    fn map<S: Simd>(s: S, elements: Elements<'_>) {
        map::map(
            s,
            elements,
            map::NEAR_AHEAD,
            #[inline(always)]
            |[x, y]| {
                S::F32::apart(
                    #[inline(always)]
                    || [relu::relu(x), relu::relu(y)],
                )
            },
        );
    }
}

pub(crate) struct Exp;
impl Unary for Exp {
    #[inline(always)]
    fn map<S: Simd>(s: S, elements: Elements<'_>) {
        map::map(
            s,
            elements,
            map::AHEAD,
            #[inline(always)]
            |x| exp::exp(x),
        );
    }
}

macro_rules! in_stages {
    ($($map:ident: $($type:ident $module:ident),*;)*) => {$($(
        pub(crate) struct $type;
        impl Unary for $type {
            #[inline(always)]
            fn map<S: Simd>(s: S, elements: Elements<'_>) {
                map::$map(
                    s,
                    elements,
                    #[inline(always)]
                    |x| $module::first(x),
                    #[inline(always)]
                    |x| $module::second(x),
                    #[inline(always)]
                    |x| $module::third(x),
                );
            }
        }
    )*)*};
}
in_stages! {
    map_stages: Erf erf, Expm1 expm1, GeluTanh gelu_tanh, Silu silu, Tanh tanh;
    map_pipelined: Gelu gelu, Ln ln, Log1p log1p, Sigmoid sigmoid, Softplus softplus;
}

/// The derivative of an activation, by which the elements of a tile are multiplied.
pub(crate) trait Derivative {
    fn multiply<S: Simd>(s: S, factors: Factors<'_>);
}

macro_rules! derivatives {
    ($($type:ident $module:ident),*) => {$(
        pub(crate) struct $type;
        impl Derivative for $type {
            #[inline(always)]
            fn multiply<S: Simd>(s: S, factors: Factors<'_>) {
                use $module::stages;
                map::multiply_pipelined(
                    s,
                    factors,
                    #[inline(always)]
                    |x| stages::first(x),
                    #[inline(always)]
                    |x| stages::second(x),
                    #[inline(always)]
                    |x| stages::third(x),
                );
            }
        }
    )*};
}
derivatives!(
    GeluDerivative gelu, GeluTanhDerivative gelu_tanh, SiluDerivative silu, SoftplusDerivative softplus
);
