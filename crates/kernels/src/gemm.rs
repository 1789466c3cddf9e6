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
//!
//! # The loops
//! B is cut into blocks that stay in the L2 cache; each row tile of A passes over the whole block from the L1 cache:
//!
//! ```text
//! LOOP 4  columns of C and B, nc at a time
//! LOOP 3    K, kc at a time                         B block kc x nc: in L2, packed if it pays
//! LOOP 2      rows of C and A, mr at a time         A tile mr x kc: in L1, packed if it pays
//! LOOP 1        columns of the block, nr at a time  the micro-kernel: C tile mr x nr in registers
//! ```

mod blas;
mod blocking;
mod copy;
mod dot;
mod epilogue;
mod micro;
mod pack;
mod scratch;
mod threads;
mod view;

pub use blas::{dgemm, sgemm};
pub use view::{MatMut, MatRef};

use crate::activation::Activation;
use crate::kernel_set::KernelSet;
use crate::math::{double, single};
use crate::simd::{Float, Simd};
use epilogue::{Bias, TileEpilogue};
use micro::{ALayout, MR_MAX, ROW_GROUP, Tile, Width};
use scratch::{Buffers, Pod, Scratch};
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

/// Computes a problem on this thread with one instruction set.
pub(crate) fn serial<S: Simd, T: Arithmetic>(problem: Problem<'_, T>) {
    // SAFETY: this function is reached only through the `KernelSet` of S.
    let s = unsafe { S::assume_available() };
    scratch::with_buffers(|buffers| {
        s.run(
            #[inline(always)]
            |s| match problem.order {
                Order::Dot => dot::dots(s, problem),
                Order::Chain => loops(s, problem, buffers),
            },
        )
    });
}

#[inline(always)]
fn loops<S: Simd, T: Arithmetic>(s: S, mut problem: Problem<'_, T>, buffers: &mut Buffers) {
    let (m, n, k) = problem.shape();
    let nr = S::NV * T::Vector::<S>::LANES;
    let kc = blocking::k_block(k);
    let nc = blocking::n_block(kc, nr, size_of::<T>());
    // LOOP 4
    for jc in (0..n).step_by(nc) {
        let cols = nc.min(n - jc);
        // LOOP 3, at least once: a K of 0 leaves sums of nothing.
        for pc in (0..k.max(1)).step_by(kc.max(1)) {
            let depth = kc.min(k - pc);
            let b = problem.b.row_range(pc, pc + depth).col_range(jc, jc + cols);
            let b = BBlock::new(s, b, m, &mut buffers.b);
            let beta = if pc == 0 { problem.beta } else { Some(T::from(1.0)) };
            let epilogue = if pc + depth == k { problem.epilogue } else { TileEpilogue::None };
            // LOOP 2
            let mr = match cols <= T::Vector::<S>::LANES {
                // Pointers to as many rows as a narrow tile can hold would not stay in registers.
                true if problem.a.has_contiguous_rows() => S::MR_NARROW.min(S::MR),
                true => S::MR_NARROW,
                false => S::MR,
            };
            for (i, rows) in blocking::even_pieces(m, mr) {
                let a = problem.a.row_range(i, i + rows).col_range(pc, pc + depth);
                let a = ATile::new(s, a, cols.div_ceil(nr), &mut buffers.a);
                let c = problem.c.part(i, jc, rows, cols);
                let epilogue = epilogue.part(i, jc, rows, cols);
                if c.has_contiguous_rows() {
                    band(s, problem.alpha, &a, &b, beta, c, epilogue);
                } else {
                    let dense = &mut buffers.c.elements(rows * cols)[..];
                    let mut dense = MatMut::from_row_major(dense, rows, cols);
                    if beta.is_some() {
                        copy::copy(s, c.as_ref(), dense.reborrow());
                    }
                    band(s, problem.alpha, &a, &b, beta, dense.reborrow(), epilogue);
                    copy::copy(s, dense.as_ref(), c);
                }
            }
        }
    }
}

/// LOOP 1: a row tile of A over all columns of a block of B, then the epilogue of these rows of C while they are near.
#[inline(always)]
fn band<S: Simd, T: Arithmetic>(
    s: S,
    alpha: T,
    a: &ATile<'_, T>,
    b: &BBlock<'_, T>,
    beta: Option<T>,
    mut c: MatMut<'_, T>,
    epilogue: TileEpilogue<'_, T>,
) {
    let (rows, cols) = (c.rows(), c.cols());
    let lanes = T::Vector::<S>::LANES;
    let to = c.as_mut_ptr();
    let mut tile = Tile {
        k: a.k,
        a: a.row_pointers(0),
        a_stride: a.stride,
        b: b.column(0),
        b_row_stride: b.row_stride,
        c: to,
        c_row_stride: c.row_stride(),
        cols: 0,
        alpha,
        beta,
    };
    let mut j = 0;
    // A single row has too few chains in a tile of the usual width.
    if rows == 1 && b.panels.is_none() {
        let kernel = micro::kernels::<S, T>(a.layout, Width::Row)[0];
        while j + S::NV_ROW * lanes <= cols {
            (tile.b, tile.c) = (b.column(j), to.wrapping_add(j));
            // SAFETY: the token proves the features. A's view, or the panel packed from it, holds `rows` rows of depth
            // k; B's view as many rows of columns j to j + NV_ROW * lanes; and C is ours and holds these columns, its rows
            // contiguous.
            unsafe { kernel(&tile) };
            j += S::NV_ROW * lanes;
        }
    }
    let full = micro::kernels::<S, T>(a.layout, Width::Full);
    while j + S::NV * lanes <= cols {
        (tile.b, tile.c) = (b.column(j), to.wrapping_add(j));
        // SAFETY: as above, for columns j to j + NV * lanes, which never cross from one packed panel to the next.
        unsafe { full[rows - 1](&tile) };
        j += S::NV * lanes;
    }
    while j < cols {
        (tile.b, tile.cols) = (b.column(j), lanes.min(cols - j));
        for (i, tile_rows) in blocking::even_pieces(rows, S::MR_NARROW) {
            tile.a = a.row_pointers(i);
            tile.c = to.wrapping_offset(i as isize * tile.c_row_stride).wrapping_add(j);
            let kernel = micro::kernels::<S, T>(a.layout, Width::Narrow)[tile_rows - 1];
            // SAFETY: as above, for rows i to i + tile_rows and `tile.cols` columns; B was packed with whole vectors
            // unless partial loads are cheap.
            unsafe { kernel(&tile) };
        }
        j += lanes;
    }
    if !matches!(epilogue, TileEpilogue::None) {
        epilogue.apply(s, c);
    }
}

/// A block of B as the micro-kernel reads it: rows of whole vectors.
struct BBlock<'a, T> {
    ptr: *const T,
    row_stride: isize,
    /// Columns of a packed panel and the distance from one panel to the next; `None` where B is read as it lies.
    panels: Option<(usize, usize)>,
    memory: std::marker::PhantomData<&'a [T]>,
}

impl<'a, T: Arithmetic> BBlock<'a, T> {
    /// Packs `b` if it has to be or if that pays for `m` rows of A.
    #[inline(always)]
    fn new<S: Simd>(s: S, b: MatRef<'a, T>, m: usize, buffer: &'a mut Scratch) -> Self {
        let lanes = T::Vector::<S>::LANES;
        let nr = S::NV * lanes;
        let whole_vectors = b.cols().is_multiple_of(lanes) || T::Vector::<S>::CHEAP_TAIL_LOADS;
        let contiguous = b.col_stride() == 1 || b.cols() == 1;
        if contiguous && whole_vectors && !pack::pays_for_b::<T>(b, m) {
            BBlock { ptr: b.as_ptr(), row_stride: b.row_stride(), panels: None, memory: Default::default() }
        } else {
            let panels = buffer.elements(b.cols().div_ceil(nr) * nr * b.rows());
            pack::pack_b(s, b, nr, panels);
            BBlock {
                ptr: panels.as_ptr(),
                row_stride: nr as isize,
                panels: Some((nr, nr * b.rows())),
                memory: Default::default(),
            }
        }
    }

    /// Where column `j` of row 0 lies; a tile's columns never cross from one panel to the next.
    fn column(&self, j: usize) -> *const T {
        let offset = match self.panels {
            None => j,
            Some((nr, distance)) => j / nr * distance + j % nr,
        };
        self.ptr.wrapping_add(offset)
    }
}

/// A row tile of A as the micro-kernel reads it.
struct ATile<'a, T> {
    ptr: *const T,
    layout: ALayout,
    stride: isize,
    k: usize,
    memory: std::marker::PhantomData<&'a [T]>,
}

impl<'a, T: Arithmetic> ATile<'a, T> {
    /// Packs `a` if it has to be or if that pays for `uses` tiles of B.
    #[inline(always)]
    fn new<S: Simd>(s: S, a: MatRef<'a, T>, uses: usize, buffer: &'a mut Scratch) -> Self {
        let (rows, k) = (a.rows(), a.cols());
        let tile = |ptr, layout, stride: isize| ATile { ptr, layout, stride, k, memory: Default::default() };
        let pays = pack::pays_for_a::<T>(a, uses);
        if a.col_stride() == 1 || k <= 1 {
            if !pays {
                return tile(a.as_ptr(), ALayout::Rows, a.row_stride());
            }
            let stride = pack::a_row_stride::<T>(k);
            let packed = buffer.elements(rows * stride);
            copy::copy(s, a, MatMut::from_strided(packed, 0, rows, k, stride as isize, 1));
            tile(packed.as_ptr(), ALayout::Rows, stride as isize)
        } else {
            if a.row_stride() == 1 && !pays {
                return tile(a.as_ptr(), ALayout::Columns, a.col_stride());
            }
            let packed = buffer.elements(rows * k);
            copy::copy(s, a.t(), MatMut::from_row_major(packed, k, rows));
            tile(packed.as_ptr(), ALayout::Columns, rows as isize)
        }
    }

    /// Pointers to rows i, i + [`ROW_GROUP`], ... of column 0; those past the tile are not to be used.
    fn row_pointers(&self, i: usize) -> [*const T; MR_MAX.div_ceil(ROW_GROUP)] {
        let row_stride = match self.layout {
            ALayout::Rows => self.stride,
            ALayout::Columns => 1,
        };
        std::array::from_fn(|group| self.ptr.wrapping_offset((i + group * ROW_GROUP) as isize * row_stride))
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
