//! Matrix multiplication: `C = epilogue(alpha A B + beta C)`.
//!
//! # The arithmetic
//! Each element of C is defined as an exact sequence of IEEE-754 operations, the same on every instruction set and for
//! any number of threads. K is cut into equal blocks whose length is a function of K alone (at most 512, see
//! `blocking`). Inside a block, one chain of fused multiply-adds in ascending k, from 0, gives `acc`. The first block
//! sets `c = fma(alpha, acc, beta * c)`, or `alpha * acc` where `beta` is 0, so that C is never read; each later one
//! `c = fma(alpha, acc, c)`. The epilogue follows the last block. A product with one row or one column whose operands
//! both run along K is a dot product with another order, see `dot`; that choice depends on the shapes and strides of
//! the whole problem only.

mod blas;
mod blocking;
mod copy;
mod dot;
mod epilogue;
mod loops;
mod micro;
mod pack;
mod scratch;
mod threads;
mod view;

pub use blas::{dgemm, sgemm};
pub(crate) use loops::serial;
pub use view::{MatMut, MatRef};

use crate::activation::Activation;
use crate::kernel_set::KernelSet;
use crate::math::{double, single};
use crate::simd::{Float, Simd};
use epilogue::{Bias, TileEpilogue};
use scratch::Pod;
use std::fmt::Debug;

/// What is applied to each element of C after the product is complete.
#[derive(Clone, Copy, Debug, Default)]
pub enum Epilogue<'a, T> {
    /// Nothing.
    #[default]
    None,
    /// `c = activation(c + bias[j])`, `bias` with one value for each column of C.
    Bias {
        /// One value for each column of C.
        bias: Option<&'a [T]>,
        /// Applied after the bias.
        activation: Activation,
    },
    /// `c = c * activation'(z)` where `output = activation(z)` has the shape of C: the step of backpropagation from a
    /// layer's output to its logits.
    Derivative {
        /// The activation whose derivative is taken.
        activation: Activation,
        /// What the activation returned in the forward pass.
        output: MatRef<'a, T>,
    },
}

/// How many threads a call may use. The result does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// As many of the current pool's threads as the work is worth.
    #[default]
    Auto,
    /// At most this many.
    AtMost(usize),
}

/// How `gemm` does its work.
#[derive(Clone, Copy, Debug, Default)]
pub struct GemmOptions<'a, T> {
    /// What is applied to each element of C at the end.
    pub epilogue: Epilogue<'a, T>,
    /// How many threads may work.
    pub threads: Threads,
}

/// `C = epilogue(alpha A B + beta C)` with the best instruction set of this CPU: A is m×k, B k×n, C m×n, in any strides.
///
/// Where `beta` is 0, C is never read, so it may hold anything; NaN and infinity in A and B reach C, also where
/// `alpha` is 0. Each element's error is at most `(k + 4) u (|alpha| Σ|a||b| + |beta c|)` with u = 2^-24 for `f32`, 2^-53
/// for `f64`, before the epilogue; its bits are the same on every instruction set and for any number of threads.
///
/// ```
/// use kernels::{Activation, Epilogue, GemmOptions, MatMut, MatRef, gemm};
/// // Two examples through a layer with three inputs and two outputs: y = relu(x w + b).
/// let x = [1.0f32, 2.0, 3.0, -1.0, 0.0, 1.0];
/// let w = [1.0, 0.0, 0.0, 1.0, -1.0, -1.0];
/// let bias = [0.5, 2.0];
/// let mut y = [f32::NAN; 4];
/// let epilogue = Epilogue::Bias { bias: Some(&bias), activation: Activation::Relu };
/// gemm(
///     1.0,
///     MatRef::from_row_major(&x, 2, 3),
///     MatRef::from_row_major(&w, 3, 2),
///     0.0,
///     MatMut::from_row_major(&mut y, 2, 2),
///     &GemmOptions { epilogue, ..GemmOptions::default() },
/// );
/// assert_eq!(y, [0.0, 1.0, 0.0, 1.0]);
/// ```
///
/// # Panics
/// If the shapes do not fit: A m×k, B k×n, C m×n, a bias of n values, an output of a derivative of m×n.
#[track_caller]
pub fn gemm<T: Element>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: MatMut<'_, T>,
    options: &GemmOptions<'_, T>,
) {
    KernelSet::best().gemm(alpha, a, b, beta, c, options);
}

/// The element types of `gemm`: `f32` and `f64`.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + From<f32> + Send + Sync + Debug + 'static {}

mod sealed {
    use super::{GemmOptions, KernelSet, MatMut, MatRef};

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
    }
}

/// What the kernels know of an element type.
pub(crate) trait Arithmetic: Element + Pod {
    type Vector<S: Simd>: Float<Scalar = Self, Simd = S>;
    fn kernel(set: &KernelSet) -> fn(Problem<'_, Self>);
    fn sigmoid<S: Simd>(x: Self::Vector<S>) -> Self::Vector<S>;
    fn tanh<S: Simd>(x: Self::Vector<S>) -> Self::Vector<S>;
}

/// One product to compute, or a band of rows or columns of one.
pub(crate) struct Problem<'a, T> {
    alpha: T,
    a: MatRef<'a, T>,
    b: MatRef<'a, T>,
    /// `None` for 0: C is not read.
    beta: Option<T>,
    c: MatMut<'a, T>,
    epilogue: TileEpilogue<'a, T>,
    order: Order,
}

/// In which order the products of one element are summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// One chain in ascending k for each block of K.
    Chain,
    /// As `dot` has it, for a row or column of dot products.
    Dot,
}

#[track_caller]
fn checked<T: Arithmetic>(
    set: &KernelSet,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: MatMut<'_, T>,
    options: &GemmOptions<'_, T>,
) {
    let problem = Problem::new(alpha, a, b, beta, c, options.epilogue);
    let (m, n, _) = problem.shape();
    if m == 0 || n == 0 {
        return;
    }
    let threads = threads::worth_using(&problem, options.threads);
    threads::run(problem, threads, T::kernel(set));
}

impl<'a, T: Arithmetic> Problem<'a, T> {
    /// Checks the shapes and decides what must not depend on how the problem is split later.
    #[track_caller]
    fn new(alpha: T, a: MatRef<'a, T>, b: MatRef<'a, T>, beta: T, c: MatMut<'a, T>, epilogue: Epilogue<'a, T>) -> Self {
        let (m, k, n) = (a.rows(), a.cols(), b.cols());
        assert!(
            b.rows() == k && c.rows() == m && c.cols() == n,
            "gemm: A is {m}x{k}, B is {}x{n}, C is {}x{}: A must be m x k, B k x n, C m x n",
            b.rows(),
            c.rows(),
            c.cols()
        );
        let epilogue = match epilogue {
            Epilogue::None => TileEpilogue::None,
            Epilogue::Bias { bias, activation } => {
                let bias = bias.map_or(Bias::None, |bias| {
                    assert!(bias.len() == n, "gemm: a bias of {} values for a C of {m}x{n}", bias.len());
                    Bias::OfColumn(bias)
                });
                TileEpilogue::Bias { bias, activation }
            }
            Epilogue::Derivative { activation, output } => {
                assert!(
                    output.rows() == m && output.cols() == n,
                    "gemm: an output of {}x{} for a C of {m}x{n}",
                    output.rows(),
                    output.cols()
                );
                TileEpilogue::Derivative { activation, output }
            }
        };
        let along_k = a.col_stride() == 1 && b.row_stride() == 1;
        let order = if (m == 1 || n == 1) && along_k { Order::Dot } else { Order::Chain };
        // A sum of no products is 0 whatever alpha is.
        let alpha = if k == 0 { T::default() } else { alpha };
        let beta = (beta != T::default()).then_some(beta);
        let problem = Problem { alpha, a, b, beta, c, epilogue, order };
        // The kernels write rows of C. A column of C is a row of its transpose, and then the lanes run along it.
        let c = &problem.c;
        let rows_of_transpose = c.row_stride() == 1 && (c.col_stride() != 1 || n == 1) && m > 1;
        if rows_of_transpose { problem.transposed() } else { problem }
    }

    /// (m, n, k)
    fn shape(&self) -> (usize, usize, usize) {
        (self.a.rows(), self.b.cols(), self.a.cols())
    }

    /// Cᵀ = Bᵀ Aᵀ
    fn transposed(self) -> Self {
        let Problem { a, b, c, epilogue, .. } = self;
        Problem { a: b.t(), b: a.t(), c: c.t(), epilogue: epilogue.transposed(), ..self }
    }

    /// The rows of C before `at`, and the rest.
    fn split_rows(self, at: usize) -> (Self, Self) {
        let (m, n, _) = self.shape();
        let (top, bottom) = self.c.split_rows(at);
        let part = |c, from, to| Problem {
            a: self.a.row_range(from, to),
            c,
            epilogue: self.epilogue.part(from, 0, to - from, n),
            ..self
        };
        (part(top, 0, at), part(bottom, at, m))
    }

    /// The columns of C before `at`, and the rest.
    fn split_cols(self, at: usize) -> (Self, Self) {
        let (left, right) = self.transposed().split_rows(at);
        (left.transposed(), right.transposed())
    }
}

macro_rules! element {
    ($scalar:ident, $vector:ident, $field:ident, $math:ident) => {
        impl Element for $scalar {}

        impl sealed::Sealed for $scalar {
            #[track_caller]
            fn gemm(
                set: &KernelSet,
                alpha: $scalar,
                a: MatRef<'_, $scalar>,
                b: MatRef<'_, $scalar>,
                beta: $scalar,
                c: MatMut<'_, $scalar>,
                options: &GemmOptions<'_, $scalar>,
            ) {
                checked(set, alpha, a, b, beta, c, options);
            }
        }

        impl Arithmetic for $scalar {
            type Vector<S: Simd> = S::$vector;

            fn kernel(set: &KernelSet) -> fn(Problem<'_, $scalar>) {
                set.$field
            }

            #[inline(always)]
            fn sigmoid<S: Simd>(x: Self::Vector<S>) -> Self::Vector<S> {
                $math::sigmoid(x)
            }

            #[inline(always)]
            fn tanh<S: Simd>(x: Self::Vector<S>) -> Self::Vector<S> {
                $math::tanh(x)
            }
        }
    };
}
element!(f32, F32, gemm_f32, single);
element!(f64, F64, gemm_f64, double);
