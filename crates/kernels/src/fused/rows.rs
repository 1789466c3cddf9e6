//! What softmax and its kin need of a row: the largest element m, and e^(z - m) of each z.
//!
//! One largest element has the exponential 1; the sum of the others, R, is taken without it. So `Σ e^(z - m) = 1 + R`,
//! `ln Σ e^z = m + ln(1 + R)`, and nothing is lost where R is small beside 1. Elements equal to m beyond the first are
//! counted, as whole numbers, and added to the sum of the smaller ones last.
//!
//! `z - m` is rounded; where that matters, the rounding error δ is had by Knuth's two-sum and `e^(z - m + δ)` is
//! `e + e δ`.
//!
//! Rows of at most [`NARROW`] columns are worked on 16 at a time, each in a lane, column after column. The sum of the
//! smaller ones goes over columns in fours, `(e0 + e1) + (e2 + e3)`, each added to those before; what is left is added one
//! by one. Longer rows are summed in the order of [`reduce`](crate::reduce).

use crate::math::exp::exp;
use crate::reduce::{ACCUMULATORS, combine, load_padded};
use crate::simd::{Float, Float32, Simd};

/// Columns of a row that shares vectors with 15 others.
pub(crate) const NARROW: usize = 64;
/// Narrow rows that are worked on at once, and columns of a block.
pub(crate) const GROUP: usize = 16;

/// One number for each of 16 rows.
pub(crate) type Lanes = [f32; GROUP];

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

    /// Takes the first `rows` rows of `x`, at most 16, each of `cols` elements.
    #[inline(always)]
    pub(crate) fn load<S: Simd>(&mut self, s: S, cols: usize, rows: usize, x: &[f32]) {
        let stride = cols.next_multiple_of(GROUP);
        // A whole block of a row may reach into the next row: what is read there is not used.
        let (from, stride) = if rows == GROUP && (GROUP - 1) * cols + stride <= x.len() {
            (x, cols)
        } else {
            let copies = self.rows.as_flattened_mut().as_flattened_mut();
            for (x, copy) in x[..rows * cols].chunks_exact(cols).zip(copies.chunks_exact_mut(stride)) {
                for (x, copy) in x.chunks(GROUP).zip(copy.chunks_exact_mut(GROUP)) {
                    S::F32::load_partial(s, x).store(copy);
                }
            }
            (&*copies, stride)
        };
        for (block, columns) in self.columns.iter_mut().enumerate().take(cols.div_ceil(GROUP)) {
            S::F32::transpose_block(s, &from[block * GROUP..], stride, columns.as_flattened_mut(), GROUP);
        }
    }

    /// Writes the rows back, each times its factor, to `out`, which is as long as they are together.
    #[inline(always)]
    pub(crate) fn store<S: Simd>(&mut self, s: S, cols: usize, factors: &Lanes, out: &mut [f32]) {
        let stride = cols.next_multiple_of(GROUP);
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

/// The largest of each row, passing over NaN.
#[inline(always)]
pub(crate) fn largest<S: Simd>(s: S, columns: &[Lanes]) -> S::F32 {
    let mut largest = S::F32::splat(s, f32::NEG_INFINITY);
    for z in columns {
        largest = S::F32::load(s, z).max(largest);
    }
    largest
}

/// Replaces each z by `e^(z - max)` if `KEEP`; returns R. A NaN makes R one.
#[inline(always)]
pub(crate) fn exponentials<S: Simd, const KEEP: bool>(s: S, max: S::F32, columns: &mut [Lanes]) -> S::F32 {
    let zero = S::F32::splat(s, 0.0);
    let (mut smaller, mut equal) = (zero, S::F32::splat(s, -1.0));
    let mut fours = columns.chunks_exact_mut(4);
    for four in &mut fours {
        let mut terms = [zero; 4];
        for (term, z) in terms.iter_mut().zip(four) {
            let e;
            (e, *term, equal) = exponential(S::F32::load(s, z), max, equal);
            if KEEP {
                e.store(z);
            }
        }
        let [a, b, c, d] = terms;
        smaller = smaller + ((a + b) + (c + d));
    }
    for z in fours.into_remainder() {
        let (e, term);
        (e, term, equal) = exponential(S::F32::load(s, z), max, equal);
        if KEEP {
            e.store(z);
        }
        smaller = smaller + term;
    }
    smaller + equal
}

/// `e^(z - max)`, the same but 0 where z is the largest, and `equal`, there one more.
#[inline(always)]
fn exponential<V: Float32>(z: V, max: V, equal: V) -> (V, V, V) {
    let (zero, one) = (z.constant(0.0), z.constant(1.0));
    let difference = z - max;
    let virtual_max = difference - z;
    let error = (z - (difference - virtual_max)) - (max + virtual_max);
    // Where the difference is infinite the error is NaN and the exponential 0: any number does.
    let error = error.min(one);
    let e = exp(difference);
    let e = e.mul_add(error, e);
    let is_largest = z.eq(max);
    (e, V::select(is_largest, zero, e), equal + V::select(is_largest, one, zero))
}

/// Writes `e^(z - max)` of a long row, whose largest element is max, passing over NaN; returns R.
#[inline(always)]
pub(crate) fn long_exponentials<S: Simd>(s: S, max: f32, z: &[f32], out: &mut [f32]) -> f32 {
    let mut rest = Rest::new(s, max);
    for (z, out) in z.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        rest.add(z, out);
    }
    rest.sum(z.len())
}

/// [`long_exponentials`] in place.
#[inline(always)]
pub(crate) fn long_exponentials_in_place<S: Simd>(s: S, max: f32, row: &mut [f32]) -> f32 {
    let mut rest = Rest::new(s, max);
    let mut block = [0.0; BLOCK];
    for out in row.chunks_mut(BLOCK) {
        let z = &mut block[..out.len()];
        z.copy_from_slice(out);
        rest.add(z, out);
    }
    rest.sum(row.len())
}

/// R of a long row.
#[inline(always)]
pub(crate) fn long_rest<S: Simd>(s: S, max: f32, z: &[f32]) -> f32 {
    let mut rest = Rest::new(s, max);
    let mut unused = [0.0; BLOCK];
    for z in z.chunks(BLOCK) {
        rest.add(z, &mut unused[..z.len()]);
    }
    rest.sum(z.len())
}

/// Four vectors, one for each accumulator.
const BLOCK: usize = ACCUMULATORS * 16;

/// The parts of R of a long row.
struct Rest<S: Simd> {
    s: S,
    largest: f32,
    max: S::F32,
    smaller: [S::F32; ACCUMULATORS],
    equal: [S::F32; ACCUMULATORS],
}

impl<S: Simd> Rest<S> {
    #[inline(always)]
    fn new(s: S, max: f32) -> Self {
        let zero = [S::F32::splat(s, 0.0); ACCUMULATORS];
        Rest { s, largest: max, max: S::F32::splat(s, max), smaller: zero, equal: zero }
    }

    /// Adds a block and writes its exponentials.
    #[inline(always)]
    fn add(&mut self, z: &[f32], out: &mut [f32]) {
        let sums = self.smaller.iter_mut().zip(&mut self.equal);
        for ((smaller, equal), (z, out)) in sums.zip(z.chunks(S::F32::LANES).zip(out.chunks_mut(S::F32::LANES))) {
            let s = self.s;
            // Past the end stands the largest element, which adds nothing but to the count.
            let z = if z.len() == S::F32::LANES { S::F32::load(s, z) } else { load_padded(s, z, self.largest) };
            let (e, term);
            (e, term, *equal) = exponential(z, self.max, *equal);
            e.store_partial(s, out);
            *smaller = *smaller + term;
        }
    }

    /// R of a row of `len` elements.
    #[inline(always)]
    fn sum(self, len: usize) -> f32 {
        let past_the_end = len.next_multiple_of(S::F32::LANES) - len;
        let equal = combine(self.equal).sum_lanes() - (past_the_end as f32 + 1.0);
        combine(self.smaller).sum_lanes() + equal
    }
}

/// `numerator / (1 + R)`, rounded about once; NaN where max is infinite.
#[inline(always)]
pub(crate) fn quotient<V: Float32>(numerator: V, max: V, rest: V) -> V {
    let one = numerator.constant(1.0);
    let zero_or_nan = max * one.constant(0.0);
    let rest = rest + zero_or_nan;
    let sum = one + rest;
    // Two-sum again.
    let virtual_rest = sum - one;
    let error = (one - (sum - virtual_rest)) + (rest - virtual_rest);
    let quotient = numerator / sum;
    let remainder = quotient.neg_mul_add(error, quotient.neg_mul_add(sum, numerator));
    (remainder / sum) + quotient
}
