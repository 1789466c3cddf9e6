//! Ranks that are threads of one process.

use std::panic::resume_unwind;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use super::meeting::Meeting;
use super::tree::tree_sum;
use super::{Collective, CollectiveError};

/// One of several ranks that are threads of this process: for tests, and for machines on which one process for each part of the
/// memory is too much. Waiting ranks sleep.
///
/// A rank whose function has returned or panicked is gone: calls of the others that wait for it then return an error.
pub struct Threads<'a> {
    rank: usize,
    shared: &'a Shared,
    /// Which of the two places of a slot is that of the last call.
    turn: usize,
    /// A block of each rank's values.
    terms: Vec<f32>,
}

/// Why a call of a [`Collective`] could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A rank has ended, with or without an error, and makes no more calls.
    #[error("rank {rank} is gone")]
    Gone {
        /// The rank.
        rank: usize,
    },
    /// The ranks do not make the same calls in the same order.
    #[error("this rank called {own}, rank {rank} {other}")]
    OtherCall {
        /// The other rank.
        rank: usize,
        /// What this rank called.
        own: String,
        /// What the other called.
        other: String,
    },
    /// A rank that there is not.
    #[error("there is no rank {root}, there are {size}")]
    NoRank {
        /// The rank.
        root: usize,
        /// How many there are.
        size: usize,
    },
    /// Room for the parts of all ranks is needed.
    #[error("{all} bytes for {size} parts of {part}")]
    Parts {
        /// How many ranks there are.
        size: usize,
        /// Bytes of each part.
        part: usize,
        /// Bytes that there is room for.
        all: usize,
    },
}

struct Shared {
    meeting: Meeting,
    slots: Vec<Slot>,
}

/// What a rank shows to the others.
#[derive(Default)]
struct Slot {
    /// What it gives to every other call, written before a meeting and read after it: whoever writes for the next call but one has
    /// been to the meeting of the next, to which the others came when they had read.
    given: [RwLock<Given>; 2],
    /// The sums of the elements that this rank sums up for all.
    sums: RwLock<Vec<f32>>,
}

#[derive(Default)]
struct Given {
    call: Call,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Call {
    #[default]
    None,
    Broadcast {
        root: usize,
        bytes: usize,
    },
    AllGather {
        bytes: usize,
    },
    Sum {
        values: usize,
    },
    Barrier,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Call::None => "nothing",
            Call::Broadcast { .. } => "broadcast",
            Call::AllGather { .. } => "all_gather",
            Call::Sum { .. } => "sum",
            Call::Barrier => "barrier",
        }
    }
}

/// The most ranks of which each sums up all elements: meeting again to share the sums would take longer.
const ALL_SUM: usize = 4;

/// Values summed at a time: those of a few ranks lie in the first level of the cache.
const BLOCK: usize = 1024;

impl Threads<'_> {
    /// Calls `each` for each of `size` ranks, on threads of their own, and returns the results in the order of the ranks.
    ///
    /// A trainer of a rank needs a [`ThreadPool`](crate::ThreadPool) of its own, as it works in it while it waits for the others.
    ///
    /// # Panics
    /// If `each` does, when all ranks have ended.
    pub fn run<R: Send>(size: usize, each: impl Fn(&mut Threads<'_>) -> R + Sync) -> Vec<R> {
        let slots = (0..size).map(|_| Slot::default()).collect();
        let (shared, each) = (&Shared { meeting: Meeting::new(size), slots }, &each);
        let ended: Vec<thread::Result<R>> = thread::scope(|scope| {
            let start = |rank| {
                let terms = vec![0.0; BLOCK * shared.slots.len()];
                scope.spawn(move || each(&mut Threads { rank, shared, turn: 0, terms }))
            };
            let ranks: Vec<_> = (0..size).map(start).collect();
            ranks.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        ended.into_iter().map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    }

    /// Shows `given` to the others and waits for theirs, which must be of the same call.
    fn show(&mut self, call: Call, give: impl FnOnce(&mut Given)) -> Result<(), CollectiveError> {
        self.turn = 1 - self.turn;
        {
            let mut own = self.write_given();
            own.call = call;
            give(&mut own);
        }
        self.meet(call)?;
        let other = (0..self.size()).find_map(|rank| {
            let other = self.read_given(rank).call;
            (other != call).then(|| Fault::OtherCall { rank, own: format!("{call:?}"), other: format!("{other:?}") })
        });
        other.map_or(Ok(()), |fault| Err(CollectiveError::new(self.rank, call.name(), fault)))
    }

    fn meet(&self, call: Call) -> Result<(), CollectiveError> {
        let gone = |rank| CollectiveError::new(self.rank, call.name(), Fault::Gone { rank });
        self.shared.meeting.meet().map_err(gone)
    }

    fn write_given(&self) -> RwLockWriteGuard<'_, Given> {
        self.shared.slots[self.rank].given[self.turn].write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_given(&self, rank: usize) -> RwLockReadGuard<'_, Given> {
        self.shared.slots[rank].given[self.turn].read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sums up the elements from `from` on.
    fn sum_up(&mut self, mut from: usize, sums: &mut [f32]) {
        for block in sums.chunks_mut(BLOCK) {
            let terms = &mut self.terms[..block.len() * self.shared.slots.len()];
            for (slot, term) in self.shared.slots.iter().zip(terms.chunks_exact_mut(block.len())) {
                let given = slot.given[self.turn].read().unwrap_or_else(PoisonError::into_inner);
                term.copy_from_slice(&given.values[from..from + term.len()]);
            }
            tree_sum(block.len(), terms);
            block.copy_from_slice(&terms[..block.len()]);
            from += block.len();
        }
    }

    /// Sums up a share of the elements for all.
    fn sum_share(&mut self, call: Call, values: &mut [f32]) -> Result<(), CollectiveError> {
        let (len, size, shared) = (values.len(), self.size(), self.shared);
        {
            let mut sums = shared.slots[self.rank].sums.write().unwrap_or_else(PoisonError::into_inner);
            let own = share(len, size, self.rank);
            sums.resize(own.len(), 0.0);
            self.sum_up(own.start, &mut sums);
        }
        self.meet(call)?;
        for (rank, slot) in shared.slots.iter().enumerate() {
            let sums = slot.sums.read().unwrap_or_else(PoisonError::into_inner);
            values[share(len, size, rank)].copy_from_slice(&sums);
        }
        Ok(())
    }
}

/// Which of `len` elements rank `rank` sums up.
fn share(len: usize, size: usize, rank: usize) -> std::ops::Range<usize> {
    let each = len.div_ceil(size);
    len.min(rank * each)..len.min((rank + 1) * each)
}

impl Collective for Threads<'_> {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.slots.len()
    }

    fn broadcast(&mut self, root: usize, bytes: &mut [u8]) -> Result<(), CollectiveError> {
        check_root(self.rank, self.size(), root)?;
        let call = Call::Broadcast { root, bytes: bytes.len() };
        let is_root = self.rank == root;
        self.show(call, |own| {
            own.bytes.clear();
            own.bytes.extend_from_slice(if is_root { bytes } else { &[] });
        })?;
        if !is_root {
            bytes.copy_from_slice(&self.read_given(root).bytes);
        }
        Ok(())
    }

    fn all_gather(&mut self, part: &[u8], all: &mut [u8]) -> Result<(), CollectiveError> {
        check_parts(self.rank, self.size(), part, all)?;
        let call = Call::AllGather { bytes: part.len() };
        self.show(call, |own| {
            own.bytes.clear();
            own.bytes.extend_from_slice(part);
        })?;
        if !part.is_empty() {
            for (rank, to) in all.chunks_exact_mut(part.len()).enumerate() {
                to.copy_from_slice(&self.read_given(rank).bytes);
            }
        }
        Ok(())
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let call = Call::Sum { values: values.len() };
        self.show(call, |own| {
            own.values.clear();
            own.values.extend_from_slice(values);
        })?;
        if self.size() > ALL_SUM {
            return self.sum_share(call, values);
        }
        self.sum_up(0, values);
        Ok(())
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.show(Call::Barrier, |_| {})
    }
}

impl Drop for Threads<'_> {
    fn drop(&mut self) {
        self.shared.meeting.leave(self.rank);
    }
}

pub(super) fn check_root(rank: usize, size: usize, root: usize) -> Result<(), CollectiveError> {
    if root < size { Ok(()) } else { Err(CollectiveError::new(rank, "broadcast", Fault::NoRank { root, size })) }
}

pub(super) fn check_parts(rank: usize, size: usize, part: &[u8], all: &[u8]) -> Result<(), CollectiveError> {
    let (part, all) = (part.len(), all.len());
    if part.checked_mul(size) == Some(all) {
        return Ok(());
    }
    Err(CollectiveError::new(rank, "all_gather", Fault::Parts { size, part, all }))
}

#[cfg(test)]
mod tests;
