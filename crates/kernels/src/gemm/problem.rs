//! One product to compute: checked, oriented, and cut into bands.

use super::copy::copy;
use super::epilogue::TileEpilogue;
use super::micro::Update;
use super::pack::Panels;
use super::{Arithmetic, Epilogue, MatMut, MatRef, blocking};
use crate::simd::{Float, Simd};

/// Of the virtual vector, on every instruction set.
const VIRTUAL_VECTOR_BYTES: usize = 64;

/// One product to compute, or a band of rows or columns of one.
pub(crate) struct Problem<'a, T> {
    pub(super) alpha: T,
    pub(super) a: MatRef<'a, T>,
    pub(super) b: BOperand<'a, T>,
    /// `None` for 0: C is not read.
    pub(super) beta: Option<T>,
    pub(super) c: MatMut<'a, T>,
    pub(super) epilogue: TileEpilogue<'a, T>,
    /// Where the sums of C's columns are added up, tile by tile.
    pub(super) column_sums: Option<&'a mut [T]>,
    /// Whether C is the transpose of the caller's.
    pub(super) is_transpose: bool,
    pub(super) order: Order,
}

/// The right operand, as it lies or packed by an earlier call.
#[derive(Clone, Copy)]
pub(super) enum BOperand<'a, T> {
    View(MatRef<'a, T>),
    Packed(Panels<'a, T>),
}

impl<'a, T: Arithmetic> BOperand<'a, T> {
    pub(super) fn rows(&self) -> usize {
        match self {
            BOperand::View(b) => b.rows(),
            BOperand::Packed(panels) => panels.k,
        }
    }

    pub(super) fn cols(&self) -> usize {
        match self {
            BOperand::View(b) => b.cols(),
            BOperand::Packed(panels) => panels.cols,
        }
    }

    /// Parts of it start at multiples of so many columns.
    pub(super) fn cols_together(&self) -> usize {
        match self {
            BOperand::View(_) => 1,
            BOperand::Packed(panels) => panels.nr,
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
pub(super) enum Order {
    /// One chain in ascending k for each block of K.
    Chain,
    /// As `dot` has it, for a row or column of dot products.
    Dot,
}

impl<'a, T: Arithmetic> Problem<'a, T> {
    /// The problem as the caller has it, to be [prepared](Self::prepare). Inlined, so that the caller writes its parts to where
    /// they stay: a copy of them costs as much as the rest of a small call, as loads wait that are wider than the stores
    /// before.
    #[inline(always)]
    pub(super) fn new(
        alpha: T,
        a: MatRef<'a, T>,
        b: BOperand<'a, T>,
        beta: T,
        c: MatMut<'a, T>,
        epilogue: Epilogue<'a, T>,
    ) -> Self {
        Problem {
            alpha,
            a,
            b,
            beta: (beta != T::default()).then_some(beta),
            c,
            epilogue: epilogue.into(),
            column_sums: None,
            is_transpose: false,
            order: Order::Chain,
        }
    }

    /// What becomes of C, whose lines tiles ask for if an L2 cache does not hold them or S
    /// [always does](Simd::FETCHES_NEAR_C).
    pub(super) fn update<S: Simd>(&self) -> Update<T> {
        let is_far = self.c.rows() * self.c.cols() * size_of::<T>() > blocking::L2_BYTES;
        Update { alpha: self.alpha, beta: self.beta, fetches_c: is_far || S::FETCHES_NEAR_C }
    }

    /// Checks the shapes and decides what must not depend on how the problem is split later.
    #[track_caller]
    #[inline]
    pub(super) fn prepare(&mut self) {
        let Problem { a, b, c, .. } = &*self;
        let (m, k, n) = (a.rows(), a.cols(), b.cols());
        if b.rows() != k || c.rows() != m || c.cols() != n {
            self.wrong_shapes();
        }
        self.epilogue.check(m, n);
        let along_k = matches!(b, BOperand::View(b) if b.row_stride() == 1) && a.col_stride() == 1;
        // The kernels write rows of C. A column of C is a row of its transpose, and then the lanes run along it.
        let lies_in_columns = c.row_stride() == 1 && (c.col_stride() != 1 || n == 1) && m > 1;
        // A sum of no products is 0 whatever alpha is.
        if k == 0 {
            self.alpha = T::default();
        }
        if (m == 1 || n == 1) && along_k {
            self.order = Order::Dot;
        }
        if lies_in_columns {
            self.transpose();
        }
        if self.is_narrow_with_columns_of_a() {
            self.transpose();
        }
    }

    #[track_caller]
    #[cold]
    #[inline(never)]
    fn wrong_shapes(&self) -> ! {
        let Problem { a, b, c, .. } = self;
        panic!(
            "gemm: A is {}x{}, B is {}x{}, C is {}x{}: A must be m x k, B k x n, C m x n",
            a.rows(),
            a.cols(),
            b.rows(),
            b.cols(),
            c.rows(),
            c.cols()
        );
    }

    /// Whether C has fewer columns than a vector has lanes, and A offers vectors along the rows: then C is computed by
    /// columns and transposed on its way to memory, as is the gradient of a layer of few outputs.
    fn is_narrow_with_columns_of_a(&self) -> bool {
        let lanes = VIRTUAL_VECTOR_BYTES / size_of::<T>();
        let (m, n, _) = self.shape();
        self.order == Order::Chain && 1 < n && n < lanes && m >= 2 * lanes && self.a.row_stride() == 1
    }

    /// Applies the epilogue to part of a C whose rows are contiguous, and adds it to the sums of columns.
    #[inline(always)]
    pub(super) fn finish_part<S: Simd>(&mut self, s: S, row: usize, col: usize, rows: usize, cols: usize) {
        if self.epilogue.is_some() || self.column_sums.is_some() {
            let part = self.c.part(row, col, rows, cols);
            self.epilogue.apply_to_part(s, row, col, part, &mut self.column_sums);
        }
    }

    /// Applies the epilogue to part of a C that was computed in other rows, and copies it to where it belongs. A function of its
    /// own, so that the loops that call it keep their registers. The epilogue in each block of the transposition, right before its
    /// vectors are stored, takes 1.006 times as long for 64x128x784 NT with `tanh'`.
    #[inline(never)]
    pub(super) fn finish_dense<S: Simd>(&mut self, s: S, row: usize, col: usize, mut dense: MatMut<'_, T>) {
        let mut c = self.c.part(row, col, dense.rows(), dense.cols());
        // By vectors of C as the caller has it, where it has them: there lies what an epilogue reads. The sums are of the
        // caller's columns.
        let in_columns = c.row_stride() == 1
            && match self.column_sums {
                Some(_) => self.is_transpose,
                None => dense.rows() >= T::Vector::<S>::LANES,
            };
        if !in_columns {
            self.epilogue.apply_to_part(s, row, col, dense.reborrow(), &mut self.column_sums);
        }
        copy(s, dense.as_ref(), c.reborrow());
        if in_columns {
            self.epilogue.transposed().apply_to_part(s, col, row, c.t(), &mut self.column_sums);
        }
    }

    /// (m, n, k)
    pub(super) fn shape(&self) -> (usize, usize, usize) {
        (self.a.rows(), self.b.cols(), self.a.cols())
    }

    /// Becomes Cᵀ = Bᵀ Aᵀ, where B is not packed.
    #[inline(never)]
    pub(super) fn transpose(&mut self) {
        let BOperand::View(b) = &mut self.b else {
            return;
        };
        (self.a, *b) = (b.t(), self.a.t());
        self.c.transpose();
        self.epilogue = self.epilogue.transposed();
        self.is_transpose = !self.is_transpose;
    }

    /// Rows `from..to` of C.
    ///
    /// # Safety
    /// - While the result lives, nothing else may use these rows of C.
    pub(super) unsafe fn rows(&self, from: usize, to: usize) -> Problem<'_, T> {
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
    pub(super) unsafe fn cols(&self, from: usize, to: usize) -> Problem<'_, T> {
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
