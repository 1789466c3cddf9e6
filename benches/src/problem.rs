//! The operands of a product, and their elements.

use crate::cases::{Gemm, Layout};
use crate::peers::Peers;
use chacha20::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::ops::{AddAssign, Deref, DerefMut, Mul};

/// An element type of gemm: `f32` or `f64`.
pub trait Real: kernels::Element + Peers + From<f32> + Into<f64> + Mul<Output = Self> + AddAssign {
    /// Half the distance from 1 to the next number.
    const UNIT_ROUNDOFF: f64;
    /// The smallest number above 0.
    const SMALLEST: f64;
    /// 0 / 0
    const NAN: Self;
}

impl Real for f32 {
    const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const SMALLEST: f64 = f32::from_bits(1) as f64;
    const NAN: Self = f32::NAN;
}

impl Real for f64 {
    const UNIT_ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const SMALLEST: f64 = f64::from_bits(1);
    const NAN: Self = f64::NAN;
}

/// Memory that starts at a cache line, and that can be moved, so that figures do not depend on where the allocator put it.
#[derive(Clone, Debug)]
pub struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
    /// How many places there are for it, a page apart.
    places: usize,
}

impl<T: Copy> Aligned<T> {
    const LINE: usize = 64;
    const PAGE: usize = 4096 / size_of::<T>();
    /// Of what takes fewer pages than this; what takes more has a bit of everything.
    const PLACES: usize = 32;

    /// `len` times `value`.
    pub fn new(len: usize, value: T) -> Self {
        let places = if len < Self::PLACES * Self::PAGE { Self::PLACES } else { 1 };
        let memory = vec![value; len + (places - 1) * Self::PAGE + Self::LINE / size_of::<T>()];
        let start = memory.as_ptr().align_offset(Self::LINE);
        Aligned { memory, start, len, places }
    }

    /// Moves it to another place. The same kernel in the same buffers is up to twice as fast in one run as in the next, as
    /// pages of memory share caches or do not; over many places that evens out.
    pub fn move_to(&mut self, place: usize) {
        let to = self.memory.as_ptr().align_offset(Self::LINE) + place % self.places * Self::PAGE;
        self.memory.copy_within(self.start..self.start + self.len, to);
        self.start = to;
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }
}

/// `len` numbers spread evenly over `low..high`, the same at each call.
pub fn uniform<T: From<f32> + Copy>(seed: u64, len: usize, low: f32, high: f32) -> Aligned<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = Aligned::new(len, T::from(0.0));
    numbers.fill_with(|| rng.random_range(low..high).into());
    numbers
}

/// A dense matrix to multiply, its rows or its columns one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    transposed: bool,
}

impl<'a, T: Copy> Operand<'a, T> {
    /// A matrix stored by rows, or, if `transposed`, by columns.
    ///
    /// # Panics
    /// Unless `data` has `rows * cols` elements.
    pub fn new(data: &'a [T], rows: usize, cols: usize, transposed: bool) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}x{cols} matrix");
        Operand { data, rows, cols, transposed }
    }

    /// The elements in the order of memory.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Whether the columns, not the rows, lie one after the other.
    pub fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// The distance in elements from one row to the next.
    pub fn row_stride(&self) -> isize {
        if self.transposed { 1 } else { self.cols as isize }
    }

    /// The distance in elements from one column to the next.
    pub fn col_stride(&self) -> isize {
        if self.transposed { self.rows as isize } else { 1 }
    }

    /// The index in [`data`](Self::data) of an element.
    pub fn index(&self, row: usize, col: usize) -> usize {
        if self.transposed { col * self.rows + row } else { row * self.cols + col }
    }
}

/// A and B of a product.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    shape: Gemm,
    a: Aligned<T>,
    b: Aligned<T>,
}

impl<T: Real> Problem<T> {
    /// Operands of numbers in -1..1.
    pub fn new(shape: Gemm) -> Self {
        Problem { shape, a: uniform(1, shape.m * shape.k, -1.0, 1.0), b: uniform(2, shape.k * shape.n, -1.0, 1.0) }
    }

    /// Moves both to other places.
    pub fn move_to(&mut self, place: usize) {
        self.a.move_to(place);
        self.b.move_to(place);
    }

    /// Its sizes.
    pub fn shape(&self) -> Gemm {
        self.shape
    }

    /// A, m x k.
    pub fn a(&self) -> Operand<'_, T> {
        Operand::new(&self.a, self.shape.m, self.shape.k, self.shape.layout == Layout::Tn)
    }

    /// B, k x n.
    pub fn b(&self) -> Operand<'_, T> {
        Operand::new(&self.b, self.shape.k, self.shape.n, self.shape.layout == Layout::Nt)
    }
}
