//! Vector math: one function a file, each written once for all instruction sets.
//!
//! | function | worst error in ULP, over all 2^32 inputs | at 0, infinity, NaN |
//! |---|---|---|
//! | [`exp`] | 0.90 | 1; infinity, 0 for -infinity; NaN |
//! | [`ln`] | 0.92 | -infinity; infinity; NaN, also for what is below 0 |
//! | [`log1p`] | 0.92 | its argument; infinity; NaN, also for what is below -1 |
//! | [`sigmoid`] | 0.97 | 0.5; 1, 0 for -infinity; NaN |
//! | [`tanh`] | 0.95 | its argument; ±1; NaN |
//! | [`relu`] | exact | its argument; infinity, 0 for -infinity; NaN |
//!
//! Subnormal arguments and results included. All go from a slice to another of the same length, or work in place.

pub(crate) mod double;
pub(crate) mod exp;
pub(crate) mod ln;
pub(crate) mod log1p;
pub(crate) mod relu;
pub(crate) mod sigmoid;
pub(crate) mod tanh;

use crate::kernel_set::KernelSet;
use crate::simd::{Float, Float32, Simd};

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
    /// Every function, in the order of the enumeration.
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

    /// The bound on its error in ULP, over all inputs, that the tests hold it to; subnormal results may be off by one
    /// more unit of 2^-149.
    pub const fn max_ulp(self) -> f64 {
        match self {
            Function::Exp => 0.9,
            Function::Ln => 0.92,
            Function::Log1p => 0.92,
            Function::Sigmoid => 0.97,
            Function::Tanh => 0.95,
            Function::Relu => 0.0,
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
    ln ln_in_place Ln,
    log1p log1p_in_place Log1p,
    sigmoid sigmoid_in_place Sigmoid,
    tanh tanh_in_place Tanh,
    relu relu_in_place Relu
);

/// `c[0] + c[1] x + c[2] x² + ...` by Horner's rule.
#[inline(always)]
pub(crate) fn polynomial<V: Float, const N: usize>(x: V, coefficients: &[V::Scalar; N]) -> V {
    let mut y = x.constant(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        y = y.mul_add(x, x.constant(coefficients[i]));
    }
    y
}

/// The functions that the epilogue of `gemm` needs, as [`double`] has them for f64.
pub(crate) mod single {
    pub(crate) use super::sigmoid::sigmoid;
    pub(crate) use super::tanh::tanh;
}

/// A function of each lane.
pub(crate) trait Unary {
    fn of<V: Float32>(x: V) -> V;
}

macro_rules! unary {
    ($($type:ident $module:ident),*) => {$(
        pub(crate) struct $type;
        impl Unary for $type {
            #[inline(always)]
            fn of<V: Float32>(x: V) -> V {
                $module::$module(x)
            }
        }
    )*};
}
unary!(Exp exp, Ln ln, Log1p log1p, Sigmoid sigmoid, Tanh tanh, Relu relu);

#[inline(always)]
pub(crate) fn map<S: Simd, F: Unary>(s: S, x: &[f32], out: &mut [f32]) {
    let lanes = S::F32::LANES;
    let (mut from, mut to) = (x.chunks_exact(lanes), out.chunks_exact_mut(lanes));
    for (x, out) in (&mut from).zip(&mut to) {
        F::of(S::F32::load(s, x)).store(out);
    }
    F::of(S::F32::load_partial(s, from.remainder())).store_partial(s, to.into_remainder());
}

#[inline(always)]
pub(crate) fn map_in_place<S: Simd, F: Unary>(s: S, x: &mut [f32]) {
    let mut vectors = x.chunks_exact_mut(S::F32::LANES);
    for x in &mut vectors {
        F::of(S::F32::load(s, x)).store(x);
    }
    let rest = vectors.into_remainder();
    F::of(S::F32::load_partial(s, rest)).store_partial(s, rest);
}
