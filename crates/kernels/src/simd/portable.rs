//! The portable path: `wide` vectors, and `mul_add` lane by lane, as `wide`'s own is fused only where the compilation
//! target says so.
//!
//! Inlined into all kernels, vectors of four registers would take half of the time to compile the crate, and this path is the
//! oracle for the others, not one to be fast. So operations of more than an instruction a register are functions that take
//! their vectors by reference, and what kernels share is compiled [`apart`](Float::apart).

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
    const MR_MASKED: usize = 4;
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
    const NARROW_FOURS: [usize; 3] = [1, 0, 0];

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

/// Operations on whole vectors by those on halves, and the operators among them.
macro_rules! by_halves {
    ($vector:ident($half:ident): $($op:ident $method:ident),*) => {
        impl $vector {
            #[inline(never)]
            fn map(&self, f: impl Fn($half) -> $half) -> Self {
                $vector(f(self.0), f(self.1))
            }

            #[inline(never)]
            fn zip(&self, other: &Self, f: impl Fn($half, $half) -> $half) -> Self {
                $vector(f(self.0, other.0), f(self.1, other.1))
            }
        }

        $(impl $op for $vector {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                $vector(self.0.$method(other.0), self.1.$method(other.1))
            }
        })*
    };
}
by_halves!(F32x16(f32x8): Add add, Sub sub, Mul mul, Div div);
by_halves!(F64x8(f64x4): Add add, Sub sub, Mul mul, Div div);
by_halves!(I32x16(i32x8): Add add, Sub sub, BitAnd bitand, BitOr bitor, BitXor bitxor);

/// What both float types do alike.
macro_rules! float {
    ($vector:ident($half:ident), $scalar:ident, $int:ident, $lanes:literal, $magic:ident, $bias:literal, $mantissa:literal) => {
        impl Float for $vector {
            type Simd = Portable;
            type Scalar = $scalar;
            /// All bits of a lane are set where it is true.
            type Mask = Self;
            type Tail = usize;
            const LANES: usize = $lanes;
            const M_FOR_PADDING_B: usize = 0;

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

            #[inline(never)]
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

            #[inline(never)]
            unsafe fn transpose_quarter(
                _: Portable,
                from: *const $scalar,
                from_stride: isize,
                to: *mut $scalar,
                to_stride: isize,
            ) {
                for i in 0..$lanes {
                    for j in 0..$lanes / 4 {
                        // SAFETY: the caller promises LANES rows of a fourth as many elements, and the other way round.
                        unsafe { *to.offset(j * to_stride + i) = *from.offset(i * from_stride + j) };
                    }
                }
            }

            #[inline(never)]
            fn apart<R>(f: impl FnOnce() -> R) -> R {
                f()
            }

            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                self.fused(&b, &c)
            }

            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                self.map(|a| a ^ $half::splat(-0.0)).fused(&b, &c)
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $vector(
                    other.0.simd_lt(self.0).bitselect(self.0, other.0),
                    other.1.simd_lt(self.1).bitselect(self.1, other.1),
                )
            }

            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $vector(
                    self.0.simd_lt(other.0).bitselect(self.0, other.0),
                    self.1.simd_lt(other.1).bitselect(self.1, other.1),
                )
            }

            #[inline(always)]
            fn abs(self) -> Self {
                self.map(|a| a.abs())
            }

            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                let bit = $half::splat(-0.0);
                self.zip(&sign, |a, sign| (a & !bit) | (sign & bit))
            }

            #[inline(always)]
            fn lt(self, other: Self) -> Self {
                self.zip(&other, |a, b| a.simd_lt(b))
            }

            #[inline(always)]
            fn eq(self, other: Self) -> Self {
                self.zip(&other, |a, b| a.simd_eq(b))
            }

            #[inline(always)]
            fn is_nan(self) -> Self {
                self.map(|a| a.is_nan())
            }

            #[inline(always)]
            fn all(mask: Self) -> bool {
                mask.0.all() && mask.1.all()
            }

            #[inline(always)]
            fn select(mask: Self, yes: Self, no: Self) -> Self {
                mask.choose(&yes, &no)
            }

            #[inline(always)]
            fn pow2(self) -> Self {
                self.map(|n| {
                    // The low bits of the magic sum are n + bias: shifted up, an exponent.
                    let sum = n + $half::splat($magic + $bias);
                    // SAFETY: all are as many numbers of as many bits, of which any are valid.
                    unsafe { transmute::<$int, $half>(transmute::<$half, $int>(sum) << $mantissa) }
                })
            }

            #[inline(always)]
            fn round_small(self) -> Self {
                let magic = $half::splat($magic);
                self.map(|a| a + magic - magic)
            }

            #[inline(always)]
            fn sum_lanes(self) -> $scalar {
                self.fold(|a, b| a + b)
            }

            #[inline(always)]
            fn max_lanes(self) -> $scalar {
                self.fold(|a, b| if a > b { a } else { b })
            }
        }

        impl $vector {
            #[inline(never)]
            fn fused(&self, b: &Self, c: &Self) -> Self {
                let (a, b, c) = (self.to_lanes(), b.to_lanes(), c.to_lanes());
                Self::from_lanes(std::array::from_fn(|i| a[i].mul_add(b[i], c[i])))
            }

            #[inline(never)]
            fn choose(&self, yes: &Self, no: &Self) -> Self {
                $vector(self.0.bitselect(yes.0, no.0), self.1.bitselect(yes.1, no.1))
            }

            /// Lane i with lane i + LANES / 2, and so on by halves.
            #[inline(never)]
            fn fold(&self, f: impl Fn($scalar, $scalar) -> $scalar) -> $scalar {
                let mut lanes = self.to_lanes();
                let mut half = $lanes / 2;
                while half > 0 {
                    for i in 0..half {
                        lanes[i] = f(lanes[i], lanes[i + half]);
                    }
                    half /= 2;
                }
                lanes[0]
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

    #[inline(never)]
    fn from_bytes(_: Portable, bytes: &[u8; 16]) -> Self {
        Self::from_lanes(std::array::from_fn(|i| f32::from(bytes[i])))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(|a| a.sqrt())
    }

    #[inline(never)]
    fn permute(self, lanes: I32x16) -> Self {
        let from = self.to_lanes();
        let (low, high) = (lanes.0.to_array(), lanes.1.to_array());
        Self::from_lanes(std::array::from_fn(|i| from[(if i < 8 { low[i] } else { high[i - 8] } & 15) as usize]))
    }

    #[inline(never)]
    fn look_up(table: &[f32; 8], indices: I32x16) -> Self {
        let (low, high) = (indices.0.to_array(), indices.1.to_array());
        Self::from_lanes(std::array::from_fn(|i| table[(if i < 8 { low[i] } else { high[i - 8] } & 7) as usize]))
    }

    #[inline(never)]
    unsafe fn load_quarters_tail(_: Portable, from: *const f32, stride: isize, tail: usize) -> Self {
        let mut lanes = [0.0; Self::LANES];
        for (i, quarter) in (0..).zip(lanes.chunks_exact_mut(Self::QUARTER)) {
            // SAFETY: the caller's promise, `tail` being at most a quarter of the lanes.
            unsafe { std::ptr::copy_nonoverlapping(from.offset(i * stride), quarter.as_mut_ptr(), tail) };
        }
        Self::from_lanes(lanes)
    }

    #[inline(always)]
    unsafe fn store_quarter<const I: usize>(self, to: *mut f32, tail: usize) {
        let lanes = &self.to_lanes()[I * Self::QUARTER..][..tail];
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, lanes.len()) };
    }

    #[inline(never)]
    fn splat_in_quarters<const J: usize>(self) -> Self {
        let lanes = self.to_lanes();
        Self::from_lanes(std::array::from_fn(|i| lanes[i - i % Self::QUARTER + J]))
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
        self.map(|a| a << N as i32)
    }

    #[inline(always)]
    fn shift_right<const N: u32>(self) -> Self {
        self.map(|a| a >> N as i32)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        I32x16(self.0.max(other.0), self.1.max(other.1))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        I32x16(self.0.min(other.0), self.1.min(other.1))
    }

    #[inline(always)]
    fn lt(self, other: Self) -> F32x16 {
        self.zip(&other, |a, b| a.simd_lt(b)).bits_to_float()
    }

    #[inline(always)]
    fn bits_to_float(self) -> F32x16 {
        // SAFETY: both are 8 numbers of 32 bits, of which any are valid.
        unsafe { F32x16(transmute::<i32x8, f32x8>(self.0), transmute::<i32x8, f32x8>(self.1)) }
    }

    #[inline(always)]
    fn to_float(self) -> F32x16 {
        self.as_floats()
    }
}

impl I32x16 {
    #[inline(never)]
    fn as_floats(&self) -> F32x16 {
        let floats = |half: i32x8| f32x8::new(half.to_array().map(|x| x as f32));
        F32x16(floats(self.0), floats(self.1))
    }
}
