//! A pool of threads to run inside.

/// Threads that [`Threads::Auto`](crate::Threads::Auto) may use: a call made inside [`install`](ThreadPool::install)
/// shares its work among them. Without the feature `rayon` there is only the caller's thread.
#[derive(Debug)]
pub struct ThreadPool {
    #[cfg(feature = "rayon")]
    pool: rayon::ThreadPool,
}

impl ThreadPool {
    /// A pool of `threads` threads; 0 means as many as there are cores.
    ///
    /// # Errors
    /// If the operating system refuses to start them.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        #[cfg(feature = "rayon")]
        {
            let threads = if threads == 0 { std::thread::available_parallelism()?.get() } else { threads };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(std::io::Error::other)?;
            Ok(ThreadPool { pool })
        }
        #[cfg(not(feature = "rayon"))]
        {
            let _ = threads;
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
