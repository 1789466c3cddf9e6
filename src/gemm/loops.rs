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
use super::scratch::{Buffers, Scratch};
use super::{Arithmetic, MatMut, MatRef, Order, Problem, blocking, copy, dot, micro, pack, scratch};
use crate::simd::{Float, Simd};
use std::marker::PhantomData;

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
                    let mut dense = MatMut::from_row_major(buffers.c.elements(rows * cols), rows, cols);
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
    epilogue.apply(s, c);
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
    memory: PhantomData<&'a [T]>,
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
