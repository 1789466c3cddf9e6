//! What the tests share: random cases, matrices in guarded buffers, exact values.
#![forbid(unsafe_code)]

pub mod digest;
pub mod exact;
pub mod gemm_case;
pub mod matrix;
pub mod random;
pub mod ulp;
