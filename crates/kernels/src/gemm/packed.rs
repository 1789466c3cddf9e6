//! A right operand that is packed once and used often.

use super::band::panel;
use super::pack::{self, Panels};
use super::scratch::{Pod, Scratch};
use super::{Arithmetic, Element, MatRef};
use crate::isa::Isa;
use crate::simd::Simd;
use std::fmt;

/// A copy of a right operand in the order in which the kernels of one instruction set read it. Made by
/// [`KernelSet::pack_b`](crate::KernelSet::pack_b), used by [`KernelSet::gemm_packed`](crate::KernelSet::gemm_packed).
pub struct PackedB<T> {
    isa: Isa,
    rows: usize,
    cols: usize,
    nr: usize,
    memory: Scratch,
    pack: Prepack<T>,
}

/// Packs a matrix into memory that grows as needed, and returns the columns of a panel.
pub(crate) type Prepack<T> = fn(MatRef<'_, T>, &mut Scratch) -> usize;

impl<T: Element> PackedB<T> {
    pub(crate) fn new(isa: Isa, b: MatRef<'_, T>, pack: Prepack<T>) -> Self {
        let mut memory = Scratch::default();
        let nr = pack(b, &mut memory);
        PackedB { isa, rows: b.rows(), cols: b.cols(), nr, memory, pack }
    }

    /// Packs `b`, of the same shape, in place of what was packed, without an allocation.
    ///
    /// # Panics
    /// If the shape is another.
    #[track_caller]
    pub fn repack(&mut self, b: MatRef<'_, T>) {
        let (rows, cols) = (self.rows, self.cols);
        let (new_rows, new_cols) = (b.rows(), b.cols());
        assert!((new_rows, new_cols) == (rows, cols), "repack: {new_rows}x{new_cols} in place of {rows}x{cols}");
        (self.pack)(b, &mut self.memory);
    }

    /// # Panics
    /// If it was packed for another instruction set.
    #[track_caller]
    pub(crate) fn panels(&self, isa: Isa) -> Panels<'_, T>
    where
        T: Pod,
    {
        assert!(isa == self.isa, "gemm: B was packed for {}, this is {isa}", self.isa);
        let len = self.cols.next_multiple_of(self.nr) * self.rows;
        Panels { memory: self.memory.filled(len), nr: self.nr, k: self.rows, cols: self.cols }
    }
}

impl<T> PackedB<T> {
    /// The number of rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns of the matrix.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

impl<T> fmt::Debug for PackedB<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedB({}x{}, {})", self.rows, self.cols, self.isa)
    }
}

/// The entry of a [`KernelSet`](crate::KernelSet)'s table.
pub(crate) fn prepack<S: Simd, T: Arithmetic>(b: MatRef<'_, T>, memory: &mut Scratch) -> usize {
    // SAFETY: this function is reached only through the `KernelSet` of S.
    let s = unsafe { S::assume_available() };
    let nr = panel::<S, T>(b.rows(), b.cols());
    s.run(
        #[inline(always)]
        |s| pack::pack_b(s, b, nr, memory.elements(b.cols().next_multiple_of(nr) * b.rows())),
    );
    nr
}
