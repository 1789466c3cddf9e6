//! A row or a column of dot products along K, where both operands run along K.
//!
//! The order of one sum is that of [`reduce`](crate::reduce), whatever is loaded and in which order. One row at a time, half of
//! all loads are of the operand that all rows share. Four rows at a time need the accumulators of as many in registers,
//! which AVX-512 has; it also has them for the whole of a short operand. With AVX2 two accumulators of two rows are
//! summed, then the other two.

use super::blocking::{L1_BYTES, L2_BYTES};
use super::problem::BOperand;
use super::{Arithmetic, Problem};
use crate::isa::is_amd;
use crate::reduce::{ACCUMULATORS, combine, lanes_of_dots, lanes_of_dots_by_pairs, lanes_of_whole_dots, nothing_ahead};
use crate::simd::{Float, MAX_LANES, Simd};
use std::mem::MaybeUninit;

/// Computes a problem with one row or one column whose operands are contiguous along K.
pub(crate) fn dots<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>) {
    // One column: A's rows, each with the one column of B.
    if problem.b.cols() != 1 {
        problem.transpose();
    }
    let Problem { alpha, a, b: BOperand::View(b), beta, ref mut c, epilogue, .. } = *problem else {
        unreachable!("a packed operand is taken in chains");
    };
    let c_stride = c.row_stride();
    let distance = match a.rows() * a.cols() * size_of::<T>() {
        bytes if bytes <= L1_BYTES => Distance::L1,
        bytes if bytes <= L2_BYTES => Distance::L2,
        bytes if bytes <= L3_BYTES => Distance::L3,
        _ => Distance::Memory,
    };
    let common = Common { k: a.cols(), a_stride: a.row_stride(), b: b.as_ptr(), c_stride, alpha, beta, distance };
    let (from, to, rows) = (a.as_ptr(), c.as_mut_ptr(), a.rows());
    // SAFETY: A and C have so many rows, those of A contiguous along their k columns, as is B; C is borrowed mutably.
    unsafe {
        if const { S::DOTS == BY_PAIRS } && common.is_for_pairs::<S>(rows) {
            common.by_pairs(s, from, to, rows);
        } else {
            let done = if const { S::DOTS == DOTS_MAX } { common.usual_rows(s, from, to, rows) } else { 0 };
            let (a_done, c_done) = (done as isize * common.a_stride, done as isize * c_stride);
            common.side_by_side(s, from.wrapping_offset(a_done), to.wrapping_offset(c_done), rows - done);
        }
    }
    // As a row, where it is one, it goes by vectors.
    match c_stride {
        1 => epilogue.transposed().apply_to_part(s, 0, 0, c.reborrow().t(), &mut None),
        _ => epilogue.apply_to_part(s, 0, 0, c.reborrow(), &mut None),
    }
}

/// What is the same for all rows.
struct Common<T> {
    k: usize,
    a_stride: isize,
    b: *const T,
    c_stride: isize,
    alpha: T,
    beta: Option<T>,
    distance: Distance,
}

/// Dot products that share the loads of their common operand, where there are registers for all their accumulators.
const DOTS_MAX: usize = 4;

/// Longer rows of an A in the L2 cache are read one by one on CPUs of AMD, where four streams come at half of the speed of one:
/// on a Zen 5 256x784x1 takes 0.75 of the time. On those of Intel each load of b takes from what the L2 cache gives, and one
/// by one it takes 1.18 times as long, 256x320x1 1.24 times.
const SHARED_ROW_BYTES_AMD: usize = 1024;

/// Dot products that share them where there are registers for two accumulators of each at a time.
const BY_PAIRS: usize = 2;

/// Rows that are asked for side by side, where they come from memory and are as long as [`ROW_BYTES_FROM_MEMORY`].
const ROWS_AHEAD: usize = 4;

const ROW_BYTES_FROM_MEMORY: usize = 4096;

/// Where A comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    L1,
    L2,
    L3,
    Memory,
}

/// More than this does not stay in most L3 caches.
const L3_BYTES: usize = 8 << 20;

impl<T: Arithmetic> Common<T> {
    /// Whether [`by_pairs`](Self::by_pairs) is faster than [`side_by_side`](Self::side_by_side) row by row.
    #[inline(always)]
    fn is_for_pairs<S: Simd>(&self, rows: usize) -> bool {
        let lanes = T::Vector::<S>::LANES;
        let is_usual = self.k == 2 * lanes || self.k == 4 * lanes || self.k == 8 * lanes;
        rows > 1
            && match self.distance {
                Distance::L1 => is_usual,
                // What does not fill all accumulators costs what the loads do: 256x784x1 takes 1.05 times as long by pairs.
                Distance::L2 | Distance::L3 => {
                    is_usual || (self.k > 8 * lanes && self.k.is_multiple_of(ACCUMULATORS * lanes))
                }
                // Four rows that are shorter are not far enough ahead: rows of 512 bytes take 1.3 times as long.
                Distance::Memory => self.k * size_of::<T>() >= ROW_BYTES_FROM_MEMORY,
            }
    }

    /// Computes `rows` elements of C. A function of its own, so that it has registers of its own.
    ///
    /// # Safety
    /// - `k` elements of each of the `rows` rows from `a` on and of b must be readable, and as many elements of C from `c` on
    ///   readable and writable.
    #[inline(never)]
    unsafe fn side_by_side<S: Simd>(&self, s: S, a: *const T, c: *mut T, rows: usize) {
        s.run(
            #[inline(always)]
            // SAFETY: the caller's promise.
            |s| unsafe {
                self.for_each_block(
                    s,
                    (a, c, rows),
                    #[inline(always)]
                    |a, rows| self.sums(s, a, rows),
                );
            },
        );
    }

    /// [`side_by_side`](Self::side_by_side) for as many rows as fill vectors of C and a `k` that is a usual width of layers; returns
    /// how many it did.
    ///
    /// # Safety
    /// - As for `side_by_side`.
    #[inline(always)]
    unsafe fn usual_rows<S: Simd>(&self, s: S, a: *const T, c: *mut T, rows: usize) -> usize {
        let lanes = T::Vector::<S>::LANES;
        let rows = rows / lanes * lanes;
        // SAFETY: the caller's promise, for fewer rows.
        unsafe {
            match self.k {
                k if k == 2 * lanes => self.rows_of_vectors::<S, 2>(s, a, c, rows),
                k if k == 4 * lanes => self.rows_of_vectors::<S, 4>(s, a, c, rows),
                k if k == 8 * lanes => self.rows_of_vectors::<S, 8>(s, a, c, rows),
                _ => return 0,
            }
        }
        rows
    }

    /// [`side_by_side`](Self::side_by_side) row by row for a `k` of so many `VECTORS` and as many rows as fill vectors of C. The
    /// vectors of b and the sums of a block of rows stay in registers, as any other load takes from what the L2 cache gives: 1.25
    /// times as fast as four rows at a time for 1x128x784, 1.37 for 1x64x128.
    ///
    /// # Safety
    /// - As for `side_by_side`.
    #[inline(never)]
    unsafe fn rows_of_vectors<S: Simd, const VECTORS: usize>(&self, s: S, a: *const T, c: *mut T, rows: usize) {
        let lanes = T::Vector::<S>::LANES;
        s.run(
            #[inline(always)]
            |s| {
                let zero = T::Vector::<S>::splat(s, T::default());
                let mut b = [zero; VECTORS];
                for (v, b) in b.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    *b = unsafe { T::Vector::<S>::load_ptr(s, self.b.add(v * lanes)) };
                }
                // SAFETY: the caller's promise; all blocks are whole.
                unsafe {
                    self.for_each_block(
                        s,
                        (a, c, rows),
                        #[inline(always)]
                        |a, _| {
                            // A loop would leave them in memory.
                            macro_rules! sums {
                                ($($i:literal)*) => {
                                    [$(match const { $i < T::Vector::<S>::LANES } {
                                        true => sum_of_row(a.offset($i * self.a_stride), &b),
                                        false => zero,
                                    }),*]
                                };
                            }
                            let sums: [_; MAX_LANES] = sums!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                            T::Vector::<S>::sum_lanes_of_each(&sums[..lanes])
                        },
                    );
                }
            },
        );
    }

    /// [`side_by_side`](Self::side_by_side) by pairs of rows, which share the loads of b; but from memory row by row. 1.13 times
    /// as fast as row by row for 1x128x784, 1.2 for 1x64x128, 1.05 for 1x1024x1024. One accumulator of two rows at a time, with no
    /// lines asked for, is as fast from the L2 and L3 caches for long rows, and slower for short ones.
    ///
    /// # Safety
    /// - As for `side_by_side`.
    #[inline(never)]
    unsafe fn by_pairs<S: Simd>(&self, s: S, a: *const T, c: *mut T, rows: usize) {
        let lanes = T::Vector::<S>::LANES;
        s.run(
            #[inline(always)]
            // SAFETY: the caller's promise.
            |s| unsafe {
                self.for_each_block(
                    s,
                    (a, c, rows),
                    #[inline(always)]
                    |a, rows| match self.k {
                        _ if self.distance == Distance::Memory => self.sums_from_memory(s, a, rows),
                        // Usual widths of layers: a loop over so few costs more than they do.
                        k if k == 2 * lanes => self.sums_of_pairs::<S, 2>(s, a, rows),
                        k if k == 4 * lanes => self.sums_of_pairs::<S, 4>(s, a, rows),
                        k if k == 8 * lanes => self.sums_of_pairs::<S, 8>(s, a, rows),
                        _ => self.sums_of_pairs::<S, 0>(s, a, rows),
                    },
                );
            },
        );
    }

    /// Computes `rows` elements of C from `c` on, of A from `a` on, from what `sums` gives of up to as many rows as a vector has
    /// lanes.
    ///
    /// # Safety
    /// - The elements of C must be readable and writable, those of A so that `sums` can be called.
    #[inline(always)]
    unsafe fn for_each_block<S: Simd>(
        &self,
        s: S,
        (mut a, mut c, mut left): (*const T, *mut T, usize),
        sums: impl Fn(*const T, usize) -> T::Vector<S>,
    ) {
        while left > 0 {
            let rows = T::Vector::<S>::LANES.min(left);
            // SAFETY: the caller's promise.
            unsafe { self.finish(s, sums(a, rows), c, rows) };
            a = a.wrapping_offset(rows as isize * self.a_stride);
            c = c.wrapping_offset(rows as isize * self.c_stride);
            left -= rows;
        }
    }

    /// The dot products of `rows` rows from `a` on with b, one a lane; the lanes past them hold anything.
    ///
    /// # Safety
    /// - `k` elements of each of the `rows` rows, at least one and at most as many as a vector has lanes, and of b must be
    ///   readable.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        let lanes = T::Vector::<S>::LANES;
        // SAFETY: the caller's promise.
        unsafe {
            if self.k <= lanes {
                return self.sums_of_short(s, a, rows);
            }
            match self.k.is_multiple_of(lanes).then_some(self.k / lanes % ACCUMULATORS) {
                Some(0) => self.sums_of_rows::<S, 0, false>(s, a, rows),
                Some(1) => self.sums_of_rows::<S, 1, false>(s, a, rows),
                Some(2) => self.sums_of_rows::<S, 2, false>(s, a, rows),
                Some(_) => self.sums_of_rows::<S, 3, false>(s, a, rows),
                None => self.sums_of_rows::<S, 0, true>(s, a, rows),
            }
        }
    }

    /// Row `i` of `rows`, those past the last being the last again.
    #[inline(always)]
    fn row(&self, a: *const T, i: usize, rows: usize) -> *const T {
        a.wrapping_offset(i.min(rows - 1) as isize * self.a_stride)
    }

    /// [`sums`](Self::sums) for a `k` that a vector holds.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_of_short<S: Simd>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        let zero = T::Vector::<S>::splat(s, T::default());
        let tail = T::Vector::<S>::tail(s, self.k);
        // SAFETY: the caller's promise, as `tail` has k lanes.
        let b = unsafe { T::Vector::<S>::load_tail(s, self.b, tail) };
        let mut sums = [zero; MAX_LANES];
        let sums = &mut sums[..T::Vector::<S>::LANES];
        for (i, sums) in sums.iter_mut().enumerate() {
            let mut acc = [zero; ACCUMULATORS];
            // SAFETY: as above.
            acc[0] = unsafe { T::Vector::<S>::load_tail(s, self.row(a, i, rows), tail) }.mul_add(b, zero);
            *sums = combine(acc);
        }
        T::Vector::<S>::sum_lanes_of_each(sums)
    }

    /// [`sums`](Self::sums) for a `k` of whole vectors, `REST` more than fill all accumulators alike, or for `ANY`.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_of_rows<S: Simd, const REST: usize, const ANY: bool>(
        &self,
        s: S,
        a: *const T,
        rows: usize,
    ) -> T::Vector<S> {
        let are_shared = S::DOTS == DOTS_MAX
            && match self.distance {
                Distance::L1 => true,
                Distance::L2 => self.k * size_of::<T>() <= SHARED_ROW_BYTES_AMD || !is_amd(),
                Distance::L3 | Distance::Memory => false,
            };
        // SAFETY: the caller's promise.
        unsafe {
            match are_shared {
                true => self.sums_of_groups::<S, DOTS_MAX, REST, ANY>(s, a, rows),
                false => self.sums_of_groups::<S, 1, REST, ANY>(s, a, rows),
            }
        }
    }

    /// [`sums_of_rows`](Self::sums_of_rows), so many rows at a time.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_of_groups<S: Simd, const GROUP: usize, const REST: usize, const ANY: bool>(
        &self,
        s: S,
        a: *const T,
        rows: usize,
    ) -> T::Vector<S> {
        self.sums_by(
            s,
            a,
            rows,
            #[inline(always)]
            |group: [_; GROUP], _| {
                // SAFETY: the caller's promise.
                unsafe {
                    match ANY {
                        true => lanes_of_dots(s, group, self.b, self.k, nothing_ahead),
                        false => lanes_of_whole_dots::<_, GROUP, REST>(s, group, self.b, self.k),
                    }
                }
            },
        )
    }

    /// [`sums`](Self::sums) by pairs of rows, for `VECTORS` see [`lanes_of_dots_by_pairs`].
    ///
    /// # Safety
    /// - As for `sums`; `k` is as `VECTORS` says.
    #[inline(always)]
    unsafe fn sums_of_pairs<S: Simd, const VECTORS: usize>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        self.sums_by(
            s,
            a,
            rows,
            #[inline(always)]
            |pair, _| {
                // SAFETY: the caller's promise.
                unsafe { lanes_of_dots_by_pairs::<_, BY_PAIRS, VECTORS>(s, pair, self.b, self.k) }
            },
        )
    }

    /// [`sums`](Self::sums) where A comes from memory, row by row. While four rows pass, the four after them are asked for side
    /// by side, a quarter for each: in the order of memory they would be a single stream to the hardware, which has
    /// only so much of each on its way. 1.4 times as fast for 1x2048x2048, but 0.9 times if A comes from the L3 cache.
    ///
    /// # Safety
    /// - As for `sums`.
    #[inline(always)]
    unsafe fn sums_from_memory<S: Simd>(&self, s: S, a: *const T, rows: usize) -> T::Vector<S> {
        self.sums_by(
            s,
            a,
            rows,
            #[inline(always)]
            |[row], i| {
                let (i, quarter) = (i % ROWS_AHEAD, self.k / ROWS_AHEAD);
                let next = row.wrapping_offset((ROWS_AHEAD - i) as isize * self.a_stride).wrapping_add(i * quarter);
                // SAFETY: the caller's promise.
                unsafe {
                    lanes_of_dots(
                        s,
                        [row],
                        self.b,
                        self.k,
                        #[inline(always)]
                        |at| {
                            for i in 0..ROWS_AHEAD as isize {
                                let row = next.wrapping_offset(i * self.a_stride);
                                T::Vector::<S>::prefetch(s, row.wrapping_add(at / ROWS_AHEAD));
                            }
                        },
                    )
                }
            },
        )
    }

    /// The sums of `rows` rows from `a` on by `dots`, which gets as many as it takes and the number of the first; those past
    /// the last are the last again.
    #[inline(always)]
    fn sums_by<S: Simd, const GROUP: usize>(
        &self,
        s: S,
        a: *const T,
        rows: usize,
        dots: impl Fn([*const T; GROUP], usize) -> [T::Vector<S>; GROUP],
    ) -> T::Vector<S> {
        let lanes = T::Vector::<S>::LANES;
        // Zeroing them all each time took a tenth of the time of rows of 128.
        let mut sums = MaybeUninit::<[T::Vector<S>; MAX_LANES]>::uninit();
        if rows < lanes {
            sums.write([T::Vector::<S>::splat(s, T::default()); MAX_LANES]);
        }
        let sums = sums.as_mut_ptr().cast::<T::Vector<S>>();
        let mut from = 0;
        while from < rows {
            let mut group = [a; GROUP];
            for (i, row) in group.iter_mut().enumerate() {
                *row = self.row(a, from + i, rows);
            }
            // SAFETY: the lanes, not above MAX_LANES, are a multiple of the group.
            unsafe { sums.add(from).cast::<[T::Vector<S>; GROUP]>().write(dots(group, from)) };
            from += GROUP;
        }
        // SAFETY: all lanes were written, by groups or before.
        T::Vector::<S>::sum_lanes_of_each(unsafe { std::slice::from_raw_parts(sums, lanes) })
    }

    /// `c = alpha sums + beta c`, for as many elements of C as there are `rows`.
    ///
    /// # Safety
    /// - `rows` elements from `c` on, `c_stride` apart, at most as many as a vector has lanes, must be readable and writable.
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, sums: T::Vector<S>, c: *mut T, rows: usize) {
        let mut dense = [T::default(); MAX_LANES];
        let is_dense = self.c_stride == 1;
        let alpha = T::Vector::<S>::splat(s, self.alpha);
        let tail = T::Vector::<S>::tail(s, rows);
        let value = match self.beta {
            None => alpha * sums,
            Some(beta) => {
                if !is_dense {
                    for (i, old) in dense.iter_mut().enumerate().take(rows) {
                        // SAFETY: the caller's promise.
                        *old = unsafe { *c.offset(i as isize * self.c_stride) };
                    }
                }
                let from = if is_dense { c.cast_const() } else { dense.as_ptr() };
                // SAFETY: the caller's promise, or `dense` has as many elements as a vector has lanes.
                let old = unsafe { T::Vector::<S>::load_tail(s, from, tail) };
                alpha.mul_add(sums, T::Vector::<S>::splat(s, beta) * old)
            }
        };
        let to = if is_dense { c } else { dense.as_mut_ptr() };
        // SAFETY: as above.
        unsafe { value.store_tail(to, tail) };
        if !is_dense {
            for (i, &value) in dense.iter().enumerate().take(rows) {
                // SAFETY: the caller's promise.
                unsafe { *c.offset(i as isize * self.c_stride) = value };
            }
        }
    }
}

/// The sum of the products of a row with `b`, up to the sum of the lanes.
///
/// # Safety
/// - As many elements from `row` on as `b` has must be readable.
#[inline(always)]
unsafe fn sum_of_row<V: Float, const VECTORS: usize>(row: *const V::Scalar, b: &[V; VECTORS]) -> V {
    let s = b[0].token();
    let mut acc = [V::splat(s, V::Scalar::default()); ACCUMULATORS];
    for (v, &b) in b.iter().enumerate() {
        // SAFETY: the caller's promise.
        acc[v % ACCUMULATORS] = unsafe { V::load_ptr(s, row.add(v * V::LANES)) }.mul_add(b, acc[v % ACCUMULATORS]);
    }
    combine(acc)
}
