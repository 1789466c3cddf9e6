//! What the tests share: random cases, and matrices in guarded buffers.
#![forbid(unsafe_code)]

pub mod digest;
pub mod gemm_case;
pub mod matrix;
pub mod random;
pub mod ulp;
