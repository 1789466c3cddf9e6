//! AVX-512F and VL: one register a vector, tails by mask registers.

use super::{Float, Float32, Int32, MAGIC_F32, MAGIC_F64, Simd, enter, with_intrinsics};
use crate::gemm::opaque;
use crate::isa::{Isa, with_features};
use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Simd for Avx512 {
    const ISA: Isa = Isa::Avx512;
    type F32 = F32x16;
    type F64 = F64x8;
    // 28 accumulators + 2 + 1 of 32 registers.
    const MR: usize = 14;
    const NV: usize = 2;
    // 24 accumulators + 4 + 1.
    const MR_WIDE: usize = 6;
    const K_WIDE: usize = 64;
    // A's elements are broadcast by the additions themselves. Twice as many accumulators would fit, but not the pointers to
    // as many rows, and the one load of B that they would save in 16 hides anyway.
    const MR_MASKED: usize = 16;
    const NV_ROW: usize = 16;
    const STREAMED_ROW_BYTES: usize = 1024;
    const PACKS_SCATTERED_A: bool = true;
    const B_BLOCK_BYTES: usize = 512 * 1024;
    const M_FOR_PACKING_B: usize = 768;
    const TRANSPOSED_C_BYTES: usize = 512;
    const FETCHES_NEAR_C: bool = false;
    const LAST_STAGE_FIRST: bool = false;
    const OVERLAPS_STAGES: bool = true;
    const ADDS_EXPONENTIALS_LATER: bool = false;
    const SPARE_REGISTERS: usize = 8;
    const DOTS: usize = 4;
    const OUTER_ROWS: usize = 4;
    const OUTER_ASKS_AHEAD: bool = true;
    const NARROW_FOURS: [usize; 3] = [0; 3];
    const NARROW_PAIRS: bool = true;
    const UPRIGHT_COLUMNS: usize = 12;

    unsafe fn assume_available() -> Self {
        Avx512(())
    }

    with_features!(Avx512, enter! Avx512);
    with_features!(Avx512, enter! Avx512 run_rare cold, inline(never));
}

#[derive(Clone, Copy)]
pub(crate) struct F32x16(__m512);

#[derive(Clone, Copy)]
pub(crate) struct F64x8(__m512d);

#[derive(Clone, Copy)]
pub(crate) struct I32x16(__m512i);

macro_rules! operators {
    ($vector:ident: $($op:ident $method:ident $intrinsic:ident),*) => {$(
        impl $op for $vector {
            type Output = Self;
            with_intrinsics! {
                fn $method(self, other: Self) -> Self { $vector($intrinsic(self.0, other.0)) }
            }
        }
    )*};
}
operators!(F32x16: Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps);
operators!(F64x8: Add add _mm512_add_pd, Sub sub _mm512_sub_pd, Mul mul _mm512_mul_pd, Div div _mm512_div_pd);
operators!(I32x16: Add add _mm512_add_epi32, Sub sub _mm512_sub_epi32, BitAnd bitand _mm512_and_si512,
    BitOr bitor _mm512_or_si512, BitXor bitxor _mm512_xor_si512);

impl Float for F32x16 {
    type Simd = Avx512;
    type Scalar = f32;
    type Mask = __mmask16;
    type Tail = __mmask16;
    const LANES: usize = 16;
    const M_FOR_PADDING_B: usize = usize::MAX;

    #[inline(always)]
    fn token(self) -> Avx512 {
        Avx512(())
    }

    #[inline(always)]
    unsafe fn load_ptr(_: Avx512, from: *const f32) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        F32x16(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f32) {
        // SAFETY: the caller's promise; the vector proves the features.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    fn tail(_: Avx512, lanes: usize) -> __mmask16 {
        assert!(lanes <= Self::LANES);
        ((1u32 << lanes) - 1) as __mmask16
    }

    #[inline(always)]
    unsafe fn load_tail(_: Avx512, from: *const f32, tail: __mmask16) -> Self {
        // SAFETY: the caller's promise, as masked lanes are not read; the token proves the features.
        F32x16(unsafe { _mm512_maskz_loadu_ps(tail, from) })
    }

    #[inline(always)]
    unsafe fn store_tail(self, to: *mut f32, tail: __mmask16) {
        // A narrow store takes half or a quarter of the time of a wide one, and less often crosses a line: 256x2x2 is twice as
        // fast as with wide ones alone.
        // SAFETY: the caller's promise, as masked lanes are not written; the vector proves the features.
        unsafe {
            match tail {
                0..=0x000f => _mm_mask_storeu_ps(to, tail as __mmask8, _mm512_castps512_ps128(self.0)),
                0x0010..=0x00ff => _mm256_mask_storeu_ps(to, tail as __mmask8, low(self.0)),
                _ => _mm512_mask_storeu_ps(to, tail, self.0),
            }
        }
    }

    // Quarters of rows i, i + 4, i + 8 and i + 12 meet in one register by loads, which leaves two rounds of shuffles
    // inside 128 bits.
    #[inline(always)]
    unsafe fn transpose_quarter(_: Avx512, from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        // SAFETY: the caller promises 16 rows of 4 elements, and 4 rows of 16; the token proves the features.
        unsafe {
            let r0 = four_quarters(from, 4 * from_stride);
            let r1 = four_quarters(from.offset(from_stride), 4 * from_stride);
            let r2 = four_quarters(from.offset(2 * from_stride), 4 * from_stride);
            let r3 = four_quarters(from.offset(3 * from_stride), 4 * from_stride);
            let [c0, c1, c2, c3] = F32x16::transpose_in_quarters([F32x16(r0), F32x16(r1), F32x16(r2), F32x16(r3)]);
            c0.store_ptr(to);
            c1.store_ptr(to.offset(to_stride));
            c2.store_ptr(to.offset(2 * to_stride));
            c3.store_ptr(to.offset(3 * to_stride));
        }
    }

    #[inline(always)]
    unsafe fn transpose(_: Avx512, from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        // SAFETY: the caller promises 16 rows of 16 elements on both sides; the token proves the features.
        unsafe {
            transpose_by_halves(
                (from, from_stride),
                (to, to_stride),
                16,
                #[inline(always)]
                |half, _| _mm256_loadu_ps(half),
            );
        }
    }

    #[inline(always)]
    unsafe fn transpose_part(
        s: Avx512,
        columns: usize,
        from: *const f32,
        from_stride: isize,
        to: *mut f32,
        to_stride: isize,
    ) {
        let tail = F32x16::tail(s, columns);
        // SAFETY: the caller promises 16 rows of `columns` elements, as masked lanes are not read, and the other way round; the
        // token proves the features.
        unsafe {
            transpose_by_halves(
                (from, from_stride),
                (to, to_stride),
                columns,
                #[inline(always)]
                |half, first| _mm256_maskz_loadu_ps((tail >> first) as __mmask8, half),
            );
        }
    }

    with_intrinsics! {
        fn splat(_s: Avx512, x: f32) -> Self { F32x16(_mm512_set1_ps(x)) }
        fn mul_add(self, b: Self, c: Self) -> Self { F32x16(_mm512_fmadd_ps(self.0, b.0, c.0)) }
        fn neg_mul_add(self, b: Self, c: Self) -> Self { F32x16(_mm512_fnmadd_ps(self.0, b.0, c.0)) }
        fn max(self, other: Self) -> Self { F32x16(_mm512_max_ps(self.0, other.0)) }
        fn min(self, other: Self) -> Self { F32x16(_mm512_min_ps(self.0, other.0)) }
        fn abs(self) -> Self { F32x16(_mm512_abs_ps(self.0)) }
        fn copysign(self, sign: Self) -> Self {
            // Bitwise `sign_bit ? sign : self`.
            F32x16(_mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xca>(
                _mm512_set1_epi32(i32::MIN), _mm512_castps_si512(sign.0), _mm512_castps_si512(self.0))))
        }
        fn lt(self, other: Self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
        fn eq(self, other: Self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0) }
        fn is_nan(self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
        fn all(mask: __mmask16) -> bool { mask == __mmask16::MAX }
        fn select(mask: __mmask16, yes: Self, no: Self) -> Self { F32x16(_mm512_mask_blend_ps(mask, no.0, yes.0)) }
        fn pow2(self) -> Self {
            // The low bits of the magic sum are n + 127: shifted up, an exponent.
            let biased = _mm512_add_ps(self.0, _mm512_set1_ps(MAGIC_F32 + 127.0));
            F32x16(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(biased))))
        }
        fn round_small(self) -> Self {
            let magic = _mm512_set1_ps(MAGIC_F32);
            F32x16(_mm512_sub_ps(_mm512_add_ps(self.0, magic), magic))
        }
        fn scale_by_pow2(self, n: Self) -> Self { F32x16(_mm512_scalef_ps(self.0, n.0)) }
        fn sum_lanes(self) -> f32 {
            let eight = _mm256_add_ps(low(self.0), high(self.0));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
        // Two vectors become one at each step of the tree, and in the end 16 one: halves meet, then quarters, pairs, lanes. The
        // last two steps stay inside of a quarter, so quarter q of the result is to come from vectors 4 q to 4 q + 3.
        fn sum_lanes_of_each(vectors: &[Self]) -> Self {
            let v: &[Self; 16] = vectors.try_into().expect("16 vectors");
            let a = quarters(halves(v[0], v[4]), halves(v[8], v[12]));
            let b = quarters(halves(v[1], v[5]), halves(v[9], v[13]));
            let c = quarters(halves(v[2], v[6]), halves(v[10], v[14]));
            let d = quarters(halves(v[3], v[7]), halves(v[11], v[15]));
            let (ab, cd) = (pairs(a, b), pairs(c, d));
            F32x16(_mm512_shuffle_ps::<0x88>(ab.0, cd.0)) + F32x16(_mm512_shuffle_ps::<0xdd>(ab.0, cd.0))
        }
        fn max_lanes(self) -> f32 {
            let eight = _mm256_max_ps(low(self.0), high(self.0));
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}

with_intrinsics! {
    fn halves(a: F32x16, b: F32x16) -> F32x16 {
        F32x16(_mm512_shuffle_f32x4::<0x44>(a.0, b.0)) + F32x16(_mm512_shuffle_f32x4::<0xee>(a.0, b.0))
    }
    fn quarters(a: F32x16, b: F32x16) -> F32x16 {
        F32x16(_mm512_shuffle_f32x4::<0x88>(a.0, b.0)) + F32x16(_mm512_shuffle_f32x4::<0xdd>(a.0, b.0))
    }
    fn pairs(a: F32x16, b: F32x16) -> F32x16 {
        let (a, b) = (_mm512_castps_pd(a.0), _mm512_castps_pd(b.0));
        F32x16(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b))) + F32x16(_mm512_castpd_ps(_mm512_unpackhi_pd(a, b)))
    }
    fn halves_f64(a: F64x8, b: F64x8) -> F64x8 {
        F64x8(_mm512_shuffle_f64x2::<0x44>(a.0, b.0)) + F64x8(_mm512_shuffle_f64x2::<0xee>(a.0, b.0))
    }
    fn pairs_f64(a: F64x8, b: F64x8) -> F64x8 {
        F64x8(_mm512_shuffle_f64x2::<0x88>(a.0, b.0)) + F64x8(_mm512_shuffle_f64x2::<0xdd>(a.0, b.0))
    }
    fn low(x: __m512) -> __m256 { _mm512_castps512_ps256(x) }
    fn high(x: __m512) -> __m256 { _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x))) }
}

impl Float32 for F32x16 {
    type Bits = I32x16;

    #[inline(always)]
    unsafe fn load_quarters(_: Avx512, from: *const f32, stride: isize) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        F32x16(unsafe { as_it_is(four_quarters(from, stride)) })
    }

    #[inline(always)]
    unsafe fn load_quarters_tail(_: Avx512, from: *const f32, stride: isize, tail: __mmask16) -> Self {
        // SAFETY: the caller's promise, as masked lanes are not read; the token proves the features.
        unsafe {
            let quarter = |i| _mm_maskz_loadu_ps(tail as __mmask8, from.wrapping_offset(i * stride));
            let first = _mm512_castps128_ps512(quarter(0));
            let second = _mm512_mask_broadcast_f32x4(first, 0x00f0, quarter(1));
            let third = _mm512_mask_broadcast_f32x4(second, 0x0f00, quarter(2));
            F32x16(_mm512_mask_broadcast_f32x4(third, 0xf000, quarter(3)))
        }
    }

    #[inline(always)]
    unsafe fn repeat_quarter(_: Avx512, from: *const f32) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        F32x16(unsafe { _mm512_broadcast_f32x4(_mm_loadu_ps(from)) })
    }

    #[inline(always)]
    unsafe fn repeat_pair(_: Avx512, from: *const f32) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        F32x16(unsafe { _mm512_castpd_ps(_mm512_set1_pd(from.cast::<f64>().read_unaligned())) })
    }

    #[inline(always)]
    unsafe fn store_quarter<const I: usize>(self, to: *mut f32, tail: __mmask16) {
        // SAFETY: the caller's promise, as masked lanes are not written; the vector proves the features.
        unsafe {
            let quarter = match I {
                0 => _mm512_castps512_ps128(self.0),
                1 => _mm512_extractf32x4_ps::<1>(self.0),
                2 => _mm512_extractf32x4_ps::<2>(self.0),
                _ => _mm512_extractf32x4_ps::<3>(self.0),
            };
            _mm_mask_storeu_ps(to, tail as __mmask8, quarter);
        }
    }

    #[inline(always)]
    fn in_step<const N: usize>(vectors: &mut [Self; N]) {
        if let [a, b] = vectors.as_mut_slice() {
            // SAFETY: the vectors prove the features.
            let in_step = unsafe { two_in_step([a.0, b.0]) };
            [a.0, b.0] = in_step;
        }
    }

    with_intrinsics! {
        fn to_bits(self) -> I32x16 { I32x16(_mm512_castps_si512(self.0)) }
        fn from_bytes(_s: Avx512, bytes: &[u8; 16]) -> Self {
            F32x16(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.as_ptr().cast()))))
        }
        fn sqrt(self) -> Self { F32x16(_mm512_sqrt_ps(self.0)) }
        fn permute(self, lanes: I32x16) -> Self { F32x16(_mm512_permutexvar_ps(lanes.0, self.0)) }
        // A permutation reads four bits, so both halves of what it chooses from are the table.
        fn look_up(table: &[f32; 8], indices: I32x16) -> Self {
            let half = _mm512_castps256_ps512(_mm256_loadu_ps(table.as_ptr()));
            F32x16(_mm512_permutexvar_ps(indices.0, _mm512_shuffle_f32x4::<0x44>(half, half)))
        }
        fn transpose_in_quarters(rows: [Self; 4]) -> [Self; 4] {
            let [F32x16(r0), F32x16(r1), F32x16(r2), F32x16(r3)] = rows;
            let (a0, b0) = (_mm512_unpacklo_ps(r0, r1), _mm512_unpacklo_ps(r2, r3));
            let (a1, b1) = (_mm512_unpackhi_ps(r0, r1), _mm512_unpackhi_ps(r2, r3));
            let (a0, b0, a1, b1) =
                (_mm512_castps_pd(a0), _mm512_castps_pd(b0), _mm512_castps_pd(a1), _mm512_castps_pd(b1));
            [
                F32x16(_mm512_castpd_ps(_mm512_unpacklo_pd(a0, b0))),
                F32x16(_mm512_castpd_ps(_mm512_unpackhi_pd(a0, b0))),
                F32x16(_mm512_castpd_ps(_mm512_unpacklo_pd(a1, b1))),
                F32x16(_mm512_castpd_ps(_mm512_unpackhi_pd(a1, b1))),
            ]
        }
        fn splat_in_quarters<const J: usize>(self) -> Self {
            F32x16(match J {
                0 => _mm512_permute_ps::<0x00>(self.0),
                1 => _mm512_permute_ps::<0x55>(self.0),
                2 => _mm512_permute_ps::<0xaa>(self.0),
                _ => _mm512_permute_ps::<0xff>(self.0),
            })
        }
        fn splat_in_eighths<const J: usize>(first: Self, second: Self) -> Self {
            F32x16(match J {
                0 => _mm512_shuffle_ps::<0x00>(first.0, second.0),
                1 => _mm512_shuffle_ps::<0x55>(first.0, second.0),
                2 => _mm512_shuffle_ps::<0xaa>(first.0, second.0),
                _ => _mm512_shuffle_ps::<0xff>(first.0, second.0),
            })
        }
        fn join_eighths(first: Self, second: Self) -> [Self; 2] {
            let (first, second) = (_mm512_castps_pd(first.0), _mm512_castps_pd(second.0));
            [
                F32x16(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second))),
                F32x16(_mm512_castpd_ps(_mm512_unpackhi_pd(first, second))),
            ]
        }
        fn widen(self) -> (F64x8, F64x8) {
            (F64x8(_mm512_cvtps_pd(low(self.0))), F64x8(_mm512_cvtps_pd(high(self.0))))
        }
    }
}

impl Int32 for I32x16 {
    type Simd = Avx512;
    type Float = F32x16;
    with_intrinsics! {
        fn splat(_s: Avx512, x: i32) -> Self { I32x16(_mm512_set1_epi32(x)) }
        fn shift_left<const N: u32>(self) -> Self { I32x16(_mm512_slli_epi32::<N>(self.0)) }
        fn shift_right<const N: u32>(self) -> Self { I32x16(_mm512_srai_epi32::<N>(self.0)) }
        fn max(self, other: Self) -> Self { I32x16(_mm512_max_epi32(self.0, other.0)) }
        fn min(self, other: Self) -> Self { I32x16(_mm512_min_epi32(self.0, other.0)) }
        fn lt(self, other: Self) -> __mmask16 { _mm512_cmplt_epi32_mask(self.0, other.0) }
        fn bits_to_float(self) -> F32x16 { F32x16(_mm512_castsi512_ps(self.0)) }
        fn to_float(self) -> F32x16 { F32x16(_mm512_cvtepi32_ps(self.0)) }
    }
}

impl Float for F64x8 {
    type Simd = Avx512;
    type Scalar = f64;
    type Mask = __mmask8;
    type Tail = __mmask8;
    const LANES: usize = 8;
    const M_FOR_PADDING_B: usize = usize::MAX;

    #[inline(always)]
    fn token(self) -> Avx512 {
        Avx512(())
    }

    #[inline(always)]
    unsafe fn load_ptr(_: Avx512, from: *const f64) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        F64x8(unsafe { _mm512_loadu_pd(from) })
    }

    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f64) {
        // SAFETY: the caller's promise; the vector proves the features.
        unsafe { _mm512_storeu_pd(to, self.0) }
    }

    #[inline(always)]
    fn tail(_: Avx512, lanes: usize) -> __mmask8 {
        assert!(lanes <= Self::LANES);
        ((1u32 << lanes) - 1) as __mmask8
    }

    #[inline(always)]
    unsafe fn load_tail(_: Avx512, from: *const f64, tail: __mmask8) -> Self {
        // SAFETY: the caller's promise, as masked lanes are not read; the token proves the features.
        F64x8(unsafe { _mm512_maskz_loadu_pd(tail, from) })
    }

    #[inline(always)]
    unsafe fn store_tail(self, to: *mut f64, tail: __mmask8) {
        // SAFETY: the caller's promise, as masked lanes are not written; the vector proves the features.
        unsafe {
            match tail {
                0..=0x03 => _mm_mask_storeu_pd(to, tail, _mm512_castpd512_pd128(self.0)),
                0x04..=0x0f => _mm256_mask_storeu_pd(to, tail, _mm512_castpd512_pd256(self.0)),
                _ => _mm512_mask_storeu_pd(to, tail, self.0),
            }
        }
    }

    // Quarters of rows i, i + 2, i + 4 and i + 6 meet in one register by loads, which leaves one round of shuffles.
    #[inline(always)]
    unsafe fn transpose_quarter(_: Avx512, from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
        // SAFETY: the caller promises 8 rows of 2 elements, and 2 rows of 8; the token proves the features.
        unsafe {
            let r0 = _mm512_castps_pd(four_quarters(from.cast(), 4 * from_stride));
            let r1 = _mm512_castps_pd(four_quarters(from.offset(from_stride).cast(), 4 * from_stride));
            _mm512_storeu_pd(to, _mm512_unpacklo_pd(r0, r1));
            _mm512_storeu_pd(to.offset(to_stride), _mm512_unpackhi_pd(r0, r1));
        }
    }

    #[inline(always)]
    unsafe fn transpose(_: Avx512, from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
        // SAFETY: the caller promises 8 rows of 8 elements on both sides; the token proves the features.
        unsafe {
            let half = opaque(from.offset(4 * from_stride));
            let rows = |first: *const f64| {
                [first, first.offset(from_stride), first.offset(2 * from_stride), first.offset(3 * from_stride)]
            };
            let ([r0, r1, r2, r3], [r4, r5, r6, r7]) = (rows(from), rows(half));
            let even = [
                _mm512_loadu_ps(r0.cast()),
                _mm512_loadu_ps(r2.cast()),
                _mm512_loadu_ps(r4.cast()),
                _mm512_loadu_ps(r6.cast()),
            ];
            let odd = [
                _mm512_loadu_ps(r1.cast()),
                _mm512_loadu_ps(r3.cast()),
                _mm512_loadu_ps(r5.cast()),
                _mm512_loadu_ps(r7.cast()),
            ];
            let (even, odd) = (meet_by_quarters(even), meet_by_quarters(odd));
            let mut to = to.cast_const();
            for (even, odd) in even.into_iter().zip(odd) {
                let (even, odd) = (_mm512_castps_pd(even), _mm512_castps_pd(odd));
                _mm512_storeu_pd(to.cast_mut(), _mm512_unpacklo_pd(even, odd));
                _mm512_storeu_pd(to.cast_mut().offset(to_stride), _mm512_unpackhi_pd(even, odd));
                to = opaque(to.wrapping_offset(2 * to_stride));
            }
        }
    }

    with_intrinsics! {
        fn splat(_s: Avx512, x: f64) -> Self { F64x8(_mm512_set1_pd(x)) }
        fn mul_add(self, b: Self, c: Self) -> Self { F64x8(_mm512_fmadd_pd(self.0, b.0, c.0)) }
        fn neg_mul_add(self, b: Self, c: Self) -> Self { F64x8(_mm512_fnmadd_pd(self.0, b.0, c.0)) }
        fn max(self, other: Self) -> Self { F64x8(_mm512_max_pd(self.0, other.0)) }
        fn min(self, other: Self) -> Self { F64x8(_mm512_min_pd(self.0, other.0)) }
        fn abs(self) -> Self { F64x8(_mm512_abs_pd(self.0)) }
        fn copysign(self, sign: Self) -> Self {
            F64x8(_mm512_castsi512_pd(_mm512_ternarylogic_epi64::<0xca>(
                _mm512_set1_epi64(i64::MIN), _mm512_castpd_si512(sign.0), _mm512_castpd_si512(self.0))))
        }
        fn lt(self, other: Self) -> __mmask8 { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0) }
        fn eq(self, other: Self) -> __mmask8 { _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(self.0, other.0) }
        fn is_nan(self) -> __mmask8 { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0, self.0) }
        fn all(mask: __mmask8) -> bool { mask == __mmask8::MAX }
        fn select(mask: __mmask8, yes: Self, no: Self) -> Self { F64x8(_mm512_mask_blend_pd(mask, no.0, yes.0)) }
        fn pow2(self) -> Self {
            let biased = _mm512_add_pd(self.0, _mm512_set1_pd(MAGIC_F64 + 1023.0));
            F64x8(_mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_castpd_si512(biased))))
        }
        fn round_small(self) -> Self {
            let magic = _mm512_set1_pd(MAGIC_F64);
            F64x8(_mm512_sub_pd(_mm512_add_pd(self.0, magic), magic))
        }
        fn scale_by_pow2(self, n: Self) -> Self { F64x8(_mm512_scalef_pd(self.0, n.0)) }
        fn sum_lanes(self) -> f64 {
            let four = _mm256_add_pd(_mm512_castpd512_pd256(self.0), _mm512_extractf64x4_pd::<1>(self.0));
            let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
        fn sum_lanes_of_each(vectors: &[Self]) -> Self {
            let v: &[Self; 8] = vectors.try_into().expect("8 vectors");
            let a = pairs_f64(halves_f64(v[0], v[2]), halves_f64(v[4], v[6]));
            let b = pairs_f64(halves_f64(v[1], v[3]), halves_f64(v[5], v[7]));
            F64x8(_mm512_unpacklo_pd(a.0, b.0)) + F64x8(_mm512_unpackhi_pd(a.0, b.0))
        }
        fn max_lanes(self) -> f64 {
            let four = _mm256_max_pd(_mm512_castpd512_pd256(self.0), _mm512_extractf64x4_pd::<1>(self.0));
            let two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }
}

/// Four times 128 bits, `stride` elements of 32 bits apart.
///
/// # Safety
/// - The CPU must have AVX-512F, and the 16 bytes at each of the four places must be readable.
#[inline(always)]
unsafe fn four_quarters(from: *const f32, stride: isize) -> __m512 {
    // SAFETY: the caller's promise.
    unsafe {
        let first = _mm512_castps128_ps512(_mm_loadu_ps(from));
        let second = _mm512_mask_broadcast_f32x4(first, 0x00f0, _mm_loadu_ps(from.offset(stride)));
        let third = _mm512_mask_broadcast_f32x4(second, 0x0f00, _mm_loadu_ps(from.offset(2 * stride)));
        _mm512_mask_broadcast_f32x4(third, 0xf000, _mm_loadu_ps(from.offset(3 * stride)))
    }
}

/// The first quarters of all four, the second ones, and so on.
///
/// # Safety
/// - The CPU must have AVX-512F.
#[inline(always)]
unsafe fn meet_by_quarters([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (a, b, c, d) = (as_it_is(a), as_it_is(b), as_it_is(c), as_it_is(d));
        let (ab_even, ab_odd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
        let (cd_even, cd_odd) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
        [
            _mm512_shuffle_f32x4::<0x88>(ab_even, cd_even),
            _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd),
            _mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even),
            _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd),
        ]
    }
}

/// Transposes 16 rows of `columns` elements, up to 16, half of each at a time as `load` reads it, given also the half's first
/// column. Halves of rows i and i + 4, and of i + 8 and i + 12, meet in one register by loads, then their quarters, which are
/// transposed inside.
///
/// By whole rows that is a quarter of the loads that quarters take and twice the shuffles, by halves half of them and 1.5 times.
/// For 16 columns, in cycles: 24 by whole rows, 28 by halves and 44 by quarters where all is in the L1 cache of a Zen 5, 37, 35 and 46
/// from its L2 cache; 64, 48 and 48 in the L1 cache of an Emerald Rapids, which shuffles once a cycle. By vectors of 256 bits,
/// which it shuffles twice a cycle, it is 39 there, but no product is faster.
///
/// # Safety
/// - The CPU must have AVX-512F and VL, and what `load` reads of each of the rows must be readable.
/// - From `to` on as many rows of 16 elements as there are columns must be writable.
#[inline(always)]
unsafe fn transpose_by_halves(
    (from, from_stride): (*const f32, isize),
    (to, to_stride): (*mut f32, isize),
    columns: usize,
    load: impl Fn(*const f32, usize) -> __m256,
) {
    // SAFETY: the caller's promise.
    unsafe {
        // Four rows share a pointer, as else each has an offset of its own, which there are not the registers for.
        let (r0, r4) = (from, opaque(from.offset(4 * from_stride)));
        let (r8, r12) = (opaque(from.offset(8 * from_stride)), opaque(from.offset(12 * from_stride)));
        let mut group = to.cast_const();
        for first in [0, 8] {
            if first >= columns {
                return;
            }
            let both = |a: *const f32, b: *const f32| {
                let low = _mm512_castps_pd(_mm512_castps256_ps512(load(a.add(first), first)));
                let high = _mm256_castps_pd(load(b.add(first), first));
                as_it_is(_mm512_castpd_ps(_mm512_mask_broadcast_f64x4(low, 0xf0, high)))
            };
            let mut quarters = [[F32x16(_mm512_setzero_ps()); 4]; 2];
            for i in 0..4 {
                let at = i * from_stride;
                let (a, b) = (both(r0.offset(at), r4.offset(at)), both(r8.offset(at), r12.offset(at)));
                let i = i as usize;
                quarters[0][i] = F32x16(_mm512_shuffle_f32x4::<0x88>(a, b));
                quarters[1][i] = F32x16(_mm512_shuffle_f32x4::<0xdd>(a, b));
            }
            for (q, quarters) in quarters.into_iter().enumerate() {
                for (i, vector) in F32x16::transpose_in_quarters(quarters).into_iter().enumerate() {
                    if first + 4 * q + i >= columns {
                        return;
                    }
                    vector.store_ptr(group.cast_mut().offset(i as isize * to_stride));
                }
                group = opaque(group.wrapping_offset(4 * to_stride));
            }
        }
    }
}

/// The same vector, of which the compiler does not know how it came about: it would otherwise merge the last step of that with
/// each shuffle of it, into shuffles of two registers that take longer.
///
/// # Safety
/// - The CPU must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn as_it_is(mut x: __m512) -> __m512 {
    // SAFETY: it has no instruction, so it does nothing.
    unsafe {
        std::arch::asm!("/* {} */", inout(zmm_reg) x, options(pure, nomem, nostack, preserves_flags));
    }
    x
}

/// See [`Float32::in_step`].
///
/// # Safety
/// - The CPU must have AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn two_in_step([mut a, mut b]: [__m512; 2]) -> [__m512; 2] {
    // SAFETY: it has no instruction, so it does nothing.
    unsafe {
        std::arch::asm!("/* {} {} */", inout(zmm_reg) a, inout(zmm_reg) b, options(nomem, nostack, preserves_flags));
    }
    [a, b]
}
