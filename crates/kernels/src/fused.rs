//! Loss and gradient in one pass, and the parameter updates.

/// How the losses of a batch of `m` examples become one number; gradients are scaled alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// `1/m Σ L`
    #[default]
    Mean,
    /// `Σ L`
    Sum,
}
