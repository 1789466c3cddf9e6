//! Learning rates that change while training: each a function of how far it has come, in f64, with the same bits on
//! every machine.

use super::{invalid, not_negative, positive};
use crate::error::Result;
use crate::math;

/// What the learning rate is multiplied by: a warm-up, then a decay.
///
/// Time t is counted in epochs or in steps, from 0. In the warm-up the factor is `(t + 1) / warmup`; then the time of the
/// decay starts at 0.
///
/// ```
/// use nn::{Clock, Decay, Schedule};
/// let schedule = Schedule { decay: Decay::Exponential { factor: 0.5 }, clock: Clock::Step, warmup: 4 };
/// let factors: Vec<f64> = (0..7).map(|step| schedule.factor(step, &[])).collect();
/// assert_eq!(factors, [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.25]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Schedule {
    /// After the warm-up; none.
    pub decay: Decay,
    /// What time is counted in; epochs.
    pub clock: Clock,
    /// How long the learning rate rises in equal steps at first; 0.
    pub warmup: u64,
}

/// The unit of time of a [`Schedule`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Clock {
    /// Passes over the data.
    #[default]
    Epoch,
    /// Updates.
    Step,
}

/// How the learning rate falls: the factor at time t.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Decay {
    /// 1
    #[default]
    Constant,
    /// `factor^⌊t / every⌋`
    Step {
        /// The time between two changes, at least 1.
        every: u64,
        /// From above 0 to 1.
        factor: f64,
    },
    /// `factor^t`
    Exponential {
        /// From above 0 to 1.
        factor: f64,
    },
    /// `last + (1 - last) (1 + cos(π t / over)) / 2`, and `last` from `over` on (Loshchilov and Hutter, "SGDR", 2017).
    Cosine {
        /// How long it falls, at least 1.
        over: u64,
        /// The factor at its end, from 0 to 1.
        last: f64,
    },
    /// `1 / (t + 1)^power`, as `learning_rate="invscaling"` of scikit-learn has it with a power of 0.5.
    InverseScaling {
        /// At least 0.
        power: f64,
    },
    /// Lower each time that the loss of the epochs stops falling.
    Plateau(Plateau),
}

/// A learning rate that falls when the loss does not: the rule of `torch.optim.lr_scheduler.ReduceLROnPlateau`, with its
/// defaults. The loss is that of validation where there is one, else that of training.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Plateau {
    /// What each reduction multiplies by, from above 0 to below 1; 0.1.
    pub factor: f64,
    /// How many epochs in a row may bring no improvement before the next one causes a reduction; 10.
    pub patience: usize,
    /// A loss improves if it is below the best one times 1 minus this; 1e-4.
    pub threshold: f64,
    /// The least that all reductions together multiply by; 0.
    pub minimum: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau { factor: 0.1, patience: 10, threshold: 1e-4, minimum: 0.0 }
    }
}

impl Schedule {
    /// The factor at `time`, in units of [`clock`](Self::clock) from 0, when the epochs before had these `losses`, which
    /// only [`Plateau`] asks for.
    pub fn factor(&self, time: u64, losses: &[f64]) -> f64 {
        self.factor_after(time, PlateauState::after(self, losses.iter().copied()))
    }

    pub(crate) fn factor_after(&self, time: u64, plateau: PlateauState) -> f64 {
        if time < self.warmup {
            return (time + 1) as f64 / self.warmup as f64;
        }
        let time = time - self.warmup;
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Step { every, factor } => math::powi(factor, time / every.max(1)),
            Decay::Exponential { factor } => math::powi(factor, time),
            Decay::Cosine { over, last } if time < over => {
                let cosine = math::cos_pi(time as f64 / over as f64);
                last + (1.0 - last) * 0.5 * (1.0 + cosine)
            }
            Decay::Cosine { last, .. } => last,
            Decay::InverseScaling { power } => math::powf(time as f64 + 1.0, -power),
            Decay::Plateau(Plateau { factor, minimum, .. }) => {
                math::powi(factor, u64::from(plateau.reductions)).max(minimum)
            }
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let at_most_one = |name, value| match value <= 1.0 {
            true => positive(name, value),
            false => Err(invalid(name, value, "above 0 and at most 1")),
        };
        let factor = "the factor of a schedule";
        match self.decay {
            Decay::Constant => Ok(()),
            Decay::Step { every: 0, .. } | Decay::Cosine { over: 0, .. } => {
                Err(invalid("the period of a schedule", 0, "at least 1"))
            }
            Decay::Step { factor: value, .. } | Decay::Exponential { factor: value } => at_most_one(factor, value),
            Decay::Cosine { last, .. } => share_or_one("the last factor of a schedule", last),
            Decay::InverseScaling { power } => not_negative("the power of a schedule", power),
            Decay::Plateau(Plateau { factor: value, threshold, minimum, .. }) => {
                if value >= 1.0 {
                    return Err(invalid("the factor of a plateau", value, "above 0 and below 1"));
                }
                positive("the factor of a plateau", value)?;
                share_or_one("the threshold of a plateau", threshold)?;
                share_or_one("the minimum of a plateau", minimum)
            }
        }
    }
}

fn share_or_one(name: &'static str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(invalid(name, value, "from 0 to 1")) }
}

/// How often the losses so far have made a [`Plateau`] reduce the learning rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlateauState {
    best: f64,
    epochs_without_improvement: usize,
    reductions: u32,
}

impl Default for PlateauState {
    fn default() -> Self {
        PlateauState { best: f64::INFINITY, epochs_without_improvement: 0, reductions: 0 }
    }
}

impl PlateauState {
    /// That after epochs with these losses.
    pub(crate) fn after(schedule: &Schedule, losses: impl Iterator<Item = f64>) -> Self {
        let mut state = Self::default();
        if let Decay::Plateau(_) = schedule.decay {
            losses.for_each(|loss| state.record(schedule, loss));
        }
        state
    }

    /// Takes in the loss of the next epoch.
    pub(crate) fn record(&mut self, schedule: &Schedule, loss: f64) {
        let Decay::Plateau(Plateau { patience, threshold, .. }) = schedule.decay else { return };
        if loss < self.best * (1.0 - threshold) {
            self.best = loss;
            self.epochs_without_improvement = 0;
            return;
        }
        self.epochs_without_improvement += 1;
        if self.epochs_without_improvement > patience {
            self.reductions = self.reductions.saturating_add(1);
            self.epochs_without_improvement = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors<const N: usize>(decay: Decay, times: [u64; N]) -> [f64; N] {
        times.map(|time| Schedule { decay, ..Schedule::default() }.factor(time, &[]))
    }

    #[test]
    fn factors_are_those_of_the_formulas() {
        assert_eq!(factors(Decay::Constant, [0, 1, 1000]), [1.0; 3]);
        assert_eq!(factors(Decay::Step { every: 3, factor: 0.5 }, [0, 2, 3, 5, 6]), [1.0, 1.0, 0.5, 0.5, 0.25]);
        assert_eq!(factors(Decay::Exponential { factor: 0.5 }, [0, 1, 2, 10]), [1.0, 0.5, 0.25, 1.0 / 1024.0]);
        let [first, fourth, last] = factors(Decay::InverseScaling { power: 0.5 }, [0, 3, 99]);
        assert!(first == 1.0 && (fourth - 0.5).abs() <= 1e-15 && (last - 0.1).abs() <= 1e-15, "{fourth}, {last}");
        let [first, third, half, end, after] = factors(Decay::Cosine { over: 6, last: 0.2 }, [0, 2, 3, 6, 1000]);
        assert_eq!((first, end, after), (1.0, 0.2, 0.2));
        assert!((third - 0.8).abs() <= 1e-15 && (half - 0.6).abs() <= 1e-15, "{third}, {half}");
    }

    /// Computed once: a change would change trainings.
    #[test]
    fn factors_never_change() {
        let cosine = factors(Decay::Cosine { over: 100, last: 0.0 }, [1, 37, 99]).map(f64::to_bits);
        assert_eq!(cosine, [4_607_180_196_545_464_388, 4_604_467_414_264_920_688, 4_553_186_800_968_786_944]);
        let power = factors(Decay::InverseScaling { power: 0.3 }, [1, 37, 99]).map(f64::to_bits);
        assert_eq!(power, [4_605_491_338_724_397_886, 4_599_720_635_272_003_318, 4_598_196_632_236_683_340]);
    }

    #[test]
    fn a_warm_up_rises_before_the_decay_starts() {
        let schedule = Schedule { decay: Decay::Step { every: 2, factor: 0.1 }, warmup: 2, clock: Clock::Step };
        let factors: Vec<f64> = (0..6).map(|time| schedule.factor(time, &[])).collect();
        assert_eq!(factors, [0.5, 1.0, 1.0, 1.0, 0.1, 0.1]);
    }

    #[test]
    fn a_plateau_reduces_after_its_patience_and_down_to_its_minimum() {
        let plateau = Plateau { factor: 0.5, patience: 1, threshold: 0.1, minimum: 0.2 };
        let schedule = Schedule { decay: Decay::Plateau(plateau), ..Schedule::default() };
        let after = |losses: &[f64]| schedule.factor(7, losses);
        assert_eq!(after(&[]), 1.0);
        assert_eq!(after(&[4.0, 3.0, 2.0]), 1.0);
        assert_eq!(after(&[4.0, 3.9]), 1.0, "one epoch is within the patience");
        assert_eq!(after(&[4.0, 3.9, 3.8]), 0.5, "each is better, neither by a tenth");
        assert_eq!(after(&[4.0, 3.9, 3.0, 2.9]), 1.0, "an improvement starts the count again");
        assert_eq!(after(&[4.0, f64::NAN, f64::INFINITY]), 0.5, "what is no number is no improvement");
        assert_eq!(after(&[4.0; 5]), 0.25);
        assert_eq!(after(&[4.0; 100]), 0.2);
    }
}
