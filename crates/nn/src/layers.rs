//! Layers: `x_forward` and `x_backward` on views of memory that the caller owns.

pub(crate) mod activation;
pub(crate) mod linear;

pub use linear::Linear;
