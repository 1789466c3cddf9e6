//! SIMD kernels.
#![allow(dead_code, unused)]
pub mod fused;
mod gemm;
mod isa;
mod kernel_set;
pub mod math;
pub mod probe;
mod simd;
mod threads;

pub use fused::Reduction;
pub use gemm::{Activation, Element, Epilogue, GemmOptions, MatMut, MatRef, Threads, dgemm, gemm, sgemm};
pub use isa::{Isa, UnknownIsa};
pub use kernel_set::KernelSet;
pub use math::Function;
pub use threads::ThreadPool;
