//! Matrices in buffers whose unused elements are guards.

use crate::random::Random;
use kernels::{Element, MatMut, MatRef};

/// `f32` and `f64` as the tests need them.
pub trait Float: Element + Into<f64> + std::fmt::Display {
    /// Half the distance from 1 to the next number.
    const UNIT_ROUNDOFF: f64;
    /// The smallest positive number.
    const TINIEST: f64;
    /// A NaN that no arithmetic makes.
    const GUARD: Self;
    /// From `f64`, rounded.
    fn from_f64(x: f64) -> Self;
    /// The bits, widened.
    fn bits(self) -> u64;
}

impl Float for f32 {
    const UNIT_ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;
    const TINIEST: f64 = 1.401_298_464_324_817e-45;
    const GUARD: f32 = f32::from_bits(0x7fc1_2345);
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl Float for f64 {
    const UNIT_ROUNDOFF: f64 = 1.0 / (1u64 << 53) as f64;
    const TINIEST: f64 = 4.94e-324;
    const GUARD: f64 = f64::from_bits(0x7ff8_1234_5678_9abc);
    fn from_f64(x: f64) -> f64 {
        x
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Rows side by side.
    RowMajor,
    /// Columns side by side.
    ColMajor,
    /// Row-major with a gap after each row.
    RowPadded,
    /// Column-major with a gap after each column.
    ColPadded,
    /// Gaps between all neighbours.
    General,
    /// Row-major, last row first.
    RowsBackwards,
    /// Column-major, both dimensions backwards.
    AllBackwards,
    /// All rows are the same one.
    RowRepeated,
    /// All elements are the same one.
    OneElement,
}

impl Layout {
    /// Those that A and B may have.
    pub const READABLE: [Layout; 9] = [
        Layout::RowMajor,
        Layout::ColMajor,
        Layout::RowPadded,
        Layout::ColPadded,
        Layout::General,
        Layout::RowsBackwards,
        Layout::AllBackwards,
        Layout::RowRepeated,
        Layout::OneElement,
    ];

    /// Those that C may have.
    pub const WRITABLE: [Layout; 7] = [
        Layout::RowMajor,
        Layout::ColMajor,
        Layout::RowPadded,
        Layout::ColPadded,
        Layout::General,
        Layout::RowsBackwards,
        Layout::AllBackwards,
    ];
}

/// A matrix in a buffer with guards around and between its elements.
#[derive(Clone, Debug)]
pub struct Matrix<T> {
    /// All of the buffer, guards too.
    pub data: Vec<T>,
    offset: usize,
    rows: usize,
    cols: usize,
    strides: (isize, isize),
}

impl<T: Float> Matrix<T> {
    /// A matrix with elements from `value`, called with row and column.
    pub fn new(rows: usize, cols: usize, layout: Layout, mut value: impl FnMut(usize, usize) -> T) -> Self {
        const MARGIN: usize = 37;
        let (r, c) = (rows as isize, cols as isize);
        let strides = match layout {
            Layout::RowMajor => (c, 1),
            Layout::ColMajor => (1, r),
            Layout::RowPadded => (c + 3, 1),
            Layout::ColPadded => (1, r + 5),
            Layout::General => (2 * c + 1, 2),
            Layout::RowsBackwards => (-c, 1),
            Layout::AllBackwards => (-1, -r),
            Layout::RowRepeated => (0, 1),
            Layout::OneElement => (0, 0),
        };
        let reach = |count: usize, stride: isize| count.saturating_sub(1) * stride.unsigned_abs();
        let extent = reach(rows, strides.0) + reach(cols, strides.1);
        let back = if strides.0 < 0 { reach(rows, strides.0) } else { 0 }
            + if strides.1 < 0 { reach(cols, strides.1) } else { 0 };
        let mut matrix =
            Matrix { data: vec![T::GUARD; extent + 1 + 2 * MARGIN], offset: MARGIN + back, rows, cols, strides };
        for i in 0..rows {
            for j in 0..cols {
                let at = matrix.index(i, j);
                matrix.data[at] = value(i, j);
            }
        }
        matrix
    }

    /// Random elements in [-1, 1).
    pub fn random(rows: usize, cols: usize, layout: Layout, random: &mut Random) -> Self {
        Self::new(rows, cols, layout, |_, _| T::from_f64(random.unit()))
    }

    fn index(&self, i: usize, j: usize) -> usize {
        (self.offset as isize + i as isize * self.strides.0 + j as isize * self.strides.1) as usize
    }

    /// One element.
    pub fn get(&self, i: usize, j: usize) -> T {
        self.data[self.index(i, j)]
    }

    /// To read.
    pub fn view(&self) -> MatRef<'_, T> {
        MatRef::from_strided(&self.data, self.offset, self.rows, self.cols, self.strides.0, self.strides.1)
    }

    /// To write.
    pub fn view_mut(&mut self) -> MatMut<'_, T> {
        MatMut::from_strided(&mut self.data, self.offset, self.rows, self.cols, self.strides.0, self.strides.1)
    }

    /// The bits of the whole buffer, so that a changed guard shows too.
    pub fn bits(&self) -> Vec<u64> {
        self.data.iter().map(|x| x.bits()).collect()
    }
}
