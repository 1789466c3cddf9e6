//! The loops that apply a function to each element.

use crate::gemm::{MatMut, MatRef};
use crate::simd::{Float, Float32, Simd};
use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Elements that are read, and as many places that are written: those of other memory, or their own. One type for both, so
/// that each function is compiled once for both.
pub(crate) struct Elements<'a> {
    from: *const f32,
    to: *mut f32,
    len: usize,
    memory: PhantomData<&'a mut [f32]>,
}

impl<'a> Elements<'a> {
    pub(crate) fn apart(from: &'a [f32], to: &'a mut [f32]) -> Self {
        let len = from.len().min(to.len());
        Elements { from: from.as_ptr(), to: to.as_mut_ptr(), len, memory: PhantomData }
    }

    pub(crate) fn in_place(x: &'a mut [f32]) -> Self {
        let (to, len) = (x.as_mut_ptr(), x.len());
        Elements { from: to, to, len, memory: PhantomData }
    }

    /// As many whole pairs of vectors as there are, and the elements behind them.
    fn pairs(self) -> (impl Iterator<Item = Pair>, Self) {
        let Elements { from, to, len, memory } = self;
        let whole = len - len % PAIR;
        let pairs = (0..whole).step_by(PAIR).map(
            #[inline(always)]
            move |at| Pair { from: from.wrapping_add(at), to: to.wrapping_add(at) },
        );
        (pairs, Elements { from: from.wrapping_add(whole), to: to.wrapping_add(whole), len: len - whole, memory })
    }
}

/// Elements of two vectors: worked on two at a time, a CPU has more of independent chains to choose from.
const PAIR: usize = 32;

/// How far ahead of the elements at hand memory is asked for: otherwise it idles while long functions compute, as the CPU does
/// not look that far. Out of cache they take up to a third less time for it, in cache one or two hundredths more. A quarter of
/// this is not as far as the latency of memory, and takes a fifth longer.
pub(crate) const AHEAD: usize = 1024;

/// The same for functions of an operation or two, which take a tenth longer in an L3 cache by asking as far ahead as others.
pub(crate) const NEAR_AHEAD: usize = 256;

/// Where two vectors come from, and where what is made of them goes.
trait Place: Copy {
    fn load<V: Float32>(self, s: V::Simd) -> [V; 2];
    fn store<V: Float32>(self, made: [V; 2]);
    fn ask_ahead<V: Float32>(self, s: V::Simd, ahead: usize);
}

/// Made by [`Elements::pairs`] only, so that there are [`PAIR`] elements to read and to write.
#[derive(Clone, Copy)]
struct Pair {
    from: *const f32,
    to: *mut f32,
}

impl Place for Pair {
    #[inline(always)]
    fn load<V: Float32>(self, s: V::Simd) -> [V; 2] {
        // SAFETY: there are two vectors to read, by how pairs are made; what is written to the same memory comes after.
        unsafe { [V::load_ptr(s, self.from), V::load_ptr(s, self.from.add(V::LANES))] }
    }

    #[inline(always)]
    fn store<V: Float32>(self, [low, high]: [V; 2]) {
        // SAFETY: there are two vectors to write, by how pairs are made.
        unsafe {
            low.store_ptr(self.to);
            high.store_ptr(self.to.add(V::LANES));
        }
    }

    #[inline(always)]
    fn ask_ahead<V: Float32>(self, s: V::Simd, ahead: usize) {
        for at in [ahead, ahead + V::LANES] {
            V::prefetch(s, self.from.wrapping_add(at));
            V::prefetch_for_writing(s, self.to.wrapping_add(at));
        }
    }
}

/// Makes the compiler align the stack frame to cache lines. It does not do so for the sake of vectors for which it finds too late
/// that there are not enough registers: half of those would lie across two lines, by chance some across two pages, where with AVX2
/// a function takes up to four times as long.
#[inline(always)]
fn align_frame() {
    #[repr(align(64))]
    struct Line {
        _bytes: [u8; 64],
    }
    black_box(&MaybeUninit::<Line>::uninit());
}

/// `f` of two vectors at a time; memory is asked for `ahead` elements ahead.
#[inline(always)]
pub(crate) fn map<S: Simd>(s: S, elements: Elements<'_>, ahead: usize, f: impl Fn([S::F32; 2]) -> [S::F32; 2]) {
    align_frame();
    let (pairs, rest) = elements.pairs();
    for pair in pairs {
        pair.ask_ahead::<S::F32>(s, ahead);
        pair.store(f(pair.load(s)));
    }
    map_rest(s, rest, f);
}

/// `third(second(first(x)))` of two vectors at a time, the stages of three pairs side by side: a CPU looks ahead by a few dozen
/// operations, of which long chains leave it few to choose from.
#[inline(always)]
pub(crate) fn map_pipelined<S: Simd, T, U>(
    s: S,
    elements: Elements<'_>,
    first: impl Fn([S::F32; 2]) -> T + Copy,
    second: impl Fn(T) -> U + Copy,
    third: impl Fn(U) -> [S::F32; 2] + Copy,
) {
    let (pairs, rest) = elements.pairs();
    // By value: the call through a reference is a function of its own, which is not inlined everywhere.
    pipeline(s, pairs, first, second, third);
    map_rest(
        s,
        rest,
        #[inline(always)]
        |x| third(second(first(x))),
    );
}

/// The loop of [`map_pipelined`].
#[inline(always)]
fn pipeline<S: Simd, P: Place, T, U>(
    s: S,
    mut pairs: impl Iterator<Item = P>,
    first: impl Fn([S::F32; 2]) -> T,
    second: impl Fn(T) -> U,
    third: impl Fn(U) -> [S::F32; 2],
) {
    align_frame();
    if let Some(mut place) = pairs.next() {
        let mut after_second = second(first(place.load(s)));
        if let Some(mut next_place) = pairs.next() {
            let mut after_first = first(next_place.load(s));
            for pair in pairs {
                pair.ask_ahead::<S::F32>(s, AHEAD);
                let next;
                if S::LAST_STAGE_FIRST {
                    place.store(third(after_second));
                    after_second = second(after_first);
                    next = first(pair.load(s));
                } else {
                    next = first(pair.load(s));
                    let next_after_second = second(after_first);
                    place.store(third(after_second));
                    after_second = next_after_second;
                }
                after_first = next;
                (place, next_place) = (next_place, pair);
            }
            place.store(third(after_second));
            (place, after_second) = (next_place, second(after_first));
        }
        place.store(third(after_second));
    }
}

/// Whole vectors in rows of two matrices, by a function of which those of one are to be multiplied: by that of the vector in the
/// same place of the other. An iterator over all, those below each other one after the other, by two, the last one twice where
/// their number is odd.
pub(crate) struct Factors<'a> {
    at: (*const f32, *mut f32),
    /// How far rows are apart in each.
    strides: (isize, isize),
    rows: usize,
    lanes: usize,
    /// Vectors that are left, in all and in this column of them, whose first is here.
    left: usize,
    left_below: usize,
    first: (*const f32, *mut f32),
    memory: PhantomData<&'a mut [f32]>,
}

impl<'a> Factors<'a> {
    /// As many whole vectors of `lanes` elements as the rows have.
    ///
    /// # Panics
    /// Unless both have the same shape, and contiguous rows.
    pub(crate) fn new(from: MatRef<'a, f32>, mut to: MatMut<'a, f32>, lanes: usize) -> Self {
        assert!(to.has_contiguous_rows() && from.has_contiguous_rows());
        assert!((from.rows(), from.cols()) == (to.rows(), to.cols()));
        let (rows, strides) = (to.rows(), (from.row_stride(), to.row_stride()));
        let first = (from.as_ptr(), to.as_mut_ptr());
        let left = rows * (to.cols() / lanes);
        Factors { at: first, strides, rows, lanes, left, left_below: rows, first, memory: PhantomData }
    }

    #[inline(always)]
    fn advance(&mut self) -> (*const f32, *mut f32) {
        let (from, to) = self.at;
        self.left -= 1;
        self.left_below -= 1;
        self.at = (from.wrapping_offset(self.strides.0), to.wrapping_offset(self.strides.1));
        if self.left_below == 0 {
            self.first = (self.first.0.wrapping_add(self.lanes), self.first.1.wrapping_add(self.lanes));
            (self.at, self.left_below) = (self.first, self.rows);
        }
        (from, to)
    }
}

impl Iterator for Factors<'_> {
    type Item = FactorPair;

    #[inline(always)]
    fn next(&mut self) -> Option<FactorPair> {
        if self.left == 0 {
            return None;
        }
        let one = self.advance();
        let other = if self.left > 0 { self.advance() } else { one };
        Some(FactorPair([one, other]))
    }
}

/// Made by [`Factors`] only, so that there are two vectors to read and to write, or one twice.
#[derive(Clone, Copy)]
pub(crate) struct FactorPair([(*const f32, *mut f32); 2]);

impl Place for FactorPair {
    #[inline(always)]
    fn load<V: Float32>(self, s: V::Simd) -> [V; 2] {
        let FactorPair([(low, _), (high, _)]) = self;
        // SAFETY: there are two vectors to read, by how pairs are made.
        unsafe { [V::load_ptr(s, low), V::load_ptr(s, high)] }
    }

    #[inline(always)]
    fn store<V: Float32>(self, [low, high]: [V; 2]) {
        let FactorPair([(_, low_to), (_, high_to)]) = self;
        // SAFETY: there are two vectors to write, by how pairs are made. Both are read before: they may be the same.
        unsafe {
            let (x, y) = (V::load_ptr(low.token(), low_to), V::load_ptr(low.token(), high_to));
            (x * low).store_ptr(low_to);
            (y * high).store_ptr(high_to);
        }
    }

    /// What is multiplied was just computed, and other derivatives gain nothing by asking for what is kept.
    #[inline(always)]
    fn ask_ahead<V: Float32>(self, _: V::Simd, _: usize) {}
}

/// `x[i] *= third(second(first(y[i])))` in stages as in [`map_pipelined`].
#[inline(always)]
pub(crate) fn multiply_pipelined<S: Simd, T, U>(
    s: S,
    factors: Factors<'_>,
    first: impl Fn([S::F32; 2]) -> T,
    second: impl Fn(T) -> U,
    third: impl Fn(U) -> [S::F32; 2],
) {
    assert!(factors.lanes == S::F32::LANES);
    pipeline(s, factors, first, second, third);
}

/// [`map_pipelined`] for stages that take the two vectors in step: side by side only where registers suffice for that too.
#[inline(always)]
pub(crate) fn map_stages<S: Simd, T, U>(
    s: S,
    elements: Elements<'_>,
    first: impl Fn([S::F32; 2]) -> T + Copy,
    second: impl Fn(T) -> U + Copy,
    third: impl Fn(U) -> [S::F32; 2] + Copy,
) {
    if S::OVERLAPS_STAGES {
        return map_pipelined(s, elements, first, second, third);
    }
    map(
        s,
        elements,
        AHEAD,
        #[inline(always)]
        |x| third(second(first(x))),
    );
}

/// Less than two vectors.
#[inline(always)]
fn map_rest<S: Simd>(s: S, rest: Elements<'_>, f: impl Fn([S::F32; 2]) -> [S::F32; 2]) {
    if rest.len == 0 {
        return;
    }
    let cut = rest.len.min(S::F32::LANES);
    // SAFETY: `rest` has `len` elements to read; this reference is not used once anything is written.
    let x = unsafe { std::slice::from_raw_parts(rest.from, rest.len) };
    let [low, high] = f([S::F32::load_partial(s, &x[..cut]), S::F32::load_partial(s, &x[cut..])]);
    // SAFETY: `rest` has `len` places to write, to which nothing else refers any more.
    let to = unsafe { std::slice::from_raw_parts_mut(rest.to, rest.len) };
    low.store_partial(s, &mut to[..cut]);
    high.store_partial(s, &mut to[cut..]);
}
