//! What stands for the pool where there is only the caller's thread.

/// Stands for a pool: without the feature `rayon` there is only the caller's thread.
#[derive(Debug)]
pub struct ThreadPool(());

pub(crate) fn worth_using(_multiply_adds: usize) -> usize {
    1
}

pub(crate) fn fork(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..tasks).for_each(task);
}

impl ThreadPool {
    /// The caller's thread, whatever `threads` is.
    ///
    /// # Errors
    /// Never.
    pub fn new(_threads: usize) -> std::io::Result<Self> {
        Ok(ThreadPool(()))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// Never.
    pub fn with_work_per_thread(threads: usize, _multiply_adds: usize) -> std::io::Result<Self> {
        Self::new(threads)
    }

    /// 1
    pub fn threads(&self) -> usize {
        1
    }

    /// Runs `f`.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        f()
    }
}
