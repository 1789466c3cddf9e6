//! `cargo +nightly fuzz run --features libfuzzer csv fuzz/corpus/csv fuzz/seeds/csv`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::csv::run(data);
});
