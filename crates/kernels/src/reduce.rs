//! Sums, maxima and their kin, in an order that is the same on every instruction set.
//!
//! A sum keeps four accumulators of 16 lanes: vector i of the slice goes to accumulator i mod 4, the last one filled up
//! with zeros; then `(a0 + a1) + (a2 + a3)`, then the lanes by halves: lane i + lane i+8, and so on.

use crate::simd::{Float, Simd};

const ACCUMULATORS: usize = 4;

/// Folds the vectors of x and y, of the same length, with `step`, from 0.
#[inline(always)]
fn fold<S: Simd>(s: S, x: &[f32], y: &[f32], step: impl Fn(S::F32, S::F32, S::F32) -> S::F32) -> f32 {
    let lanes = S::F32::LANES;
    let mut acc = [S::F32::splat(s, 0.0); ACCUMULATORS];
    let (mut xs, mut ys) = (x.chunks_exact(ACCUMULATORS * lanes), y.chunks_exact(ACCUMULATORS * lanes));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for (i, acc) in acc.iter_mut().enumerate() {
            *acc = step(*acc, S::F32::load(s, &x[i * lanes..]), S::F32::load(s, &y[i * lanes..]));
        }
    }
    let rest = xs.remainder().chunks(lanes).zip(ys.remainder().chunks(lanes));
    for (acc, (x, y)) in acc.iter_mut().zip(rest) {
        *acc = step(*acc, S::F32::load_partial(s, x), S::F32::load_partial(s, y));
    }
    let [a, b, c, d] = acc;
    ((a + b) + (c + d)).sum_lanes()
}

#[inline(always)]
pub(crate) fn sum<S: Simd>(s: S, x: &[f32]) -> f32 {
    fold(
        s,
        x,
        x,
        #[inline(always)]
        |acc, x, _| acc + x,
    )
}

#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, x: &[f32], y: &[f32]) -> f32 {
    fold(
        s,
        x,
        y,
        #[inline(always)]
        |acc, x, y| x.mul_add(y, acc),
    )
}

/// The largest element, NaN if there is one, -infinity if there is none at all.
#[inline(always)]
pub(crate) fn max<S: Simd>(s: S, x: &[f32]) -> f32 {
    let lanes = S::F32::LANES;
    let mut largest = S::F32::splat(s, f32::NEG_INFINITY);
    let mut not_a_number = S::F32::splat(s, 0.0);
    let mut vectors = x.chunks_exact(lanes);
    for x in &mut vectors {
        let x = S::F32::load(s, x);
        largest = x.max(largest);
        not_a_number = not_a_number + S::F32::select(x.is_nan(), x, S::F32::splat(s, 0.0));
    }
    let rest =
        vectors.remainder().iter().fold(f32::NEG_INFINITY, |max, &x| if x > max || x.is_nan() { x } else { max });
    let (largest, nan) = (largest.max_lanes(), not_a_number.sum_lanes());
    if nan.is_nan() || rest.is_nan() {
        f32::NAN
    } else if rest > largest {
        rest
    } else {
        largest
    }
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
