//! Layers: `x_forward` and `x_backward` on views of memory that the caller owns.

pub(crate) mod activation;
pub(crate) mod dropout;
pub(crate) mod linear;
pub(crate) mod norm;

pub use dropout::Dropout;
use kernels::Activation;
pub use linear::Linear;
pub use norm::{BatchNorm, LayerNorm};

/// A layer of a [`Model`](crate::Model), counted as the modules of a `torch.nn.Sequential` are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Layer {
    /// `x W + b`
    Linear(Linear),
    /// A function of each element.
    Activation(Activation),
    /// Zeros at random while training.
    Dropout(Dropout),
    /// Normalises each column over the rows of a batch.
    BatchNorm(BatchNorm),
    /// Normalises each row.
    LayerNorm(LayerNorm),
}
