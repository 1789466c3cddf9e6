//! A pool of threads to run inside.

use std::cell::Cell;

/// Threads that [`Threads::Auto`](crate::Threads::Auto) may use: a call made inside [`install`](ThreadPool::install)
/// shares its work among them. Without the feature `rayon` there is only the caller's thread.
#[derive(Debug)]
pub struct ThreadPool {
    #[cfg(feature = "rayon")]
    pool: rayon::ThreadPool,
}

/// Multiply-adds that each thread of a product must have before another one is woken: some 60 µs of work with
/// AVX-512. Less is no gain where a sleeping thread takes long to wake, as on virtual machines (measured there: two threads
/// took 161 µs for 256x256x256, where one took 154, and half as long again as one for 64x784x128).
const WORK_PER_THREAD: usize = 8 * 1024 * 1024;

thread_local! {
    /// That of the pool that this thread belongs to.
    static POOL_WORK_PER_THREAD: Cell<usize> = const { Cell::new(WORK_PER_THREAD) };
}

pub(crate) fn work_per_thread() -> usize {
    POOL_WORK_PER_THREAD.get()
}

impl ThreadPool {
    /// A pool of `threads` threads; 0 means as many as there are cores.
    ///
    /// # Errors
    /// If the operating system refuses to start them.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        Self::with_work_per_thread(threads, WORK_PER_THREAD)
    }

    /// [`new`](Self::new), but a product is split so that each thread has at least this many multiply-adds. 1 splits all
    /// that can be split, for tests of threads with small matrices; the results are the same whatever it is.
    ///
    /// # Errors
    /// If the operating system refuses to start the threads.
    pub fn with_work_per_thread(threads: usize, multiply_adds: usize) -> std::io::Result<Self> {
        #[cfg(feature = "rayon")]
        {
            let threads = if threads == 0 { std::thread::available_parallelism()?.get() } else { threads };
            let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let builder = builder.start_handler(move |_| POOL_WORK_PER_THREAD.set(multiply_adds.max(1)));
            Ok(ThreadPool { pool: builder.build().map_err(std::io::Error::other)? })
        }
        #[cfg(not(feature = "rayon"))]
        {
            let _ = (threads, multiply_adds);
            Ok(ThreadPool {})
        }
    }

    /// How many threads work.
    pub fn threads(&self) -> usize {
        #[cfg(feature = "rayon")]
        return self.pool.current_num_threads();
        #[cfg(not(feature = "rayon"))]
        1
    }

    /// Runs `f` inside the pool. Entering costs microseconds: put the whole loop inside, not each step.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        #[cfg(feature = "rayon")]
        return self.pool.install(f);
        #[cfg(not(feature = "rayon"))]
        f()
    }
}
