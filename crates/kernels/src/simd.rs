//! The virtual vector: 64 bytes, so 16 `f32` or 8 `f64` lanes, on every instruction set.
//!
//! Kernels are written once, generic over [`Simd`], against [`Float`] and [`Float32`]. An ISA supplies the types: one
//! register on AVX-512, two on AVX2, four on NEON, two `wide` vectors on the portable path. Each operation below is
//! one IEEE-754 operation, or an exact sequence of them stated at its declaration, so that an ISA can change the
//! speed of a kernel and never its bits.
//!
//! A token such as `avx2::Avx2` is the proof that the CPU has the features: it is made only from a `KernelSet`'s
//! function table, and a vector can be made only from a token.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;

use crate::isa::Isa;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

/// Writes inlined methods whose bodies may call the intrinsics of the ISA at hand.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! with_intrinsics {
    ($($(#[$attribute:meta])* fn $name:ident $(<const $n:ident: $nt:ty>)? ($($arg:ident $(: $ty:ty)?),*) -> $ret:ty { $($body:tt)* })*) => {
        $($(#[$attribute])*
        #[inline(always)]
        #[allow(unused_unsafe, reason = "some bodies call other methods only")]
        fn $name $(<const $n: $nt>)? ($($arg $(: $ty)?),*) -> $ret {
            // SAFETY: a token or a vector of this ISA is among the arguments or is the type at hand, and those are
            // made only after its features were detected; the bodies touch no memory but through references.
            unsafe { $($body)* }
        })*
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use with_intrinsics;

/// Runs a closure inside a function that has the features of an ISA enabled. It is a method of the closure, as the compiler
/// would take plain functions of this module for one unit of its work, all kernels of the ISA.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! enter {
    ([$($feature:tt),*] $token:ident) => {
        $crate::simd::enter! { [$($feature),*] $token run }
    };
    ([$($feature:tt),*] $token:ident $run:ident $($attribute:meta),*) => {
        #[inline(always)]
        fn $run<R>(self, f: impl FnOnce(Self) -> R) -> R {
            trait Entered<R> {
                /// # Safety
                /// - The CPU must have the features.
                unsafe fn entered(self, token: $token) -> R;
            }
            impl<R, F: FnOnce($token) -> R> Entered<R> for F {
                $(#[target_feature(enable = $feature)])*
                $(#[$attribute])*
                unsafe fn entered(self, token: $token) -> R {
                    self(token)
                }
            }
            // SAFETY: the token was made after these features were detected.
            unsafe { f.entered(self) }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use enter;

/// 1.5 * 2^23: adding it to a small `f32` leaves the nearest whole number in the low bits.
pub(crate) const MAGIC_F32: f32 = 12_582_912.0;
/// 1.5 * 2^52, for `f64`.
pub(crate) const MAGIC_F64: f64 = 6_755_399_441_055_744.0;

/// Lanes of the element type that has most.
pub(crate) const MAX_LANES: usize = 16;

/// An instruction set, as a zero-size token.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    const ISA: Isa;
    type F32: Float32<Simd = Self>;
    type F64: Float<Scalar = f64, Simd = Self>;
    /// The register tile of `gemm`: `MR` rows of `NV` vectors, so that `MR * NV` accumulators, `NV` vectors of B and
    /// one broadcast element of A leave at least one register free (with exactly none LLVM spills).
    const MR: usize;
    const NV: usize;
    /// Rows of the tile that is twice as wide; 0 where there is none.
    const MR_WIDE: usize = 0;
    /// Up to this depth of K wide tiles are better: with AVX-512 512x64x512 is 1.02 times as fast, 512x32x512 1.03 times.
    const K_WIDE: usize = 0;
    /// Rows of the tile that is one masked vector wide: the mask may need registers too.
    const MR_MASKED: usize;
    /// Vectors of a single row of C that are summed side by side, at most 16: as many chains as hide the latency of an addition and
    /// leave registers for what they share. With AVX-512 a row of 784 columns takes 1.03 times as long by 8.
    const NV_ROW: usize;
    /// A row of C takes rows of B one by one that are at most so many bytes apart, not four in a turn of the loop: hardware foresees
    /// the lines that an instruction reads if they are this close. With AVX-512 1x784x128 is 1.58 times as fast on a Zen 5.
    const STREAMED_ROW_BYTES: usize;
    /// Whether tiles of an A whose columns are far apart are copied. With AVX2, whose tiles take twice as long for half as many
    /// rows, copies cost 2 to 14 % in all; only where the columns share sets of the L1 cache do they pay, 9 % for 256 cubed and
    /// 5 % for 128 cubed.
    const PACKS_SCATTERED_A: bool;
    /// Bytes of a block of B that stays in the L2 cache, beside the rows of A and C that pass by, of the CPUs that have no more than
    /// this instruction set: 256 and 512 KiB with AVX2, 1 MiB and more with others.
    const B_BLOCK_BYTES: usize;
    /// From so many rows of A on a B is copied whose rows start at conflicting distances. A tile of AVX-512 works 28 cycles on
    /// each row of B (14, where two products start in a cycle), time enough for it to come from the L2 cache wherever it
    /// lies: without the copy 64x1024x1024 is 1.15 times as fast, 256x784x512 1.04, 512 cubed 1.02. With AVX2 256x1024x1024
    /// takes 1.8 times as long without.
    const M_FOR_PACKING_B: usize;
    /// Up to so many bytes a column C is computed by columns where that spares the transposition of a larger B. Measured with AVX2
    /// and AVX-512: 128x1024x1024 is 1.03 and 1.08 times as fast, 256x784x784 takes 1.05 times as long with the latter.
    const TRANSPOSED_C_BYTES: usize;
    /// Whether tiles ask for lines of C that an L2 cache holds, too. With AVX-512 that takes 2 to 5 % of 64 to 512 cubed; with
    /// AVX2 not to ask takes 3 % where K is 64. Not to ask for lines from afar takes 2 % of 1024 cubed and 6 % of 10000x64x64.
    const FETCHES_NEAR_C: bool;
    /// Whether a turn of loops of functions in stages begins with the last stage, or takes the stages in their order: with AVX-512
    /// that makes sigmoid 1.09, softplus and tanh 1.06 times as fast as the second stage at the end, on an Intel Xeon.
    const LAST_STAGE_FIRST: bool;
    /// Whether functions whose stages take two vectors in step are faster with the stages of three pairs side by side.
    const OVERLAPS_STAGES: bool;
    /// Whether a long loop of exponentials and of their sums is two, as the registers do not suffice for what both keep.
    const ADDS_EXPONENTIALS_LATER: bool;
    /// Vectors that can stay in registers beside the accumulators and operands of a sum.
    const SPARE_REGISTERS: usize;
    /// Dot products that are summed side by side: of 4 or 1 all accumulators, of 2 first two and then the others.
    const DOTS: usize;
    /// Rows of an outer product that are written side by side from end to end, see `gemm::outer`: 4, 8, or 0 where tiles write
    /// them. With AVX2 784x1x128 takes 0.94 of the time of single rows and 256x1x784 0.8 by 8, but as much by 16; with AVX-512 stores
    /// to 8 rows of 128 take 1.07 times as long as to 4.
    const OUTER_ROWS: usize;
    /// Whether an outer product that the L1 cache does not hold is written row by row, and its lines asked for before; not on CPUs
    /// of AMD, where that has not been measured.
    const OUTER_ASKS_AHEAD: bool = false;
    /// Fours of rows that are computed side by side where C has up to 4, 8 and 12 columns, see `gemm::narrow`; 0 where they
    /// are better computed otherwise.
    const NARROW_FOURS: [usize; 3];
    /// Whether tiles of C that lie in columns are worth their shuffles for 9 and 10 columns, see `gemm::narrow`.
    const COLUMNS: bool = false;

    /// Whether sums of eight rows and two columns a vector are better than of four rows and four columns, see `gemm::narrow`.
    const NARROW_PAIRS: bool = false;
    /// Up to so many columns of C, the sums of a vector of rows or more of each stay in registers, see `gemm::narrow`.
    const UPRIGHT_COLUMNS: usize = 0;

    /// # Safety
    /// - The CPU must have the features of [`Self::ISA`].
    unsafe fn assume_available() -> Self;

    /// Runs `f` with this ISA's features enabled. Everything `f` calls must inline into it.
    fn run<R>(self, f: impl FnOnce(Self) -> R) -> R;

    /// `f()`, which a loop seldom needs. With AVX-512 it is a function of its own that takes the loop no registers; where
    /// those do not suffice anyway, the call costs more.
    #[inline(always)]
    fn run_rare<R>(self, f: impl FnOnce(Self) -> R) -> R {
        f(self)
    }
}

/// A vector of 64 bytes of floats.
pub(crate) trait Float:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    type Simd: Simd;
    type Scalar: Copy + PartialOrd + Default + From<f32> + Send + Sync + 'static;
    /// One truth value a lane.
    type Mask: Copy;
    /// How many of the first lanes a partial load or store touches, in the form the ISA wants.
    type Tail: Copy;
    const LANES: usize;
    /// A fourth of them, 16 bytes.
    const QUARTER: usize = Self::LANES / 4;
    /// From so many rows of A on the columns of B that do not fill a vector are copied to one that zeros fill up: at once where
    /// [`load_tail`](Self::load_tail) goes lane by lane, never where it costs as much as a load of all lanes.
    const M_FOR_PADDING_B: usize;

    fn splat(s: Self::Simd, x: Self::Scalar) -> Self;
    /// The token again: a vector proves what its token proved.
    fn token(self) -> Self::Simd;

    /// # Safety
    /// - `LANES` elements from `from` on must be readable.
    unsafe fn load_ptr(s: Self::Simd, from: *const Self::Scalar) -> Self;

    /// # Safety
    /// - `LANES` elements from `to` on must be writable.
    unsafe fn store_ptr(self, to: *mut Self::Scalar);

    /// Asks for the cache line at `at` to be brought near, as it will be written. Any pointer may be given.
    #[inline(always)]
    fn prefetch_for_writing(_: Self::Simd, at: *const Self::Scalar) {
        let _ = at;
        // SAFETY: a prefetch is a hint that faults nowhere; compiled without the feature `prfchw` it is one for reading.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_ET0>(at.cast());
        }
    }

    /// Asks for the cache line at `at` to be brought near. Any pointer may be given.
    #[inline(always)]
    fn prefetch(_: Self::Simd, at: *const Self::Scalar) {
        let _ = at;
        // SAFETY: a prefetch is a hint that faults nowhere.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(at.cast());
        }
    }

    /// Asks for the cache line at `at` to be brought into the L2 cache, past which memory is far: so many lines can be
    /// on their way that they would keep loads from the L1 cache waiting. Any pointer may be given.
    #[inline(always)]
    fn prefetch_from_afar(_: Self::Simd, at: *const Self::Scalar) {
        let _ = at;
        // SAFETY: a prefetch is a hint that faults nowhere.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T1>(at.cast());
        }
    }

    /// # Panics
    /// If `lanes > LANES`.
    fn tail(s: Self::Simd, lanes: usize) -> Self::Tail;

    /// The first lanes of `tail` from memory, the others 0.
    ///
    /// # Safety
    /// - As many elements from `from` on as `tail` has lanes must be readable.
    unsafe fn load_tail(s: Self::Simd, from: *const Self::Scalar, tail: Self::Tail) -> Self;

    /// # Safety
    /// - As many elements from `to` on as `tail` has lanes must be writable.
    unsafe fn store_tail(self, to: *mut Self::Scalar, tail: Self::Tail);

    /// Transposes `LANES` rows of [`QUARTER`](Self::QUARTER) elements; the strides are between rows.
    ///
    /// # Safety
    /// - Each of the `LANES` rows from `from` on must have `QUARTER` readable elements, and each of the `QUARTER` rows from
    ///   `to` on `LANES` writable ones; the two must not share memory.
    unsafe fn transpose_quarter(
        s: Self::Simd,
        from: *const Self::Scalar,
        from_stride: isize,
        to: *mut Self::Scalar,
        to_stride: isize,
    );

    /// Transposes `LANES` rows of `LANES` elements, with no loop over the quarters that the compiler might leave as one.
    ///
    /// # Safety
    /// - Each of the `LANES` rows from `from` on must have `LANES` readable elements, and from `to` on as many writable
    ///   ones; the two must not share memory.
    #[inline(always)]
    unsafe fn transpose(
        s: Self::Simd,
        from: *const Self::Scalar,
        from_stride: isize,
        to: *mut Self::Scalar,
        to_stride: isize,
    ) {
        let step = Self::QUARTER as isize;
        // SAFETY: the caller's promise.
        unsafe {
            Self::transpose_quarter(s, from, from_stride, to, to_stride);
            Self::transpose_quarter(s, from.offset(step), from_stride, to.offset(step * to_stride), to_stride);
            Self::transpose_quarter(s, from.offset(2 * step), from_stride, to.offset(2 * step * to_stride), to_stride);
            Self::transpose_quarter(s, from.offset(3 * step), from_stride, to.offset(3 * step * to_stride), to_stride);
        }
    }

    /// Transposes `LANES` rows of `columns` elements, fewer than `LANES`: by quarters of vectors and what is left by elements.
    ///
    /// # Safety
    /// - Each of the `LANES` rows from `from` on must have `columns` readable elements, and each of the `columns` rows from `to`
    ///   on `LANES` writable ones; the two must not share memory.
    #[inline(always)]
    unsafe fn transpose_part(
        s: Self::Simd,
        columns: usize,
        from: *const Self::Scalar,
        from_stride: isize,
        to: *mut Self::Scalar,
        to_stride: isize,
    ) {
        let whole = (columns / Self::QUARTER * Self::QUARTER) as isize;
        // SAFETY: the caller's promise.
        unsafe {
            for j in (0..whole).step_by(Self::QUARTER) {
                Self::transpose_quarter(s, from.offset(j), from_stride, to.offset(j * to_stride), to_stride);
            }
            for j in whole..columns as isize {
                for row in 0..Self::LANES as isize {
                    *to.offset(j * to_stride + row) = *from.offset(row * from_stride + j);
                }
            }
        }
    }

    /// `f()`. The portable path compiles it as a function of its own, once for all kernels that have it in them: it is long
    /// there, and need not be fast.
    #[inline(always)]
    fn apart<R>(f: impl FnOnce() -> R) -> R {
        f()
    }

    /// `self * b + c`, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c - self * b`, rounded once.
    fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// `self > other ? self : other`; so `other` where either is NaN or both are zeros.
    fn max(self, other: Self) -> Self;
    /// `self < other ? self : other`; so `other` where either is NaN or both are zeros.
    fn min(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign bit of `sign`.
    fn copysign(self, sign: Self) -> Self;
    fn lt(self, other: Self) -> Self::Mask;
    fn eq(self, other: Self) -> Self::Mask;
    fn is_nan(self) -> Self::Mask;
    /// Whether it is true of each lane.
    fn all(mask: Self::Mask) -> bool;
    /// `mask ? yes : no`, bits untouched.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// 2^self for a whole number whose power is a normal number.
    fn pow2(self) -> Self;
    /// The nearest whole number, ties to even, as `(self + 1.5 * 2^p) - 1.5 * 2^p` with p = 23 or 52: right for a
    /// magnitude below 2^(p-1).
    fn round_small(self) -> Self;
    /// The sum of the lanes: lane i + lane i+LANES/2, and so on by halves.
    fn sum_lanes(self) -> Self::Scalar;
    /// Lane i: [`sum_lanes`](Self::sum_lanes) of vector i, to the same bits.
    ///
    /// # Panics
    /// Unless there are `LANES` vectors.
    #[inline(always)]
    fn sum_lanes_of_each(vectors: &[Self]) -> Self {
        assert!(vectors.len() == Self::LANES);
        let mut sums = [Self::Scalar::default(); MAX_LANES];
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = vector.sum_lanes();
        }
        Self::load(vectors[0].token(), &sums)
    }
    /// The largest lane by the same tree, each step `a > b ? a : b` with a the lower lane.
    fn max_lanes(self) -> Self::Scalar;

    /// `self * 2^n`, rounded once, for `n` whole, the magnitude of `self` in `[1/4, 4]` and `n` from -248 to 250
    /// (-2040 to 2042 for `f64`).
    #[inline(always)]
    fn scale_by_pow2(self, n: Self) -> Self {
        // Half of the exponent first is exact, as the product is still a normal number, so only the second rounds.
        let first = (n * n.constant(0.5.into())).round_small();
        self * first.pow2() * (n - first).pow2()
    }

    /// `x` in every lane.
    #[inline(always)]
    fn constant(self, x: Self::Scalar) -> Self {
        Self::splat(self.token(), x)
    }

    #[inline(always)]
    fn load(s: Self::Simd, from: &[Self::Scalar]) -> Self {
        let from = &from[..Self::LANES];
        // SAFETY: the slice has LANES elements.
        unsafe { Self::load_ptr(s, from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [Self::Scalar]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: the slice has LANES elements.
        unsafe { self.store_ptr(to.as_mut_ptr()) }
    }

    /// Transposes `LANES` rows of `columns` elements, a multiple of [`QUARTER`](Self::QUARTER); rows begin `from_stride` and
    /// `to_stride` elements apart.
    #[inline(always)]
    fn transpose_rows(
        s: Self::Simd,
        columns: usize,
        from: &[Self::Scalar],
        from_stride: usize,
        to: &mut [Self::Scalar],
        to_stride: usize,
    ) {
        let extent = |rows: usize, stride: usize, len: usize| stride.saturating_mul(rows - 1).saturating_add(len);
        assert!(columns > 0 && columns.is_multiple_of(Self::QUARTER));
        assert!(extent(Self::LANES, from_stride, columns) <= from.len());
        assert!(extent(columns, to_stride, Self::LANES) <= to.len());
        for j in (0..columns).step_by(Self::QUARTER) {
            // SAFETY: both slices hold all rows, as was just checked, and being borrowed apart they share no memory.
            unsafe {
                let (from, to) = (from.as_ptr().add(j), to.as_mut_ptr().add(j * to_stride));
                Self::transpose_quarter(s, from, from_stride as isize, to, to_stride as isize);
            }
        }
    }

    /// The whole slice, at most `LANES` elements, the other lanes 0.
    #[inline(always)]
    fn load_partial(s: Self::Simd, from: &[Self::Scalar]) -> Self {
        let tail = Self::tail(s, from.len());
        // SAFETY: `tail` has as many lanes as the slice has elements.
        unsafe { Self::load_tail(s, from.as_ptr(), tail) }
    }

    /// The first lanes into the whole slice, at most `LANES` elements.
    #[inline(always)]
    fn store_partial(self, s: Self::Simd, to: &mut [Self::Scalar]) {
        let tail = Self::tail(s, to.len());
        // SAFETY: `tail` has as many lanes as the slice has elements.
        unsafe { self.store_tail(to.as_mut_ptr(), tail) }
    }
}

/// Of what tiles take that the constants of an instruction set keep from it, see `gemm::narrow`: it need not have that.
const NO_SUCH_TILES: &str = "this instruction set has no such tiles";

/// What vector math needs beyond [`Float`] of 16 lanes of `f32`.
pub(crate) trait Float32: Float<Scalar = f32> {
    type Bits: Int32<Simd = Self::Simd, Float = Self>;
    fn to_bits(self) -> Self::Bits;
    /// The numbers of 16 bytes, exact.
    fn from_bytes(s: Self::Simd, bytes: &[u8; 16]) -> Self;
    /// Rounded once, as IEEE-754 has it.
    fn sqrt(self) -> Self;
    /// Lane i: the lane of `self` that the low four bits of lane i of `lanes` say.
    fn permute(self, lanes: Self::Bits) -> Self;
    /// Lane i: the element of `table` that the low three bits of lane i of `indices` say.
    fn look_up(table: &[f32; 8], indices: Self::Bits) -> Self;
    /// Four elements from each of four places `stride` apart, a quarter of the vector each.
    ///
    /// # Safety
    /// - They must be readable.
    #[inline(always)]
    unsafe fn load_quarters(s: Self::Simd, from: *const f32, stride: isize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::load_quarters_tail(s, from, stride, Self::tail(s, Self::QUARTER)) }
    }

    /// The same for the first elements of each, as many as `tail` has lanes; the others are 0.
    ///
    /// # Safety
    /// - They must be readable, and `tail` have at most a quarter of the lanes.
    unsafe fn load_quarters_tail(s: Self::Simd, from: *const f32, stride: isize, tail: Self::Tail) -> Self;

    /// Four elements from `from` on, in each quarter.
    ///
    /// # Safety
    /// - They must be readable.
    #[inline(always)]
    unsafe fn repeat_quarter(s: Self::Simd, from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::load_quarters(s, from, 0) }
    }

    /// Two elements from `from` on, in each eighth.
    ///
    /// # Safety
    /// - They must be readable.
    unsafe fn repeat_pair(_: Self::Simd, _: *const f32) -> Self {
        unreachable!("{NO_SUCH_TILES}")
    }

    /// The first lanes of quarter `I`, as many as `tail` has.
    ///
    /// # Safety
    /// - As many elements from `to` on must be writable, and `tail` have at most a quarter of the lanes.
    unsafe fn store_quarter<const I: usize>(self, to: *mut f32, tail: Self::Tail);

    /// Rows of a tile of C that lies in columns, see `gemm::narrow`, of which a vector holds `LANES / COLUMN_ROWS`.
    const COLUMN_ROWS: usize = Self::LANES;

    /// Transposes four elements from each of `COLUMN_ROWS` places `stride` apart: lane i of vector j is element j from place
    /// `i % COLUMN_ROWS`.
    ///
    /// # Safety
    /// - They must be readable.
    unsafe fn load_columns(_: Self::Simd, _: *const f32, _: isize) -> [Self; 4] {
        unreachable!("{NO_SUCH_TILES}")
    }

    /// `fma(a, b, self)`, where b of lane i is `from[j + i / COLUMN_ROWS]`, and `from` again: what is read by way of it is read
    /// after, so that it takes no registers before.
    ///
    /// # Safety
    /// - `LANES / COLUMN_ROWS` elements from `from + j` on must be readable.
    unsafe fn add_products(self, _: Self, _: *const f32, _: usize) -> (Self, *const f32) {
        unreachable!("{NO_SUCH_TILES}")
    }

    /// Transposes four rows of four lanes in each quarter: lane j of quarter q of vector i is lane i of quarter q of vector j.
    fn transpose_in_quarters(_: [Self; 4]) -> [Self; 4] {
        unreachable!("{NO_SUCH_TILES}")
    }

    /// In all lanes of each quarter its lane `J`.
    fn splat_in_quarters<const J: usize>(self) -> Self;

    /// In each quarter lane `J` of the quarter of `first` twice, then that of `second`.
    fn splat_in_eighths<const J: usize>(_: Self, _: Self) -> Self {
        unreachable!("{NO_SUCH_TILES}")
    }

    /// Two vectors: in each quarter the first two lanes of the quarter of `first`, then of `second`, and the last two of both.
    fn join_eighths(_: Self, _: Self) -> [Self; 2] {
        unreachable!("{NO_SUCH_TILES}")
    }

    /// Keeps the compiler from computing one of the vectors as far as it goes before it begins with the next, which would leave a
    /// CPU that looks ahead by few operations but one chain of them to work on; with AVX-512 also from computing what only the
    /// next turn of a loop needs later than here, behind a branch.
    #[inline(always)]
    fn in_step<const N: usize>(vectors: &mut [Self; N]) {
        let _ = vectors;
    }

    /// The lower and the upper eight lanes, exact.
    fn widen(self) -> (<Self::Simd as Simd>::F64, <Self::Simd as Simd>::F64);
}

/// 16 lanes of `i32`.
pub(crate) trait Int32:
    Copy + Add<Output = Self> + Sub<Output = Self> + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self>
{
    type Simd: Simd;
    type Float: Float32;
    fn splat(s: Self::Simd, x: i32) -> Self;
    fn shift_left<const N: u32>(self) -> Self;
    /// The sign shifted in.
    fn shift_right<const N: u32>(self) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn lt(self, other: Self) -> <Self::Float as Float>::Mask;
    fn bits_to_float(self) -> Self::Float;
    /// The value as a float; exact below 2^24.
    fn to_float(self) -> Self::Float;
}
