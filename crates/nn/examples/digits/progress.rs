//! The progress bar, on terminals only.

use indicatif::{HumanCount, ProgressStyle};
use nn::{BatchReport, EpochReport};

/// A bar that fills with the batches and says how the last epoch went.
pub(crate) struct ProgressBar {
    bar: indicatif::ProgressBar,
    epochs: usize,
}

impl ProgressBar {
    pub(crate) fn new(epochs: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar { bar: indicatif::ProgressBar::new(0).with_style(style), epochs }
    }

    pub(crate) fn batch(&self, batch: &BatchReport) {
        // The number of batches is not known before the first.
        if self.bar.length() == Some(0) {
            self.bar.set_length(self.epochs.saturating_mul(batch.batches) as u64);
        }
        self.bar.set_position(((batch.epoch - 1) * batch.batches + batch.batch) as u64);
    }

    pub(crate) fn epoch(&self, epoch: &EpochReport) {
        self.bar.set_message(format!(
            "epoch {}/{}, loss {:.4}, accuracy {:.4}, {} samples/s",
            epoch.epoch,
            self.epochs,
            epoch.loss,
            epoch.accuracy.unwrap_or(0.0),
            HumanCount(epoch.samples_per_second as u64)
        ));
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
