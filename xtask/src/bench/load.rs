//! What other programs take of the processor.

use std::time::Instant;

/// The time that all programs, and this one, had so far, in seconds of a core.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Busy {
    all: f64,
    own: f64,
}

/// Runs `f`; also returns how many cores other programs kept busy meanwhile, where the system tells.
pub(super) fn others_during<R>(f: impl FnOnce() -> R) -> (R, Option<f64>) {
    let (start, before) = (Instant::now(), Busy::now());
    let result = f();
    let (elapsed, after) = (start.elapsed().as_secs_f64(), Busy::now());
    (result, before.zip(after).map(|(before, after)| before.others_until(after, elapsed)))
}

impl Busy {
    fn now() -> Option<Self> {
        let read = |path| std::fs::read_to_string(path).ok();
        Some(Busy { all: all(&read("/proc/stat")?)?, own: own(&read("/proc/self/stat")?)? })
    }

    fn others_until(self, after: Busy, elapsed: f64) -> f64 {
        ((after.all - self.all - (after.own - self.own)) / elapsed).max(0.0)
    }
}

/// Linux counts in hundredths of a second for programs.
const TICKS: f64 = 100.0;

/// Of user, nice, system, idle, iowait, irq, softirq and steal, all but the two that wait.
fn all(stat: &str) -> Option<f64> {
    let numbers: Vec<f64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().flat_map(str::parse).collect();
    let counted = numbers.iter().take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4));
    (numbers.len() >= 8).then(|| counted.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

/// utime and stime: the 14th and the 15th field, where the second is a name in parentheses.
fn own(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let stat = "cpu  100 20 30 5000 600 7 8 9 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(all(stat), Some(1.74));
        assert_eq!(all("cpu  1 2 3"), None);
        assert_eq!(own("42 (a) b) R 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0"), Some(3.0));
        assert_eq!(own(""), None);
    }

    #[test]
    fn what_is_ours_is_not_theirs() {
        let (before, after) = (Busy { all: 10.0, own: 2.0 }, Busy { all: 11.5, own: 3.0 });
        assert_eq!(before.others_until(after, 1.0), 0.5);
        assert_eq!(before.others_until(Busy { all: 10.9, own: 3.0 }, 1.0), 0.0);
    }
}
