//! What the tests share: random cases, matrices in guarded buffers, exact values and the sweep that judges by them.
#![forbid(unsafe_code)]

pub mod digest;
pub mod exact;
pub mod gemm_case;
pub mod matrix;
pub mod properties;
pub mod random;
pub mod sweep;
pub mod ulp;
