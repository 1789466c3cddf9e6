//! The ranks of a job.

mod calls;
mod wait;

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

use crate::cores::{self, MAX_CPUS};
use calls::Sums;

/// This process as one rank of a job: what a training on all of them is given.
///
/// There is one in a process. It stays on the thread that made it, as MPI is told that only that one calls
/// (`MPI_THREAD_FUNNELED`). Dropping it ends MPI, which waits for the other ranks; where a panic drops it, it ends the job
/// ([`abort`](Self::abort)), since the others might wait for ever.
///
/// A rank that is gone ends the job: no call returns an error for that.
///
/// A call waits for the other ranks mostly asleep, so that a rank that is ahead leaves its core to those that compute.
///
/// ```no_run
/// use nn::collective::Collective;
/// use nn_mpi::Mpi;
///
/// let mut mpi = Mpi::init()?;
/// let mut values = [mpi.rank() as f32, 1.0];
/// mpi.sum(&mut values)?;
/// assert_eq!(values[1], mpi.size() as f32);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Mpi {
    world: SimpleCommunicator,
    rank: usize,
    size: usize,
    threads: usize,
    sums: Sums,
    traffic: Traffic,
    _universe: Universe,
    /// Makes it neither `Send` nor `Sync`.
    _thread: PhantomData<*const ()>,
}

/// What a rank has said to the others so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// How many calls it has made.
    pub calls: u64,
    /// How many bytes it has sent, as far as the calls ask for it; the library may send more.
    pub bytes: u64,
    /// The time in calls.
    pub time: Duration,
    /// The part of it before all other ranks had made the same call.
    pub waited: Duration,
}

/// Why MPI cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// There can be one [`Mpi`] in the life of a process.
    #[error("MPI was initialised before in this process")]
    Again,
    /// Training has threads beside the one that calls MPI.
    #[error("this MPI library offers MPI_THREAD_SINGLE, where at least MPI_THREAD_FUNNELED is needed")]
    SingleThreaded,
}

impl Mpi {
    /// Initialises MPI. A process that no `mpirun` or `srun` started is the only rank.
    ///
    /// # Errors
    /// [`InitError`]. If the library itself fails, it ends the process.
    pub fn init() -> Result<Self, InitError> {
        let (universe, threading) = mpi::initialize_with_threading(Threading::Funneled).ok_or(InitError::Again)?;
        if threading < Threading::Funneled {
            return Err(InitError::SingleThreaded);
        }
        let world = universe.world();
        Ok(Mpi {
            rank: world.rank() as usize,
            size: world.size() as usize,
            threads: threads(&world),
            world,
            sums: Sums::default(),
            traffic: Traffic::default(),
            _universe: universe,
            _thread: PhantomData,
        })
    }

    /// How many threads this rank should train on, for [`TrainOptions::threads`](nn::TrainOptions::threads): its share of the
    /// cores of its machine, at least 1. Ranks that are bound to cores of their own have all of those, others share evenly.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// What this rank has said to the others so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Ends all ranks of the job, after a message on stderr that names this one.
    pub fn abort(&self, why: impl fmt::Display) -> ! {
        eprintln!("rank {} of {}: {why}", self.rank, self.size);
        self.world.abort(1)
    }

    /// Makes a call that sends `bytes` once all ranks are ready for it, and counts it.
    fn count(&mut self, bytes: usize, call: impl FnOnce(&mut Self)) {
        let start = Instant::now();
        // MPI itself waits awake, and may take the core from a thread that the other ranks wait for.
        wait::finish(self.world.immediate_barrier());
        self.traffic.waited += start.elapsed();
        call(self);
        self.traffic.calls += 1;
        self.traffic.bytes += bytes as u64;
        self.traffic.time += start.elapsed();
    }
}

/// The share of this rank in the cores of its machine.
fn threads(world: &SimpleCommunicator) -> usize {
    let machine = world.split_shared(world.rank());
    let mut sets = vec![[0; MAX_CPUS / 8]; machine.size() as usize];
    machine.all_gather_into(&cores::allowed_cpus()[..], sets.as_flattened_mut());
    cores::threads_of(machine.rank() as usize, &sets, cores::parallelism())
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort("it panicked, so the job ends");
        }
    }
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi")
            .field("rank", &self.rank)
            .field("size", &self.size)
            .field("threads", &self.threads)
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}
