//! Tests across crates. Every test that compares instruction sets runs each of them by name.
#![forbid(unsafe_code)]

mod activation;
mod digest;
mod fused;
mod gemm;
mod guard_pages;
mod losses;
mod math;
mod norm;
mod updates;
