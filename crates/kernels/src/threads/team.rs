//! Fork and join over threads that rayon provides: the leader publishes a number of tasks, everyone claims one after the
//! other, and the leader returns when all are done.
//!
//! `rayon::join` hands work to a worker that is awake in a microsecond or two, but its workers fall asleep within a few,
//! between any two products of a training step, and waking one takes tens of microseconds on a virtual machine. Here they
//! stay awake for [`AWAKE`]. As tasks are claimed and not assigned, a thread that is late costs nothing: the leader does
//! its share.

use std::any::Any;
use std::cell::Cell;
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread looks for work before it sleeps: longer than the gaps between the products of a training step, too
/// short to be a burden when there is none.
const AWAKE: Duration = Duration::from_micros(100);

/// A task, whose lifetime is that of [`Team::run`], which does not return before the last use.
type Task = *const (dyn Fn(usize) + Sync);

#[derive(Debug)]
pub(super) struct Team {
    threads: usize,
    /// The number of tasks in the upper half, of those claimed in the lower.
    claims: AtomicU64,
    /// Set while no task can be claimed, read only by who has claimed one.
    task: TaskCell,
    done: AtomicUsize,
    is_dismissed: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

struct TaskCell(Cell<Option<Task>>);

// SAFETY: the one access that writes happens before tasks can be claimed, and claiming happens before those that read;
// the next write comes after the last task was done. The task itself is `Sync`.
unsafe impl Sync for TaskCell {}
// SAFETY: as above.
unsafe impl Send for TaskCell {}

impl std::fmt::Debug for TaskCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TaskCell")
    }
}

impl Team {
    pub(super) fn new(threads: usize) -> Self {
        Team {
            threads,
            claims: AtomicU64::new(0),
            task: TaskCell(Cell::new(None)),
            done: AtomicUsize::new(0),
            is_dismissed: AtomicBool::new(false),
            panic: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// How many threads there are, the leader among them.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `task(0)` to `task(tasks - 1)`; only the leader calls this, one call at a time.
    ///
    /// # Panics
    /// If a task does, after all are done.
    pub(super) fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        assert!(self.claims_left() == 0, "a team runs one set of tasks at a time");
        // SAFETY: only the lifetime changes. Whoever claims a task counts it as done after its last use, and this function
        // returns only when as many are done as there are.
        let task = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task) };
        self.task.0.set(Some(task));
        self.done.store(0, Ordering::Relaxed);
        // Sequentially consistent, as is the count of sleepers: one that does not see these tasks is seen to sleep.
        self.claims.store((tasks as u64) << 32, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock());
            self.wake.notify_all();
        }
        while self.claim_and_do() {}
        let mut rounds = 0u32;
        while self.done.load(Ordering::Acquire) < tasks {
            hint::spin_loop();
            rounds += 1;
            if rounds.is_multiple_of(1024) {
                thread::yield_now(); // Whom we wait for may want this very core.
            }
        }
        self.task.0.set(None);
        if let Some(payload) = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(payload);
        }
    }

    /// Does tasks until the team is dismissed.
    pub(super) fn serve(&self) {
        let mut idle_since = Instant::now();
        while !self.is_dismissed.load(Ordering::Acquire) {
            if self.claim_and_do() {
                idle_since = Instant::now();
            } else if idle_since.elapsed() < AWAKE {
                (0..16).for_each(|_| hint::spin_loop());
            } else {
                self.sleep_until_called();
                idle_since = Instant::now();
            }
        }
    }

    /// Dismisses the team when the value is dropped.
    pub(super) fn dismissed_at_end(&self) -> impl Drop + '_ {
        struct Dismissed<'a>(&'a Team);
        impl Drop for Dismissed<'_> {
            fn drop(&mut self) {
                self.0.is_dismissed.store(true, Ordering::SeqCst);
                drop(self.0.lock());
                self.0.wake.notify_all();
            }
        }
        Dismissed(self)
    }

    /// Whether there was a task to do.
    fn claim_and_do(&self) -> bool {
        // Looking before claiming leaves the cache line to who needs it.
        if self.claims_left() == 0 {
            return false;
        }
        let claim = |claims| (claims as u32 as u64) < claims >> 32;
        let Ok(claims) =
            self.claims.fetch_update(Ordering::AcqRel, Ordering::Acquire, |claims| claim(claims).then_some(claims + 1))
        else {
            return false;
        };
        let task = self.task.0.get().expect("set before tasks can be claimed");
        // SAFETY: `run` does not return, so what the pointer points to lives, before this task is counted as done.
        let task = unsafe { &*task };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| task(claims as u32 as usize))) {
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
        self.done.fetch_add(1, Ordering::Release);
        true
    }

    fn claims_left(&self) -> u64 {
        unclaimed(self.claims.load(Ordering::SeqCst))
    }

    fn sleep_until_called(&self) {
        let mut guard = self.lock();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.claims_left() == 0 && !self.is_dismissed.load(Ordering::SeqCst) {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.sleep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a value of [`Team::claims`].
fn unclaimed(claims: u64) -> u64 {
    (claims >> 32) - u64::from(claims as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::{ThreadPool, fork};

    /// How often each of `tasks` ran, for sets of tasks one after the other, some so late that the others sleep.
    #[test]
    fn each_task_runs_once_whether_threads_are_awake_or_asleep() {
        for threads in [2, 3, 8] {
            let pool = ThreadPool::new(threads).unwrap();
            pool.install(|| {
                for round in 0..300 {
                    let tasks = round % 11;
                    let ran: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                    fork(tasks, &|i| {
                        ran[i].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(ran.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} threads: {ran:?}");
                    if round % 50 == 0 {
                        thread::sleep(3 * AWAKE);
                    }
                }
            });
        }
    }

    #[test]
    fn the_others_work_too() {
        let pool = ThreadPool::new(2).unwrap();
        let who = Mutex::new(std::collections::HashSet::new());
        // Either thread waits until both have arrived, so one alone would never end.
        let both = std::sync::Barrier::new(2);
        pool.install(|| {
            fork(2, &|_| {
                both.wait();
                who.lock().unwrap().insert(thread::current().id());
            });
        });
        assert_eq!(who.into_inner().unwrap().len(), 2);
    }

    #[test]
    fn a_panic_of_a_task_comes_out_after_all_are_done_and_the_pool_goes_on() {
        let pool = ThreadPool::new(2).unwrap();
        for bad in [0, 5] {
            let done = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.install(|| {
                    fork(8, &|i| {
                        assert!(i != bad, "task {i}");
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                });
            }));
            assert_eq!(*result.unwrap_err().downcast::<String>().unwrap(), format!("task {bad}"));
            assert_eq!(done.load(Ordering::Relaxed), 7);
        }
        assert_eq!(pool.install(|| 42), 42);
    }

    #[test]
    fn a_task_may_fork_and_enter_a_pool_again() {
        let pool = ThreadPool::new(2).unwrap();
        let count = AtomicUsize::new(0);
        let add = |_| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        pool.install(|| fork(2, &|_| pool.install(|| fork(3, &|_| fork(2, &add)))));
        pool.install(|| pool.install(|| fork(2, &add)));
        assert_eq!(count.into_inner(), 2 * 3 * 2 + 2);
    }
}
