//! The loops around the micro-kernel, and the operands as it reads them.
//!
//! B is cut into blocks that stay in the L2 cache; each row tile of A passes over the whole block from the L1 cache:
//!
//! ```text
//! LOOP 4  columns of C and B, nc at a time
//! LOOP 3    K, kc at a time                         B block kc x nc: in L2, packed if it pays
//! LOOP 2      rows of C and A, mr at a time         A tile mr x kc: in L1, packed if it pays
//! LOOP 1        columns of the block, nr at a time  the micro-kernel: C tile mr x nr in registers
//! ```

use super::epilogue::TileEpilogue;
use super::micro::{ALayout, MR_MAX, ROW_GROUP, Tile, Width};
use super::pack::Panels;
use super::problem::{BOperand, Order};
use super::scratch::{Buffers, Scratch};
use super::{Arithmetic, MatMut, MatRef, Problem, blocking, copy, dot, micro, pack, row, scratch};
use crate::reduce::add_rows;
use crate::simd::{Float, Simd};
use std::marker::PhantomData;

/// Computes a problem on this thread with one instruction set.
pub(crate) fn serial<S: Simd, T: Arithmetic>(problem: &mut Problem<'_, T>) {
    // SAFETY: this function is reached only through the `KernelSet` of S.
    let s = unsafe { S::assume_available() };
    match problem.order {
        Order::Dot => dot::dots(s, problem.reborrow()),
        Order::Chain if row::is_row(problem) => row::row(s, problem.reborrow()),
        Order::Chain => scratch::with_buffers(|buffers| {
            s.run(
                #[inline(always)]
                |s| loops(s, problem, buffers),
            );
        }),
    }
}

#[inline(always)]
fn loops<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>, buffers: &mut Buffers) {
    let (m, n, k) = problem.shape();
    let lanes = T::Vector::<S>::LANES;
    let nr = S::NV * lanes;
    let kc = blocking::k_block(k);
    // A B that lies in columns is transposed on its way to the panels.
    let transposed = matches!(problem.b, BOperand::View(b) if b.col_stride() != 1 && n > 1);
    let nc = match transposed && kc >= blocking::KC_FOR_SINGLE_PANELS {
        true => 2 * lanes,
        false => blocking::n_block(kc, nr, size_of::<T>()),
    };
    // LOOP 4
    let mut jc = 0;
    while jc < n {
        let cols = nc.min(n - jc);
        // LOOP 3, at least once: a K of 0 leaves sums of nothing.
        let mut pc = 0;
        loop {
            let depth = kc.min(k - pc);
            let is_last = pc + depth == k;
            let b = match problem.b {
                BOperand::View(b) => {
                    BBlock::new(s, b.row_range(pc, pc + depth).col_range(jc, jc + cols), m, &mut buffers.b)
                }
                BOperand::Packed(panels) => BBlock::packed(panels, pc, jc),
            };
            let a = ABlock::new(problem.a.col_range(pc, pc + depth), cols.div_ceil(nr));
            let streams = cols <= nr && a.streams();
            let beta = if pc == 0 { problem.beta } else { Some(T::from(1.0)) };
            let epilogue = if is_last { problem.epilogue } else { TileEpilogue::None };
            // LOOP 2
            let mr = match cols <= lanes && cols < nr {
                // Pointers to as many rows as a narrow tile can hold would not stay in registers.
                true if problem.a.has_contiguous_rows() => S::MR_NARROW.min(16),
                true => S::MR_NARROW,
                false => S::MR,
            };
            for (i, rows) in blocking::even_pieces(m, mr) {
                let a = a.tile(s, i, rows, &mut buffers.a);
                if streams {
                    a.fetch_next(s, rows);
                }
                let mut c = problem.c.part(i, jc, rows, cols);
                if c.has_contiguous_rows() {
                    band::<S, T>(problem.alpha, &a, &b, beta, c.reborrow());
                    epilogue.apply_to_part(s, i, jc, c.reborrow());
                } else {
                    let mut dense = MatMut::from_row_major(buffers.c.elements(rows * cols), rows, cols);
                    if beta.is_some() {
                        copy::copy(s, c.as_ref(), dense.reborrow());
                    }
                    band::<S, T>(problem.alpha, &a, &b, beta, dense.reborrow());
                    epilogue.apply_to_part(s, i, jc, dense.reborrow());
                    copy::copy(s, dense.as_ref(), c.reborrow());
                }
                if let (Some(sums), true) = (&mut problem.column_sums, is_last) {
                    add_rows(s, c.as_ref(), &mut sums[jc..jc + cols]);
                }
            }
            if is_last {
                break;
            }
            pc += depth;
        }
        jc += cols;
    }
}

/// LOOP 1: a row tile of A over all columns of a block of B.
#[inline(always)]
fn band<S: Simd, T: Arithmetic>(alpha: T, a: &ATile<'_, T>, b: &BBlock<'_, T>, beta: Option<T>, mut c: MatMut<'_, T>) {
    let (rows, cols) = (c.rows(), c.cols());
    let lanes = T::Vector::<S>::LANES;
    let to = c.as_mut_ptr();
    let mut tile = Tile {
        k: a.k,
        a: a.row_pointers(0, rows),
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
    let full = micro::kernels::<S, T>(a.layout, Width::Full);
    while j + S::NV * lanes <= cols {
        (tile.b, tile.c) = (b.column(j), to.wrapping_add(j));
        // SAFETY: whoever calls holds a token, which proves the features. A's view, or the panel packed from it, holds
        // `rows` rows of depth k; B's view as many rows of columns j to j + NV * lanes, which never cross from one packed
        // panel to the next; and C is ours and holds these columns, its rows contiguous.
        unsafe { full[rows - 1](&tile) };
        j += S::NV * lanes;
    }
    while j < cols {
        (tile.b, tile.cols) = (b.column(j), lanes.min(cols - j));
        for (i, tile_rows) in blocking::even_pieces(rows, S::MR_NARROW) {
            tile.a = a.row_pointers(i, tile_rows);
            tile.c = to.wrapping_offset(i as isize * tile.c_row_stride).wrapping_add(j);
            let kernel = micro::kernels::<S, T>(a.layout, Width::Narrow)[tile_rows - 1];
            // SAFETY: as above, for rows i to i + tile_rows and `tile.cols` columns; B was packed with whole vectors
            // unless partial loads are cheap.
            unsafe { kernel(&tile) };
        }
        j += lanes;
    }
}

/// A block of B as the micro-kernel reads it: rows of whole vectors.
struct BBlock<'a, T> {
    ptr: *const T,
    row_stride: isize,
    /// Columns of a packed panel and the distance from one panel to the next; `None` where B is read as it lies.
    panels: Option<(usize, usize)>,
    memory: PhantomData<&'a [T]>,
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
            BBlock { ptr: b.as_ptr(), row_stride: b.row_stride(), panels: None, memory: PhantomData }
        } else {
            let panels = buffer.elements(b.cols().div_ceil(nr) * nr * b.rows());
            pack::pack_b(s, b, nr, panels);
            BBlock {
                ptr: panels.as_ptr(),
                row_stride: nr as isize,
                panels: Some((nr, nr * b.rows())),
                memory: PhantomData,
            }
        }
    }

    /// Rows from `row` and columns from `col` on of an operand that was packed before.
    fn packed(panels: Panels<'a, T>, row: usize, col: usize) -> Self {
        let Panels { memory, nr, k, .. } = panels;
        BBlock {
            ptr: memory[col * k + row * nr..].as_ptr(),
            row_stride: nr as isize,
            panels: Some((nr, nr * k)),
            memory: PhantomData,
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

/// A block of A, and how the micro-kernel reads its row tiles.
struct ABlock<'a, T> {
    view: MatRef<'a, T>,
    layout: ALayout,
    packed: bool,
}

impl<'a, T: Arithmetic> ABlock<'a, T> {
    /// Packs tiles if they have to be or if that pays for `uses` tiles of B.
    #[inline(always)]
    fn new(view: MatRef<'a, T>, uses: usize) -> Self {
        let pays = pack::pays_for_a::<T>(view, uses);
        match view.col_stride() == 1 || view.cols() <= 1 {
            true => ABlock { view, layout: ALayout::Rows, packed: pays },
            false => ABlock { view, layout: ALayout::Columns, packed: pays || view.row_stride() != 1 },
        }
    }

    /// Whether its rows come from beyond the L1 cache, each for the first time, if one tile of B is all that they meet.
    fn streams(&self) -> bool {
        let bytes = self.view.rows() * self.view.cols() * size_of::<T>();
        self.layout == ALayout::Rows && !self.packed && bytes > blocking::L1_BYTES
    }

    /// Rows `i` to `i + rows`.
    #[inline(always)]
    fn tile<'t, S: Simd>(&'t self, s: S, i: usize, rows: usize, buffer: &'t mut Scratch) -> ATile<'t, T> {
        let (a, layout) = (self.view.row_range(i, i + rows), self.layout);
        let k = a.cols();
        let (ptr, stride) = match (layout, self.packed) {
            (ALayout::Rows, false) => (a.as_ptr(), a.row_stride()),
            (ALayout::Columns, false) => (a.as_ptr(), a.col_stride()),
            (ALayout::Rows, true) => {
                let stride = pack::a_row_stride::<T>(k);
                let packed = buffer.elements(rows * stride);
                copy::copy(s, a, MatMut::from_strided(packed, 0, rows, k, stride as isize, 1));
                (packed.as_ptr(), stride as isize)
            }
            (ALayout::Columns, true) => {
                let packed = buffer.elements(rows * k);
                copy::copy(s, a.t(), MatMut::from_row_major(packed, k, rows));
                (packed.as_ptr(), rows as isize)
            }
        };
        ATile { ptr, layout, stride, k, memory: PhantomData }
    }
}

/// A row tile of A as the micro-kernel reads it.
struct ATile<'a, T> {
    ptr: *const T,
    layout: ALayout,
    stride: isize,
    k: usize,
    memory: PhantomData<&'a [T]>,
}

impl<T: Arithmetic> ATile<'_, T> {
    /// Asks for the first lines of the rows after this tile's. There may be none: a prefetch does not mind.
    #[inline(always)]
    fn fetch_next<S: Simd>(&self, s: S, rows: usize) {
        const LINE: usize = 64;
        let bytes = (self.k * size_of::<T>()).min(4 * LINE);
        for row in rows..2 * rows {
            let row = self.ptr.wrapping_offset(row as isize * self.stride);
            for byte in (0..bytes).step_by(LINE) {
                T::Vector::<S>::prefetch(s, row.wrapping_byte_add(byte));
            }
        }
    }

    /// Pointers to rows i, i + [`ROW_GROUP`], ... of column 0 for a tile of `rows`; those past it are not to be used.
    #[inline(always)]
    fn row_pointers(&self, i: usize, rows: usize) -> [*const T; MR_MAX.div_ceil(ROW_GROUP)] {
        let row_stride = match self.layout {
            ALayout::Rows => self.stride,
            ALayout::Columns => 1,
        };
        let mut pointers = [self.ptr.wrapping_offset(i as isize * row_stride); _];
        for group in 1..rows.div_ceil(ROW_GROUP) {
            pointers[group] = pointers[group - 1].wrapping_offset(ROW_GROUP as isize * row_stride);
        }
        pointers
    }
}
