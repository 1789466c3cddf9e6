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
//! rows are worked on 64 columns at a time: four vectors are added in the same way, lane by lane, and their sum in f64 to
//! those before; in the end the two halves of the lanes meet, and then the eight of them by halves.

use crate::math::{exp, log1p};
use crate::reduce::{combine, load_padded};
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

/// Where |m| is below this, c is a multiple of ln 2.
const NEAR: f32 = 256.0;
/// Where z is above m less this, E is a normal number.
const TAME: f32 = 86.0;

/// The exponentials of rows, each in a lane, or of one row in all lanes.
#[derive(Clone, Copy)]
pub(crate) struct Exponentials<V> {
    /// m, passing over NaN.
    pub(crate) max: V,
    /// What is taken from z, 0 or m,
    shift: V,
    /// above which of what that leaves E is a normal number, below which by 20 it is 0,
    tame: V,
    /// and N or 0.
    power: V,
    /// E of the largest, between √½ and √2; 1 where that is infinite.
    largest: V,
    /// R; NaN if a z is.
    rest: V,
    /// What the rounding of R left over, as far as it is known.
    rest_low: V,
}

impl<V: Float32> Exponentials<V> {
    #[inline(always)]
    fn new(max: V) -> Self {
        let zero = max.constant(0.0);
        let near = max.abs().lt(max.constant(NEAR));
        let left = V::select(near, max, zero);
        let power = (left * max.constant(exp::LOG2_E)).round_small();
        let largest = exp::normal_over_power(left, power);
        let shift = V::select(near, zero, max);
        Exponentials { max, shift, tame: left - max.constant(TAME), power, largest, rest: zero, rest_low: zero }
    }

    /// `E` of z.
    #[inline(always)]
    pub(crate) fn of(&self, z: V) -> V {
        let left = z - self.shift;
        if V::all(self.tame.lt(left)) {
            return exp::normal_over_power(left, self.power);
        }
        // The bound first: where z is NaN, it chooses that.
        exp::over_power((self.tame - self.tame.constant(20.0)).max(left), self.power)
    }

    /// The same; then again with 0 for the largest, and `equal`, there one more.
    #[inline(always)]
    fn term(&self, z: V, equal: V) -> (V, V, V) {
        let e = self.of(z);
        let is_largest = z.eq(self.max);
        let term = V::select(is_largest, z.constant(0.0), e);
        (e, term, V::select(is_largest, equal + z.constant(1.0), equal))
    }

    /// Takes the sum of the smaller ones, in two parts, and how many equal the largest, which is one of them.
    #[inline(always)]
    fn with(mut self, smaller: V, low: V, equal: V) -> Self {
        let equal = (equal - equal.constant(1.0)) * self.largest;
        let (rest, error) = two_sum(smaller, equal);
        (self.rest, self.rest_low) = (rest, low + error);
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
        log1p::finite(self.ratio())
    }

    /// R over the largest E, so that `Σ e^(z - m)` is one more.
    #[inline(always)]
    pub(crate) fn ratio(&self) -> V {
        (self.rest + self.rest_low) / self.largest
    }

    /// The sum of all exponentials but e, which is R for that of the largest.
    #[inline(always)]
    pub(crate) fn others(&self, e: V) -> V {
        (self.largest - e) + (self.rest + self.rest_low)
    }

    /// The same times a factor; for the largest rounded about once.
    #[inline(always)]
    pub(crate) fn others_times(&self, e: V, factor: V) -> V {
        ((self.largest - e) + self.rest).mul_add(factor, self.rest_low * factor)
    }

    /// `numerator / Σ E`, rounded about once.
    #[inline(always)]
    pub(crate) fn quotient(&self, numerator: V) -> V {
        let (largest, rest) = (self.largest, self.rest);
        let (sum, error) = two_sum(largest, rest);
        let error = error + self.rest_low;
        let inverse = numerator.constant(1.0) / sum;
        let quotient = numerator * inverse;
        let remainder = quotient.neg_mul_add(error, quotient.neg_mul_add(sum, numerator));
        remainder.mul_add(inverse, quotient)
    }
}

/// `a + b` and what its rounding leaves over, by Knuth.
#[inline(always)]
fn two_sum<V: Float>(a: V, b: V) -> (V, V) {
    let sum = a + b;
    let virtual_b = sum - a;
    (sum, (a - (sum - virtual_b)) + (b - virtual_b))
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
    let (mut smaller, mut low, mut equal) = (zero, zero, zero);
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
        let error;
        (smaller, error) = two_sum(smaller, (a + b) + (c + d));
        low = low + error;
    }
    for z in fours.into_remainder() {
        let (e, term);
        (e, term, equal) = exponentials.term(S::F32::load(s, z), equal);
        if KEEP {
            e.store(z);
        }
        let error;
        (smaller, error) = two_sum(smaller, term);
        low = low + error;
    }
    exponentials.with(smaller, low, equal)
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

/// Vectors whose exponentials are added before they meet those of others.
const VECTORS: usize = 4;
/// Columns of them.
const BLOCK: usize = VECTORS * 16;

/// The sums of a long row.
struct Sums<S: Simd> {
    s: S,
    max: f32,
    /// Whether c is N ln 2 and all E, but for those of NaN, are normal numbers.
    tame: bool,
    exponentials: Exponentials<S::F32>,
    smaller: (S::F64, S::F64),
    equal: S::F32,
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(s: S, z: &[f32]) -> Self {
        let (min, max) = range_of_numbers(s, z);
        let zero = S::F64::splat(s, 0.0);
        Sums {
            s,
            max,
            tame: max.abs() < NEAR && max - min < TAME,
            exponentials: Exponentials::new(S::F32::splat(s, max)),
            smaller: (zero, zero),
            equal: S::F32::splat(s, 0.0),
        }
    }

    /// Adds a whole block and writes its exponentials.
    #[inline(always)]
    fn add(&mut self, z: &[f32], out: &mut [f32]) {
        let (s, max, lanes) = (self.s, self.exponentials.max, S::F32::LANES);
        // Most blocks have no largest element. No NaN is below it.
        let mut below = self.tame;
        for z in z.chunks_exact(lanes) {
            below &= S::F32::all(S::F32::load(s, z).lt(max));
        }
        let mut terms = [max; VECTORS];
        for ((term, z), out) in terms.iter_mut().zip(z.chunks_exact(lanes)).zip(out.chunks_exact_mut(lanes)) {
            let z = S::F32::load(s, z);
            let e;
            if below {
                e = exp::normal_over_power(z, self.exponentials.power);
                *term = e;
            } else {
                (e, *term, self.equal) = self.exponentials.term(z, self.equal);
            }
            e.store(out);
        }
        self.add_terms(terms);
    }

    #[inline(always)]
    fn add_terms(&mut self, terms: [S::F32; VECTORS]) {
        let (low, high) = combine(terms).widen();
        self.smaller = (self.smaller.0 + low, self.smaller.1 + high);
    }

    /// Adds what is left, less than a block.
    #[inline(always)]
    fn finish(mut self, z: &[f32], out: &mut [f32]) -> Exponentials<S::F32> {
        let (s, lanes) = (self.s, S::F32::LANES);
        let zero = S::F32::splat(s, 0.0);
        let mut terms = [zero; VECTORS];
        for ((term, z), out) in terms.iter_mut().zip(z.chunks(lanes)).zip(out.chunks_mut(lanes)) {
            // Past the end stands the largest element, which only counts.
            let e;
            (e, *term, self.equal) = self.exponentials.term(load_padded(s, z, self.max), self.equal);
            e.store_partial(s, out);
        }
        self.add_terms(terms);
        let past_the_end = z.len().next_multiple_of(lanes) - z.len();
        let equal = self.equal.sum_lanes() - past_the_end as f32;
        let smaller = (self.smaller.0 + self.smaller.1).sum_lanes();
        let rounded = smaller as f32;
        let low = (smaller - f64::from(rounded)) as f32;
        self.exponentials.with(S::F32::splat(s, rounded), S::F32::splat(s, low), S::F32::splat(s, equal))
    }
}

/// The smallest and the largest element, passing over NaN; infinity and -infinity if there is none.
#[inline(always)]
fn range_of_numbers<S: Simd>(s: S, x: &[f32]) -> (f32, f32) {
    let (mut min, mut max) =
        ([S::F32::splat(s, f32::INFINITY); VECTORS], [S::F32::splat(s, f32::NEG_INFINITY); VECTORS]);
    let blocks = x.chunks_exact(BLOCK);
    let rest = blocks.remainder();
    for x in blocks {
        for ((min, max), x) in min.iter_mut().zip(&mut max).zip(x.chunks_exact(S::F32::LANES)) {
            let x = S::F32::load(s, x);
            (*min, *max) = (x.min(*min), x.max(*max));
        }
    }
    for ((min, max), x) in min.iter_mut().zip(&mut max).zip(rest.chunks(S::F32::LANES)) {
        *min = load_padded(s, x, f32::INFINITY).min(*min);
        *max = load_padded(s, x, f32::NEG_INFINITY).max(*max);
    }
    let min = min[0].min(min[1]).min(min[2].min(min[3]));
    let max = max[0].max(max[1]).max(max[2].max(max[3]));
    (-(min.constant(0.0) - min).max_lanes(), max.max_lanes())
}
