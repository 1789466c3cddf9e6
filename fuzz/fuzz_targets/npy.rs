//! `cargo +nightly fuzz run --features libfuzzer npy fuzz/corpus/npy fuzz/seeds/npy`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::npy::run(data);
});
