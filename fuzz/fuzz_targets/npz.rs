//! `cargo +nightly fuzz run --features libfuzzer npz fuzz/corpus/npz fuzz/seeds/npz`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::npz::run(data);
});
