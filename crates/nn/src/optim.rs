//! Optimisers: how parameters follow from their gradients.

mod clip;
mod schedule;

use std::fmt::Debug;
use std::ops::Range;

use kernels::KernelSet;
use kernels::fused::{Adagrad, Adam, RmsProp, Sgd};

use crate::error::{Error, Result};
use crate::memory::Buffer;
pub use clip::Clip;
pub(crate) use schedule::PlateauState;
pub use schedule::{Clock, Decay, Plateau, Schedule};

/// How parameters follow from their gradients, each by the formula and the defaults that PyTorch has.
///
/// All parameters are treated alike, biases and the weights of norms too; so weight decay shrinks all of them.
///
/// ```
/// use nn::{Adam, Optimizer, Sgd};
/// let momentum: Optimizer = Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() }.into();
/// let adamw: Optimizer = Adam { learning_rate: 3e-4, ..Adam::adamw() }.into();
/// assert_eq!(adamw.learning_rate(), 3e-4);
/// assert_eq!(Optimizer::default().with_learning_rate(0.5).learning_rate(), 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Optimizer {
    /// Gradient descent, with momentum where that is above 0.
    Sgd(Sgd),
    /// Adam, or AdamW where the weight decay is decoupled.
    Adam(Adam),
    /// RMSprop.
    RmsProp(RmsProp),
    /// Adagrad.
    Adagrad(Adagrad),
}

/// Gradient descent without momentum, with a learning rate of 0.1.
impl Default for Optimizer {
    fn default() -> Self {
        Optimizer::Sgd(Sgd { learning_rate: 0.1, ..Sgd::default() })
    }
}

macro_rules! optimizer_from {
    ($($name:ident),*) => {$(
        impl From<$name> for Optimizer {
            fn from(options: $name) -> Self {
                Optimizer::$name(options)
            }
        }
    )*};
}
optimizer_from!(Sgd, Adam, RmsProp, Adagrad);

impl Optimizer {
    /// The learning rate, before any [`Schedule`].
    pub fn learning_rate(&self) -> f64 {
        match self {
            Optimizer::Sgd(options) => options.learning_rate,
            Optimizer::Adam(options) => options.learning_rate,
            Optimizer::RmsProp(options) => options.learning_rate,
            Optimizer::Adagrad(options) => options.learning_rate,
        }
    }

    /// The same with another learning rate.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        match &mut self {
            Optimizer::Sgd(options) => options.learning_rate = learning_rate,
            Optimizer::Adam(options) => options.learning_rate = learning_rate,
            Optimizer::RmsProp(options) => options.learning_rate = learning_rate,
            Optimizer::Adagrad(options) => options.learning_rate = learning_rate,
        }
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        positive("learning_rate", self.learning_rate())?;
        match *self {
            Optimizer::Sgd(Sgd { momentum, nesterov, weight_decay, .. }) => {
                share("momentum", momentum)?;
                if nesterov && momentum == 0.0 {
                    return Err(invalid("nesterov", true, "false without momentum"));
                }
                not_negative("weight_decay", weight_decay)
            }
            Optimizer::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. }) => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                positive("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
            Optimizer::RmsProp(RmsProp { alpha, epsilon, weight_decay, momentum, .. }) => {
                share("alpha", alpha)?;
                positive("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)?;
                share("momentum", momentum)
            }
            Optimizer::Adagrad(Adagrad { learning_rate_decay, weight_decay, initial_accumulator, epsilon, .. }) => {
                not_negative("learning_rate_decay", learning_rate_decay)?;
                not_negative("weight_decay", weight_decay)?;
                not_negative("initial_accumulator", initial_accumulator)?;
                positive("epsilon", epsilon)
            }
        }
    }

    /// The names of its arenas of state, as PyTorch has them.
    pub(crate) fn state_names(&self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd(Sgd { momentum, .. }) if *momentum == 0.0 => &[],
            Optimizer::Sgd(_) => &["momentum_buffer"],
            Optimizer::Adam(_) => &["exp_avg", "exp_avg_sq"],
            Optimizer::RmsProp(RmsProp { momentum, .. }) if *momentum == 0.0 => &["square_avg"],
            Optimizer::RmsProp(_) => &["square_avg", "momentum_buffer"],
            Optimizer::Adagrad(_) => &["sum"],
        }
    }
}

/// What an optimiser remembers between steps: for each of [`Optimizer::state_names`] an arena of the parameters' layout.
#[derive(Clone)]
pub(crate) struct OptimizerState {
    pub(crate) arenas: Vec<Buffer>,
}

impl OptimizerState {
    /// That before the first step, for arenas of `len` elements.
    pub(crate) fn new(optimizer: &Optimizer, len: usize) -> Result<Self> {
        let arena = |_: &&str| Buffer::zeros("the state of the optimiser", 1, len);
        let mut arenas: Vec<Buffer> = optimizer.state_names().iter().map(arena).collect::<Result<_>>()?;
        if let Optimizer::Adagrad(Adagrad { initial_accumulator, .. }) = optimizer {
            arenas[0].as_mut_slice().fill(*initial_accumulator as f32);
        }
        Ok(OptimizerState { arenas })
    }

    /// Step `step`, counted from 1, for the part `place` of arenas of one layout; whether all new parameters and states are finite.
    pub(crate) fn update(
        &mut self,
        kernels: &KernelSet,
        optimizer: &Optimizer,
        step: u64,
        place: Range<usize>,
        (params, grads): (&mut [f32], &[f32]),
    ) -> bool {
        let (params, grads) = (&mut params[place.clone()], &grads[place.clone()]);
        let mut arenas = self.arenas.iter_mut().map(|arena| &mut arena.as_mut_slice()[place.clone()]);
        let mut next = || arenas.next().unwrap_or_default();
        match optimizer {
            Optimizer::Sgd(options) if options.momentum == 0.0 => {
                kernels.sgd(params, grads, options.learning_rate as f32, options.weight_decay as f32)
            }
            Optimizer::Sgd(options) => kernels.sgd_momentum(params, grads, next(), options),
            Optimizer::Adam(options) => kernels.adam(params, grads, [next(), next()], step, options),
            Optimizer::RmsProp(options) => kernels.rmsprop(params, grads, next(), next(), options),
            Optimizer::Adagrad(options) => kernels.adagrad(params, grads, next(), step, options),
        }
    }
}

fn invalid(name: &'static str, value: impl Debug, allowed: &'static str) -> Error {
    Error::InvalidHyperParameter { name, value: format!("{value:?}"), allowed }
}

/// Kernels compute in f32: what rounds to 0 or infinity there is neither above 0 nor finite.
fn positive(name: &'static str, value: f64) -> Result<()> {
    let single = value as f32;
    let allowed = "finite and above 0 in single precision";
    if single.is_finite() && single > 0.0 { Ok(()) } else { Err(invalid(name, value, allowed)) }
}

fn not_negative(name: &'static str, value: f64) -> Result<()> {
    let fits = (value as f32).is_finite() && value >= 0.0;
    if fits { Ok(()) } else { Err(invalid(name, value, "finite in single precision and at least 0")) }
}

fn share(name: &'static str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) { Ok(()) } else { Err(invalid(name, value, "at least 0 and below 1")) }
}
