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

mod band;
mod blas;
mod blocking;
mod copy;
mod direct;
mod dot;
mod element;
pub(crate) mod epilogue;
mod loops;
mod micro;
mod narrow;
mod outer;
mod pack;
mod packed;
mod problem;
mod row;
mod scratch;
mod threads;
mod view;

pub use blas::{dgemm, sgemm};
pub(crate) use blocking::k_block;
pub(crate) use element::Arithmetic;
pub use element::Element;
pub(crate) use loops::{serial, serial_f32};
pub(crate) use micro::opaque;
pub use packed::PackedB;
pub(crate) use packed::{Prepack, prepack};
pub(crate) use problem::Problem;
pub use view::{MatMut, MatRef};

use crate::activation::Activation;
use crate::kernel_set::KernelSet;
use crate::reduce::ROW_CHUNK;
use problem::{BOperand, Order};

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

/// Checks a product and computes it.
#[track_caller]
#[inline(always)]
fn product<T: Arithmetic>(set: &KernelSet, problem: &mut Problem<'_, T>, threads: Threads) {
    problem.prepare();
    let threads = threads::worth_using(problem, threads);
    threads::run(problem, threads, T::kernel(set));
}

impl KernelSet {
    /// [`gemm`](crate::gemm()) with this set.
    ///
    /// # Panics
    /// If the shapes do not fit: A m×k, B k×n, C m×n, a bias of n values, what a derivative is taken from m×n.
    #[track_caller]
    #[inline]
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
        problem.prepare();
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
