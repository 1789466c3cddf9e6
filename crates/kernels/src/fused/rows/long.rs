//! Rows of more than [`NARROW`](super::NARROW) columns.

use super::{BOUND, Magnitude, NEAR, Origin, Rows, Sums, TAME, is_weighty, smaller};
use crate::math::exp;
use crate::reduce::{combine, first_lane, load_padded, pad};
use crate::simd::{Float, Float32, Simd};

/// Vectors whose exponentials are added before they meet those of others.
const VECTORS: usize = 4;
/// Columns of them.
const BLOCK: usize = VECTORS * 16;
/// Columns whose exponentials are computed in step.
const PAIR: usize = 2 * 16;

/// Columns whose exponentials are added after all of them are written, while they are in the L1 cache.
const SEGMENT: usize = 16 * BLOCK;

#[inline(always)]
fn load_block<S: Simd, const N: usize>(s: S, from: &[f32]) -> [S::F32; N] {
    let mut block = [S::F32::splat(s, 0.0); N];
    for (x, from) in block.iter_mut().zip(from.chunks_exact(S::F32::LANES)) {
        *x = S::F32::load(s, from);
    }
    block
}

#[inline(always)]
fn store_block<V: Float, const N: usize>(block: [V; N], to: &mut [V::Scalar]) {
    for (x, to) in block.into_iter().zip(to.chunks_exact_mut(V::LANES)) {
        x.store(to);
    }
}

/// The exponentials of long rows, one after the other, where m is not asked for.
pub(crate) struct LongRows {
    /// Whether the row before was bounded, so that the next is likely to be.
    expect_bounded: bool,
}

impl LongRows {
    pub(crate) fn new() -> Self {
        LongRows { expect_bounded: true }
    }

    /// Writes the exponentials of the next row, which has this weight.
    #[inline(always)]
    pub(crate) fn next<S: Simd>(&mut self, s: S, mut row: Rows<'_>, weight: f32) -> (Origin<S::F32>, Sums<S::F32>) {
        if let Rows::Apart(z, out) = &mut row
            && self.expect_bounded
            && is_weighty(weight)
        {
            let found = Row::<S, true>::apart(s, 0.0, z, out);
            if found.is_bounded {
                return found.in_all_lanes(s);
            }
        }
        let found = exponentials(s, row);
        self.expect_bounded = found.is_bounded;
        found.in_all_lanes(s)
    }
}

/// The exponentials of a long row, with m as its center.
#[inline(always)]
pub(crate) fn long_exponentials<S: Simd>(s: S, row: Rows<'_>) -> (Origin<S::F32>, Sums<S::F32>) {
    exponentials(s, row).in_all_lanes(s)
}

/// What becomes of a long row.
struct Found {
    center: f32,
    largest: f32,
    rest: f32,
    rest_low: f32,
    is_bounded: bool,
}

impl Found {
    #[inline(always)]
    fn in_all_lanes<S: Simd>(self, s: S) -> (Origin<S::F32>, Sums<S::F32>) {
        let splat = |x| S::F32::splat(s, x);
        let sums = Sums { largest: splat(self.largest), rest: splat(self.rest), rest_low: splat(self.rest_low) };
        (Origin::new(splat(self.center)), sums)
    }
}

/// Writes the exponentials of a row, with m as its center. A function of its own, as it takes long to compile and long rows do
/// not notice the call.
#[inline(never)]
fn exponentials<S: Simd>(s: S, row: Rows<'_>) -> Found {
    s.run(
        #[inline(always)]
        |s| {
            let range = Range::of(s, row.input());
            let found = if range.is_tame() {
                Row::<S, true>::of(s, range.max, row)
            } else {
                Row::<S, false>::of(s, range.max, row)
            };
            Found { is_bounded: range.magnitude.is_below(BOUND), ..found }
        },
    )
}

/// The smallest, passing over NaN, and the largest element of a row.
struct Range<S: Simd> {
    min: f32,
    max: f32,
    magnitude: Magnitude<S::F32>,
}

impl<S: Simd> Range<S> {
    #[inline(always)]
    fn of(s: S, x: &[f32]) -> Self {
        let mut magnitude = Magnitude::new(s);
        let mut min = [S::F32::splat(s, f32::INFINITY); VECTORS];
        let mut max = [S::F32::splat(s, f32::NEG_INFINITY); VECTORS];
        let blocks = x.chunks_exact(BLOCK);
        let rest = blocks.remainder();
        for x in blocks {
            for ((min, max), x) in min.iter_mut().zip(&mut max).zip(x.chunks_exact(S::F32::LANES)) {
                let x = S::F32::load(s, x);
                magnitude.add(x);
                (*min, *max) = (x.min(*min), x.max(*max));
            }
        }
        for ((min, max), x) in min.iter_mut().zip(&mut max).zip(rest.chunks(S::F32::LANES)) {
            magnitude.add(S::F32::load_partial(s, x));
            *min = load_padded(s, x, f32::INFINITY).min(*min);
            *max = load_padded(s, x, f32::NEG_INFINITY).max(*max);
        }
        let min = min[0].min(min[1]).min(min[2].min(min[3]));
        let max = max[0].max(max[1]).max(max[2].max(max[3]));
        Range { min: -(min.constant(0.0) - min).max_lanes(), max: max.max_lanes(), magnitude }
    }

    /// Whether c is N ln 2 and all E are normal numbers.
    #[inline(always)]
    fn is_tame(&self) -> bool {
        self.magnitude.is_below(NEAR) && self.max - self.min < TAME
    }
}

/// A long row on its way. If `IS_TAME`, all E are normal numbers, of z as it is over a power of two.
struct Row<S: Simd, const IS_TAME: bool> {
    s: S,
    origin: Origin<S::F32>,
    magnitude: Magnitude<S::F32>,
    /// The largest E of each lane.
    largest: S::F32,
    smaller: (S::F64, S::F64),
}

impl<S: Simd, const IS_TAME: bool> Row<S, IS_TAME> {
    #[inline(always)]
    fn new(s: S, center: f32) -> Self {
        let (zero, wide_zero) = (S::F32::splat(s, 0.0), S::F64::splat(s, 0.0));
        Row {
            s,
            origin: Origin::new(S::F32::splat(s, center)),
            magnitude: Magnitude::new(s),
            largest: zero,
            smaller: (wide_zero, wide_zero),
        }
    }

    #[inline(always)]
    fn of(s: S, center: f32, rows: Rows<'_>) -> Found {
        let mut rows = match rows {
            Rows::Apart(z, out) => return Self::apart(s, center, z, out),
            rows => rows,
        };
        let mut row = Self::new(s, center);
        let mut room = [0.0; BLOCK];
        let (len, mut at) = (rows.len(), 0);
        while at + BLOCK <= len {
            let (z, out) = rows.block(at..at + BLOCK, &mut room);
            row.write_and_add(z, out);
            at += BLOCK;
        }
        let (z, out) = rows.block(at..len, &mut room);
        let rest = row.write_rest(z, out);
        row.add(rest);
        row.end()
    }

    #[inline(always)]
    fn apart(s: S, center: f32, z: &[f32], out: &mut [f32]) -> Found {
        let mut row = Self::new(s, center);
        if IS_TAME && S::ADDS_EXPONENTIALS_LATER {
            let whole = z.len() - z.len() % BLOCK;
            let rest = row.write_rest(&z[whole..], &mut out[whole..]);
            let segments = z[..whole].chunks(SEGMENT).zip(out[..whole].chunks_mut(SEGMENT));
            for (z, out) in segments {
                for (z, out) in z.chunks_exact(PAIR).zip(out.chunks_exact_mut(PAIR)) {
                    store_block::<_, 2>(exp::normals_over_power(load_block(s, z), row.origin.power), out);
                }
                for (z, e) in z.chunks_exact(BLOCK).zip(out.chunks_exact(BLOCK)) {
                    let z: [_; VECTORS] = load_block(s, z);
                    for z in z {
                        row.magnitude.add(z);
                    }
                    row.add(load_block(s, e));
                }
            }
            row.add(rest);
            return row.end();
        }
        let (mut blocks, mut outs) = (z.chunks_exact(BLOCK), out.chunks_exact_mut(BLOCK));
        for (z, out) in (&mut blocks).zip(&mut outs) {
            row.write_and_add(z, out);
        }
        let rest = row.write_rest(blocks.remainder(), outs.into_remainder());
        row.add(rest);
        row.end()
    }

    #[inline(always)]
    fn exponentials<const N: usize>(&mut self, mut z: [S::F32; N]) -> [S::F32; N] {
        if !IS_TAME {
            for z in &mut z {
                *z = self.origin.exponential(*z);
            }
            return z;
        }
        for z in z {
            self.magnitude.add(z);
        }
        exp::normals_over_power(z, self.origin.power)
    }

    /// Writes the exponentials of a whole block and adds them.
    #[inline(always)]
    fn write_and_add(&mut self, z: &[f32], out: &mut [f32]) {
        let [a, b, c, d] = load_block(self.s, z);
        let ([a, b], [c, d]) = (self.exponentials([a, b]), self.exponentials([c, d]));
        let block = [a, b, c, d];
        store_block(block, out);
        self.add(block);
    }

    /// Adds the exponentials of a whole block.
    #[inline(always)]
    fn add(&mut self, mut block: [S::F32; VECTORS]) {
        for e in &mut block {
            *e = smaller(&mut self.largest, *e);
        }
        self.add_terms(combine(block));
    }

    #[inline(always)]
    fn add_terms(&mut self, terms: S::F32) {
        let (low, high) = terms.widen();
        self.smaller = (self.smaller.0 + low, self.smaller.1 + high);
    }

    /// Writes the exponentials of less than a block; returns them, and 0 past them.
    #[inline(always)]
    fn write_rest(&mut self, z: &[f32], out: &mut [f32]) -> [S::F32; VECTORS] {
        let cut = z.len().min(PAIR);
        let ((z, z_rest), (out, out_rest)) = (z.split_at(cut), out.split_at_mut(cut));
        let ([a, b], [c, d]) = (self.write_part(z, out), self.write_part(z_rest, out_rest));
        [a, b, c, d]
    }

    /// The same of at most two vectors.
    #[inline(always)]
    fn write_part(&mut self, z: &[f32], out: &mut [f32]) -> [S::F32; 2] {
        let (s, lanes) = (self.s, S::F32::LANES);
        let zero = S::F32::splat(s, 0.0);
        if z.len() > lanes {
            let [a, b] = self.exponentials([S::F32::load(s, z), S::F32::load_partial(s, &z[lanes..])]);
            a.store(out);
            b.store_partial(s, &mut out[lanes..]);
            [a, pad(s, b, z.len() - lanes, 0.0)]
        } else if !z.is_empty() {
            let [a] = self.exponentials([S::F32::load_partial(s, z)]);
            a.store_partial(s, out);
            [pad(s, a, z.len(), 0.0), zero]
        } else {
            [zero, zero]
        }
    }

    #[inline(always)]
    fn end(mut self) -> Found {
        let s = self.s;
        let zero = S::F32::splat(s, 0.0);
        let largest = self.largest.max_lanes();
        let is_largest = self.largest.eq(S::F32::splat(s, largest));
        let equal = S::F32::select(is_largest, S::F32::splat(s, 1.0), zero).sum_lanes();
        self.add_terms(S::F32::select(is_largest, zero, self.largest));
        let rest = (self.smaller.0 + self.smaller.1).sum_lanes() + f64::from(equal - 1.0) * f64::from(largest);
        let rounded = rest as f32;
        Found {
            center: first_lane(self.origin.center),
            largest,
            rest: rounded,
            rest_low: (rest - f64::from(rounded)) as f32,
            is_bounded: self.magnitude.is_below(BOUND),
        }
    }
}
