//! What is fuzzed: each target is a plain function of bytes. `cargo run --release -p fuzz` feeds it mutations of the inputs
//! in `seeds/`; `fuzz_targets/` hands it to libFuzzer by cargo-fuzz.
#![forbid(unsafe_code)]

mod bytes;
pub mod checkpoint;
pub mod csv;
pub mod file;
pub mod gemm;
pub mod idx;
pub mod libsvm;
pub mod mutate;
pub mod npy;
pub mod npz;
pub mod panics;

/// A function that must not panic, whatever the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also of the directories of its seeds and artifacts.
    pub name: &'static str,
    /// Returns the kind of what happened; an input of a new kind is worth to be mutated further.
    pub run: fn(&[u8]) -> String,
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "gemm", run: gemm::run },
    Target { name: "csv", run: csv::run },
    Target { name: "idx", run: idx::run },
    Target { name: "libsvm", run: libsvm::run },
    Target { name: "npy", run: npy::run },
    Target { name: "npz", run: npz::run },
    Target { name: "checkpoint", run: checkpoint::run },
];

#[cfg(test)]
mod tests {
    use super::TARGETS;

    #[test]
    fn every_seed_runs() {
        for target in TARGETS {
            let seeds = std::fs::read_dir(format!("{}/seeds/{}", env!("CARGO_MANIFEST_DIR"), target.name)).unwrap();
            let kinds: Vec<String> =
                seeds.map(|seed| (target.run)(&std::fs::read(seed.unwrap().path()).unwrap())).collect();
            assert!(kinds.len() >= 3, "{}: {kinds:?}", target.name);
        }
    }
}
