//! `softmax(z)_j = E_j / Σ E`, its logarithm `(z_j - m) - ln Σ e^(z - m)`, and `logsumexp(z) = m + ln Σ e^(z - m)`, row by
//! row, with m and E as [`rows`](super::rows) has them.

use super::rows::{self, Columns, GROUP, Lanes, LongRows, NARROW, Origin, Rows};
use crate::reduce::{load_part, store_part};
use crate::simd::{Float, Simd};

#[inline(always)]
pub(crate) fn softmax<S: Simd>(s: S, cols: usize, mut rows: Rows<'_>) {
    if cols <= NARROW {
        return narrow_softmax(s, cols, rows);
    }
    let mut long_rows = LongRows::new();
    for at in (0..rows.len()).step_by(cols) {
        let mut row = rows.part(at..at + cols);
        let (origin, sums) = long_rows.next(s, row.part(0..cols), 1.0);
        scale_row(s, row.output(), sums.or_nan(&origin).quotient(S::F32::splat(s, 1.0)));
    }
}

#[inline(always)]
pub(crate) fn log_softmax<S: Simd>(s: S, cols: usize, mut rows: Rows<'_>) {
    if cols <= NARROW {
        return narrow_log_softmax(s, cols, rows);
    }
    for at in (0..rows.len()).step_by(cols) {
        let mut row = rows.part(at..at + cols);
        let (origin, sums) = rows::long_exponentials(s, Rows::Only(row.input()));
        let (max, log) = (origin.center, sums.or_nan(&origin).ln_sum());
        for at in (0..cols).step_by(GROUP) {
            let len = GROUP.min(cols - at);
            let x = load_part(s, row.input(), at, len);
            store_part(s, x - max - log, row.output(), at, len);
        }
    }
}

#[inline(always)]
pub(crate) fn logsumexp<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    if cols > NARROW {
        for (z, out) in x.chunks_exact(cols).zip(out) {
            let (origin, sums) = rows::long_exponentials(s, Rows::Only(z));
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
pub(crate) fn scale_row<S: Simd>(s: S, row: &mut [f32], factor: S::F32) {
    let mut vectors = row.chunks_exact_mut(S::F32::LANES);
    for x in &mut vectors {
        (S::F32::load(s, x) * factor).store(x);
    }
    let rest = vectors.into_remainder();
    (S::F32::load_partial(s, rest) * factor).store_partial(s, rest);
}
