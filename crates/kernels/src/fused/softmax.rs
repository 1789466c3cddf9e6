//! `softmax(z)_j = E_j / Σ E`, its logarithm `(z_j - m) - ln Σ e^(z - m)`, and `logsumexp(z) = m + ln Σ e^(z - m)`, row by
//! row, with m and E as [`rows`](super::rows) has them.

use super::rows::{self, Columns, GROUP, Lanes, LongRows, NARROW, Origin};
use crate::simd::{Float, Simd};

#[inline(always)]
pub(crate) fn softmax<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    if cols <= NARROW {
        narrow_softmax(s, cols, Rows::Apart(x, out));
    } else {
        let mut rows = LongRows::new();
        for (z, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
            let (origin, sums) = rows.next(s, z, 1.0, out);
            scale_row(s, out, sums.or_nan(&origin).quotient(S::F32::splat(s, 1.0)));
        }
    }
}

#[inline(always)]
pub(crate) fn softmax_in_place<S: Simd>(s: S, cols: usize, x: &mut [f32]) {
    if cols <= NARROW {
        narrow_softmax(s, cols, Rows::InPlace(x));
    } else {
        for row in x.chunks_exact_mut(cols) {
            let (origin, sums) = rows::long_exponentials_in_place(s, row);
            scale_row(s, row, sums.or_nan(&origin).quotient(S::F32::splat(s, 1.0)));
        }
    }
}

#[inline(always)]
pub(crate) fn log_softmax<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    if cols <= NARROW {
        narrow_log_softmax(s, cols, Rows::Apart(x, out));
    } else {
        for (z, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
            out.copy_from_slice(z);
            long_log_softmax(s, out);
        }
    }
}

#[inline(always)]
pub(crate) fn log_softmax_in_place<S: Simd>(s: S, cols: usize, x: &mut [f32]) {
    if cols <= NARROW {
        narrow_log_softmax(s, cols, Rows::InPlace(x));
    } else {
        for row in x.chunks_exact_mut(cols) {
            long_log_softmax(s, row);
        }
    }
}

#[inline(always)]
pub(crate) fn logsumexp<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    if cols > NARROW {
        for (z, out) in x.chunks_exact(cols).zip(out) {
            let (origin, sums) = rows::long_sum(s, z);
            (origin.center + sums.ln_sum()).store_partial(s, std::slice::from_mut(out));
        }
        return;
    }
    let mut columns = Columns::<{ NARROW / GROUP }>::new();
    for (x, out) in x.chunks(GROUP * cols).zip(out.chunks_mut(GROUP)) {
        let columns = columns.load(s, cols, out.len(), x, 0);
        let max = rows::largest(s, columns);
        let sums = rows::exponentials::<S, false>(s, &Origin::new(max), columns);
        (max + sums.ln_sum()).store_partial(s, out);
    }
}

/// Rows to read and where to write what becomes of them.
enum Rows<'a> {
    Apart(&'a [f32], &'a mut [f32]),
    InPlace(&'a mut [f32]),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Rows::Apart(x, _) => x.len(),
            Rows::InPlace(x) => x.len(),
        }
    }

    fn input(&self) -> &[f32] {
        match self {
            Rows::Apart(x, _) => x,
            Rows::InPlace(x) => x,
        }
    }

    fn output(&mut self) -> &mut [f32] {
        match self {
            Rows::Apart(_, out) => out,
            Rows::InPlace(x) => x,
        }
    }
}

#[inline(always)]
fn narrow_softmax<S: Simd>(s: S, cols: usize, rows: Rows<'_>) {
    each_group(
        s,
        cols,
        rows,
        #[inline(always)]
        |columns| {
            let origin = Origin::new(rows::largest(s, columns));
            let sums = rows::exponentials::<S, true>(s, &origin, columns);
            sums.or_nan(&origin).quotient(S::F32::splat(s, 1.0))
        },
    );
}

#[inline(always)]
fn narrow_log_softmax<S: Simd>(s: S, cols: usize, rows: Rows<'_>) {
    each_group(
        s,
        cols,
        rows,
        #[inline(always)]
        |columns| {
            let max = rows::largest(s, columns);
            let origin = Origin::new(max);
            let log = rows::exponentials::<S, false>(s, &origin, columns).or_nan(&origin).ln_sum();
            for z in columns {
                (S::F32::load(s, z) - max - log).store(z);
            }
            S::F32::splat(s, 1.0)
        },
    );
}

/// Puts `f` on the columns of each 16 narrow rows; what it returns multiplies the rows it leaves there.
#[inline(always)]
fn each_group<S: Simd>(s: S, cols: usize, rows: Rows<'_>, f: impl Fn(&mut [Lanes]) -> S::F32) {
    if cols <= GROUP { blocks::<S, 1>(s, cols, rows, f) } else { blocks::<S, 4>(s, cols, rows, f) }
}

#[inline(always)]
fn blocks<S: Simd, const BLOCKS: usize>(s: S, cols: usize, mut rows: Rows<'_>, f: impl Fn(&mut [Lanes]) -> S::F32) {
    let mut columns = Columns::<BLOCKS>::new();
    let mut factors = Lanes::default();
    let len = rows.len();
    for from in (0..len).step_by(GROUP * cols) {
        let to = len.min(from + GROUP * cols);
        f(columns.load(s, cols, (to - from) / cols, &rows.input()[from..], 0)).store(&mut factors);
        columns.store(s, cols, &factors, &mut rows.output()[from..to]);
    }
}

#[inline(always)]
fn long_log_softmax<S: Simd>(s: S, row: &mut [f32]) {
    let (origin, sums) = rows::long_sum(s, row);
    let (max, log) = (origin.center, sums.or_nan(&origin).ln_sum());
    for row in row.chunks_mut(S::F32::LANES) {
        (S::F32::load_partial(s, row) - max - log).store_partial(s, row);
    }
}

#[inline(always)]
pub(crate) fn scale_row<S: Simd>(s: S, row: &mut [f32], factor: S::F32) {
    let mut vectors = row.chunks_exact_mut(S::F32::LANES);
    for x in &mut vectors {
        (S::F32::load(s, x) * factor).store(x);
    }
    let rest = vectors.into_remainder();
    (S::F32::load_partial(s, rest) * factor).store_partial(s, rest);
}
