//! Splits a product over threads: bands of rows or columns of C, never of K, so the number cannot show in the result.

use super::{Arithmetic, Problem, Threads};
use crate::threads;

/// How many threads to use for a problem.
#[inline]
pub(crate) fn worth_using<T: Arithmetic>(problem: &Problem<'_, T>, threads: Threads) -> usize {
    let (m, n, k) = problem.shape();
    let worth = threads::worth_using(m.saturating_mul(n).saturating_mul(k));
    match threads {
        Threads::Auto => worth,
        Threads::AtMost(threads) => worth.min(threads.max(1)),
    }
}

/// Bands of columns start at multiples of this, whole cache lines, or of the columns of panels where they are more.
const COLS_GRAIN: usize = 32;

/// Runs `serial` on up to `threads` bands of the problem.
#[inline]
pub(crate) fn run<T: Arithmetic>(problem: &mut Problem<'_, T>, threads: usize, serial: fn(&mut Problem<'_, T>)) {
    match threads {
        0 | 1 => serial(problem),
        _ => run_apart(problem, threads, serial),
    }
}

#[inline(never)]
fn run_apart<T: Arithmetic>(problem: &mut Problem<'_, T>, threads: usize, serial: fn(&mut Problem<'_, T>)) {
    let (m, n, _) = problem.shape();
    // Every thread reads its band of one operand and all of the other: cut the longer side.
    let (cut_rows, grain) = if m > n { (true, 1) } else { (false, COLS_GRAIN.max(problem.b.cols_together())) };
    let len = m.max(n);
    let bands = threads.min(len.div_ceil(grain));
    let at = |band: usize| (len * band / bands).next_multiple_of(grain).min(len);
    let problem = &*problem;
    threads::fork(bands, &|band| {
        let (from, to) = (at(band), at(band + 1));
        // SAFETY: the bands are apart, each is taken once, and `problem` is borrowed mutably until all are done.
        let mut band = unsafe { if cut_rows { problem.rows(from, to) } else { problem.cols(from, to) } };
        serial(&mut band);
    });
}
