//! Sums, maxima and their kin, in an order that is the same on every instruction set.
//!
//! A sum keeps four accumulators of 16 lanes: vector i of the slice goes to accumulator i mod 4, the last one filled up
//! with zeros; then `(a0 + a1) + (a2 + a3)`, then the lanes by halves: lane i + lane i+8, and so on.

use crate::simd::{Float, Simd};

pub(crate) const ACCUMULATORS: usize = 4;

#[inline(always)]
pub(crate) fn combine<V: Float>([a, b, c, d]: [V; ACCUMULATORS]) -> V {
    (a + b) + (c + d)
}

/// 0, 1, … 15: the number of each lane.
#[inline(always)]
pub(crate) fn lane_numbers<S: Simd>(s: S) -> S::F32 {
    S::F32::load(s, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0])
}

/// The whole slice, at most 16 elements, the other lanes `padding`.
#[inline(always)]
pub(crate) fn load_padded<S: Simd>(s: S, x: &[f32], padding: f32) -> S::F32 {
    pad(s, S::F32::load_partial(s, x), x.len(), padding)
}

/// `x` with `padding` in the lanes from `len` on.
#[inline(always)]
pub(crate) fn pad<S: Simd>(s: S, x: S::F32, len: usize, padding: f32) -> S::F32 {
    let within = lane_numbers(s).lt(S::F32::splat(s, len as f32));
    S::F32::select(within, x, S::F32::splat(s, padding))
}

#[inline(always)]
pub(crate) fn sum<S: Simd>(s: S, x: &[f32]) -> f32 {
    let lanes = S::F32::LANES;
    let mut acc = [S::F32::splat(s, 0.0); ACCUMULATORS];
    let mut groups = x.chunks_exact(ACCUMULATORS * lanes);
    for x in &mut groups {
        for (i, acc) in acc.iter_mut().enumerate() {
            *acc = *acc + S::F32::load(s, &x[i * lanes..]);
        }
    }
    for (acc, x) in acc.iter_mut().zip(groups.remainder().chunks(lanes)) {
        *acc = *acc + S::F32::load_partial(s, x);
    }
    combine(acc).sum_lanes()
}

#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, x: &[f32], y: &[f32]) -> f32 {
    let [sum] = dots_with::<S::F32, 1>(s, [x], y);
    sum
}

/// The dot product of each row of x with y, all of the same length, in the order of a sum, by fused multiply-adds.
#[inline(always)]
pub(crate) fn dots_with<V: Float, const ROWS: usize>(
    s: V::Simd,
    x: [&[V::Scalar]; ROWS],
    y: &[V::Scalar],
) -> [V::Scalar; ROWS] {
    let mut acc = [[V::splat(s, V::Scalar::default()); ACCUMULATORS]; ROWS];
    let group = ACCUMULATORS * V::LANES;
    let whole = y.len() / group * group;
    for from in (0..whole).step_by(group) {
        for i in 0..ACCUMULATORS {
            let at = from + i * V::LANES..from + (i + 1) * V::LANES;
            let y = V::load(s, &y[at.clone()]);
            for (acc, x) in acc.iter_mut().zip(x) {
                acc[i] = V::load(s, &x[at.clone()]).mul_add(y, acc[i]);
            }
        }
    }
    for (i, from) in (whole..y.len()).step_by(V::LANES).enumerate() {
        let at = from..y.len().min(from + V::LANES);
        let y = V::load_partial(s, &y[at.clone()]);
        for (acc, x) in acc.iter_mut().zip(x) {
            acc[i] = V::load_partial(s, &x[at.clone()]).mul_add(y, acc[i]);
        }
    }
    let mut sums = [V::Scalar::default(); ROWS];
    for (sum, acc) in sums.iter_mut().zip(acc) {
        *sum = combine(acc).sum_lanes();
    }
    sums
}

/// The largest element, NaN if there is one, -infinity if there is none at all.
#[inline(always)]
pub(crate) fn max<S: Simd>(s: S, x: &[f32]) -> f32 {
    let largest = fold_max(
        s,
        x,
        #[inline(always)]
        |largest, x| S::F32::select(x.is_nan(), x, x.max(largest)),
    );
    let nan = S::F32::select(largest.is_nan(), largest, S::F32::splat(s, 0.0)).sum_lanes();
    if nan.is_nan() { nan } else { largest.max_lanes() }
}

/// The largest element, passing over NaN; -infinity if there is none.
#[inline(always)]
pub(crate) fn max_of_numbers<S: Simd>(s: S, x: &[f32]) -> f32 {
    fold_max(
        s,
        x,
        #[inline(always)]
        |largest, x| x.max(largest),
    )
    .max_lanes()
}

/// Folds the vectors of x with `larger`, given the largest so far and the next, into 16 lanes.
#[inline(always)]
fn fold_max<S: Simd>(s: S, x: &[f32], larger: impl Fn(S::F32, S::F32) -> S::F32) -> S::F32 {
    let lanes = S::F32::LANES;
    let mut acc = [S::F32::splat(s, f32::NEG_INFINITY); ACCUMULATORS];
    let mut blocks = x.chunks_exact(ACCUMULATORS * lanes);
    for x in &mut blocks {
        for (acc, x) in acc.iter_mut().zip(x.chunks_exact(lanes)) {
            *acc = larger(*acc, S::F32::load(s, x));
        }
    }
    for (acc, x) in acc.iter_mut().zip(blocks.remainder().chunks(lanes)) {
        *acc = larger(*acc, load_padded(s, x, f32::NEG_INFINITY));
    }
    let [a, b, c, d] = acc;
    larger(larger(a, b), larger(c, d))
}

/// The index of the largest element of each row, the first of equals; a NaN counts as the largest.
pub(crate) fn argmax(cols: usize, x: &[f32], out: &mut [u32]) {
    for (row, out) in x.chunks_exact(cols).zip(out) {
        let mut best = 0;
        for (j, &x) in row.iter().enumerate().skip(1) {
            if x > row[best] || (x.is_nan() && !row[best].is_nan()) {
                best = j;
            }
        }
        *out = best as u32;
    }
}

/// Rows whose sums are taken before they meet the others'.
const ROW_CHUNK: usize = 256;

/// The sum of each column: one after the other within 256 rows, from 0, then the sums of such chunks in their order.
#[inline(always)]
pub(crate) fn column_sums<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [f32]) {
    let lanes = S::F32::LANES;
    for (block, out) in out.chunks_mut(lanes).enumerate() {
        let from = block * lanes;
        let mut total = S::F32::splat(s, 0.0);
        for chunk in x.chunks(cols * ROW_CHUNK) {
            let mut acc = S::F32::splat(s, 0.0);
            if out.len() == lanes {
                for row in chunk.chunks_exact(cols) {
                    acc = acc + S::F32::load(s, &row[from..]);
                }
            } else {
                for row in chunk.chunks_exact(cols) {
                    acc = acc + S::F32::load_partial(s, &row[from..]);
                }
            }
            total = total + acc;
        }
        total.store_partial(s, out);
    }
}
