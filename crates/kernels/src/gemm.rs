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
mod packed;
mod scratch;
mod threads;
mod view;

pub use blas::{dgemm, sgemm};
pub(crate) use loops::serial;
pub use packed::PackedB;
pub(crate) use packed::{Prepack, prepack};
pub use view::{MatMut, MatRef};

use crate::activation::Activation;
use crate::kernel_set::KernelSet;
use crate::math::{double, single};
use crate::reduce::ROW_CHUNK;
use crate::simd::{Float, Simd};
use epilogue::{Bias, TileEpilogue};
use pack::Panels;
use scratch::Pod;
use std::fmt::Debug;
use std::ops::Add;

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
    /// `c = c * activation'(z)`, from what the activation [keeps](Activation::keeps): the step of backpropagation from a
    /// layer's output to its logits z.
    Derivative {
        /// The activation whose derivative is taken.
        activation: Activation,
        /// Of the shape of C: what the activation returned in the forward pass, or its logits.
        kept: MatRef<'a, T>,
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
/// If the shapes do not fit: A m×k, B k×n, C m×n, a bias of n values, what a derivative is taken from m×n.
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
            $math::$name(x)
        }
    )*};
}

/// What the kernels know of an element type.
pub(crate) trait Arithmetic: Element + Pod + Add<Output = Self> {
    type Vector<S: Simd>: Float<Scalar = Self, Simd = S>;
    fn kernel(set: &KernelSet) -> fn(&mut Problem<'_, Self>);
    functions!();
}

/// Of the virtual vector, on every instruction set.
const VIRTUAL_VECTOR_BYTES: usize = 64;

/// One product to compute, or a band of rows or columns of one.
pub(crate) struct Problem<'a, T> {
    alpha: T,
    a: MatRef<'a, T>,
    b: BOperand<'a, T>,
    /// `None` for 0: C is not read.
    beta: Option<T>,
    c: MatMut<'a, T>,
    epilogue: TileEpilogue<'a, T>,
    /// Where the sums of C's columns are added up, tile by tile.
    column_sums: Option<&'a mut [T]>,
    /// Whether C is the transpose of the caller's.
    is_transpose: bool,
    order: Order,
}

/// The right operand, as it lies or packed by an earlier call.
#[derive(Clone, Copy)]
pub(crate) enum BOperand<'a, T> {
    View(MatRef<'a, T>),
    Packed(Panels<'a, T>),
}

impl<'a, T: Arithmetic> BOperand<'a, T> {
    fn rows(&self) -> usize {
        match self {
            BOperand::View(b) => b.rows(),
            BOperand::Packed(panels) => panels.k,
        }
    }

    fn cols(&self) -> usize {
        match self {
            BOperand::View(b) => b.cols(),
            BOperand::Packed(panels) => panels.cols,
        }
    }

    fn col_range(self, from: usize, to: usize) -> Self {
        match self {
            BOperand::View(b) => BOperand::View(b.col_range(from, to)),
            BOperand::Packed(panels) => BOperand::Packed(panels.col_range(from, to)),
        }
    }
}

/// In which order the products of one element are summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// One chain in ascending k for each block of K.
    Chain,
    /// As `dot` has it, for a row or column of dot products.
    Dot,
}

/// Checks a product and computes it.
#[track_caller]
fn product<T: Arithmetic>(
    set: &KernelSet,
    alpha: T,
    a: MatRef<'_, T>,
    b: BOperand<'_, T>,
    beta: T,
    c: MatMut<'_, T>,
    options: &GemmOptions<'_, T>,
) {
    let mut problem = Problem::new(alpha, a, b, beta, c, options.epilogue);
    let threads = threads::worth_using(&problem, options.threads);
    threads::run(&mut problem, threads, T::kernel(set));
}

impl KernelSet {
    /// [`gemm`](crate::gemm()) with this set.
    ///
    /// # Panics
    /// If the shapes do not fit: A m×k, B k×n, C m×n, a bias of n values, what a derivative is taken from m×n.
    #[track_caller]
    pub fn gemm<T: Element>(
        &self,
        alpha: T,
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        beta: T,
        c: MatMut<'_, T>,
        options: &GemmOptions<'_, T>,
    ) {
        T::gemm(self, alpha, a, b, beta, c, options);
    }

    /// [`gemm`](Self::gemm) and, in the same pass where it can be had there, the sums of C's columns after the epilogue:
    /// `column_sums[j] = Σ_i c[i][j]`, with the bits of [`column_sums`](Self::column_sums). So backpropagation through a
    /// layer also gives the gradient of the bias of the layer before.
    ///
    /// # Panics
    /// As `gemm` does, and unless there is one sum for each column of C.
    #[track_caller]
    #[allow(clippy::too_many_arguments, reason = "those of gemm and one more output")]
    pub fn gemm_with_column_sums(
        &self,
        alpha: f32,
        a: MatRef<'_, f32>,
        b: MatRef<'_, f32>,
        beta: f32,
        mut c: MatMut<'_, f32>,
        column_sums: &mut [f32],
        options: &GemmOptions<'_, f32>,
    ) {
        let (m, n) = (c.rows(), c.cols());
        assert!(column_sums.len() == n, "gemm: {} column sums for a C of {m}x{n}", column_sums.len());
        let mut problem = Problem::new(alpha, a, BOperand::View(b), beta, c.reborrow(), options.epilogue);
        let threads = threads::worth_using(&problem, options.threads);
        // Tiles pass in the order of the rows only if one thread computes C itself, not its transpose.
        let in_order = threads == 1 && problem.order == Order::Chain && !problem.is_transpose && m <= ROW_CHUNK;
        if in_order {
            column_sums.fill(0.0);
            problem.column_sums = Some(&mut *column_sums);
        }
        threads::run(&mut problem, threads, self.gemm_f32);
        if !in_order {
            (self.column_sums)(c.as_ref(), column_sums);
        }
    }

    /// Packs `b`, k×n, for [`gemm_packed`](Self::gemm_packed).
    ///
    /// ```
    /// use kernels::{GemmOptions, KernelSet, MatMut, MatRef};
    /// let kernels = KernelSet::best();
    /// let weights = kernels.pack_b(MatRef::from_row_major(&[1.0f32, 2.0, 3.0, 4.0], 2, 2).t());
    /// let (x, mut y) = ([1.0f32, -1.0], [0.0f32; 2]);
    /// let y_view = MatMut::from_row_major(&mut y, 1, 2);
    /// kernels.gemm_packed(1.0, MatRef::from_row_major(&x, 1, 2), &weights, 0.0, y_view, &GemmOptions::default());
    /// assert_eq!(y, [-1.0, -1.0]);
    /// ```
    pub fn pack_b<T: Element>(&self, b: MatRef<'_, T>) -> PackedB<T> {
        T::pack_b(self, b)
    }

    /// [`gemm`](Self::gemm) with a B that was packed before, which pays where B is used often and does not lie as the
    /// kernels read it: transposed, or in rows a multiple of 2 KiB apart. The bits are those of `gemm`, but for a
    /// product of one row or one column that `gemm` takes as dot products along K; here it is a chain like the others.
    ///
    /// # Panics
    /// As `gemm` does, and if B was packed by the set of another instruction set.
    #[track_caller]
    pub fn gemm_packed<T: Element>(
        &self,
        alpha: T,
        a: MatRef<'_, T>,
        b: &PackedB<T>,
        beta: T,
        c: MatMut<'_, T>,
        options: &GemmOptions<'_, T>,
    ) {
        T::gemm_packed(self, alpha, a, b, beta, c, options);
    }
}

impl<'a, T: Arithmetic> Problem<'a, T> {
    /// Checks the shapes and decides what must not depend on how the problem is split later.
    #[track_caller]
    fn new(
        alpha: T,
        a: MatRef<'a, T>,
        b: BOperand<'a, T>,
        beta: T,
        c: MatMut<'a, T>,
        epilogue: Epilogue<'a, T>,
    ) -> Self {
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
            Epilogue::Derivative { activation, kept } => {
                assert!(
                    kept.rows() == m && kept.cols() == n,
                    "gemm: a derivative from {}x{} values for a C of {m}x{n}",
                    kept.rows(),
                    kept.cols()
                );
                TileEpilogue::Derivative { activation, kept }
            }
        };
        let along_k = matches!(b, BOperand::View(b) if b.row_stride() == 1) && a.col_stride() == 1;
        let order = if (m == 1 || n == 1) && along_k { Order::Dot } else { Order::Chain };
        // A sum of no products is 0 whatever alpha is.
        let alpha = if k == 0 { T::default() } else { alpha };
        let beta = (beta != T::default()).then_some(beta);
        let problem = Problem { alpha, a, b, beta, c, epilogue, column_sums: None, is_transpose: false, order };
        // The kernels write rows of C. A column of C is a row of its transpose, and then the lanes run along it.
        let c = &problem.c;
        let lies_in_columns = c.row_stride() == 1 && (c.col_stride() != 1 || n == 1) && m > 1;
        let problem = if lies_in_columns { problem.transposed() } else { problem };
        if problem.is_narrow_with_columns_of_a() { problem.transposed() } else { problem }
    }

    /// Whether C has fewer columns than a vector has lanes, and A offers vectors along the rows: then C is computed by
    /// columns and transposed on its way to memory, as is the gradient of a layer of few outputs.
    fn is_narrow_with_columns_of_a(&self) -> bool {
        let lanes = VIRTUAL_VECTOR_BYTES / size_of::<T>();
        let (m, n, _) = self.shape();
        self.order == Order::Chain && 1 < n && n < lanes && m >= 2 * lanes && self.a.row_stride() == 1
    }

    /// The same problem for a shorter time.
    fn reborrow(&mut self) -> Problem<'_, T> {
        Problem { c: self.c.reborrow(), column_sums: None, ..*self }
    }

    /// (m, n, k)
    fn shape(&self) -> (usize, usize, usize) {
        (self.a.rows(), self.b.cols(), self.a.cols())
    }

    /// Cᵀ = Bᵀ Aᵀ, where B is not packed.
    fn transposed(self) -> Self {
        let BOperand::View(b) = self.b else {
            return self;
        };
        let Problem { a, c, epilogue, is_transpose, .. } = self;
        let epilogue = epilogue.transposed();
        Problem { a: b.t(), b: BOperand::View(a.t()), c: c.t(), epilogue, is_transpose: !is_transpose, ..self }
    }

    /// Rows `from..to` of C.
    ///
    /// # Safety
    /// - While the result lives, nothing else may use these rows of C.
    unsafe fn rows(&self, from: usize, to: usize) -> Problem<'_, T> {
        let (_, n, _) = self.shape();
        Problem {
            a: self.a.row_range(from, to),
            // SAFETY: the caller's promise.
            c: unsafe { self.c.alias() }.split_rows(to).0.split_rows(from).1,
            epilogue: self.epilogue.part(from, 0, to - from, n),
            column_sums: None,
            ..*self
        }
    }

    /// Columns `from..to` of C; `from` at the start of a panel where B is packed.
    ///
    /// # Safety
    /// - While the result lives, nothing else may use these columns of C.
    unsafe fn cols(&self, from: usize, to: usize) -> Problem<'_, T> {
        let (m, ..) = self.shape();
        Problem {
            b: self.b.col_range(from, to),
            // SAFETY: the caller's promise.
            c: unsafe { self.c.alias() }.split_cols(to).0.split_cols(from).1,
            epilogue: self.epilogue.part(0, from, m, to - from),
            column_sums: None,
            ..*self
        }
    }
}

macro_rules! element {
    ($scalar:ident, $vector:ident, $gemm:ident, $pack:ident, $math:ident) => {
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
                product(set, alpha, a, BOperand::View(b), beta, c, options);
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
                product(set, alpha, a, BOperand::Packed(b.panels(set.isa())), beta, c, options);
            }
        }

        impl Arithmetic for $scalar {
            type Vector<S: Simd> = S::$vector;

            fn kernel(set: &KernelSet) -> fn(&mut Problem<'_, $scalar>) {
                set.$gemm
            }

            functions!($math);
        }
    };
}
element!(f32, F32, gemm_f32, pack_f32, single);
element!(f64, F64, gemm_f64, pack_f64, double);
