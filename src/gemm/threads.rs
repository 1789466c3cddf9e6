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

/// Runs `serial` on `threads` bands of the problem.
pub(crate) fn run<T: Arithmetic>(problem: Problem<'_, T>, threads: usize, serial: fn(Problem<'_, T>)) {
    let (m, n, _) = problem.shape();
    if threads <= 1 || (m <= 1 && n <= 1) {
        return serial(problem);
    }
    let first = threads / 2;
    // Every thread reads its band of one operand and all of the other: cut the longer side.
    let (left, right) = if m > n {
        problem.split_rows((m * first / threads).max(1))
    } else {
        problem.split_cols((n * first / threads).max(1))
    };
    join(|| run(left, first, serial), || run(right, threads - first, serial));
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
