//! The portable path: `wide` vectors, and `mul_add` lane by lane, as `wide`'s own is fused only where the compilation
//! target says so.

use super::{Float, Float32, Int32, MAGIC_F32, MAGIC_F64, Simd};
use crate::isa::Isa;
use std::mem::transmute;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};
use wide::{f32x8, f64x4, i32x8, i64x4};

#[derive(Clone, Copy)]
pub(crate) struct Portable(());

impl Simd for Portable {
    const ISA: Isa = Isa::Portable;
    type F32 = F32x16;
    type F64 = F64x8;
    const MR: usize = 4;
    const NV: usize = 1;
    const MR_NARROW: usize = 4;
    const NV_ROW: usize = 4;
    const PACKS_SCATTERED_A: bool = false;
    const M_FOR_PACKING_B: usize = 64;
    const DOTS: usize = 1;

    unsafe fn assume_available() -> Self {
        Portable(())
    }

    #[inline(always)]
    fn run<R>(self, f: impl FnOnce(Self) -> R) -> R {
        f(self)
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct F32x16(f32x8, f32x8);

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct F64x8(f64x4, f64x4);

#[derive(Clone, Copy)]
pub(crate) struct I32x16(i32x8, i32x8);

macro_rules! operators {
    ($vector:ident: $($op:ident $method:ident),*) => {$(
        impl $op for $vector {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                $vector(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    )*};
}
operators!(F32x16: Add add, Sub sub, Mul mul, Div div);
operators!(F64x8: Add add, Sub sub, Mul mul, Div div);
operators!(I32x16: Add add, Sub sub, BitAnd bitand, BitOr bitor, BitXor bitxor);

/// What both float types do alike.
macro_rules! float {
    ($vector:ident($half:ident), $scalar:ident, $int:ident, $lanes:literal, $magic:ident, $bias:literal, $mantissa:literal) => {
        impl Float for $vector {
            type Simd = Portable;
            type Scalar = $scalar;
            type Mask = ($half, $half);
            type Tail = usize;
            const LANES: usize = $lanes;
            const CHEAP_TAIL_LOADS: bool = false;

            #[inline(always)]
            fn splat(_: Portable, x: $scalar) -> Self {
                $vector($half::splat(x), $half::splat(x))
            }

            #[inline(always)]
            fn token(self) -> Portable {
                Portable(())
            }

            #[inline(always)]
            unsafe fn load_ptr(_: Portable, from: *const $scalar) -> Self {
                // SAFETY: the caller promises LANES readable elements; `read_unaligned` asks no more alignment.
                let lanes = unsafe { from.cast::<[$scalar; $lanes]>().read_unaligned() };
                Self::from_lanes(lanes)
            }

            #[inline(always)]
            unsafe fn store_ptr(self, to: *mut $scalar) {
                // SAFETY: the caller promises LANES writable elements; `write_unaligned` asks no more alignment.
                unsafe { to.cast::<[$scalar; $lanes]>().write_unaligned(self.to_lanes()) }
            }

            #[inline(always)]
            fn tail(_: Portable, lanes: usize) -> usize {
                assert!(lanes <= Self::LANES);
                lanes
            }

            #[inline(always)]
            unsafe fn load_tail(_: Portable, from: *const $scalar, tail: usize) -> Self {
                let mut lanes = [0.0; $lanes];
                // SAFETY: the caller promises `tail` readable elements, at most LANES by how a tail is made.
                unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), tail) };
                Self::from_lanes(lanes)
            }

            #[inline(always)]
            unsafe fn store_tail(self, to: *mut $scalar, tail: usize) {
                // SAFETY: the caller promises `tail` writable elements, at most LANES by how a tail is made.
                unsafe { std::ptr::copy_nonoverlapping(self.to_lanes().as_ptr(), to, tail) };
            }

            #[inline(always)]
            unsafe fn transpose(
                _: Portable,
                from: *const $scalar,
                from_stride: isize,
                to: *mut $scalar,
                to_stride: isize,
            ) {
                for i in 0..$lanes {
                    for j in 0..$lanes {
                        // SAFETY: the caller promises LANES rows of LANES elements on both sides.
                        unsafe { *to.offset(j * to_stride + i) = *from.offset(i * from_stride + j) };
                    }
                }
            }

            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                self.fused(&b, &c)
            }

            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                let sign = $half::splat(-0.0);
                $vector(self.0 ^ sign, self.1 ^ sign).fused(&b, &c)
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self::select(other.lt(self), self, other)
            }

            #[inline(always)]
            fn min(self, other: Self) -> Self {
                Self::select(self.lt(other), self, other)
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $vector(self.0.abs(), self.1.abs())
            }

            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                let bit = $half::splat(-0.0);
                $vector((self.0 & !bit) | (sign.0 & bit), (self.1 & !bit) | (sign.1 & bit))
            }

            #[inline(always)]
            fn lt(self, other: Self) -> Self::Mask {
                (self.0.simd_lt(other.0), self.1.simd_lt(other.1))
            }

            #[inline(always)]
            fn eq(self, other: Self) -> Self::Mask {
                (self.0.simd_eq(other.0), self.1.simd_eq(other.1))
            }

            #[inline(always)]
            fn is_nan(self) -> Self::Mask {
                (self.0.is_nan(), self.1.is_nan())
            }

            #[inline(always)]
            fn all(mask: Self::Mask) -> bool {
                mask.0.all() && mask.1.all()
            }

            #[inline(always)]
            fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
                $vector(mask.0.bitselect(yes.0, no.0), mask.1.bitselect(yes.1, no.1))
            }

            #[inline(always)]
            fn pow2(self) -> Self {
                // The low bits of the magic sum are n + bias: shifted up, an exponent.
                let $vector(low, high) = self + self.constant($magic + $bias);
                // SAFETY: all are as many numbers of as many bits, of which any are valid.
                unsafe {
                    let shifted = |half| transmute::<$int, $half>(transmute::<$half, $int>(half) << $mantissa);
                    $vector(shifted(low), shifted(high))
                }
            }

            #[inline(always)]
            fn round_small(self) -> Self {
                let magic = self.constant($magic);
                self + magic - magic
            }

            #[inline(always)]
            fn sum_lanes(self) -> $scalar {
                let mut lanes = self.to_lanes();
                let mut half = $lanes / 2;
                while half > 0 {
                    for i in 0..half {
                        lanes[i] += lanes[i + half];
                    }
                    half /= 2;
                }
                lanes[0]
            }

            #[inline(always)]
            fn max_lanes(self) -> $scalar {
                let mut lanes = self.to_lanes();
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

        impl $vector {
            /// Never inlined: a call for each lane, all over the kernels, would take half of the time to compile them.
            #[inline(never)]
            fn fused(&self, b: &Self, c: &Self) -> Self {
                let (a, b, c) = (self.to_lanes(), b.to_lanes(), c.to_lanes());
                Self::from_lanes(std::array::from_fn(|i| a[i].mul_add(b[i], c[i])))
            }

            #[inline(always)]
            fn to_lanes(self) -> [$scalar; $lanes] {
                // SAFETY: both are LANES numbers, one after the other.
                unsafe { transmute::<Self, [$scalar; $lanes]>(self) }
            }

            #[inline(always)]
            fn from_lanes(lanes: [$scalar; $lanes]) -> Self {
                // SAFETY: both are LANES numbers, one after the other.
                unsafe { transmute::<[$scalar; $lanes], Self>(lanes) }
            }
        }
    };
}
float!(F32x16(f32x8), f32, i32x8, 16, MAGIC_F32, 127.0, 23);
float!(F64x8(f64x4), f64, i64x4, 8, MAGIC_F64, 1023.0, 52);

impl Float32 for F32x16 {
    type Bits = I32x16;

    #[inline(always)]
    fn to_bits(self) -> I32x16 {
        // SAFETY: both are 8 numbers of 32 bits, of which any are valid.
        unsafe { I32x16(transmute::<f32x8, i32x8>(self.0), transmute::<f32x8, i32x8>(self.1)) }
    }

    #[inline(always)]
    fn from_bytes(_: Portable, bytes: &[u8; 16]) -> Self {
        Self::from_lanes(std::array::from_fn(|i| f32::from(bytes[i])))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        F32x16(self.0.sqrt(), self.1.sqrt())
    }

    #[inline(always)]
    fn widen(self) -> (F64x8, F64x8) {
        let lanes = self.to_lanes();
        let half = |first: usize| F64x8::from_lanes(std::array::from_fn(|i| f64::from(lanes[first + i])));
        (half(0), half(8))
    }
}

impl Int32 for I32x16 {
    type Simd = Portable;
    type Float = F32x16;

    #[inline(always)]
    fn splat(_: Portable, x: i32) -> Self {
        I32x16(i32x8::splat(x), i32x8::splat(x))
    }

    #[inline(always)]
    fn shift_left<const N: u32>(self) -> Self {
        I32x16(self.0 << N as i32, self.1 << N as i32)
    }

    #[inline(always)]
    fn shift_right<const N: u32>(self) -> Self {
        I32x16(self.0 >> N as i32, self.1 >> N as i32)
    }

    #[inline(always)]
    fn lt(self, other: Self) -> (f32x8, f32x8) {
        let F32x16(low, high) = I32x16(self.0.simd_lt(other.0), self.1.simd_lt(other.1)).bits_to_float();
        (low, high)
    }

    #[inline(always)]
    fn bits_to_float(self) -> F32x16 {
        // SAFETY: both are 8 numbers of 32 bits, of which any are valid.
        unsafe { F32x16(transmute::<i32x8, f32x8>(self.0), transmute::<i32x8, f32x8>(self.1)) }
    }

    #[inline(always)]
    fn to_float(self) -> F32x16 {
        let floats = |half: i32x8| f32x8::new(half.to_array().map(|x| x as f32));
        F32x16(floats(self.0), floats(self.1))
    }
}
