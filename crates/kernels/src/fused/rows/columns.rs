//! Narrow rows, column by column: 16 at a time, each in a lane.

use super::{GROUP, Lanes};
use crate::simd::{Float, Simd};

/// 16 rows of at most `BLOCKS` times 16 columns, column by column, and as many elements row by row.
#[repr(align(64))]
pub(crate) struct Columns<const BLOCKS: usize> {
    columns: [[Lanes; GROUP]; BLOCKS],
    rows: [[Lanes; GROUP]; BLOCKS],
}

impl<const BLOCKS: usize> Columns<BLOCKS> {
    pub(crate) fn new() -> Self {
        Columns { columns: [[[0.0; GROUP]; GROUP]; BLOCKS], rows: [[[0.0; GROUP]; GROUP]; BLOCKS] }
    }

    /// Elements between rows.
    #[inline(always)]
    fn stride(cols: usize) -> usize {
        if BLOCKS == 1 { GROUP } else { cols.next_multiple_of(GROUP) }
    }

    /// Takes the first `rows` rows of `x`, at most 16, each of `cols` elements.
    #[inline(always)]
    pub(crate) fn load<S: Simd>(&mut self, s: S, cols: usize, rows: usize, x: &[f32]) {
        // A whole block of a row may reach into the next row: what is read there is not used.
        let from = if rows == GROUP && (GROUP - 1) * cols + Self::stride(cols) <= x.len() {
            x
        } else {
            let copy = self.rows.as_flattened_mut().as_flattened_mut();
            copy[..rows * cols].copy_from_slice(&x[..rows * cols]);
            &*copy
        };
        for (block, columns) in self.columns.iter_mut().enumerate().take(cols.div_ceil(GROUP)) {
            S::F32::transpose_block(s, &from[block * GROUP..], cols, columns.as_flattened_mut(), GROUP);
        }
    }

    /// Writes the rows back, each times its factor, to `out`, which is as long as they are together.
    #[inline(always)]
    pub(crate) fn store<S: Simd>(&mut self, s: S, cols: usize, factors: &[f32], out: &mut [f32]) {
        let stride = Self::stride(cols);
        let rows = self.rows.as_flattened_mut().as_flattened_mut();
        for (block, columns) in self.columns.iter().enumerate().take(cols.div_ceil(GROUP)) {
            S::F32::transpose_block(s, columns.as_flattened(), GROUP, &mut rows[block * GROUP..], stride);
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
