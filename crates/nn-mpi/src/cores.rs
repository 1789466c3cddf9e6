//! Which cores a rank may use, and how ranks of one machine share them.

use std::thread::available_parallelism;

/// The CPUs of one machine that are told apart: as many bits.
pub(crate) const MAX_CPUS: usize = 4096;

/// A set of CPUs as bits, in the order of their numbers.
pub(crate) type CpuSet = [u8; MAX_CPUS / 8];

/// The CPUs that this process may run on, by the word of the operating system; all are 0 where it gives none.
pub(crate) fn allowed_cpus() -> CpuSet {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    parse(list.unwrap_or_default())
}

/// A list such as `0-3,8`; what is not understood is left out.
fn parse(list: &str) -> CpuSet {
    let mut cpus = [0; MAX_CPUS / 8];
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else { continue };
        for cpu in first..=last.min(MAX_CPUS - 1) {
            cpus[cpu / 8] |= 1 << (cpu % 8);
        }
    }
    cpus
}

/// How many threads each of the ranks of a machine should have, at least 1: `rank` is the one asked for, `sets` has the CPUs
/// that each may run on, and `parallelism` is how many threads the system says can run at once in that rank, which a quota
/// may make less than its CPUs.
///
/// A CPU that k ranks may run on counts as 1 / k for each: so ranks that were bound to cores of their own keep all of them, and
/// ranks that were not bound share them evenly.
pub(crate) fn threads_of(rank: usize, sets: &[CpuSet], parallelism: usize) -> usize {
    let has = |set: &CpuSet, cpu: usize| set[cpu / 8] >> (cpu % 8) & 1 == 1;
    let cpus = (0..MAX_CPUS).filter(|&cpu| has(&sets[rank], cpu));
    let sharers = cpus.map(|cpu| sets.iter().filter(|set| has(set, cpu)).count());
    let (mut count, mut share) = (0, 0.0);
    for ranks in sharers {
        count += 1;
        share += 1.0 / ranks as f64;
    }
    let threads = if count == 0 {
        parallelism as f64 / sets.len() as f64
    } else {
        parallelism.min(count) as f64 * share / count as f64
    };
    // Thirds of three ranks do not add up to 1 exactly.
    ((threads + 1e-6) as usize).max(1)
}

/// How many threads can run at once in this process.
pub(crate) fn parallelism() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_parsed() {
        let cpus = parse("\t0-2,9,4095-5000\n");
        assert_eq!((cpus[0], cpus[1], cpus[511]), (0b111, 0b10, 0b1000_0000));
        assert_eq!(cpus.iter().map(|byte| byte.count_ones()).sum::<u32>(), 5);
        assert_eq!(parse(""), parse("none"));
    }

    #[test]
    fn this_process_may_run_somewhere() {
        let cpus: u32 = allowed_cpus().iter().map(|byte| byte.count_ones()).sum();
        assert!(!cfg!(target_os = "linux") || cpus as usize >= parallelism(), "{cpus} CPUs");
    }

    #[test]
    fn unbound_ranks_share_evenly() {
        let all = parse("0-7");
        assert_eq!(threads_of(0, &[all; 1], 8), 8);
        assert_eq!(threads_of(1, &[all; 2], 8), 4);
        assert_eq!(threads_of(2, &[all; 3], 8), 2);
        assert_eq!(threads_of(15, &[all; 16], 8), 1);
        assert_eq!(threads_of(0, &[parse("0-2"); 3], 3), 1);
    }

    #[test]
    fn bound_ranks_keep_their_cores() {
        let sets = [parse("0-3"), parse("4-7"), parse("8")];
        assert_eq!([0, 1, 2].map(|rank| threads_of(rank, &sets, 4)), [4, 4, 1]);
        // Two on each socket.
        let sets = [parse("0-7"), parse("0-7"), parse("8-15"), parse("8-15")];
        assert_eq!(threads_of(3, &sets, 8), 4);
    }

    #[test]
    fn a_quota_is_shared_too() {
        assert_eq!(threads_of(0, &[parse("0-63"); 2], 8), 4);
    }

    #[test]
    fn without_a_list_the_parallelism_is_shared() {
        assert_eq!(threads_of(1, &[parse(""); 3], 8), 2);
    }
}
