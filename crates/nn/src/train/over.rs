//! Training over several ranks.

mod agreement;
mod shards;
mod steps;

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::run::Run;
use super::{Progress, TrainReport, Trainer};
use crate::checkpoint;
use crate::collective::link::link;
use crate::collective::{Collective, Part};
use crate::error::{Error, Result};
use agreement::{Standing, agree, agree_on_errors};
use steps::Over;

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

    pub(super) fn fit_watched_over(
        &mut self,
        collective: &mut dyn Collective,
        part: Part<'_>,
        validation: Option<Part<'_>>,
        observer: Option<impl FnMut(&Trainer, Progress) -> ControlFlow<()> + Send>,
    ) -> Result<TrainReport> {
        self.rank = collective.rank();
        let over = Over::new(self, collective.size(), part, validation);
        let observed = observer.is_some();
        let standing = over.and_then(|over| Standing::new(self, &over, observed).map(|standing| (over, standing)));
        let (mut over, observed) = agree(collective, standing)?;
        over.observed = observed;
        self.course.rows = over.rows();

        let (link, calls) = link(collective, over.exchange(), over.messages());
        let pool = Arc::clone(&self.pool);
        let train = || {
            pool.install(move || {
                let mut run = Run::new(over.linked(link));
                let report = run.fit(self, observer)?;
                Ok::<_, Error>((report, run.steps.waited_seconds()))
            })
        };
        let (trained, called) = thread::scope(|scope| {
            let started = thread::Builder::new().name("training".to_owned()).spawn_scoped(scope, train);
            let training = started.map_err(|source| Error::ThreadPool { threads: 1, source })?;
            let called = calls.serve(collective);
            Ok::<_, Error>((training.join().unwrap_or_else(|panic| resume_unwind(panic)), called))
        })?;
        // Where a call failed, all that the training knows is that there are no more.
        let called = called?;
        let (mut report, waited_seconds) = trained?;
        report.communication = called;
        report.communication.waited_seconds = waited_seconds;
        Ok(report)
    }

    /// [`resume`](Self::resume) on all ranks: rank 0 reads the file, whichever number of ranks wrote it, and the others need not
    /// see it.
    ///
    /// # Errors
    /// Those of [`resume`](Self::resume) where they occur and [`Error::OtherRank`] on the other ranks, or [`Error::Collective`].
    /// The trainers are then as before.
    pub fn resume_over(&mut self, collective: &mut dyn Collective, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.rank = collective.rank();
        let read = match self.rank {
            0 => checkpoint::read_file(path),
            _ => Ok(Vec::new()),
        };
        let mut bytes = agree_on_errors(collective, read)?;
        let mut len = (bytes.len() as u64).to_le_bytes();
        collective.broadcast(0, &mut len)?;
        bytes.resize(u64::from_le_bytes(len) as usize, 0);
        collective.broadcast(0, &mut bytes)?;
        let loaded = checkpoint::parse_training(path, &bytes, &self.model, &self.options);
        (self.model, self.optimizer, self.course) = agree_on_errors(collective, loaded)?;
        Ok(())
    }
}
