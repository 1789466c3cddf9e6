//! The pool, on rayon's threads.

use super::team::Team;
use std::cell::Cell;

/// Threads that [`Threads::Auto`](crate::Threads::Auto) may use: a call made inside [`install`](ThreadPool::install)
/// shares its work among them.
#[derive(Debug)]
pub struct ThreadPool {
    pool: rayon::ThreadPool,
    work_per_thread: usize,
}

/// Multiply-adds that each thread of a product must have before another one joins, where the threads wait for work
/// inside [`ThreadPool::install`]: some 4 µs with AVX-512, to which handing over the work adds less than 1 µs.
const WORK_PER_WAITING_THREAD: usize = 256 * 1024;

/// The same for threads that may be asleep, those of rayon outside of a [`ThreadPool`]: some 60 µs of work with AVX-512.
/// Waking one takes long on virtual machines (measured there: two threads took 161 µs for 256x256x256, where one took
/// 154, and half as long again as one for 64x784x128).
const WORK_PER_SLEEPING_THREAD: usize = 8 * 1024 * 1024;

thread_local! {
    /// The team that this thread leads, null if none, and what a product must have for each thread of it.
    static LEADS: Cell<(*const Team, usize)> = const { Cell::new((std::ptr::null(), 0)) };
}

/// How many threads would share a product of so many multiply-adds.
#[inline]
pub(crate) fn worth_using(multiply_adds: usize) -> usize {
    let (team, work_per_thread) = LEADS.get();
    // Most calls are small: they need not even ask for the pool.
    if team.is_null() {
        let worth = multiply_adds / WORK_PER_SLEEPING_THREAD;
        return if worth <= 1 { 1 } else { worth.min(rayon::current_num_threads()) };
    }
    // SAFETY: `install` took the pointer from a team that outlives its own entry in `LEADS`.
    let threads = unsafe { &*team }.threads();
    (multiply_adds / work_per_thread).clamp(1, threads)
}

/// Runs `task(0)` to `task(tasks - 1)`, each once, on the threads of the pool that this thread is inside of, or on
/// rayon's. The order and which thread takes which is open.
pub(crate) fn fork(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    let (team, _) = LEADS.get();
    if team.is_null() {
        return fork_outside(0, tasks, task);
    }
    // What a task calls is not to be shared out again, least of all by waiting for the threads that wait here.
    let _restore = Leads::set((std::ptr::null(), 0));
    // SAFETY: as in `worth_using`.
    unsafe { &*team }.run(tasks, task);
}

fn fork_outside(first: usize, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    match tasks {
        0 => {}
        1 => task(first),
        _ => {
            let half = tasks / 2;
            rayon::join(|| fork_outside(first, half, task), || fork_outside(first + half, tasks - half, task));
        }
    }
}

/// Puts back what [`LEADS`] was before, also when a panic passes.
struct Leads((*const Team, usize));

impl Leads {
    fn set(new: (*const Team, usize)) -> Self {
        Leads(LEADS.replace(new))
    }
}

impl Drop for Leads {
    fn drop(&mut self) {
        LEADS.set(self.0);
    }
}

impl ThreadPool {
    /// A pool of `threads` threads; 0 means as many as there are cores.
    ///
    /// # Errors
    /// If the operating system refuses to start them.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        Self::with_work_per_thread(threads, WORK_PER_WAITING_THREAD)
    }

    /// [`new`](Self::new), but a product is split so that each thread has at least this many multiply-adds. 1 splits all
    /// that can be split, for tests of threads with small matrices; the results are the same whatever it is.
    ///
    /// # Errors
    /// If the operating system refuses to start the threads.
    pub fn with_work_per_thread(threads: usize, multiply_adds: usize) -> std::io::Result<Self> {
        let work_per_thread = multiply_adds.max(1);
        let threads = if threads == 0 { std::thread::available_parallelism()?.get() } else { threads };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(std::io::Error::other)?;
        Ok(ThreadPool { pool, work_per_thread })
    }

    /// How many threads work.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `f` inside the pool. Until it returns, the other threads of the pool wait for the products that `f` shares
    /// out: for some 100 µs awake, so that work arrives within a microsecond, then asleep. Entering costs microseconds: put
    /// the whole loop inside, not each step.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let threads = self.threads();
        if threads == 1 || !LEADS.get().0.is_null() {
            return self.pool.install(f);
        }
        let team = Team::new(threads);
        self.pool.install(|| {
            rayon::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|_| team.serve());
                }
                let _dismiss = team.dismissed_at_end();
                let _restore = Leads::set((&raw const team, self.work_per_thread));
                f()
            })
        })
    }
}
