//! The arithmetic limit of a core: fused multiply-adds and nothing else, to measure kernels against.

use crate::isa::Isa;
use crate::kernel_set::KernelSet;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::{Float, Simd, portable::Portable};
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2::Avx2, avx512::Avx512};
use std::hint::black_box;

/// Floating-point operations of one iteration of [`fma_f32`].
pub const FLOPS_PER_ITERATION_F32: usize = VECTORS_PER_ITERATION * 16 * 2;
/// Floating-point operations of one iteration of [`fma_f64`].
pub const FLOPS_PER_ITERATION_F64: usize = VECTORS_PER_ITERATION * 8 * 2;

/// Virtual vectors that one iteration multiplies and adds, on every ISA.
const VECTORS_PER_ITERATION: usize = 24;

macro_rules! probes {
    ($($(#[$attribute:meta])* $name:ident, $scalar:ident, $vector:ident;)*) => {$(
        $(#[$attribute])*
        pub fn $name(set: &KernelSet, iterations: usize) -> $scalar {
            // The number of chains: as many native registers as hide the latency without a spill.
            macro_rules! run {
                ($token:ident, $chains:literal) => {
                    // SAFETY: a `KernelSet` is handed out only where the CPU has the features of its ISA.
                    unsafe { $token::assume_available() }
                        .run(|s| converge::<<$token as Simd>::$vector, $chains>(s, iterations))
                };
            }
            match set.isa() {
                // 12 of 32 registers.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => run!(Avx512, 12),
                // Two registers each: 12 of 16.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => run!(Avx2, 6),
                // Four registers each: 24 of 32, as some cores have four pipes with a latency of four.
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => run!(Neon, 6),
                _ => run!(Portable, 6),
            }
        }
    )*};
}
probes! {
    /// Runs `iterations` times [`FLOPS_PER_ITERATION_F32`] operations in registers, on the caller's thread, as fast as
    /// the instruction set of `set` allows.
    ///
    /// The result depends on each of them, so that none can be left out. It is 1 from 40 iterations on.
    fma_f32, f32, F32;

    /// [`fma_f32`] for `f64`, with [`FLOPS_PER_ITERATION_F64`] operations an iteration.
    fma_f64, f64, F64;
}

/// Independent chains of `x = x / 2 + 1/2`, which all come to 1; returns the largest.
#[inline(always)]
fn converge<F: Float, const CHAINS: usize>(s: F::Simd, iterations: usize) -> F::Scalar {
    let half = F::splat(s, black_box(0.5.into()));
    // Every lane starts from another value: no two chains may be found equal.
    let starts: [F::Scalar; 16] = black_box(std::array::from_fn(|lane| (lane as f32).into()));
    let mut chains: [F; CHAINS] =
        std::array::from_fn(|chain| F::load(s, &starts) + F::splat(s, (16.0 * chain as f32).into()));
    for _ in 0..iterations {
        for _ in 0..VECTORS_PER_ITERATION / CHAINS {
            for x in &mut chains {
                *x = x.mul_add(half, half);
            }
        }
    }
    chains.into_iter().reduce(F::max).expect("there are chains").max_lanes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_converges() {
        for set in KernelSet::available() {
            assert_eq!(fma_f32(set, 40), 1.0, "{}", set.isa());
            assert_eq!(fma_f64(set, 40), 1.0, "{}", set.isa());
            assert_ne!(fma_f32(set, 1), 1.0, "{}", set.isa());
        }
    }
}
