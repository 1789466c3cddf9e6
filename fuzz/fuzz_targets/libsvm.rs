//! `cargo +nightly fuzz run --features libfuzzer libsvm fuzz/corpus/libsvm fuzz/seeds/libsvm`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::libsvm::run(data);
});
