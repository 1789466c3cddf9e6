//! AVX2 with FMA: two registers a vector, tails by `vmaskmov` loads and narrowing stores.

use super::{Float, Float32, Int32, MAGIC_F32, MAGIC_F64, Simd, enter, with_intrinsics};
use crate::isa::{Isa, with_features};
use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Simd for Avx2 {
    const ISA: Isa = Isa::Avx2;
    type F32 = F32x16;
    type F64 = F64x8;
    // 12 accumulators (two registers a vector) + 2 + 1 of 16 registers; a tail's masks take two more.
    const MR: usize = 6;
    const NV: usize = 1;
    const MR_MASKED: usize = 4;
    const NV_ROW: usize = 4;
    const STREAMED_ROW_BYTES: usize = 0;
    const PACKS_SCATTERED_A: bool = false;
    const B_BLOCK_BYTES: usize = 256 * 1024;
    const M_FOR_PACKING_B: usize = 64;
    const TRANSPOSED_C_BYTES: usize = 512;
    const FETCHES_NEAR_C: bool = true;
    const LAST_STAGE_FIRST: bool = true;
    const OVERLAPS_STAGES: bool = false;
    const ADDS_EXPONENTIALS_LATER: bool = true;
    const SPARE_REGISTERS: usize = 0;
    const DOTS: usize = 2;
    const OUTER_ROWS: usize = 8;
    const NARROW_FOURS: [usize; 3] = [4, 2, 0];
    const COLUMNS: bool = true;

    unsafe fn assume_available() -> Self {
        Avx2(())
    }

    with_features!(Avx2, enter! Avx2);
}

#[derive(Clone, Copy)]
pub(crate) struct F32x16(__m256, __m256);

#[derive(Clone, Copy)]
pub(crate) struct F64x8(__m256d, __m256d);

#[derive(Clone, Copy)]
pub(crate) struct I32x16(__m256i, __m256i);

/// The lane masks that `vmaskmov` reads and the number of lanes.
#[derive(Clone, Copy)]
pub(crate) struct Tail(__m256i, __m256i, usize);

macro_rules! operators {
    ($vector:ident: $($op:ident $method:ident $intrinsic:ident),*) => {$(
        impl $op for $vector {
            type Output = Self;
            with_intrinsics! {
                fn $method(self, o: Self) -> Self { $vector($intrinsic(self.0, o.0), $intrinsic(self.1, o.1)) }
            }
        }
    )*};
}
operators!(F32x16: Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);
operators!(F64x8: Add add _mm256_add_pd, Sub sub _mm256_sub_pd, Mul mul _mm256_mul_pd, Div div _mm256_div_pd);
operators!(I32x16: Add add _mm256_add_epi32, Sub sub _mm256_sub_epi32, BitAnd bitand _mm256_and_si256,
    BitOr bitor _mm256_or_si256, BitXor bitxor _mm256_xor_si256);

impl Float for F32x16 {
    type Simd = Avx2;
    type Scalar = f32;
    type Mask = (__m256, __m256);
    type Tail = Tail;
    const LANES: usize = 16;
    const M_FOR_PADDING_B: usize = 12;

    #[inline(always)]
    fn token(self) -> Avx2 {
        Avx2(())
    }

    #[inline(always)]
    unsafe fn load_ptr(_: Avx2, from: *const f32) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        unsafe { F32x16(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f32) {
        // SAFETY: the caller's promise; the vector proves the features.
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn load_tail(_: Avx2, from: *const f32, tail: Tail) -> Self {
        // SAFETY: the caller's promise, as masked lanes are not read (so the pointer of the upper half may lie past
        // the end, which is why it wraps); the token proves the features.
        unsafe { F32x16(_mm256_maskload_ps(from, tail.0), _mm256_maskload_ps(from.wrapping_add(8), tail.1)) }
    }

    // `vmaskmov` stores take a dozen cycles or more on AMD: narrowing stores do not.
    #[inline(always)]
    unsafe fn store_tail(self, mut to: *mut f32, tail: Tail) {
        // SAFETY: each store is of lanes that `tail` has, which the caller promises to be writable; the vector
        // proves the features.
        unsafe {
            let Tail(.., lanes) = tail;
            if lanes >= 16 {
                return self.store_ptr(to);
            }
            let mut eight = self.0;
            if lanes & 8 != 0 {
                _mm256_storeu_ps(to, eight);
                (to, eight) = (to.add(8), self.1);
            }
            let mut four = _mm256_castps256_ps128(eight);
            if lanes & 4 != 0 {
                _mm_storeu_ps(to, four);
                (to, four) = (to.add(4), _mm256_extractf128_ps::<1>(eight));
            }
            if lanes & 2 != 0 {
                _mm_storel_pd(to.cast(), _mm_castps_pd(four));
                (to, four) = (to.add(2), _mm_movehl_ps(four, four));
            }
            if lanes & 1 != 0 {
                _mm_store_ss(to, four);
            }
        }
    }

    #[inline(always)]
    unsafe fn transpose_quarter(_: Avx2, from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        for i in [0, 8] {
            // SAFETY: the caller promises 16 rows of 4 elements, and 4 rows of 16, of which this is a half; the token proves
            // the features.
            unsafe { transpose_8x4(from.offset(i * from_stride), from_stride, to.offset(i), to_stride) };
        }
    }

    with_intrinsics! {
        fn tail(_s: Avx2, lanes: usize) -> Tail {
            assert!(lanes <= Self::LANES);
            let count = _mm256_set1_epi32(lanes as i32);
            Tail(
                _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
                _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)),
                lanes,
            )
        }
        fn splat(_s: Avx2, x: f32) -> Self { F32x16(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        fn mul_add(self, b: Self, c: Self) -> Self {
            F32x16(_mm256_fmadd_ps(self.0, b.0, c.0), _mm256_fmadd_ps(self.1, b.1, c.1))
        }
        fn neg_mul_add(self, b: Self, c: Self) -> Self {
            F32x16(_mm256_fnmadd_ps(self.0, b.0, c.0), _mm256_fnmadd_ps(self.1, b.1, c.1))
        }
        fn max(self, o: Self) -> Self { F32x16(_mm256_max_ps(self.0, o.0), _mm256_max_ps(self.1, o.1)) }
        fn min(self, o: Self) -> Self { F32x16(_mm256_min_ps(self.0, o.0), _mm256_min_ps(self.1, o.1)) }
        fn abs(self) -> Self {
            let sign = _mm256_set1_ps(-0.0);
            F32x16(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
        }
        fn copysign(self, sign: Self) -> Self {
            let bit = _mm256_set1_ps(-0.0);
            let magnitude = self.abs();
            F32x16(
                _mm256_or_ps(magnitude.0, _mm256_and_ps(bit, sign.0)),
                _mm256_or_ps(magnitude.1, _mm256_and_ps(bit, sign.1)),
            )
        }
        fn lt(self, o: Self) -> Self::Mask {
            (_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, o.0), _mm256_cmp_ps::<_CMP_LT_OQ>(self.1, o.1))
        }
        fn eq(self, o: Self) -> Self::Mask {
            (_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, o.0), _mm256_cmp_ps::<_CMP_EQ_OQ>(self.1, o.1))
        }
        fn is_nan(self) -> Self::Mask {
            (_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0), _mm256_cmp_ps::<_CMP_UNORD_Q>(self.1, self.1))
        }
        fn all(mask: Self::Mask) -> bool { _mm256_movemask_ps(_mm256_and_ps(mask.0, mask.1)) == 0xff }
        fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
            F32x16(_mm256_blendv_ps(no.0, yes.0, mask.0), _mm256_blendv_ps(no.1, yes.1, mask.1))
        }
        fn pow2(self) -> Self {
            // The low bits of the magic sum are n + 127: shifted up, an exponent.
            (self + self.constant(MAGIC_F32 + 127.0)).to_bits().shift_left::<23>().bits_to_float()
        }
        fn round_small(self) -> Self {
            let magic = self.constant(MAGIC_F32);
            self + magic - magic
        }
        fn scale_by_pow2(self, n: Self) -> Self {
            // The default in integers, as both split n into halves and their powers are exact: the low bits of the magic
            // sum are n + 254, and each half of it, shifted up, is an exponent.
            let biased = (n + n.constant(MAGIC_F32 + 254.0)).to_bits();
            let half = I32x16(_mm256_srai_epi32::<1>(biased.0), _mm256_srai_epi32::<1>(biased.1));
            self * half.shift_left::<23>().bits_to_float() * (biased - half).shift_left::<23>().bits_to_float()
        }
        fn sum_lanes(self) -> f32 {
            let eight = _mm256_add_ps(self.0, self.1);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
        // As with AVX-512: two vectors become one at each step, the last two inside of 128 bits.
        fn sum_lanes_of_each(vectors: &[Self]) -> Self {
            let v: &[Self; 16] = vectors.try_into().expect("16 vectors");
            F32x16(
                lanes(pairs(quarters(v[0], v[4]), quarters(v[1], v[5])), pairs(quarters(v[2], v[6]), quarters(v[3], v[7]))),
                lanes(
                    pairs(quarters(v[8], v[12]), quarters(v[9], v[13])),
                    pairs(quarters(v[10], v[14]), quarters(v[11], v[15])),
                ),
            )
        }
        fn max_lanes(self) -> f32 {
            let eight = _mm256_max_ps(self.0, self.1);
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}

with_intrinsics! {
    fn widen_half(x: __m256) -> F64x8 {
        F64x8(_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x)))
    }
}

with_intrinsics! {
    // A permutation reads three bits; the fourth, moved to the sign, chooses the half.
    fn permute_half(x: F32x16, lanes: __m256i) -> __m256 {
        let (low, high) = (_mm256_permutevar8x32_ps(x.0, lanes), _mm256_permutevar8x32_ps(x.1, lanes));
        _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(lanes)))
    }
    fn quarters(a: F32x16, b: F32x16) -> __m256 {
        let (a, b) = (_mm256_add_ps(a.0, a.1), _mm256_add_ps(b.0, b.1));
        _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b))
    }
    fn pairs(a: __m256, b: __m256) -> __m256 {
        let (a, b) = (_mm256_castps_pd(a), _mm256_castps_pd(b));
        _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)))
    }
    fn lanes(a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xdd>(a, b))
    }
    fn pairs_f64(a: F64x8, b: F64x8) -> __m256d {
        let (a, b) = (_mm256_add_pd(a.0, a.1), _mm256_add_pd(b.0, b.1));
        _mm256_add_pd(_mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x31>(a, b))
    }
    fn lanes_f64(a: __m256d, b: __m256d) -> __m256d {
        _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b))
    }
}

impl Float32 for F32x16 {
    type Bits = I32x16;
    const COLUMN_ROWS: usize = 8;

    #[inline(always)]
    unsafe fn load_columns(_: Avx2, from: *const f32, stride: isize) -> [Self; 4] {
        // SAFETY: the caller's promise; the token proves the features.
        let [c0, c1, c2, c3] = unsafe { columns_of_8x4(from, stride) };
        [F32x16(c0, c0), F32x16(c1, c1), F32x16(c2, c2), F32x16(c3, c3)]
    }

    #[inline(always)]
    unsafe fn add_products(self, a: Self, from: *const f32, j: usize) -> (Self, *const f32) {
        // SAFETY: the caller's promise; the vectors prove the features.
        unsafe {
            let b = _mm256_broadcast_ss(&*from.wrapping_add(j));
            let low = _mm256_fmadd_ps(a.0, b, self.0);
            let from = after(from, low, b);
            let b = _mm256_broadcast_ss(&*from.wrapping_add(j + 1));
            let high = _mm256_fmadd_ps(a.1, b, self.1);
            (F32x16(low, high), after(from, high, b))
        }
    }

    #[inline(always)]
    unsafe fn load_quarters(_: Avx2, from: *const f32, stride: isize) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        unsafe { F32x16(two_halves(from, stride), two_halves(from.offset(2 * stride), stride)) }
    }

    #[inline(always)]
    unsafe fn load_quarters_tail(_: Avx2, from: *const f32, stride: isize, tail: Tail) -> Self {
        // SAFETY: the caller's promise, as masked lanes are not read; the token proves the features.
        unsafe {
            let mask = _mm256_castsi256_si128(tail.0);
            let quarter = |i| _mm_maskload_ps(from.wrapping_offset(i * stride), mask);
            F32x16(_mm256_set_m128(quarter(1), quarter(0)), _mm256_set_m128(quarter(3), quarter(2)))
        }
    }

    #[inline(always)]
    unsafe fn repeat_quarter(_: Avx2, from: *const f32) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        unsafe {
            let half = _mm256_broadcast_ps(&from.cast::<__m128>().read_unaligned());
            F32x16(half, half)
        }
    }

    #[inline(always)]
    unsafe fn store_quarter<const I: usize>(self, to: *mut f32, tail: Tail) {
        // SAFETY: the caller's promise; the vector proves the features.
        unsafe {
            let half = if I < 2 { self.0 } else { self.1 };
            let quarter = match I % 2 {
                0 => half,
                _ => _mm256_permute2f128_ps::<0x11>(half, half),
            };
            F32x16(quarter, quarter).store_tail(to, tail);
        }
    }

    #[inline(always)]
    fn in_step<const N: usize>(vectors: &mut [Self; N]) {
        if let [a, b] = vectors.as_mut_slice() {
            // SAFETY: the vectors prove the features.
            let in_step = unsafe { four_in_step([a.0, a.1, b.0, b.1]) };
            [a.0, a.1, b.0, b.1] = in_step;
        }
    }

    with_intrinsics! {
        fn to_bits(self) -> I32x16 { I32x16(_mm256_castps_si256(self.0), _mm256_castps_si256(self.1)) }
        fn from_bytes(_s: Avx2, bytes: &[u8; 16]) -> Self {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            I32x16(_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes))).to_float()
        }
        fn sqrt(self) -> Self { F32x16(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
        fn permute(self, lanes: I32x16) -> Self {
            F32x16(permute_half(self, lanes.0), permute_half(self, lanes.1))
        }
        fn look_up(table: &[f32; 8], indices: I32x16) -> Self {
            let table = _mm256_loadu_ps(table.as_ptr());
            F32x16(_mm256_permutevar8x32_ps(table, indices.0), _mm256_permutevar8x32_ps(table, indices.1))
        }
        fn splat_in_quarters<const J: usize>(self) -> Self {
            match J {
                0 => F32x16(_mm256_permute_ps::<0x00>(self.0), _mm256_permute_ps::<0x00>(self.1)),
                1 => F32x16(_mm256_permute_ps::<0x55>(self.0), _mm256_permute_ps::<0x55>(self.1)),
                2 => F32x16(_mm256_permute_ps::<0xaa>(self.0), _mm256_permute_ps::<0xaa>(self.1)),
                _ => F32x16(_mm256_permute_ps::<0xff>(self.0), _mm256_permute_ps::<0xff>(self.1)),
            }
        }
        fn widen(self) -> (F64x8, F64x8) { (widen_half(self.0), widen_half(self.1)) }
    }
}

// The immediate forms count in i32, the trait in u32; a constant count compiles to the immediate form all the same.
impl Int32 for I32x16 {
    type Simd = Avx2;
    type Float = F32x16;
    with_intrinsics! {
        fn splat(_s: Avx2, x: i32) -> Self { I32x16(_mm256_set1_epi32(x), _mm256_set1_epi32(x)) }
        fn shift_left<const N: u32>(self) -> Self {
            let by = _mm_cvtsi32_si128(N as i32);
            I32x16(_mm256_sll_epi32(self.0, by), _mm256_sll_epi32(self.1, by))
        }
        fn shift_right<const N: u32>(self) -> Self {
            let by = _mm_cvtsi32_si128(N as i32);
            I32x16(_mm256_sra_epi32(self.0, by), _mm256_sra_epi32(self.1, by))
        }
        fn max(self, o: Self) -> Self { I32x16(_mm256_max_epi32(self.0, o.0), _mm256_max_epi32(self.1, o.1)) }
        fn min(self, o: Self) -> Self { I32x16(_mm256_min_epi32(self.0, o.0), _mm256_min_epi32(self.1, o.1)) }
        fn lt(self, other: Self) -> (__m256, __m256) {
            let (low, high) = (_mm256_cmpgt_epi32(other.0, self.0), _mm256_cmpgt_epi32(other.1, self.1));
            (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
        }
        fn bits_to_float(self) -> F32x16 { F32x16(_mm256_castsi256_ps(self.0), _mm256_castsi256_ps(self.1)) }
        fn to_float(self) -> F32x16 { F32x16(_mm256_cvtepi32_ps(self.0), _mm256_cvtepi32_ps(self.1)) }
    }
}

impl Float for F64x8 {
    type Simd = Avx2;
    type Scalar = f64;
    type Mask = (__m256d, __m256d);
    type Tail = Tail;
    const LANES: usize = 8;
    const M_FOR_PADDING_B: usize = 12;

    #[inline(always)]
    fn token(self) -> Avx2 {
        Avx2(())
    }

    #[inline(always)]
    unsafe fn load_ptr(_: Avx2, from: *const f64) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        unsafe { F64x8(_mm256_loadu_pd(from), _mm256_loadu_pd(from.add(4))) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f64) {
        // SAFETY: the caller's promise; the vector proves the features.
        unsafe {
            _mm256_storeu_pd(to, self.0);
            _mm256_storeu_pd(to.add(4), self.1);
        }
    }

    #[inline(always)]
    unsafe fn load_tail(_: Avx2, from: *const f64, tail: Tail) -> Self {
        // SAFETY: the caller's promise, as masked lanes are not read (so the pointer of the upper half may lie past
        // the end, which is why it wraps); the token proves the features.
        unsafe { F64x8(_mm256_maskload_pd(from, tail.0), _mm256_maskload_pd(from.wrapping_add(4), tail.1)) }
    }

    #[inline(always)]
    unsafe fn store_tail(self, mut to: *mut f64, tail: Tail) {
        // SAFETY: each store is of lanes that `tail` has, which the caller promises to be writable; the vector
        // proves the features.
        unsafe {
            let Tail(.., lanes) = tail;
            if lanes >= 8 {
                return self.store_ptr(to);
            }
            let mut four = self.0;
            if lanes & 4 != 0 {
                _mm256_storeu_pd(to, four);
                (to, four) = (to.add(4), self.1);
            }
            let mut two = _mm256_castpd256_pd128(four);
            if lanes & 2 != 0 {
                _mm_storeu_pd(to, two);
                (to, two) = (to.add(2), _mm256_extractf128_pd::<1>(four));
            }
            if lanes & 1 != 0 {
                _mm_store_sd(to, two);
            }
        }
    }

    #[inline(always)]
    unsafe fn transpose_quarter(_: Avx2, from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
        for i in [0, 4] {
            // SAFETY: the caller promises 8 rows of 2 elements, and 2 rows of 8, of which this is a half; the token proves
            // the features.
            unsafe { transpose_4x2(from.offset(i * from_stride), from_stride, to.offset(i), to_stride) };
        }
    }

    with_intrinsics! {
        fn tail(_s: Avx2, lanes: usize) -> Tail {
            assert!(lanes <= Self::LANES);
            let count = _mm256_set1_epi64x(lanes as i64);
            Tail(
                _mm256_cmpgt_epi64(count, _mm256_setr_epi64x(0, 1, 2, 3)),
                _mm256_cmpgt_epi64(count, _mm256_setr_epi64x(4, 5, 6, 7)),
                lanes,
            )
        }
        fn splat(_s: Avx2, x: f64) -> Self { F64x8(_mm256_set1_pd(x), _mm256_set1_pd(x)) }
        fn mul_add(self, b: Self, c: Self) -> Self {
            F64x8(_mm256_fmadd_pd(self.0, b.0, c.0), _mm256_fmadd_pd(self.1, b.1, c.1))
        }
        fn neg_mul_add(self, b: Self, c: Self) -> Self {
            F64x8(_mm256_fnmadd_pd(self.0, b.0, c.0), _mm256_fnmadd_pd(self.1, b.1, c.1))
        }
        fn max(self, o: Self) -> Self { F64x8(_mm256_max_pd(self.0, o.0), _mm256_max_pd(self.1, o.1)) }
        fn min(self, o: Self) -> Self { F64x8(_mm256_min_pd(self.0, o.0), _mm256_min_pd(self.1, o.1)) }
        fn abs(self) -> Self {
            let sign = _mm256_set1_pd(-0.0);
            F64x8(_mm256_andnot_pd(sign, self.0), _mm256_andnot_pd(sign, self.1))
        }
        fn copysign(self, sign: Self) -> Self {
            let bit = _mm256_set1_pd(-0.0);
            let magnitude = self.abs();
            F64x8(
                _mm256_or_pd(magnitude.0, _mm256_and_pd(bit, sign.0)),
                _mm256_or_pd(magnitude.1, _mm256_and_pd(bit, sign.1)),
            )
        }
        fn lt(self, o: Self) -> Self::Mask {
            (_mm256_cmp_pd::<_CMP_LT_OQ>(self.0, o.0), _mm256_cmp_pd::<_CMP_LT_OQ>(self.1, o.1))
        }
        fn eq(self, o: Self) -> Self::Mask {
            (_mm256_cmp_pd::<_CMP_EQ_OQ>(self.0, o.0), _mm256_cmp_pd::<_CMP_EQ_OQ>(self.1, o.1))
        }
        fn is_nan(self) -> Self::Mask {
            (_mm256_cmp_pd::<_CMP_UNORD_Q>(self.0, self.0), _mm256_cmp_pd::<_CMP_UNORD_Q>(self.1, self.1))
        }
        fn all(mask: Self::Mask) -> bool { _mm256_movemask_pd(_mm256_and_pd(mask.0, mask.1)) == 0xf }
        fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
            F64x8(_mm256_blendv_pd(no.0, yes.0, mask.0), _mm256_blendv_pd(no.1, yes.1, mask.1))
        }
        fn pow2(self) -> Self {
            let biased = self + self.constant(MAGIC_F64 + 1023.0);
            F64x8(
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(biased.0))),
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(biased.1))),
            )
        }
        fn round_small(self) -> Self {
            let magic = self.constant(MAGIC_F64);
            self + magic - magic
        }
        fn sum_lanes(self) -> f64 {
            let four = _mm256_add_pd(self.0, self.1);
            let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
        fn sum_lanes_of_each(vectors: &[Self]) -> Self {
            let v: &[Self; 8] = vectors.try_into().expect("8 vectors");
            F64x8(
                lanes_f64(pairs_f64(v[0], v[2]), pairs_f64(v[1], v[3])),
                lanes_f64(pairs_f64(v[4], v[6]), pairs_f64(v[5], v[7])),
            )
        }
        fn max_lanes(self) -> f64 {
            let four = _mm256_max_pd(self.0, self.1);
            let two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }
}

/// Halves of rows i and i + 4 meet in one register by loads, which leaves two rounds of shuffles inside 128 bits.
///
/// # Safety
/// - The CPU must have AVX2.
/// - Eight rows of four elements must be readable from `from` on, and four of eight writable from `to` on.
#[inline(always)]
unsafe fn transpose_8x4(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
    // SAFETY: the caller's promise.
    unsafe {
        let [c0, c1, c2, c3] = columns_of_8x4(from, from_stride);
        _mm256_storeu_ps(to, c0);
        _mm256_storeu_ps(to.offset(to_stride), c1);
        _mm256_storeu_ps(to.offset(2 * to_stride), c2);
        _mm256_storeu_ps(to.offset(3 * to_stride), c3);
    }
}

/// The columns of eight rows of four elements.
///
/// # Safety
/// - The CPU must have AVX2.
/// - Eight rows of four elements must be readable from `from` on.
#[inline(always)]
unsafe fn columns_of_8x4(from: *const f32, from_stride: isize) -> [__m256; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let r0 = two_halves(from, 4 * from_stride);
        let r1 = two_halves(from.offset(from_stride), 4 * from_stride);
        let r2 = two_halves(from.offset(2 * from_stride), 4 * from_stride);
        let r3 = two_halves(from.offset(3 * from_stride), 4 * from_stride);
        let (a0, b0) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpacklo_ps(r2, r3));
        let (a1, b1) = (_mm256_unpackhi_ps(r0, r1), _mm256_unpackhi_ps(r2, r3));
        let (a0, b0, a1, b1) = (_mm256_castps_pd(a0), _mm256_castps_pd(b0), _mm256_castps_pd(a1), _mm256_castps_pd(b1));
        [
            _mm256_castpd_ps(_mm256_unpacklo_pd(a0, b0)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(a0, b0)),
            _mm256_castpd_ps(_mm256_unpacklo_pd(a1, b1)),
            _mm256_castpd_ps(_mm256_unpackhi_pd(a1, b1)),
        ]
    }
}

/// # Safety
/// - The CPU must have AVX2.
/// - Four rows of two elements must be readable from `from` on, and two of four writable from `to` on.
#[inline(always)]
unsafe fn transpose_4x2(from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
    // SAFETY: the caller's promise.
    unsafe {
        let r0 = _mm256_castps_pd(two_halves(from.cast(), 4 * from_stride));
        let r1 = _mm256_castps_pd(two_halves(from.offset(from_stride).cast(), 4 * from_stride));
        _mm256_storeu_pd(to, _mm256_unpacklo_pd(r0, r1));
        _mm256_storeu_pd(to.offset(to_stride), _mm256_unpackhi_pd(r0, r1));
    }
}

/// Two times 128 bits, `stride` elements of 32 bits apart.
///
/// # Safety
/// - The CPU must have AVX, and the 16 bytes at both places must be readable.
#[inline(always)]
unsafe fn two_halves(from: *const f32, stride: isize) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm256_castps128_ps256(_mm_loadu_ps(from));
        _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.offset(stride)))
    }
}

/// The same pointer, of which the compiler knows only that it comes after `sum` and the last use of `factor`. It would otherwise
/// load as many factors ahead as there are registers, and move sums from one to another, or to memory.
///
/// # Safety
/// - The CPU must have AVX2.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn after(mut pointer: *const f32, sum: __m256, factor: __m256) -> *const f32 {
    // SAFETY: it has no instruction, so it does nothing.
    #[allow(clippy::pointers_in_nomem_asm_block, reason = "the memory is not touched")]
    unsafe {
        std::arch::asm!(
            "/* {} {} {} */",
            inout(reg) pointer, in(ymm_reg) sum, in(ymm_reg) factor,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    pointer
}

/// See [`Float32::in_step`].
///
/// # Safety
/// - The CPU must have AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn four_in_step([mut a, mut b, mut c, mut d]: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: it has no instruction, so it does nothing.
    unsafe {
        std::arch::asm!(
            "/* {} {} {} {} */",
            inout(ymm_reg) a, inout(ymm_reg) b, inout(ymm_reg) c, inout(ymm_reg) d,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    [a, b, c, d]
}
