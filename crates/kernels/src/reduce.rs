//! Sums, maxima and their kin, in an order that is the same on every instruction set.
//!
//! A sum keeps four accumulators of 16 lanes: vector i of the slice goes to accumulator i mod 4, the last one filled up
//! with zeros; then `(a0 + a1) + (a2 + a3)`, then the lanes by halves: lane i + lane i+8, and so on.

use crate::gemm::{Arithmetic, MatRef, opaque};
use crate::simd::{Float, Float32, MAX_LANES, Simd};

pub(crate) const ACCUMULATORS: usize = 4;

#[inline(always)]
pub(crate) fn combine<V: Float>([a, b, c, d]: [V; ACCUMULATORS]) -> V {
    (a + b) + (c + d)
}

#[inline(always)]
pub(crate) fn first_lane<V: Float<Scalar = f32>>(x: V) -> f32 {
    let mut lanes = [0.0; MAX_LANES];
    x.store(&mut lanes);
    lanes[0]
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

/// `len` elements from `from` on, at most 16 and mostly as many, the other lanes 0.
#[inline(always)]
pub(crate) fn load_part<S: Simd>(s: S, row: &[f32], from: usize, len: usize) -> S::F32 {
    if len == S::F32::LANES { S::F32::load(s, &row[from..]) } else { S::F32::load_partial(s, &row[from..from + len]) }
}

/// The first lanes to `len` elements from `from` on, at most 16 and mostly as many.
#[inline(always)]
pub(crate) fn store_part<S: Simd>(s: S, x: S::F32, row: &mut [f32], from: usize, len: usize) {
    if len == S::F32::LANES {
        x.store(&mut row[from..]);
    } else {
        x.store_partial(s, &mut row[from..from + len]);
    }
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

/// In f64: each of the four accumulators is two of 8 lanes, which meet before the four do.
#[inline(always)]
pub(crate) fn sum_squares_f64<S: Simd>(s: S, x: &[f32]) -> f64 {
    let lanes = S::F32::LANES;
    let mut acc = [(S::F64::splat(s, 0.0), S::F64::splat(s, 0.0)); ACCUMULATORS];
    let mut groups = x.chunks_exact(ACCUMULATORS * lanes);
    for x in &mut groups {
        for (i, acc) in acc.iter_mut().enumerate() {
            *acc = add_squares(*acc, S::F32::load(s, &x[i * lanes..]));
        }
    }
    for (acc, x) in acc.iter_mut().zip(groups.remainder().chunks(lanes)) {
        *acc = add_squares(*acc, S::F32::load_partial(s, x));
    }
    let [a, b, c, d] = acc;
    combine([a.0 + a.1, b.0 + b.1, c.0 + c.1, d.0 + d.1]).sum_lanes()
}

#[inline(always)]
fn add_squares<V: Float32>(acc: Halves<V>, x: V) -> Halves<V> {
    let (low, high) = x.widen();
    (low.mul_add(low, acc.0), high.mul_add(high, acc.1))
}

/// 16 lanes of f64.
type Halves<V> = (F64Of<V>, F64Of<V>);
type F64Of<V> = <<V as Float>::Simd as Simd>::F64;

#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, x: &[f32], y: &[f32]) -> f32 {
    assert!(x.len() == y.len());
    // SAFETY: both slices have as many elements.
    let [lanes] = unsafe { lanes_of_dots::<S::F32, 1>(s, [x.as_ptr()], y.as_ptr(), y.len(), nothing_ahead) };
    lanes.sum_lanes()
}

/// The dot product of each row of x with y, all of `len` elements, in the order of a sum, by fused multiply-adds, up to the
/// sum of the lanes. Before each group of vectors that fills all accumulators, `ahead` is called with its first element.
///
/// # Safety
/// - `len` elements from each pointer on must be readable.
#[inline(always)]
pub(crate) unsafe fn lanes_of_dots<V: Float, const ROWS: usize>(
    s: V::Simd,
    x: [*const V::Scalar; ROWS],
    y: *const V::Scalar,
    len: usize,
    ahead: impl Fn(usize),
) -> [V; ROWS] {
    let whole = len / (ACCUMULATORS * V::LANES) * (ACCUMULATORS * V::LANES);
    // SAFETY: the caller's promise.
    let mut acc = unsafe { whole_groups(s, x, y, whole, ahead) };
    // A constant number of times, so that the accumulators stay in registers.
    for i in 0..ACCUMULATORS {
        let at = whole + i * V::LANES;
        if at < len {
            let tail = V::tail(s, V::LANES.min(len - at));
            // SAFETY: the caller's promise, and the tail ends at `len` at most.
            let y = unsafe { V::load_tail(s, y.add(at), tail) };
            for (acc, x) in acc.iter_mut().zip(x) {
                // SAFETY: as above.
                acc[i] = unsafe { V::load_tail(s, x.add(at), tail) }.mul_add(y, acc[i]);
            }
        }
    }
    combine_each(s, acc)
}

/// For [`lanes_of_dots`], where nothing is to be done.
#[inline(always)]
pub(crate) fn nothing_ahead(_: usize) {}

/// [`lanes_of_dots`] for a `len` of whole vectors, of which the last `REST` do not fill all accumulators.
///
/// # Safety
/// - `len` elements from each pointer on must be readable.
#[inline(always)]
pub(crate) unsafe fn lanes_of_whole_dots<V: Float, const ROWS: usize, const REST: usize>(
    s: V::Simd,
    x: [*const V::Scalar; ROWS],
    y: *const V::Scalar,
    len: usize,
) -> [V; ROWS] {
    let whole = len - REST * V::LANES;
    // SAFETY: the caller's promise.
    let mut acc = unsafe { whole_groups(s, x, y, whole, nothing_ahead) };
    for i in 0..REST {
        let at = whole + i * V::LANES;
        // SAFETY: the caller's promise, and at + LANES is at most `len`.
        let y = unsafe { V::load_ptr(s, y.add(at)) };
        for (acc, x) in acc.iter_mut().zip(x) {
            // SAFETY: as above.
            acc[i] = unsafe { V::load_ptr(s, x.add(at)) }.mul_add(y, acc[i]);
        }
    }
    combine_each(s, acc)
}

/// [`lanes_of_dots`] by two accumulators after the other two, for registers that do not hold all of several rows: the loads of y
/// that they share cost more than a second pass. `len` is so many `VECTORS`, known when this is compiled; or where that is
/// 0, as many as fill all accumulators alike, and lines that lie [`AHEAD_BYTES`] ahead are asked for, as they come out of
/// order.
///
/// # Safety
/// - `len` elements from each pointer on must be readable.
#[inline(always)]
pub(crate) unsafe fn lanes_of_dots_by_pairs<V: Float, const ROWS: usize, const VECTORS: usize>(
    s: V::Simd,
    x: [*const V::Scalar; ROWS],
    y: *const V::Scalar,
    len: usize,
) -> [V; ROWS] {
    // SAFETY: the caller's promise.
    unsafe {
        let first = pair::<V, ROWS, VECTORS>(s, x, y, len, 0);
        let second = pair::<V, ROWS, VECTORS>(s, x, y, len, 2);
        add_each(first, second)
    }
}

/// How far ahead: of 0.5 to 4 KiB the best, or close to it, for rows of 0.5 to 4 KiB from the L2 and L3 caches.
const AHEAD_BYTES: usize = 2048;

/// The sum of accumulators `i` and `i + 1` of each row.
///
/// # Safety
/// - That of [`lanes_of_dots_by_pairs`].
#[inline(always)]
unsafe fn pair<V: Float, const ROWS: usize, const VECTORS: usize>(
    s: V::Simd,
    x: [*const V::Scalar; ROWS],
    y: *const V::Scalar,
    len: usize,
    i: usize,
) -> [V; ROWS] {
    let rest = VECTORS % ACCUMULATORS;
    let whole = if VECTORS > 0 { (VECTORS - rest) * V::LANES } else { len };
    let mut acc = [[V::splat(s, V::Scalar::default()); ROWS]; 2];
    for from in (0..whole).step_by(ACCUMULATORS * V::LANES) {
        for (v, acc) in acc.iter_mut().enumerate() {
            let at = from + (i + v) * V::LANES;
            if VECTORS == 0 {
                for x in x {
                    V::prefetch(s, x.wrapping_add(at).wrapping_byte_add(AHEAD_BYTES));
                }
            }
            // SAFETY: the caller's promise, and at + LANES is at most `whole`.
            unsafe { add_products(s, x, y, at, acc) };
        }
    }
    for (v, acc) in acc.iter_mut().enumerate() {
        if i + v < rest {
            // SAFETY: the caller's promise, and this is one of the `VECTORS`.
            unsafe { add_products(s, x, y, whole + (i + v) * V::LANES, acc) };
        }
    }
    let [a, b] = acc;
    add_each(a, b)
}

/// Adds the products of the vectors from `at` on to one accumulator of each row.
///
/// # Safety
/// - The vector from element `at` on must be readable at each pointer.
#[inline(always)]
unsafe fn add_products<V: Float, const ROWS: usize>(
    s: V::Simd,
    x: [*const V::Scalar; ROWS],
    y: *const V::Scalar,
    at: usize,
    acc: &mut [V; ROWS],
) {
    // SAFETY: the caller's promise.
    let y = unsafe { V::load_ptr(s, y.add(at)) };
    for (acc, x) in acc.iter_mut().zip(x) {
        // SAFETY: as above.
        *acc = unsafe { V::load_ptr(s, x.add(at)) }.mul_add(y, *acc);
    }
}

#[inline(always)]
fn add_each<V: Float, const ROWS: usize>(mut a: [V; ROWS], b: [V; ROWS]) -> [V; ROWS] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = *a + b;
    }
    a
}

/// The accumulators after `whole` elements, a multiple of all their lanes.
///
/// # Safety
/// - `whole` elements from each pointer on must be readable.
#[inline(always)]
unsafe fn whole_groups<V: Float, const ROWS: usize>(
    s: V::Simd,
    mut x: [*const V::Scalar; ROWS],
    mut y: *const V::Scalar,
    whole: usize,
    ahead: impl Fn(usize),
) -> [[V; ACCUMULATORS]; ROWS] {
    let mut acc = [[V::splat(s, V::Scalar::default()); ACCUMULATORS]; ROWS];
    let group = ACCUMULATORS * V::LANES;
    for from in (0..whole).step_by(group) {
        ahead(from);
        for i in 0..ACCUMULATORS {
            // SAFETY: the caller's promise, as a group is left of `whole`.
            let shared = unsafe { V::load_ptr(s, y) };
            for (acc, x) in acc.iter_mut().zip(x) {
                // SAFETY: as above.
                acc[i] = unsafe { V::load_ptr(s, x.add(i * V::LANES)) }.mul_add(shared, acc[i]);
            }
            y = y.wrapping_add(V::LANES);
            if ROWS > 1 {
                // Else the four loads of y all come before the products: 256x784x1 takes 1.02 times as long from the L2 cache.
                y = opaque(y);
            }
        }
        // Pointers and no index to all of them: Intel's cores split what adds, multiplies and loads by an index. 1.05 times as fast
        // for 1x100x128, 1.03 to 1.09 row by row from the L3 cache, but 0.97 times for 1x128x784 of f64 (with AVX-512).
        x = x.map(|x| opaque(x.wrapping_add(group)));
        y = opaque(y);
    }
    acc
}

#[inline(always)]
fn combine_each<V: Float, const ROWS: usize>(s: V::Simd, acc: [[V; ACCUMULATORS]; ROWS]) -> [V; ROWS] {
    let mut lanes = [V::splat(s, V::Scalar::default()); ROWS];
    for (lanes, acc) in lanes.iter_mut().zip(acc) {
        *lanes = combine(acc);
    }
    lanes
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
#[inline(always)]
pub(crate) fn argmax<S: Simd>(s: S, cols: usize, x: &[f32], out: &mut [u32]) {
    for (row, out) in x.chunks_exact(cols).zip(out) {
        let first = if cols <= 2 * S::F32::LANES { first_largest(row) } else { first_largest_of_many(s, row) };
        *out = first as u32;
    }
}

fn first_largest(row: &[f32]) -> usize {
    let mut best = 0;
    for (j, &x) in row.iter().enumerate().skip(1) {
        if x > row[best] || (x.is_nan() && !row[best].is_nan()) {
            best = j;
        }
    }
    best
}

/// The largest is found by vectors, then its place: a tenth of the time for rows of 1,000, half as much again for rows of 10.
#[inline(always)]
fn first_largest_of_many<S: Simd>(s: S, row: &[f32]) -> usize {
    let largest = max(s, row);
    let smaller = row.chunks_exact(S::F32::LANES).take_while(
        #[inline(always)]
        |x| S::F32::all(S::F32::load(s, x).lt(S::F32::splat(s, largest))),
    );
    let skipped = smaller.count() * S::F32::LANES;
    // If it is NaN, nothing was smaller.
    let found = row[skipped..].iter().position(|&x| x == largest || x.is_nan());
    skipped + found.expect("the largest element is one of the row's")
}

/// Rows whose sums are taken before they meet the others'.
pub(crate) const ROW_CHUNK: usize = 256;

/// The sum of each column: one after the other within 256 rows, from 0, then the sums of such chunks in their order.
#[inline(always)]
pub(crate) fn column_sums<S: Simd>(s: S, x: MatRef<'_, f32>, out: &mut [f32]) {
    const STEP: usize = 64;
    out.fill(0.0);
    for first in (0..x.rows()).step_by(ROW_CHUNK) {
        let chunk = x.row_range(first, x.rows().min(first + ROW_CHUNK));
        for (from, out) in (0..).step_by(STEP).zip(out.chunks_mut(STEP)) {
            let mut sums = [0.0; STEP];
            let sums = &mut sums[..out.len()];
            add_rows::<S, f32>(s, chunk.col_range(from, from + out.len()), sums);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += *sum;
            }
        }
    }
}

/// `sums[j] = sums[j] + x[0][j] + x[1][j] + ...`, one after the other.
#[inline(always)]
pub(crate) fn add_rows<S: Simd, T: Arithmetic>(s: S, x: MatRef<'_, T>, sums: &mut [T]) {
    if x.has_contiguous_rows() {
        let lanes = T::Vector::<S>::LANES;
        let mut from = 0;
        while from + 4 * lanes <= sums.len() {
            add_vectors::<S, T, 4>(s, x, from, sums);
            from += 4 * lanes;
        }
        while from < sums.len() {
            add_vectors::<S, T, 1>(s, x, from, sums);
            from += lanes;
        }
    } else {
        for (j, sum) in sums.iter_mut().enumerate() {
            for i in 0..x.rows() {
                *sum = *sum + x.get(i, j);
            }
        }
    }
}

/// [`add_rows`] for the columns from `from` on: `VECTORS` whole vectors of them or, if 1, perhaps a part of one.
#[inline(always)]
fn add_vectors<S: Simd, T: Arithmetic, const VECTORS: usize>(s: S, x: MatRef<'_, T>, from: usize, sums: &mut [T]) {
    let lanes = T::Vector::<S>::LANES;
    let sums = &mut sums[from..];
    if sums.len() < lanes {
        let mut acc = T::Vector::<S>::load_partial(s, sums);
        for i in 0..x.rows() {
            acc = acc + T::Vector::<S>::load_partial(s, &x.row(i)[from..]);
        }
        return acc.store_partial(s, sums);
    }
    let mut acc = [T::Vector::<S>::splat(s, T::default()); VECTORS];
    for (acc, sums) in acc.iter_mut().zip(sums.chunks_exact(lanes)) {
        *acc = T::Vector::<S>::load(s, sums);
    }
    for i in 0..x.rows() {
        for (acc, x) in acc.iter_mut().zip(x.row(i)[from..].chunks_exact(lanes)) {
            *acc = *acc + T::Vector::<S>::load(s, x);
        }
    }
    for (acc, sums) in acc.into_iter().zip(sums.chunks_exact_mut(lanes)) {
        acc.store(sums);
    }
}
