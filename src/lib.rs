#![allow(dead_code,unused)]
#![allow(
    clippy::redundant_closure,
    reason = "a function passed by its name is not inlined into its caller's instruction set; a closure can be"
)]

pub mod fused;
mod isa;
mod kernel_set;
pub mod math;
pub mod reduce;
mod simd;
pub mod testing;

pub use fused::{ClassTargets, LossOptions, Reduction};
pub use isa::{Isa, UnknownIsa};
pub use kernel_set::{IsaUnavailable, KernelSet};
pub use math::Function;
