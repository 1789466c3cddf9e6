//! The element types, and what the kernels know of each.

use super::scratch::Pod;
use super::{BOperand, GemmOptions, MatMut, MatRef, PackedB, Problem, Threads, product};
use crate::activation::Activation;
use crate::kernel_set::{KernelSet, derivative, map_in_place};
use crate::math::map::Factors;
use crate::math::{Function, double, single};
use crate::simd::{Float, Simd};
use std::fmt::Debug;
use std::ops::Add;

/// The element types of `gemm`: `f32` and `f64`.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + From<f32> + Send + Sync + Debug + 'static {}

mod sealed {
    use super::{GemmOptions, KernelSet, MatMut, MatRef, PackedB};

    /// From the public call to the crate's own types, which a public trait cannot name.
    pub trait Sealed: Sized {
        fn gemm(
            set: &KernelSet,
            alpha: Self,
            a: MatRef<'_, Self>,
            b: MatRef<'_, Self>,
            beta: Self,
            c: MatMut<'_, Self>,
            options: &GemmOptions<'_, Self>,
        );

        fn pack_b(set: &KernelSet, b: MatRef<'_, Self>) -> PackedB<Self>;

        fn gemm_packed(
            set: &KernelSet,
            alpha: Self,
            a: MatRef<'_, Self>,
            b: &PackedB<Self>,
            beta: Self,
            c: MatMut<'_, Self>,
            options: &GemmOptions<'_, Self>,
        );
    }
}

/// The functions that activations need, declared or taken from a module.
macro_rules! functions {
    ($($math:ident)?) => {
        functions!($($math)?: sigmoid, tanh, softplus, gelu, gelu_tanh, silu);
        functions!($($math)?: softplus_derivative, gelu_derivative, gelu_tanh_derivative, silu_derivative);
    };
    (: $($name:ident),*) => {
        $(fn $name<S: Simd>(x: Self::Vector<S>) -> Self::Vector<S>;)*
    };
    ($math:ident: $($name:ident),*) => {$(
        #[inline(always)]
        fn $name<S: Simd>(x: Self::Vector<S>) -> Self::Vector<S> {
            Self::Vector::<S>::apart(
                #[inline(always)]
                || $math::$name(x),
            )
        }
    )*};
}

/// What the kernels know of an element type.
pub(crate) trait Arithmetic: Element + Pod + Add<Output = Self> {
    type Vector<S: Simd>: Float<Scalar = Self, Simd = S>;
    /// Checks a product and computes it, compiled in this crate and not again for its callers.
    #[track_caller]
    fn product(set: &KernelSet, problem: &mut Problem<'_, Self>, threads: Threads);
    fn kernel(set: &KernelSet) -> fn(&mut Problem<'_, Self>);
    functions!();
    /// The function of an activation that is to be applied by [`map`](Self::map): its steps for one vector at a time take longer
    /// than a pass of its own, in which they overlap.
    fn mapped(activation: Activation) -> Option<Function>;
    /// `x[i] = function(x[i])`
    fn map<S: Simd>(function: Function, x: &mut [Self]);
    /// Multiplies whole vectors of the tile by the derivative of an activation of which the same is true, and returns whether it is
    /// one.
    fn multiply<S: Simd>(activation: Activation, kept: MatRef<'_, Self>, tile: MatMut<'_, Self>) -> bool;
}

macro_rules! element {
    ($scalar:ident, $vector:ident, $gemm:ident, $pack:ident, $math:ident, { $($map:tt)* }) => {
        impl Element for $scalar {}

        impl sealed::Sealed for $scalar {
            #[track_caller]
            #[inline]
            fn gemm(
                set: &KernelSet,
                alpha: $scalar,
                a: MatRef<'_, $scalar>,
                b: MatRef<'_, $scalar>,
                beta: $scalar,
                c: MatMut<'_, $scalar>,
                options: &GemmOptions<'_, $scalar>,
            ) {
                let mut problem = Problem::new(alpha, a, BOperand::View(b), beta, c, options.epilogue);
                <$scalar>::product(set, &mut problem, options.threads);
            }

            fn pack_b(set: &KernelSet, b: MatRef<'_, $scalar>) -> PackedB<$scalar> {
                PackedB::new(set.isa(), b, set.$pack)
            }

            #[track_caller]
            fn gemm_packed(
                set: &KernelSet,
                alpha: $scalar,
                a: MatRef<'_, $scalar>,
                b: &PackedB<$scalar>,
                beta: $scalar,
                c: MatMut<'_, $scalar>,
                options: &GemmOptions<'_, $scalar>,
            ) {
                let b = BOperand::Packed(b.panels(set.isa()));
                let mut problem = Problem::new(alpha, a, b, beta, c, options.epilogue);
                <$scalar>::product(set, &mut problem, options.threads);
            }
        }

        impl Arithmetic for $scalar {
            type Vector<S: Simd> = S::$vector;

            #[track_caller]
            #[inline(never)]
            fn product(set: &KernelSet, problem: &mut Problem<'_, $scalar>, threads: Threads) {
                product(set, problem, threads);
            }

            fn kernel(set: &KernelSet) -> fn(&mut Problem<'_, $scalar>) {
                set.$gemm
            }

            functions!($math);
            $($map)*
        }
    };
}
element!(f32, F32, gemm_f32, pack_f32, single, {
    fn mapped(activation: Activation) -> Option<Function> {
        activation.function().filter(|&function| function != Function::Relu)
    }

    fn map<S: Simd>(function: Function, x: &mut [f32]) {
        map_in_place::<S>(function, x);
    }

    #[inline(always)]
    fn multiply<S: Simd>(activation: Activation, kept: MatRef<'_, f32>, tile: MatMut<'_, f32>) -> bool {
        let multiply = derivative::<S>(activation);
        if let Some(multiply) = multiply {
            multiply(Factors::new(kept, tile, S::F32::LANES));
        }
        multiply.is_some()
    }
});
element!(f64, F64, gemm_f64, pack_f64, double, {
    fn mapped(_: Activation) -> Option<Function> {
        None
    }

    fn map<S: Simd>(function: Function, _: &mut [f64]) {
        unreachable!("no function of f64 is {function:?}");
    }

    fn multiply<S: Simd>(_: Activation, _: MatRef<'_, f64>, _: MatMut<'_, f64>) -> bool {
        false
    }
});
