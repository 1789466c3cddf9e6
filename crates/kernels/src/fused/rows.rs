//! What softmax and its kin need of a row of logits z: exponentials `E_j = e^(z_j - c)` for a c near the largest of them, m.
//!
//! `z - m` would be rounded, and for the exponential that counts. So c is a multiple N of ln 2, the nearest to m, where
//! `|m| < 256`: `E = 2^-N e^z`, and only the power of two changes. For other rows c is m: unless it is below `m - 105`,
//! where E is 0, z is then between m/2 and 2 m, and `z - m` exact. In bounded rows, where all |z| are below [`BOUND`], N can
//! be 0: what is computed from E differs by powers of two, so not in its digits, and m need not be known.
//!
//! A largest E is left out of the sum R of the others, so that nothing is lost where R is small beside it. A sum keeps the
//! largest E so far, and what it adds is the smaller of that and the next.
//!
//! Rows of at most [`NARROW`] columns are worked on 16 at a time, each in a lane, column after column. What is added goes
//! over columns in fours, `(e0 + e1) + (e2 + e3)`, each to those before; what is left is added one by one. Longer rows are
//! worked on 64 columns at a time: each lane keeps its largest E, four vectors are added as above, and their sum in f64 to
//! those before. In the end the largest E of the lanes are added, but for one, the two halves of the lanes meet, and then the
//! eight of them by halves.

mod columns;
mod flat;
mod long;

use crate::math::{exp, log1p};
use crate::reduce::combine;
use crate::simd::{Float, Float32, Int32, Simd};
pub(crate) use columns::Columns;
pub(crate) use flat::{flat_exponentials, scale_rows};
pub(crate) use long::{LongRows, long_exponentials};
use std::ops::Range;

/// Columns of a row that shares vectors with 15 others.
pub(crate) const NARROW: usize = 64;
/// Narrow rows that are worked on at once, and columns of a block.
pub(crate) const GROUP: usize = 16;

/// One number for each of 16 rows.
pub(crate) type Lanes = [f32; GROUP];

/// Rows to read, and where to write what becomes of them.
pub(crate) enum Rows<'a> {
    Apart(&'a [f32], &'a mut [f32]),
    InPlace(&'a mut [f32]),
    /// Nowhere.
    Only(&'a [f32]),
}

impl Rows<'_> {
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.input().len()
    }

    #[inline(always)]
    pub(crate) fn input(&self) -> &[f32] {
        match self {
            Rows::Apart(x, _) | Rows::Only(x) => x,
            Rows::InPlace(x) => x,
        }
    }

    #[inline(always)]
    pub(crate) fn output(&mut self) -> &mut [f32] {
        match self {
            Rows::Apart(_, out) => out,
            Rows::InPlace(x) => x,
            Rows::Only(_) => &mut [],
        }
    }

    /// Some of the elements.
    #[inline(always)]
    pub(crate) fn part(&mut self, at: Range<usize>) -> Rows<'_> {
        match self {
            Rows::Apart(x, out) => Rows::Apart(&x[at.clone()], &mut out[at]),
            Rows::InPlace(x) => Rows::InPlace(&mut x[at]),
            Rows::Only(x) => Rows::Only(&x[at]),
        }
    }

    /// Some of the elements, and where to write what becomes of them; one of both is `room` where there is but the other.
    #[inline(always)]
    fn block<'b>(&'b mut self, at: Range<usize>, room: &'b mut [f32]) -> (&'b [f32], &'b mut [f32]) {
        let room = &mut room[..at.len()];
        match self {
            Rows::Apart(x, out) => (&x[at.clone()], &mut out[at]),
            Rows::InPlace(x) => {
                let x = &mut x[at];
                room.copy_from_slice(x);
                (room, x)
            }
            Rows::Only(x) => (&x[at], room),
        }
    }
}

/// Where |m| is below this, c is a multiple of ln 2.
const NEAR: f32 = 256.0;
/// Where z is above m less this, E is a normal number.
const TAME: f32 = 86.0;
/// Where all |z| are below this, c may be 0.
const BOUND: f32 = 32.0;

/// How the exponentials of rows are taken, each row in a lane, or of one row in all lanes.
#[derive(Clone, Copy)]
pub(crate) struct Origin<V> {
    /// m, passing over NaN, or 0.
    pub(crate) center: V,
    /// What is taken from z, 0 or m,
    shift: V,
    /// what that leaves of m,
    left: V,
    /// above which of what is left of z E is a normal number, below which by 20 it is 0,
    tame: V,
    /// and N or 0.
    power: V,
}

impl<V: Float32> Origin<V> {
    /// For rows whose largest element is `center`, or bounded ones if it is 0.
    #[inline(always)]
    pub(crate) fn new(center: V) -> Self {
        let zero = center.constant(0.0);
        let near = center.abs().lt(center.constant(NEAR));
        let left = V::select(near, center, zero);
        let power = (left * center.constant(exp::LOG2_E)).round_small();
        let shift = V::select(near, zero, center);
        Origin { center, shift, left, tame: left - center.constant(TAME), power }
    }

    /// `E` of z.
    #[inline(always)]
    pub(crate) fn exponential(&self, z: V) -> V {
        let left = z - self.shift;
        if V::all(self.tame.lt(left)) {
            return exp::normal_over_power(left, self.power);
        }
        // Infinity less infinity is 0 here.
        let left = V::select(z.eq(self.center), self.left, left);
        // The bound first: where z is NaN, it chooses that.
        exp::over_power((self.tame - self.tame.constant(20.0)).max(left), self.power)
    }
}

/// Whether c may be 0 in a bounded row of this weight: nothing becomes subnormal that would not with another c.
#[inline(always)]
pub(crate) fn is_weighty(weight: f32) -> bool {
    (weight == 0.0) | (weight >= 1.0 / (1u64 << 48) as f32)
}

/// The largest |z| so far, of which NaN is one.
struct Magnitude<V: Float32>(V::Bits);

impl<V: Float32> Magnitude<V> {
    #[inline(always)]
    fn new(s: V::Simd) -> Self {
        Magnitude(V::Bits::splat(s, 0))
    }

    #[inline(always)]
    fn add(&mut self, z: V) {
        self.0 = self.0.max(z.abs().to_bits());
    }

    #[inline(always)]
    fn is_below(&self, bound: f32) -> bool {
        let largest = self.0.bits_to_float();
        V::all(largest.lt(largest.constant(bound)))
    }
}

/// The sums of the exponentials of rows, each in a lane, or of one row in all lanes.
#[derive(Clone, Copy)]
pub(crate) struct Sums<V> {
    /// The largest E.
    largest: V,
    /// R; NaN if a z is.
    rest: V,
    /// What the rounding of R left over, as far as it is known.
    rest_low: V,
}

impl<V: Float32> Sums<V> {
    #[inline(always)]
    fn new(s: V::Simd) -> Self {
        let zero = V::splat(s, 0.0);
        Sums { largest: zero, rest: zero, rest_low: zero }
    }

    #[inline(always)]
    fn add(&mut self, terms: V) {
        let error;
        (self.rest, error) = two_sum(self.rest, terms);
        self.rest_low = self.rest_low + error;
    }

    /// NaN for rows whose largest element, of which this is the origin, is infinite: they have no softmax.
    #[inline(always)]
    pub(crate) fn or_nan(mut self, origin: &Origin<V>) -> Self {
        self.rest = self.rest + origin.center * origin.center.constant(0.0);
        self
    }

    /// `ln Σ e^(z - m)`
    #[inline(always)]
    pub(crate) fn ln_sum(&self) -> V {
        log1p::moderate(self.ratio())
    }

    #[inline(always)]
    pub(crate) fn largest(&self) -> V {
        self.largest
    }

    /// R
    #[inline(always)]
    pub(crate) fn rest(&self) -> V {
        self.rest + self.rest_low
    }

    /// R over the largest E, so that `Σ e^(z - m)` is one more.
    #[inline(always)]
    pub(crate) fn ratio(&self) -> V {
        self.rest() / self.largest
    }

    /// The sum of all exponentials but e, which is R for that of the largest.
    #[inline(always)]
    pub(crate) fn others(&self, e: V) -> V {
        (self.largest - e) + self.rest()
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

/// The larger one in the place of `largest`; returns the smaller one. One of them is NaN if e is.
///
/// They are compared as the whole numbers that their bits are, since those of x86 do not wait for the units that multiply.
#[inline(always)]
fn smaller<V: Float32>(largest: &mut V, e: V) -> V {
    let (a, b) = (largest.to_bits(), e.to_bits());
    *largest = a.max(b).bits_to_float();
    a.min(b).bits_to_float()
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

/// The exponentials of rows, which replace z if `KEEP`.
#[inline(always)]
pub(crate) fn exponentials<S: Simd, const KEEP: bool>(
    s: S,
    origin: &Origin<S::F32>,
    columns: &mut [Lanes],
) -> Sums<S::F32> {
    sums(
        s,
        columns,
        #[inline(always)]
        |z| {
            let e = origin.exponential(S::F32::load(s, z));
            if KEEP {
                e.store(z);
            }
            e
        },
    )
}

/// The sums of the exponentials that `of` gives for each column.
#[inline(always)]
pub(crate) fn sums<S: Simd>(s: S, columns: &mut [Lanes], of: impl Fn(&mut Lanes) -> S::F32) -> Sums<S::F32> {
    let mut sums = Sums::new(s);
    let mut fours = columns.chunks_exact_mut(4);
    for four in &mut fours {
        let mut terms = [sums.rest; 4];
        for (term, column) in terms.iter_mut().zip(four) {
            *term = smaller(&mut sums.largest, of(column));
        }
        sums.add(combine(terms));
    }
    for column in fours.into_remainder() {
        let term = smaller(&mut sums.largest, of(column));
        sums.add(term);
    }
    sums
}
