//! `cargo +nightly fuzz run --features libfuzzer idx fuzz/corpus/idx fuzz/seeds/idx`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::idx::run(data);
});
