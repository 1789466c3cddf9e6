//! Narrow rows, column by column: 16 at a time, each in a lane.

use super::{GROUP, Lanes};
use crate::simd::{Float, Simd};

/// 16 rows of at most `BLOCKS` times 16 columns, column by column.
#[repr(align(64))]
pub(crate) struct Columns<const BLOCKS: usize> {
    columns: [[Lanes; GROUP]; BLOCKS],
}

impl<const BLOCKS: usize> Columns<BLOCKS> {
    pub(crate) fn new() -> Self {
        Columns { columns: [[[0.0; GROUP]; GROUP]; BLOCKS] }
    }

    /// Elements between rows.
    #[inline(always)]
    fn stride(cols: usize) -> usize {
        if BLOCKS == 1 { GROUP } else { cols.next_multiple_of(GROUP) }
    }

    /// Takes `rows` rows, at most 16 of `cols` elements each, from element `start` of `x` on, and returns their columns. What
    /// [`store`](Self::store) writes must be of a `start` of 0.
    #[inline(always)]
    pub(crate) fn load<S: Simd>(&mut self, s: S, cols: usize, rows: usize, x: &[f32], start: usize) -> &mut [Lanes] {
        // Whole quarters of vectors reach into the next row, or for the last one begin in the row before: what is read there is not
        // used.
        let width = cols.next_multiple_of(S::F32::QUARTER);
        let excess = width - cols;
        let mut copy;
        let (from, first) = if rows == GROUP && start + GROUP * cols + excess <= x.len() {
            (&x[start..], 0)
        } else if rows == GROUP && start >= excess {
            (&x[start - excess..], excess)
        } else {
            copy = [[[0.0; GROUP]; GROUP]; BLOCKS];
            let copy = copy.as_flattened_mut().as_flattened_mut();
            copy[..rows * cols].copy_from_slice(&x[start..start + rows * cols]);
            (&*copy, 0)
        };
        let columns = self.columns();
        S::F32::transpose_rows(s, width, from, cols, columns.as_flattened_mut(), GROUP);
        &mut columns[first..first + cols]
    }

    /// Writes the rows back, each times its factor, to `out`, which is as long as they are together.
    #[inline(always)]
    pub(crate) fn store<S: Simd>(&self, s: S, cols: usize, factors: &[f32], out: &mut [f32]) {
        let stride = Self::stride(cols);
        let mut rows = [[[0.0; GROUP]; GROUP]; BLOCKS];
        let rows = rows.as_flattened_mut().as_flattened_mut();
        for (block, columns) in self.columns.iter().enumerate().take(cols.div_ceil(GROUP)) {
            S::F32::transpose_rows(s, GROUP, columns.as_flattened(), GROUP, &mut rows[block * GROUP..], stride);
        }
        let mut to = out;
        for (row, factor) in rows.chunks_exact(stride).zip(factors) {
            let factor = S::F32::splat(s, *factor);
            for (i, x) in row.chunks_exact(GROUP).enumerate() {
                let x = S::F32::load(s, x) * factor;
                // A whole vector may reach into the next row, which is written after this one.
                let to = &mut to[i * GROUP..];
                if to.len() >= GROUP { x.store(to) } else { x.store_partial(s, to) }
            }
            to = &mut to[cols..];
            if to.is_empty() {
                break;
            }
        }
    }

    /// The columns, of which the first ones count.
    pub(crate) fn columns(&mut self) -> &mut [Lanes] {
        self.columns.as_flattened_mut()
    }
}
