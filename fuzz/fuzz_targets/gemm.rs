//! `cargo +nightly fuzz run --features libfuzzer gemm fuzz/corpus/gemm fuzz/seeds/gemm`
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::panics::allow_expected(), |data: &[u8]| {
    fuzz::gemm::run(data);
});
