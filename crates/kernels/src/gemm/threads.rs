//! Splits a product over threads: bands of rows or columns of C, never of K, so the number cannot show in the result.

use super::{Arithmetic, Problem, Threads};

/// How many threads to use for a problem.
pub(crate) fn worth_using<T: Arithmetic>(problem: &Problem<'_, T>, threads: Threads) -> usize {
    let (m, n, k) = problem.shape();
    let work = m.saturating_mul(n).saturating_mul(k);
    let worth = work / crate::threads::work_per_thread();
    // Most calls are small: they need not even ask for the pool.
    if worth <= 1 {
        return 1;
    }
    match threads {
        Threads::Auto => worth.min(pool_threads()),
        Threads::AtMost(0 | 1) => 1,
        Threads::AtMost(threads) => worth.min(threads).min(pool_threads()),
    }
}

fn pool_threads() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "rayon"))]
    1
}

/// Bands of columns start at multiples of this: whole cache lines, and whole panels of a packed B on every ISA.
const COLS_GRAIN: usize = 32;

/// Runs `serial` on `threads` bands of the problem.
pub(crate) fn run<T: Arithmetic>(problem: &mut Problem<'_, T>, threads: usize, serial: fn(&mut Problem<'_, T>)) {
    let (m, n, _) = problem.shape();
    let first = threads / 2;
    // Every thread reads its band of one operand and all of the other: cut the longer side.
    let (cut_rows, at) = match m > n {
        true => (true, m * first / threads),
        false => (false, (n * first / threads).next_multiple_of(COLS_GRAIN)),
    };
    if threads <= 1 || at == 0 || at >= m.max(n) {
        return serial(problem);
    }
    let problem = problem.reborrow();
    let (mut left, mut right) = if cut_rows { problem.split_rows(at) } else { problem.split_cols(at) };
    join(|| run(&mut left, first, serial), || run(&mut right, threads - first, serial));
}

#[cfg(feature = "rayon")]
fn join(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    rayon::join(a, b);
}

#[cfg(not(feature = "rayon"))]
fn join(a: impl FnOnce(), b: impl FnOnce()) {
    a();
    b();
}
