//! Tests across crates. Every test that compares instruction sets runs each of them by name.

mod digest;
mod fused;
mod gemm;
mod losses;
mod math;
