//! Row tiles of A over a block of B, and the two as the micro-kernel reads them.

use super::micro::{self, Tile, Update, Width};
use super::pack::{self, Panels};
use super::scratch::Scratch;
use super::{Arithmetic, MatMut, MatRef, blocking};
use crate::simd::{Float, Simd};
use std::marker::PhantomData;

/// Whether [wide](Width::Wide) tiles are better for such a B, which is then read as it lies or from panels as wide.
#[inline(always)]
pub(crate) fn is_shallow<S: Simd, T: Arithmetic>(k: usize, n: usize) -> bool {
    S::MR_WIDE > 0 && k <= S::K_WIDE && n >= 2 * nr::<S, T>()
}

/// Wide tiles that are a row tile together: [`band`] cuts it, and otherwise for columns that no wide tile takes. Cut like the
/// others, these take 1.03 times as long for 512x64x80, 1.1 times for 13x50x77.
const WIDE_RUN: usize = 4;

/// How many rows a row tile of `a` has, packed or read as it lies, for a block of B of so many columns.
#[inline(always)]
pub(crate) fn mr<S: Simd, T: Arithmetic>(
    _: S,
    a: MatRef<'_, T>,
    packed: bool,
    b: &BBlock<'_, T>,
    cols: usize,
) -> usize {
    let (lanes, depth) = (T::Vector::<S>::LANES, a.cols());
    if b.is_wide::<S>(cols, depth) {
        return WIDE_RUN * S::MR_WIDE;
    }
    if cols <= lanes && S::NV > 1 {
        return S::MR_MASKED;
    }
    match pack::conflicting_rows::<S, T>(a, cols.div_ceil(nr::<S, T>())) {
        Some(rows) if !packed => rows.min(S::MR),
        _ => S::MR,
    }
}

/// Whether rows of A come from beyond the L1 cache, each for the first time, if one tile of B is all that they meet.
#[inline(always)]
pub(crate) fn streams<T: Arithmetic>(a: MatRef<'_, T>) -> bool {
    a.col_stride() == 1 && a.rows() * a.cols() * size_of::<T>() > blocking::L1_BYTES
}

/// How many columns a tile of B has, and a panel where it is packed.
#[inline(always)]
pub(crate) const fn nr<S: Simd, T: Arithmetic>() -> usize {
    S::NV * T::Vector::<S>::LANES
}

/// How many columns a panel of a B of such a shape has: those of the tiles that read it.
#[inline(always)]
pub(crate) fn panel<S: Simd, T: Arithmetic>(k: usize, n: usize) -> usize {
    if is_shallow::<S, T>(k, n) { 2 * nr::<S, T>() } else { nr::<S, T>() }
}

/// What sums start from.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    Zeros,
    /// What C holds, whose columns fill tiles.
    C,
    /// The same, in place of C.
    From(MatRef<'a, T>),
}

/// Row tiles of A, each of `height` rows, over all columns of a block of B. C has `count` times as many rows.
#[inline(always)]
pub(crate) fn band<S: Simd, T: Arithmetic>(
    update: Update<T>,
    a: &ATile<'_, T>,
    (height, count): (usize, usize),
    b: &BBlock<'_, T>,
    start: Start<'_, T>,
    mut c: MatMut<'_, T>,
) {
    let (rows, cols) = (height * count, c.cols());
    assert!(c.rows() == rows);
    let (lanes, nr) = (T::Vector::<S>::LANES, nr::<S, T>());
    let to = c.as_mut_ptr();
    let (width, start, start_row_stride) = match start {
        Start::Zeros => (Width::Full, std::ptr::null(), 0),
        Start::C => (Width::Resumed, to.cast_const(), c.row_stride()),
        Start::From(sums) => {
            assert!(sums.rows() == rows && sums.cols() == cols && sums.has_contiguous_rows());
            (Width::Resumed, sums.as_ptr(), sums.row_stride())
        }
    };
    assert!(width == Width::Full || cols.is_multiple_of(nr));
    let mut tile = Tile {
        count,
        across: 0,
        b_across: b.panels.map_or(2 * nr, |(_, distance)| distance),
        k: a.k,
        a: a.ptr,
        a_row_stride: a.row_stride,
        a_col_stride: a.col_stride,
        a_lines_ahead: a.lines_ahead,
        b: b.column(0),
        b_row_stride: b.row_stride,
        c: to,
        c_row_stride: c.row_stride(),
        start,
        start_row_stride,
        cols: 0,
        update,
    };
    let mut j = 0;
    // SAFETY: whoever calls holds a token, which proves the features. A's view, or the panel packed from it, holds `rows` rows of
    // depth k; B's view as many rows of the columns of the tiles, which never cross from one packed panel to the next, in whole
    // vectors or, where it is not padded, `tile.cols` of one; and C is ours and holds these columns, its rows contiguous, as what
    // the sums start from has them.
    unsafe {
        if width == Width::Full && b.is_wide::<S>(cols, a.k) {
            let most = blocking::wide_tiles_across::<T>(cols, a.k, 2 * nr);
            for (_, across, _) in blocking::even_runs(cols / (2 * nr), most, 1) {
                (tile.across, tile.b, tile.c) = (across, b.column(j), to.wrapping_add(j));
                all_rows::<S, T>(&tile, height, Width::Wide, S::MR_WIDE);
                j += across * 2 * nr;
            }
        }
        while j + nr <= cols {
            (tile.b, tile.c) = (b.column(j), to.wrapping_add(j));
            if width == Width::Resumed {
                tile.start = start.wrapping_add(j);
            }
            all_rows::<S, T>(&tile, height, width, S::MR);
            j += nr;
        }
        let (width, most) = if b.is_padded::<S>() { (Width::Padded, S::MR) } else { (Width::Masked, S::MR_MASKED) };
        while j < cols {
            (tile.b, tile.b_row_stride) = b.part::<S>(j);
            (tile.c, tile.cols) = (to.wrapping_add(j), lanes.min(cols - j));
            all_rows::<S, T>(&tile, height, width, most);
            j += lanes;
        }
    }
}

/// All rows of `tile`, as many as its tiles of `height` have, by tiles of at most `most`.
///
/// # Safety
/// - The contract of [`MicroKernel`](micro::MicroKernel), for all these rows.
#[inline(always)]
unsafe fn all_rows<S: Simd, T: Arithmetic>(tile: &Tile<T>, height: usize, width: Width, most: usize) {
    let kernels = micro::kernels::<S, T>(width);
    // SAFETY: the caller's promise, passed on.
    unsafe {
        // No other cut, and no division to find that out.
        if height <= most {
            return kernels[height - 1](tile);
        }
        for (i, height, count) in blocking::even_runs(tile.count * height, most, usize::MAX) {
            let a = tile.a.wrapping_offset(i as isize * tile.a_row_stride);
            let c = tile.c.wrapping_offset(i as isize * tile.c_row_stride);
            let start = tile.start.wrapping_offset(i as isize * tile.start_row_stride);
            kernels[height - 1](&Tile { count, a, c, start, ..*tile });
        }
    }
}

/// A block of B as the micro-kernel reads it: rows of whole vectors.
pub(crate) struct BBlock<'a, T> {
    ptr: *const T,
    row_stride: isize,
    /// Columns of a packed panel and the distance from one panel to the next; `None` where B is read as it lies.
    panels: Option<(usize, usize)>,
    /// The last columns, which do not fill a vector, where they were copied to rows of one.
    padded: Option<*const T>,
    memory: PhantomData<&'a [T]>,
}

impl<'a, T: Arithmetic> BBlock<'a, T> {
    /// Packs `b` if it has to be or if that pays for `m` rows of A.
    #[inline(always)]
    pub(crate) fn new<S: Simd>(s: S, b: MatRef<'a, T>, m: usize, buffer: &'a mut Scratch) -> Self {
        let lanes = T::Vector::<S>::LANES;
        if Self::is_readable::<S>(b, m) {
            Self::as_it_lies(b)
        } else if b.has_contiguous_rows() && !pack::pays_for_b::<S, T>(b, m) {
            let part = b.col_range(b.cols() / lanes * lanes, b.cols());
            let padded = buffer.elements(lanes * b.rows());
            pack::pad_b(s, part, padded);
            BBlock { padded: Some(padded.as_ptr()), ..Self::as_it_lies(b) }
        } else {
            // Up to a vector of columns takes no more than that: 16x784x128 NT is 1.1 times as fast with AVX-512.
            let nr =
                if b.cols() <= lanes && !b.has_contiguous_rows() { lanes } else { panel::<S, T>(b.rows(), b.cols()) };
            let panels = buffer.elements(b.cols().div_ceil(nr) * nr * b.rows());
            pack::pack_b(s, b, nr, panels);
            BBlock {
                ptr: panels.as_ptr(),
                row_stride: nr as isize,
                panels: Some((nr, nr * b.rows())),
                padded: None,
                memory: PhantomData,
            }
        }
    }

    /// Whether B can be read as it lies, and that costs no more than a copy.
    #[inline(always)]
    pub(crate) fn is_readable<S: Simd>(b: MatRef<'_, T>, m: usize) -> bool {
        b.has_contiguous_rows()
            && (m < T::Vector::<S>::M_FOR_PADDING_B || b.cols().is_multiple_of(T::Vector::<S>::LANES))
            && !pack::pays_for_b::<S, T>(b, m)
    }

    /// Where columns that do not fill a tile are read with masks.
    pub(crate) fn as_it_lies(b: MatRef<'a, T>) -> Self {
        BBlock { ptr: b.as_ptr(), row_stride: b.row_stride(), panels: None, padded: None, memory: PhantomData }
    }

    /// Rows from `row` and columns from `col` on of an operand that was packed before.
    pub(crate) fn packed(panels: Panels<'a, T>, row: usize, col: usize) -> Self {
        let Panels { memory, nr, k, .. } = panels;
        BBlock {
            ptr: memory[col * k + row * nr..].as_ptr(),
            row_stride: nr as isize,
            panels: Some((nr, nr * k)),
            padded: None,
            memory: PhantomData,
        }
    }

    /// Whether tiles are wide, which must not cross from one packed panel to the next.
    #[inline(always)]
    fn is_wide<S: Simd>(&self, cols: usize, k: usize) -> bool {
        is_shallow::<S, T>(k, cols) && self.panels.is_none_or(|(columns, _)| columns > nr::<S, T>())
    }

    /// Whether rows of what does not fill a tile are whole vectors all the same.
    #[inline(always)]
    fn is_padded<S: Simd>(&self) -> bool {
        micro::pads::<S, T>() && (self.panels.is_some() || self.padded.is_some() || !micro::masks::<S, T>())
    }

    /// Where columns from `j` on lie that do not fill a tile, and how far apart their rows.
    #[inline(always)]
    fn part<S: Simd>(&self, j: usize) -> (*const T, isize) {
        match self.padded {
            Some(padded) => (padded, T::Vector::<S>::LANES as isize),
            None => (self.column(j), self.row_stride),
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

/// Row tiles of A, where they lie or packed, as the micro-kernel reads them.
pub(crate) struct ATile<'a, T> {
    ptr: *const T,
    row_stride: isize,
    col_stride: isize,
    k: usize,
    lines_ahead: usize,
    memory: PhantomData<&'a [T]>,
}

impl<'a, T: Arithmetic> ATile<'a, T> {
    #[inline(always)]
    pub(crate) fn new(a: MatRef<'a, T>) -> Self {
        ATile {
            ptr: a.as_ptr(),
            row_stride: a.row_stride(),
            col_stride: a.col_stride(),
            k: a.cols(),
            lines_ahead: 0,
            memory: PhantomData,
        }
    }

    /// The same tiles, each of which asks for the start of the rows after it.
    #[inline(always)]
    pub(crate) fn fetching_next(self) -> Self {
        let lines_ahead = (self.k * size_of::<T>()).div_ceil(micro::LINE_BYTES).min(4);
        ATile { lines_ahead, ..self }
    }
}
