//! Rows of more than [`NARROW`](super::NARROW) columns.

use super::{BOUND, Magnitude, NEAR, Origin, Rows, Sums, TAME, is_weighty, smaller};
use crate::math::exp;
use crate::reduce::{combine, first_lane, load_padded, pad};
use crate::simd::{Float, Float32, Simd};

/// Vectors whose exponentials are added before they meet those of others.
const VECTORS: usize = 4;
/// Columns of them.
const BLOCK: usize = VECTORS * 16;

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
            row.add(z, out);
            at += BLOCK;
        }
        let (z, out) = rows.block(at..len, &mut room);
        row.end(z, out)
    }

    #[inline(always)]
    fn apart(s: S, center: f32, z: &[f32], out: &mut [f32]) -> Found {
        let mut row = Self::new(s, center);
        let (mut blocks, mut outs) = (z.chunks_exact(BLOCK), out.chunks_exact_mut(BLOCK));
        for (z, out) in (&mut blocks).zip(&mut outs) {
            row.add(z, out);
        }
        row.end(blocks.remainder(), outs.into_remainder())
    }

    #[inline(always)]
    fn exponential(&mut self, z: S::F32) -> S::F32 {
        if !IS_TAME {
            return self.origin.exponential(z);
        }
        self.magnitude.add(z);
        exp::normal_over_power(z, self.origin.power)
    }

    #[inline(always)]
    fn exponentials(&mut self, [a, b, c, d]: [S::F32; VECTORS]) -> [S::F32; VECTORS] {
        if !IS_TAME {
            return [self.exponential(a), self.exponential(b), self.exponential(c), self.exponential(d)];
        }
        for z in [a, b, c, d] {
            self.magnitude.add(z);
        }
        let power = self.origin.power;
        let ([a, b], [c, d]) = (exp::normals_over_power([a, b], power), exp::normals_over_power([c, d], power));
        [a, b, c, d]
    }

    /// Adds a whole block and writes its exponentials.
    #[inline(always)]
    fn add(&mut self, z: &[f32], out: &mut [f32]) {
        let lanes = S::F32::LANES;
        let mut block = [self.largest; VECTORS];
        for (z, from) in block.iter_mut().zip(z.chunks_exact(lanes)) {
            *z = S::F32::load(self.s, from);
        }
        block = self.exponentials(block);
        for (e, out) in block.iter_mut().zip(out.chunks_exact_mut(lanes)) {
            e.store(out);
            *e = smaller(&mut self.largest, *e);
        }
        self.add_terms(combine(block));
    }

    #[inline(always)]
    fn add_terms(&mut self, terms: S::F32) {
        let (low, high) = terms.widen();
        self.smaller = (self.smaller.0 + low, self.smaller.1 + high);
    }

    /// Adds what is left, less than a block.
    #[inline(always)]
    fn end(mut self, z: &[f32], out: &mut [f32]) -> Found {
        let (s, lanes) = (self.s, S::F32::LANES);
        let zero = S::F32::splat(s, 0.0);
        let mut terms = [zero; VECTORS];
        // A constant number of times, so that they stay in registers.
        for (i, term) in terms.iter_mut().enumerate() {
            let at = i * lanes;
            if at + lanes <= z.len() {
                let e = self.exponential(S::F32::load(s, &z[at..]));
                e.store(&mut out[at..]);
                *term = smaller(&mut self.largest, e);
            } else if at < z.len() {
                let e = self.exponential(S::F32::load_partial(s, &z[at..]));
                e.store_partial(s, &mut out[at..]);
                *term = smaller(&mut self.largest, pad(s, e, z.len() - at, 0.0));
            }
        }
        self.add_terms(combine(terms));

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
