//! Where the ranks of a process wait for each other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A barrier that lets nobody wait for one who is gone.
pub(super) struct Meeting {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: usize,
    /// How many meetings were complete.
    complete: u64,
    /// The first rank that left.
    gone: Option<usize>,
}

impl Meeting {
    pub(super) fn new(size: usize) -> Self {
        Meeting { size, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns when all ranks are here; the error is the rank that is gone.
    pub(super) fn meet(&self) -> Result<(), usize> {
        let mut state = self.lock();
        if let Some(rank) = state.gone {
            return Err(rank);
        }
        let complete = state.complete;
        state.waiting += 1;
        if state.waiting == self.size {
            state.waiting = 0;
            state.complete += 1;
            self.changed.notify_all();
            return Ok(());
        }
        loop {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            // A rank that left after the meeting was here.
            if state.complete != complete {
                return Ok(());
            }
            if let Some(rank) = state.gone {
                return Err(rank);
            }
        }
    }

    /// Rank `rank` comes to no more meetings.
    pub(super) fn leave(&self, rank: usize) {
        self.lock().gone.get_or_insert(rank);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
