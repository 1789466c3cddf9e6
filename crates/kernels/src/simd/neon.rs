//! aarch64 Advanced SIMD: four registers a vector, tails lane by lane.

use super::{Float, Float32, Int32, MAGIC_F32, MAGIC_F64, Simd, enter, with_intrinsics};
use crate::isa::{Isa, with_features};
use std::arch::aarch64::*;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Simd for Neon {
    const ISA: Isa = Isa::Neon;
    type F32 = F32x16;
    type F64 = F64x8;
    // 24 accumulators (four registers a vector) + 4 + 1 of 32 registers.
    const MR: usize = 6;
    const NV: usize = 1;
    const MR_MASKED: usize = 6;
    const NV_ROW: usize = 4;
    const STREAMED_ROW_BYTES: usize = 0;
    const PACKS_SCATTERED_A: bool = false;
    const B_BLOCK_BYTES: usize = 512 * 1024;
    const M_FOR_PACKING_B: usize = 64;
    const TRANSPOSED_C_BYTES: usize = 0;
    const FETCHES_NEAR_C: bool = true;
    const LAST_STAGE_FIRST: bool = true;
    const OVERLAPS_STAGES: bool = true;
    const ADDS_EXPONENTIALS_LATER: bool = false;
    const SPARE_REGISTERS: usize = 0;
    const DOTS: usize = 1;
    const OUTER_ROWS: usize = 0;
    const NARROW_FOURS: [usize; 3] = [4, 2, 1];

    unsafe fn assume_available() -> Self {
        Neon(())
    }

    with_features!(Neon, enter! Neon);
}

#[derive(Clone, Copy)]
pub(crate) struct F32x16(float32x4_t, float32x4_t, float32x4_t, float32x4_t);

#[derive(Clone, Copy)]
pub(crate) struct F64x8(float64x2_t, float64x2_t, float64x2_t, float64x2_t);

#[derive(Clone, Copy)]
pub(crate) struct I32x16(int32x4_t, int32x4_t, int32x4_t, int32x4_t);

/// Applies one intrinsic to each of the four registers of its operands.
macro_rules! each {
    ($f:ident $(::<$n:tt>)? ($($x:expr),*)) => {
        ($f $(::<$n>)? ($($x.0),*), $f $(::<$n>)? ($($x.1),*), $f $(::<$n>)? ($($x.2),*), $f $(::<$n>)? ($($x.3),*))
    };
    ($vector:ident <- $f:ident $(::<$n:tt>)? ($($x:expr),*)) => {
        $vector($f $(::<$n>)? ($($x.0),*), $f $(::<$n>)? ($($x.1),*), $f $(::<$n>)? ($($x.2),*), $f $(::<$n>)? ($($x.3),*))
    };
}

macro_rules! operators {
    ($vector:ident: $($op:ident $method:ident $intrinsic:ident),*) => {$(
        impl $op for $vector {
            type Output = Self;
            with_intrinsics! {
                fn $method(self, other: Self) -> Self { each!($vector <- $intrinsic(self, other)) }
            }
        }
    )*};
}
operators!(F32x16: Add add vaddq_f32, Sub sub vsubq_f32, Mul mul vmulq_f32, Div div vdivq_f32);
operators!(F64x8: Add add vaddq_f64, Sub sub vsubq_f64, Mul mul vmulq_f64, Div div vdivq_f64);
operators!(I32x16: Add add vaddq_s32, Sub sub vsubq_s32, BitAnd bitand vandq_s32, BitOr bitor vorrq_s32,
    BitXor bitxor veorq_s32);

/// What both float types do alike.
macro_rules! float {
    ($vector:ident, $scalar:ident, $lanes:literal, $quarter:literal, $mask:ident, $magic:ident, $bias:literal,
     $load:ident, $store:ident, $splat:ident, $fma:ident, $fms:ident, $abs:ident, $lt:ident, $gt:ident, $eq:ident,
     $select:ident, $splat_bits:ident, $sign:expr, $from_bits:ident, $to_bits:ident, $shift_left:ident $mantissa:literal, $not:ident, $and:ident, $to_u32:ident, $transpose:ident) => {
        impl Float for $vector {
            type Simd = Neon;
            type Scalar = $scalar;
            type Mask = ($mask, $mask, $mask, $mask);
            type Tail = usize;
            const LANES: usize = $lanes;
            const M_FOR_PADDING_B: usize = 0;

            #[inline(always)]
            fn token(self) -> Neon {
                Neon(())
            }

            #[inline(always)]
            unsafe fn load_ptr(_: Neon, from: *const $scalar) -> Self {
                // SAFETY: the caller's promise; the token proves the features.
                unsafe {
                    $vector(
                        $load(from),
                        $load(from.add($quarter)),
                        $load(from.add(2 * $quarter)),
                        $load(from.add(3 * $quarter)),
                    )
                }
            }

            #[inline(always)]
            unsafe fn store_ptr(self, to: *mut $scalar) {
                // SAFETY: the caller's promise; the vector proves the features.
                unsafe {
                    $store(to, self.0);
                    $store(to.add($quarter), self.1);
                    $store(to.add(2 * $quarter), self.2);
                    $store(to.add(3 * $quarter), self.3);
                }
            }

            #[inline(always)]
            fn tail(_: Neon, lanes: usize) -> usize {
                assert!(lanes <= Self::LANES);
                lanes
            }

            #[inline(always)]
            unsafe fn load_tail(s: Neon, from: *const $scalar, tail: usize) -> Self {
                let mut lanes = [0.0; $lanes];
                // SAFETY: the caller promises `tail` readable elements, at most LANES by how a tail is made.
                unsafe {
                    std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), tail);
                    Self::load_ptr(s, lanes.as_ptr())
                }
            }

            #[inline(always)]
            unsafe fn store_tail(self, to: *mut $scalar, tail: usize) {
                let mut lanes = [0.0; $lanes];
                // SAFETY: the caller promises `tail` writable elements, at most LANES by how a tail is made.
                unsafe {
                    self.store_ptr(lanes.as_mut_ptr());
                    std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, tail);
                }
            }

            #[inline(always)]
            unsafe fn transpose_quarter(
                _: Neon,
                from: *const $scalar,
                from_stride: isize,
                to: *mut $scalar,
                to_stride: isize,
            ) {
                for i in (0..$lanes).step_by($quarter) {
                    // SAFETY: the caller promises LANES rows of QUARTER elements and QUARTER rows of LANES, and these
                    // blocks of one register squared tile them; the token proves the features.
                    unsafe { $transpose(from.offset(i * from_stride), from_stride, to.offset(i), to_stride) };
                }
            }

            with_intrinsics! {
                fn splat(_s: Neon, x: $scalar) -> Self { $vector($splat(x), $splat(x), $splat(x), $splat(x)) }
                fn mul_add(self, b: Self, c: Self) -> Self { each!($vector <- $fma(c, self, b)) }
                fn neg_mul_add(self, b: Self, c: Self) -> Self { each!($vector <- $fms(c, self, b)) }
                // Compare and select: `fmax` has its own idea of NaN and of the two zeros.
                fn max(self, other: Self) -> Self { Self::select(each!($gt(self, other)), self, other) }
                fn min(self, other: Self) -> Self { Self::select(each!($lt(self, other)), self, other) }
                fn abs(self) -> Self { each!($vector <- $abs(self)) }
                fn copysign(self, sign: Self) -> Self {
                    let bit = $splat_bits($sign);
                    Self::select((bit, bit, bit, bit), sign, self)
                }
                fn lt(self, other: Self) -> Self::Mask { each!($lt(self, other)) }
                fn eq(self, other: Self) -> Self::Mask { each!($eq(self, other)) }
                fn is_nan(self) -> Self::Mask {
                    let same = each!($eq(self, self));
                    each!($not(same))
                }
                fn all(mask: Self::Mask) -> bool {
                    let all = $and($and(mask.0, mask.1), $and(mask.2, mask.3));
                    vminvq_u32($to_u32(all)) == u32::MAX
                }
                fn select(mask: Self::Mask, yes: Self, no: Self) -> Self { each!($vector <- $select(mask, yes, no)) }
                fn pow2(self) -> Self {
                    // The low bits of the magic sum are n + bias: shifted up, an exponent.
                    let biased = self + self.constant($magic + $bias);
                    let bits = each!($to_bits(biased));
                    let exponent = each!($shift_left::<$mantissa>(bits));
                    each!($vector <- $from_bits(exponent))
                }
                fn round_small(self) -> Self {
                    let magic = self.constant($magic);
                    self + magic - magic
                }
                fn sum_lanes(self) -> $scalar {
                    let mut lanes = [0.0; $lanes];
                    self.store_ptr(lanes.as_mut_ptr());
                    let mut half = $lanes / 2;
                    while half > 0 {
                        for i in 0..half {
                            lanes[i] += lanes[i + half];
                        }
                        half /= 2;
                    }
                    lanes[0]
                }
                fn max_lanes(self) -> $scalar {
                    let mut lanes = [0.0; $lanes];
                    self.store_ptr(lanes.as_mut_ptr());
                    let mut half = $lanes / 2;
                    while half > 0 {
                        for i in 0..half {
                            lanes[i] = if lanes[i] > lanes[i + half] { lanes[i] } else { lanes[i + half] };
                        }
                        half /= 2;
                    }
                    lanes[0]
                }
            }
        }
    };
}
with_intrinsics! {
    fn same_u32(x: uint32x4_t) -> uint32x4_t { x }
    fn not_u64(x: uint64x2_t) -> uint64x2_t { vreinterpretq_u64_u32(vmvnq_u32(vreinterpretq_u32_u64(x))) }
}

/// # Safety
/// - Four rows of four elements must be readable from `from` on and writable from `to` on.
#[inline(always)]
unsafe fn transpose_4x4(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
    // SAFETY: the caller's promise; called with a token only.
    unsafe {
        let (r0, r1) = (vld1q_f32(from), vld1q_f32(from.offset(from_stride)));
        let (r2, r3) = (vld1q_f32(from.offset(2 * from_stride)), vld1q_f32(from.offset(3 * from_stride)));
        let (a, b) = (vtrnq_f32(r0, r1), vtrnq_f32(r2, r3));
        vst1q_f32(to, vcombine_f32(vget_low_f32(a.0), vget_low_f32(b.0)));
        vst1q_f32(to.offset(to_stride), vcombine_f32(vget_low_f32(a.1), vget_low_f32(b.1)));
        vst1q_f32(to.offset(2 * to_stride), vcombine_f32(vget_high_f32(a.0), vget_high_f32(b.0)));
        vst1q_f32(to.offset(3 * to_stride), vcombine_f32(vget_high_f32(a.1), vget_high_f32(b.1)));
    }
}

/// # Safety
/// - Two rows of two elements must be readable from `from` on and writable from `to` on.
#[inline(always)]
unsafe fn transpose_2x2(from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
    // SAFETY: the caller's promise; called with a token only.
    unsafe {
        let (a, b) = (vld1q_f64(from), vld1q_f64(from.offset(from_stride)));
        vst1q_f64(to, vzip1q_f64(a, b));
        vst1q_f64(to.offset(to_stride), vzip2q_f64(a, b));
    }
}

float!(F32x16, f32, 16, 4, uint32x4_t, MAGIC_F32, 127.0,
    vld1q_f32, vst1q_f32, vdupq_n_f32, vfmaq_f32, vfmsq_f32, vabsq_f32, vcltq_f32, vcgtq_f32, vceqq_f32,
    vbslq_f32, vdupq_n_u32, 1 << 31, vreinterpretq_f32_u32, vreinterpretq_u32_f32, vshlq_n_u32 23, vmvnq_u32, vandq_u32, same_u32, transpose_4x4);
float!(F64x8, f64, 8, 2, uint64x2_t, MAGIC_F64, 1023.0,
    vld1q_f64, vst1q_f64, vdupq_n_f64, vfmaq_f64, vfmsq_f64, vabsq_f64, vcltq_f64, vcgtq_f64, vceqq_f64,
    vbslq_f64, vdupq_n_u64, 1 << 63, vreinterpretq_f64_u64, vreinterpretq_u64_f64, vshlq_n_u64 52, not_u64, vandq_u64, vreinterpretq_u32_u64, transpose_2x2);

with_intrinsics! {
    fn widen_half(low: float32x4_t, high: float32x4_t) -> F64x8 {
        F64x8(
            vcvt_f64_f32(vget_low_f32(low)),
            vcvt_high_f64_f32(low),
            vcvt_f64_f32(vget_low_f32(high)),
            vcvt_high_f64_f32(high),
        )
    }
}

/// The first `count` of four lanes, the others 0.
///
/// # Safety
/// - `count` elements from `from` on, at most 4, must be readable.
#[inline(always)]
unsafe fn load_quarter(from: *const f32, count: usize) -> float32x4_t {
    // SAFETY: the caller's promise; called with a token only.
    unsafe {
        if count == 4 {
            return vld1q_f32(from);
        }
        let mut lanes = [0.0; 4];
        std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
        vld1q_f32(lanes.as_ptr())
    }
}

impl Float32 for F32x16 {
    type Bits = I32x16;

    #[inline(always)]
    unsafe fn load_quarters_tail(_: Neon, from: *const f32, stride: isize, tail: usize) -> Self {
        // SAFETY: the caller's promise; the token proves the features.
        let quarter = |i| unsafe { load_quarter(from.offset(i * stride), tail) };
        F32x16(quarter(0), quarter(1), quarter(2), quarter(3))
    }

    #[inline(always)]
    unsafe fn store_quarter<const I: usize>(self, to: *mut f32, tail: usize) {
        let quarter = [self.0, self.1, self.2, self.3][I];
        // SAFETY: the caller's promise, `tail` being at most 4; the vector proves the features.
        unsafe {
            if tail == 4 {
                return vst1q_f32(to, quarter);
            }
            let mut lanes = [0.0; 4];
            vst1q_f32(lanes.as_mut_ptr(), quarter);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, tail);
        }
    }

    with_intrinsics! {
        fn to_bits(self) -> I32x16 { each!(I32x16 <- vreinterpretq_s32_f32(self)) }
        fn from_bytes(_s: Neon, bytes: &[u8; 16]) -> Self {
            let bytes = vld1q_u8(bytes.as_ptr());
            let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes)));
            let quarter = |half: uint16x4_t| vcvtq_f32_u32(vmovl_u16(half));
            F32x16(
                quarter(vget_low_u16(low)),
                quarter(vget_high_u16(low)),
                quarter(vget_low_u16(high)),
                quarter(vget_high_u16(high)),
            )
        }
        fn sqrt(self) -> Self { each!(F32x16 <- vsqrtq_f32(self)) }
        fn permute(self, lanes: I32x16) -> Self {
            let bytes = each!(vreinterpretq_u8_f32(self));
            let table = uint8x16x4_t(bytes.0, bytes.1, bytes.2, bytes.3);
            // Lane i is the bytes 4 i to 4 i + 3.
            let (of_lane, in_lane) = (vdupq_n_s32(0x0404_0404), vdupq_n_s32(0x0302_0100));
            let quarter = |lanes| {
                let index = vmlaq_s32(in_lane, vandq_s32(lanes, vdupq_n_s32(15)), of_lane);
                vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_s32(index)))
            };
            F32x16(quarter(lanes.0), quarter(lanes.1), quarter(lanes.2), quarter(lanes.3))
        }
        fn look_up(table: &[f32; 8], indices: I32x16) -> Self {
            let half = |at| vreinterpretq_u8_f32(vld1q_f32(table[at..at + 4].as_ptr()));
            let table = uint8x16x2_t(half(0), half(4));
            // Element i is the bytes 4 i to 4 i + 3.
            let (of_element, in_element) = (vdupq_n_s32(0x0404_0404), vdupq_n_s32(0x0302_0100));
            let quarter = |indices| {
                let bytes = vmlaq_s32(in_element, vandq_s32(indices, vdupq_n_s32(7)), of_element);
                vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_s32(bytes)))
            };
            F32x16(quarter(indices.0), quarter(indices.1), quarter(indices.2), quarter(indices.3))
        }
        fn splat_in_quarters<const J: usize>(self) -> Self {
            match J {
                0 => each!(F32x16 <- vdupq_laneq_f32::<0>(self)),
                1 => each!(F32x16 <- vdupq_laneq_f32::<1>(self)),
                2 => each!(F32x16 <- vdupq_laneq_f32::<2>(self)),
                _ => each!(F32x16 <- vdupq_laneq_f32::<3>(self)),
            }
        }
        fn widen(self) -> (F64x8, F64x8) { (widen_half(self.0, self.1), widen_half(self.2, self.3)) }
    }
}

impl Int32 for I32x16 {
    type Simd = Neon;
    type Float = F32x16;
    with_intrinsics! {
        fn splat(_s: Neon, x: i32) -> Self { I32x16(vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)) }
        // A constant count compiles to the immediate form.
        fn shift_left<const N: u32>(self) -> Self {
            let by = Self::splat(Neon(()), N as i32);
            each!(I32x16 <- vshlq_s32(self, by))
        }
        fn shift_right<const N: u32>(self) -> Self {
            let by = Self::splat(Neon(()), -(N as i32));
            each!(I32x16 <- vshlq_s32(self, by))
        }
        fn max(self, other: Self) -> Self { each!(I32x16 <- vmaxq_s32(self, other)) }
        fn min(self, other: Self) -> Self { each!(I32x16 <- vminq_s32(self, other)) }
        fn lt(self, other: Self) -> <F32x16 as Float>::Mask { each!(vcltq_s32(self, other)) }
        fn bits_to_float(self) -> F32x16 { each!(F32x16 <- vreinterpretq_f32_s32(self)) }
        fn to_float(self) -> F32x16 { each!(F32x16 <- vcvtq_f32_s32(self)) }
    }
}
