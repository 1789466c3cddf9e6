//! `cargo +nightly fuzz run --features libfuzzer checkpoint fuzz/corpus/checkpoint fuzz/seeds/checkpoint`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::checkpoint::run(data);
});
