//! Threads: a pool to run inside, and how a kernel shares out its work there.

#[cfg(not(feature = "rayon"))]
mod alone;
#[cfg(feature = "rayon")]
mod pool;
#[cfg(feature = "rayon")]
mod team;

#[cfg(not(feature = "rayon"))]
pub use alone::ThreadPool;
#[cfg(not(feature = "rayon"))]
pub(crate) use alone::{fork, worth_using};
#[cfg(feature = "rayon")]
pub use pool::ThreadPool;
#[cfg(feature = "rayon")]
pub(crate) use pool::{fork, worth_using};
use std::ops::Range;

/// Cuts the `rows` equal rows of `to` into bands for as many threads as `rows` times `work_per_row` multiply-adds are worth,
/// and runs `task` on each band, with the numbers of its rows.
pub(crate) fn fork_rows<T: Send>(
    work_per_row: usize,
    rows: usize,
    to: &mut [T],
    task: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
) {
    let bands = worth_using(work_per_row.saturating_mul(rows)).min(rows);
    if bands <= 1 {
        return task(0..rows, to);
    }
    let cols = to.len() / rows;
    let to = Shared(to.as_mut_ptr());
    fork(bands, &|band| {
        let rows = rows * band / bands..rows * (band + 1) / bands;
        // SAFETY: the bands are apart and within `to`, which has `rows` times `cols` elements; each is taken once, and `to`
        // is borrowed mutably until all are done.
        let part = unsafe { std::slice::from_raw_parts_mut(to.get().add(rows.start * cols), rows.len() * cols) };
        task(rows, part);
    });
}

/// A pointer to elements that threads divide among themselves.
struct Shared<T>(*mut T);

impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: whoever uses the pointer sees to it that no two threads use the same element.
unsafe impl<T: Send> Sync for Shared<T> {}
