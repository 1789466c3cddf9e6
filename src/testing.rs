//! What tests need to run every instruction set by name.

use crate::isa::Isa;
use crate::kernel_set::KernelSet;

/// Calls `test` with the kernels of each instruction set that this CPU runs, slowest first, and prints `SKIPPED` with the
/// reason for each that it does not run.
///
/// # Panics
/// If an instruction set named in the environment variable `KERNELS_REQUIRE`, such as `avx2,avx512`, is missing.
pub fn for_each_isa(mut test: impl FnMut(&'static KernelSet)) {
    let required = std::env::var("KERNELS_REQUIRE").unwrap_or_default();
    let required: Vec<Isa> = required
        .split(',')
        .filter(|name| !name.trim().is_empty())
        .map(|name| name.parse().unwrap_or_else(|error| panic!("KERNELS_REQUIRE: {error}")))
        .collect();
    for isa in Isa::ALL {
        match KernelSet::for_isa(isa) {
            Some(set) => test(set),
            None => {
                let reason = isa.missing().unwrap_or_default();
                assert!(!required.contains(&isa), "KERNELS_REQUIRE: {isa} is missing: {reason}");
                println!("SKIPPED {isa}: {reason}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_set_always_runs() {
        let mut ran = vec![];
        for_each_isa(|set| ran.push(set.isa()));
        assert_eq!(ran[0], Isa::Portable);
        assert_eq!(ran.len(), KernelSet::available().count());
    }
}
