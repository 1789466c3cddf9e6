//! Training over several ranks.

use std::ops::ControlFlow;
use std::path::Path;

use super::{Progress, TrainReport, Trainer};
use crate::collective::{Collective, Part};
use crate::error::{Error, Result};

impl Trainer {
    /// [`fit`](Self::fit) together with other ranks, by [`TrainOptions::sharding`](crate::TrainOptions::sharding), which must be
    /// given. Each rank calls it with the same model and options, and with its own [part](Part) of the data, and each gets the
    /// same model, report (but for times) or error.
    ///
    /// The calls of `collective` are made on the thread that calls this, while training runs on the threads of the trainer. Each
    /// rank needs threads of its own.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit); where one rank cannot start, [`Error::OtherRank`] on the others. Further:
    /// - [`Error::InvalidHyperParameter`] without a sharding, or with more shards than rows; [`Error::Ranks`]
    /// - [`Error::ShapeMismatch`] unless the part has the rows of [`Sharding::rows`](crate::collective::Sharding::rows)
    /// - [`Error::OtherRankDiffers`] where model, options or position are not the same on all ranks
    /// - [`Error::ShareTooSmall`] for batch norm
    /// - [`Error::Collective`] if a rank is gone or cannot be reached
    pub fn fit_over(&mut self, collective: &mut dyn Collective, part: Part<'_>) -> Result<TrainReport> {
        self.fit_watched_over(collective, part, None, None::<fn(&Trainer, Progress) -> ControlFlow<()>>)
    }

    /// [`fit_over`](Self::fit_over), judging the model by `validation` after each epoch and showing it to `observer`: see
    /// [`fit_observed`](Self::fit_observed). Each rank gives its own part of the rows for validation, of a data set with a number
    /// of rows of its own. Each may have an observer; what that of rank 0 returns counts, and the others' do not.
    ///
    /// # Errors
    /// Those of [`fit_over`](Self::fit_over), also for `validation`.
    pub fn fit_observed_over(
        &mut self,
        collective: &mut dyn Collective,
        part: Part<'_>,
        validation: Option<Part<'_>>,
        observer: impl FnMut(&Trainer, Progress) -> ControlFlow<()> + Send,
    ) -> Result<TrainReport> {
        self.fit_watched_over(collective, part, validation, Some(observer))
    }

    /// [`resume`](Self::resume) on all ranks: rank 0 reads the file, whoever wrote it, and the others need not see it.
    ///
    /// # Errors
    /// Those of [`resume`](Self::resume) on rank 0 and [`Error::OtherRank`] on the others, or [`Error::Collective`].
    pub fn resume_over(&mut self, collective: &mut dyn Collective, path: impl AsRef<Path>) -> Result<()> {
        self.rank = collective.rank();
        collective.barrier()?;
        self.resume(path)
    }

    fn fit_watched_over(
        &mut self,
        collective: &mut dyn Collective,
        part: Part<'_>,
        validation: Option<Part<'_>>,
        observer: Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()> + Send>,
    ) -> Result<TrainReport> {
        let Some(sharding) = self.options.sharding else {
            let (name, value) = ("sharding", "None".to_owned());
            return Err(Error::InvalidHyperParameter { name, value, allowed: "Some to train over ranks" });
        };
        let (rank, size) = (collective.rank(), collective.size());
        sharding.rows(rank, size, part.total)?;
        self.rank = rank;
        self.fit_watched(part.examples, validation.map(|part| part.examples), observer)
    }
}
