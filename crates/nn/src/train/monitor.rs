//! When to stop, and which epoch was the best: functions of the losses of the epochs so far.

use super::options::TrainOptions;
use super::report::EpochReport;
use crate::optim::PlateauState;

/// What follows from the losses so far.
pub(super) struct Monitor {
    options: TrainOptions,
    best: f64,
    epochs_without_improvement: usize,
    pub(super) plateau: PlateauState,
}

impl Monitor {
    pub(super) fn new(options: &TrainOptions, history: &[EpochReport]) -> Self {
        let mut monitor = Monitor {
            options: *options,
            best: f64::INFINITY,
            epochs_without_improvement: 0,
            plateau: PlateauState::default(),
        };
        for report in history {
            monitor.record(report.judged_loss());
        }
        monitor
    }

    /// Takes in the loss of the next epoch; whether none before had a lower one or the same.
    ///
    /// The rule of scikit-learn: an epoch improves if its loss is at most the best so far minus `tol`.
    pub(super) fn record(&mut self, loss: f64) -> bool {
        if loss <= self.best - self.options.tol.unwrap_or(0.0) {
            self.epochs_without_improvement = 0;
        } else {
            self.epochs_without_improvement += 1;
        }
        self.plateau.record(&self.options.schedule, loss);
        let is_best = loss < self.best;
        self.best = self.best.min(loss);
        is_best
    }

    pub(super) fn has_converged(&self) -> bool {
        self.options.tol.is_some() && self.epochs_without_improvement >= self.options.n_iter_no_change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convergence_counts_epochs_in_a_row_against_the_best() {
        let options = TrainOptions { tol: Some(0.1), n_iter_no_change: 2, ..TrainOptions::default() };
        let stops_at = |losses: &[f64]| {
            let mut monitor = Monitor::new(&options, &[]);
            losses.iter().position(|&loss| {
                monitor.record(loss);
                monitor.has_converged()
            })
        };
        assert_eq!(stops_at(&[5.0, 4.0, 3.0, 2.0]), None);
        assert_eq!(stops_at(&[5.0, 4.95, 4.9]), Some(2), "each is better, neither by enough");
        assert_eq!(stops_at(&[5.0, 4.95, 4.5, 4.5, 4.5]), Some(4), "an improvement starts the count again");
        assert_eq!(stops_at(&[1.0, 3.0, 2.0]), Some(2), "better than the last is not better than the best");
        assert_eq!(stops_at(&[1.0, f64::NAN, f64::INFINITY]), Some(2), "what is no number is no improvement");
        let mut never = Monitor::new(&TrainOptions { tol: None, ..options }, &[]);
        for _ in 0..100 {
            never.record(1.0);
            assert!(!never.has_converged());
        }
    }

    #[test]
    fn the_best_epoch_is_the_first_of_equals() {
        let mut monitor = Monitor::new(&TrainOptions::default(), &[]);
        let best = [3.0, 2.0, 2.0, 2.5, f64::NAN, 1.0].map(|loss| monitor.record(loss));
        assert_eq!(best, [true, true, false, false, false, true]);
    }
}
