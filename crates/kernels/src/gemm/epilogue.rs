//! What is applied to a tile of C that was just completed, while its lines are in the L1 cache.

use super::{Arithmetic, Epilogue, MatMut, MatRef};
use crate::activation::{Activation, with_backward, with_forward};
use crate::reduce::add_rows;
use crate::simd::{Float, MAX_LANES, Simd};

/// One [`Epilogue`](super::Epilogue), as seen from C or, where the product is computed transposed, from its transpose.
#[derive(Clone, Copy)]
pub(crate) enum TileEpilogue<'a, T> {
    None,
    Bias { bias: Bias<'a, T>, activation: Activation },
    Derivative { activation: Activation, kept: MatRef<'a, T> },
}

/// Along which dimension of C the bias runs.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a, T> {
    None,
    OfColumn(&'a [T]),
    OfRow(&'a [T]),
}

impl<'a, T> From<Epilogue<'a, T>> for TileEpilogue<'a, T> {
    #[inline(always)]
    fn from(epilogue: Epilogue<'a, T>) -> Self {
        match epilogue {
            Epilogue::None => TileEpilogue::None,
            Epilogue::Bias { bias, activation } => {
                TileEpilogue::Bias { bias: bias.map_or(Bias::None, Bias::OfColumn), activation }
            }
            Epilogue::Derivative { activation, kept } => TileEpilogue::Derivative { activation, kept },
        }
    }
}

impl<'a, T: Arithmetic> TileEpilogue<'a, T> {
    /// Panics unless it fits a C of m×n.
    #[track_caller]
    #[inline]
    pub(crate) fn check(&self, m: usize, n: usize) {
        match self {
            TileEpilogue::Bias { bias: Bias::OfColumn(bias), .. } => {
                assert!(bias.len() == n, "gemm: a bias of {} values for a C of {m}x{n}", bias.len());
            }
            TileEpilogue::Derivative { kept, .. } => assert!(
                kept.rows() == m && kept.cols() == n,
                "gemm: a derivative from {}x{} values for a C of {m}x{n}",
                kept.rows(),
                kept.cols()
            ),
            _ => {}
        }
    }

    pub(crate) fn transposed(self) -> Self {
        match self {
            TileEpilogue::None => TileEpilogue::None,
            TileEpilogue::Bias { bias, activation } => {
                let bias = match bias {
                    Bias::None => Bias::None,
                    Bias::OfColumn(bias) => Bias::OfRow(bias),
                    Bias::OfRow(bias) => Bias::OfColumn(bias),
                };
                TileEpilogue::Bias { bias, activation }
            }
            TileEpilogue::Derivative { activation, kept } => TileEpilogue::Derivative { activation, kept: kept.t() },
        }
    }

    /// For rows and columns of C from (row, col) on, `rows` by `cols` of them. Inlined, so that nothing is written that would be
    /// read again at once, by wider loads that wait for it.
    #[inline(always)]
    pub(crate) fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        match self {
            TileEpilogue::None => TileEpilogue::None,
            TileEpilogue::Bias { bias, activation } => {
                let bias = match bias {
                    Bias::None => Bias::None,
                    Bias::OfColumn(bias) => Bias::OfColumn(&bias[col..col + cols]),
                    Bias::OfRow(bias) => Bias::OfRow(&bias[row..row + rows]),
                };
                TileEpilogue::Bias { bias, activation }
            }
            TileEpilogue::Derivative { activation, kept } => TileEpilogue::Derivative {
                activation,
                kept: kept.row_range(row, row + rows).col_range(col, col + cols),
            },
        }
    }

    /// Applies it to the part of C from (row, col) on, whose rows are contiguous, and then adds these to the sums of C's
    /// columns, if there are any.
    #[inline(always)]
    pub(crate) fn apply_to_part<S: Simd>(
        &self,
        s: S,
        row: usize,
        col: usize,
        part: MatMut<'_, T>,
        column_sums: &mut Option<&mut [T]>,
    ) {
        if self.is_some() || column_sums.is_some() {
            let sums = column_sums.as_deref_mut().map(|sums| &mut sums[col..col + part.cols()]);
            self.apply_out_of_line(s, row, col, part, sums);
        }
    }

    /// Whether there is one.
    pub(crate) fn is_some(&self) -> bool {
        !matches!(self, TileEpilogue::None)
    }

    /// A function of its own, so that the loops that call it keep their registers.
    #[inline(never)]
    fn apply_out_of_line<S: Simd>(
        &self,
        s: S,
        row: usize,
        col: usize,
        mut part: MatMut<'_, T>,
        column_sums: Option<&mut [T]>,
    ) {
        s.run(
            #[inline(always)]
            |s| {
                self.part(row, col, part.rows(), part.cols()).apply(s, part.reborrow());
                if let Some(sums) = column_sums {
                    add_rows(s, part.as_ref(), sums);
                }
            },
        );
    }

    /// Applies it to a tile of C whose rows are contiguous.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, mut tile: MatMut<'_, T>) {
        match self {
            TileEpilogue::None => {}
            TileEpilogue::Bias { bias, activation } => {
                // What changes nothing that it is added to.
                let nothing = [T::from(-0.0)];
                let bias_of_tile = bias.over(tile.rows(), tile.cols()).unwrap_or_else(
                    #[inline(always)]
                    // SAFETY: all elements are this one.
                    || unsafe { MatRef::from_raw_parts(nothing.as_ptr(), tile.rows(), tile.cols(), 0, 0) },
                );
                match T::mapped(activation) {
                    None => with_forward!(activation, T, S, add_bias(s, tile, bias_of_tile)),
                    Some(function) => {
                        if !matches!(bias, Bias::None) {
                            add_bias(
                                s,
                                tile.reborrow(),
                                bias_of_tile,
                                #[inline(always)]
                                |z| z,
                            );
                        }
                        for_each_run(
                            tile,
                            #[inline(always)]
                            |x| T::map::<S>(function, x),
                        );
                    }
                }
            }
            TileEpilogue::Derivative { activation, kept } => {
                let done = multiply_vectors::<S, T>(activation, kept, tile.reborrow());
                let (_, tile) = tile.split_cols(done);
                let kept = kept.col_range(done, kept.cols());
                with_backward!(activation, T, S, combine(s, tile, kept));
            }
        }
    }
}

impl<'a, T: Arithmetic> Bias<'a, T> {
    /// What is added to each element of a tile of C.
    #[inline(always)]
    fn over(self, rows: usize, cols: usize) -> Option<MatRef<'a, T>> {
        let (bias, len, row_stride, col_stride) = match self {
            Bias::None => return None,
            Bias::OfColumn(bias) => (bias, cols, 0, 1),
            Bias::OfRow(bias) => (bias, rows, 1, 0),
        };
        assert!(bias.len() == len);
        // SAFETY: each index is that of a column or a row, of which there are as many as values.
        Some(unsafe { MatRef::from_raw_parts(bias.as_ptr(), rows, cols, row_stride, col_stride) })
    }
}

#[inline(always)]
fn add_bias<S: Simd, T: Arithmetic>(
    s: S,
    tile: MatMut<'_, T>,
    bias: MatRef<'_, T>,
    activation: impl Fn(T::Vector<S>) -> T::Vector<S>,
) {
    combine(
        s,
        tile,
        bias,
        #[inline(always)]
        |x, bias| activation(x + bias),
    );
}

/// Multiplies whole vectors by a derivative whose steps overlap, and returns how many columns these are: none, unless it is such a
/// derivative and can be had from vectors.
#[inline(always)]
fn multiply_vectors<S: Simd, T: Arithmetic>(
    activation: Activation,
    kept: MatRef<'_, T>,
    mut tile: MatMut<'_, T>,
) -> usize {
    let (rows, cols) = (tile.rows(), tile.cols());
    let whole = cols - cols % T::Vector::<S>::LANES;
    let has_vectors = whole > 0 && kept.has_contiguous_rows();
    match has_vectors && T::multiply::<S>(activation, kept.col_range(0, whole), tile.part(0, 0, rows, whole)) {
        true => whole,
        false => 0,
    }
}

/// Calls `f` with each row, or with all of them where they follow each other.
#[inline(always)]
fn for_each_run<T: Arithmetic>(mut tile: MatMut<'_, T>, f: impl Fn(&mut [T])) {
    if let Some(all) = tile.as_slice_mut() {
        return f(all);
    }
    for i in 0..tile.rows() {
        f(tile.row_mut(i));
    }
}

/// Parts of rows that are read before the first of them is written: some CPUs let a masked load wait for a masked store of the same
/// line, which takes 27 cycles a row of 64x10.
const PARTS_AT_ONCE: usize = 8;

/// Replaces each vector of a tile whose rows are contiguous by `f` of it and of what lies in the same place of `other`. Vectors
/// below each other follow each other: tiles are a few vectors wide, and the ends of so short rows would take longer than most
/// functions. Whole vectors of both have a loop of their own: what precedes the other one takes as long as a tile of them.
///
/// What did not help: the micro-kernel asking for its tile's lines of `other`, or of C as well; to ask for them before the
/// micro-kernel starts, 1.03 times the time of 64x128x784 NT; two vectors of a row in each step.
#[inline(always)]
fn combine<S: Simd, T: Arithmetic>(
    s: S,
    mut tile: MatMut<'_, T>,
    other: MatRef<'_, T>,
    f: impl Fn(T::Vector<S>, T::Vector<S>) -> T::Vector<S>,
) {
    let (rows, cols) = (tile.rows(), tile.cols());
    assert!(tile.has_contiguous_rows() && (other.rows(), other.cols()) == (rows, cols));
    let lanes = T::Vector::<S>::LANES;
    let (to_stride, from_stride, step) = (tile.row_stride(), other.row_stride(), other.col_stride());
    // Then the rows are one, which is cut into vectors below each other, and perhaps a part of one.
    let is_dense = step == 1 && (rows == 1 || (to_stride, from_stride) == (cols as isize, cols as isize));
    let width = if is_dense { rows * cols } else { cols };
    let whole = if step == 1 { width - width % lanes } else { 0 };
    let (below, to_next, from_next, across) = match is_dense {
        true => (whole / lanes, lanes as isize, lanes as isize, 1),
        false => (rows, to_stride, from_stride, whole / lanes),
    };
    for v in 0..across {
        let (mut to, mut from) = (tile.as_mut_ptr().wrapping_add(v * lanes), other.as_ptr().wrapping_add(v * lanes));
        for _ in 0..below {
            // SAFETY: both have a whole vector here, whose elements lie side by side; those of the tile are ours.
            unsafe { f(T::Vector::<S>::load_ptr(s, to), T::Vector::<S>::load_ptr(s, from)).store_ptr(to) };
            (to, from) = (to.wrapping_offset(to_next), from.wrapping_offset(from_next));
        }
    }
    let rows = if is_dense { 1 } else { rows };
    // Then vectors of it are made of its elements, one at a time.
    let is_gathered = step != 0 && step != 1;
    for j in (whole..width).step_by(lanes) {
        let count = lanes.min(width - j);
        let tail = T::Vector::<S>::tail(s, count);
        let is_whole = count == lanes;
        let mut to = tile.as_mut_ptr().wrapping_add(j);
        let mut from = other.as_ptr().wrapping_offset(j as isize * step);
        let mut parts = [[T::default(); MAX_LANES]; PARTS_AT_ONCE];
        let mut left = rows;
        while left > 0 {
            let run = match (is_gathered, is_whole) {
                (true, _) => 1,
                (false, true) => left,
                (false, false) => left.min(PARTS_AT_ONCE),
            };
            left -= run;
            let gathered;
            let mut at = from;
            if is_gathered {
                // SAFETY: `other` has `count` elements here.
                gathered = unsafe { gather(from, step, count) };
                at = gathered.as_ptr();
            }
            let part_of = |i: usize| to.wrapping_offset(i as isize * to_stride);
            let (mut place, mut place_stride) = (to, to_stride);
            if !is_whole {
                for (i, part) in parts.iter_mut().enumerate().take(run) {
                    // SAFETY: the tile has `count` elements here, as many as `tail` has lanes.
                    unsafe { T::Vector::<S>::load_tail(s, part_of(i), tail) }.store(part);
                }
                (place, place_stride) = (parts.as_mut_ptr().cast(), MAX_LANES as isize);
            }
            for _ in 0..run {
                // SAFETY: the tile has a vector here or, as `other`, `count` elements, as many as `tail` has lanes. Those of the tile
                // are ours and lie side by side, as do those of `other`, gathered to a whole vector or not, unless they are the same.
                unsafe {
                    let y = match step {
                        0 => T::Vector::<S>::splat(s, *at),
                        1 => T::Vector::<S>::load_tail(s, at, tail),
                        _ => T::Vector::<S>::load_ptr(s, at),
                    };
                    f(T::Vector::<S>::load_ptr(s, place), y).store_ptr(place);
                }
                (place, at) = (place.wrapping_offset(place_stride), at.wrapping_offset(from_stride));
            }
            if !is_whole {
                for (i, part) in parts.iter().enumerate().take(run) {
                    // SAFETY: as above.
                    unsafe { T::Vector::<S>::load(s, part).store_tail(part_of(i), tail) };
                }
            }
            to = part_of(run);
            from = from.wrapping_offset(run as isize * from_stride);
        }
    }
}

/// So many elements that lie `step` apart, and zeros. A function of its own, as it is seldom needed.
///
/// # Safety
/// - These elements must be readable.
#[inline(never)]
unsafe fn gather<T: Arithmetic>(from: *const T, step: isize, count: usize) -> [T; MAX_LANES] {
    std::array::from_fn(|i| match i < count {
        // SAFETY: the caller's promise.
        true => unsafe { *from.offset(i as isize * step) },
        false => T::default(),
    })
}
