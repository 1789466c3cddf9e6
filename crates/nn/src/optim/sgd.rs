//! Stochastic gradient descent.

use crate::error::{Error, Result};

/// `p = (1 − learning_rate · weight_decay) p − learning_rate · d_p` for every parameter, biases too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sgd {
    pub(crate) learning_rate: f32,
    pub(crate) weight_decay: f32,
}

impl Sgd {
    pub(crate) fn check(&self) -> Result<()> {
        let invalid =
            |name, value: f32, allowed| Error::InvalidHyperParameter { name, value: value.to_string(), allowed };
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(invalid("learning_rate", self.learning_rate, "finite and above 0"));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(invalid("weight_decay", self.weight_decay, "finite and at least 0"));
        }
        Ok(())
    }
}
