//! What is measured, against what, and how: the cases, the engines that run them and the clock, shared by the tests,
//! the criterion benches and `cargo xtask bench`.
//!
//! A [`Case`] becomes a [`Trial`] that holds its operands and every [`Engine`] that can run it: ours, the plain loops
//! and other libraries (matrixmultiply always, more with the feature `peers`). An answer is judged against `f64`
//! before it is timed.

pub mod cases;
pub mod check;
pub mod engines;
pub mod measure;
pub mod naive;
pub mod peak;
mod peers;
pub mod problem;
pub mod stats;
pub mod training;
pub mod trial;

pub use cases::{Case, Group, Task};
pub use engines::{Engine, Role, Setup};
pub use peers::versions;
pub use trial::Trial;
