//! SIMD kernels for training dense models on CPUs: matrix products, vector math, losses with their gradients.
//!
//! The arithmetic of every kernel is defined once, as an exact sequence of IEEE-754 operations on a virtual vector of 64
//! bytes. An instruction set, one of AVX2, AVX-512, NEON and a portable path, decides how fast it runs and never what it
//! returns; nor does the number of threads show. The portable path is exact and slow where the compilation target has no
//! fused multiply-add: it is there to judge the others by.
//!
//! ```
//! use kernels::{GemmOptions, MatMut, MatRef, gemm, math};
//! let a = [1.0f32, 2.0, 3.0, 4.0];
//! let b = [0.5f32, -1.0];
//! let mut c = [0.0f32; 2];
//! gemm(
//!     1.0,
//!     MatRef::from_row_major(&a, 2, 2),
//!     MatRef::from_row_major(&b, 2, 1),
//!     0.0,
//!     MatMut::from_row_major(&mut c, 2, 1),
//!     &GemmOptions::default(),
//! );
//! assert_eq!(c, [-1.5, -2.5]);
//! math::tanh_in_place(&mut c);
//! assert_eq!(c, [-0.905_148_27, -0.986_614_3]);
//! ```
//!
//! | to compute | call | with |
//! |---|---|---|
//! | a matrix product | [`gemm()`], [`sgemm`], [`dgemm`] | [`MatRef`], [`MatMut`], [`GemmOptions`] |
//! | a function of each element | [`math`] | |
//! | a loss and its gradient, softmax, an update | [`fused`] | [`LossOptions`], [`ClassTargets`] |
//! | a sum, a maximum, column sums | [`KernelSet`] | |
//! | a batch of rows from all over the data | [`gather_rows`], [`gather_bytes`] | [`ByteScale`] |
//!
//! All but sums and their like run on the best instruction set of the CPU, found at the first call; the environment variable
//! `KERNELS_ISA=portable|avx2|avx512|neon` chooses another. A [`KernelSet`] has every kernel for one instruction set by name.
//! Only products and gathered rows use threads, those of the current `rayon` pool, which the default feature `rayon` brings in; see
//! [`Threads`] and [`ThreadPool`].
//!
//! The sign and payload of a NaN are not part of the promise of the same bits; that a result is NaN is.
//!
//! Functions panic with all sizes in the message if lengths or shapes do not fit.

#![warn(missing_debug_implementations)]
#![allow(
    clippy::redundant_closure,
    reason = "a function passed by its name is not inlined into its caller's instruction set; a closure can be"
)]

mod activation;
pub mod fused;
mod gather;
mod gemm;
mod isa;
mod kernel_set;
pub mod math;
pub mod probe;
pub mod reduce;
pub mod reference;
mod simd;
pub mod testing;
mod threads;

pub use activation::{Activation, Kept};
pub use fused::{Axis, ClassTargets, LossOptions, Moments, Norm, Reduction};
pub use gather::{ByteScale, gather_bytes, gather_rows};
pub use gemm::{Element, Epilogue, GemmOptions, MatMut, MatRef, PackedB, Threads, dgemm, gemm, sgemm};
pub use isa::{Isa, UnknownIsa};
pub use kernel_set::{IsaUnavailable, KernelSet};
pub use math::Function;
pub use threads::ThreadPool;
