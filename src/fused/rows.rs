//! What softmax and its kin need of a row of logits z: the largest m, and exponentials `E_j = e^(z_j - c)` for a c near it.
//!
//! `z - m` would be rounded, and for the exponential that counts. So c is a multiple N of ln 2, the nearest to m, where
//! `|m| < 256`: `E = 2^-N e^z`, and only the power of two changes. For other rows c is m: unless it is below `m - 105`,
//! where E is 0, z is then between m/2 and 2 m, and `z - m` exact.
//!
//! One largest element is left out of the sum R of the others, so that nothing is lost where R is small beside its E.
//! Elements equal to it are counted, and added last.
//!
//! Rows of at most [`NARROW`] columns are worked on 16 at a time, each in a lane, column after column. Exponentials are
//! added over columns in fours, `(e0 + e1) + (e2 + e3)`, each to those before; what is left is added one by one. Longer
//! rows are summed in the order of [`reduce`](crate::reduce).

use crate::math::{exp, log1p};
use crate::reduce::{ACCUMULATORS, combine, load_padded, max_of_numbers};
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

    /// Elements between rows.
    #[inline(always)]
    fn stride(cols: usize) -> usize {
        if BLOCKS == 1 { GROUP } else { cols.next_multiple_of(GROUP) }
    }

    /// Takes the first `rows` rows of `x`, at most 16, each of `cols` elements.
    #[inline(always)]
    pub(crate) fn load<S: Simd>(&mut self, s: S, cols: usize, rows: usize, x: &[f32]) {
        let stride = Self::stride(cols);
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

/// The exponentials of rows, each in a lane, or of one row in all lanes.
#[derive(Clone, Copy)]
pub(crate) struct Exponentials<V> {
    /// m, passing over NaN.
    pub(crate) max: V,
    /// What is taken from z, 0 or m,
    shift: V,
    /// the least of what that leaves that matters,
    lowest: V,
    /// and N or 0.
    power: V,
    /// E of the largest, between √½ and √2; 1 where that is infinite.
    largest: V,
    /// R; NaN if a z is.
    rest: V,
}

impl<V: Float32> Exponentials<V> {
    #[inline(always)]
    fn new(max: V) -> Self {
        let zero = max.constant(0.0);
        let near = max.abs().lt(max.constant(256.0));
        let left = V::select(near, max, zero);
        let power = (left * max.constant(exp::LOG2_E)).round_small();
        let largest = exp::over_power(left, power);
        let shift = V::select(near, zero, max);
        Exponentials { max, shift, lowest: left - max.constant(106.0), power, largest, rest: zero }
    }

    /// `E` of z.
    #[inline(always)]
    pub(crate) fn of(&self, z: V) -> V {
        // The bound first: where z is NaN, it chooses that.
        exp::over_power(self.lowest.max(z - self.shift), self.power)
    }

    /// The same; then again with 0 for the largest, and `equal`, there one more.
    #[inline(always)]
    fn term(&self, z: V, equal: V) -> (V, V, V) {
        let e = self.of(z);
        let is_largest = z.eq(self.max);
        let term = V::select(is_largest, z.constant(0.0), e);
        (e, term, V::select(is_largest, equal + z.constant(1.0), equal))
    }

    /// Takes the sum of the smaller ones and how many equal the largest, which is one of them.
    #[inline(always)]
    fn with(mut self, smaller: V, equal: V) -> Self {
        self.rest = (equal - equal.constant(1.0)).mul_add(self.largest, smaller);
        self
    }

    /// NaN for rows whose largest element is infinite, which have no softmax.
    #[inline(always)]
    pub(crate) fn or_nan(mut self) -> Self {
        self.rest = self.rest + self.max * self.max.constant(0.0);
        self
    }

    /// `ln Σ e^(z - m)`
    #[inline(always)]
    pub(crate) fn ln_sum(&self) -> V {
        log1p::finite(self.rest / self.largest)
    }

    /// The sum of all exponentials but e.
    #[inline(always)]
    pub(crate) fn others(&self, e: V) -> V {
        V::select(e.eq(self.largest), self.rest, (self.largest + self.rest) - e)
    }

    /// `numerator / Σ E`, rounded about once.
    #[inline(always)]
    pub(crate) fn quotient(&self, numerator: V) -> V {
        let (largest, rest) = (self.largest, self.rest);
        // Knuth's two-sum.
        let sum = largest + rest;
        let virtual_rest = sum - largest;
        let error = (largest - (sum - virtual_rest)) + (rest - virtual_rest);
        let inverse = numerator.constant(1.0) / sum;
        let quotient = numerator * inverse;
        let remainder = quotient.neg_mul_add(error, quotient.neg_mul_add(sum, numerator));
        remainder.mul_add(inverse, quotient)
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

/// The exponentials of rows with the largest element `max`; they replace z if `KEEP`.
#[inline(always)]
pub(crate) fn exponentials<S: Simd, const KEEP: bool>(
    s: S,
    max: S::F32,
    columns: &mut [Lanes],
) -> Exponentials<S::F32> {
    let exponentials = Exponentials::new(max);
    let zero = S::F32::splat(s, 0.0);
    let (mut smaller, mut equal) = (zero, zero);
    let mut fours = columns.chunks_exact_mut(4);
    for four in &mut fours {
        let mut terms = [zero; 4];
        for (term, z) in terms.iter_mut().zip(four) {
            let e;
            (e, *term, equal) = exponentials.term(S::F32::load(s, z), equal);
            if KEEP {
                e.store(z);
            }
        }
        let [a, b, c, d] = terms;
        smaller = smaller + ((a + b) + (c + d));
    }
    for z in fours.into_remainder() {
        let (e, term);
        (e, term, equal) = exponentials.term(S::F32::load(s, z), equal);
        if KEEP {
            e.store(z);
        }
        smaller = smaller + term;
    }
    exponentials.with(smaller, equal)
}

/// The exponentials of a long row, written to `out`.
#[inline(always)]
pub(crate) fn long_exponentials<S: Simd>(s: S, z: &[f32], out: &mut [f32]) -> Exponentials<S::F32> {
    let mut sums = Sums::new(s, z);
    let (mut blocks, mut outs) = (z.chunks_exact(BLOCK), out.chunks_exact_mut(BLOCK));
    for (z, out) in (&mut blocks).zip(&mut outs) {
        sums.add(z, out);
    }
    sums.finish(blocks.remainder(), outs.into_remainder())
}

/// [`long_exponentials`] in place.
#[inline(always)]
pub(crate) fn long_exponentials_in_place<S: Simd>(s: S, row: &mut [f32]) -> Exponentials<S::F32> {
    let mut sums = Sums::new(s, row);
    let mut z = [0.0; BLOCK];
    let mut blocks = row.chunks_exact_mut(BLOCK);
    for out in &mut blocks {
        z.copy_from_slice(out);
        sums.add(&z, out);
    }
    let out = blocks.into_remainder();
    let z = &mut z[..out.len()];
    z.copy_from_slice(out);
    sums.finish(z, out)
}

/// [`long_exponentials`], written nowhere.
#[inline(always)]
pub(crate) fn long_sum<S: Simd>(s: S, z: &[f32]) -> Exponentials<S::F32> {
    let mut sums = Sums::new(s, z);
    let mut unused = [0.0; BLOCK];
    let mut blocks = z.chunks_exact(BLOCK);
    for z in &mut blocks {
        sums.add(z, &mut unused);
    }
    let rest = blocks.remainder();
    sums.finish(rest, &mut unused[..rest.len()])
}

/// Four vectors, one for each accumulator.
const BLOCK: usize = ACCUMULATORS * 16;

/// The sums of a long row.
struct Sums<S: Simd> {
    s: S,
    max: f32,
    exponentials: Exponentials<S::F32>,
    smaller: [S::F32; ACCUMULATORS],
    equal: [S::F32; ACCUMULATORS],
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(s: S, z: &[f32]) -> Self {
        let max = max_of_numbers(s, z);
        let zero = [S::F32::splat(s, 0.0); ACCUMULATORS];
        Sums { s, max, exponentials: Exponentials::new(S::F32::splat(s, max)), smaller: zero, equal: zero }
    }

    /// Adds a whole block and writes its exponentials.
    #[inline(always)]
    fn add(&mut self, z: &[f32], out: &mut [f32]) {
        let lanes = S::F32::LANES;
        for (i, (z, out)) in z.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)).enumerate() {
            let (e, term);
            (e, term, self.equal[i]) = self.exponentials.term(S::F32::load(self.s, z), self.equal[i]);
            self.smaller[i] = self.smaller[i] + term;
            e.store(out);
        }
    }

    /// Adds what is left, less than a block.
    #[inline(always)]
    fn finish(mut self, z: &[f32], out: &mut [f32]) -> Exponentials<S::F32> {
        let (s, lanes) = (self.s, S::F32::LANES);
        let sums = self.smaller.iter_mut().zip(&mut self.equal);
        for ((smaller, equal), (z, out)) in sums.zip(z.chunks(lanes).zip(out.chunks_mut(lanes))) {
            // Past the end stands the largest element, which only counts.
            let (e, term);
            (e, term, *equal) = self.exponentials.term(load_padded(s, z, self.max), *equal);
            *smaller = *smaller + term;
            e.store_partial(s, out);
        }
        let past_the_end = z.len().next_multiple_of(lanes) - z.len();
        let equal = combine(self.equal).sum_lanes() - past_the_end as f32;
        let smaller = combine(self.smaller).sum_lanes();
        self.exponentials.with(S::F32::splat(s, smaller), S::F32::splat(s, equal))
    }
}
