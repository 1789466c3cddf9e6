//! Vector math: judged against f64, the same bits on every instruction set, and any length.

use kernels::Function;
use kernels::testing::for_each_isa;
use tests::sweep::Sweep;

/// One of this many inputs is tried, beside all the special ones; `cargo xtask sweep` tries more or all. Machines other
/// than x86_64 are often emulated.
const EVERY: u32 = if cfg!(target_arch = "x86_64") { 1009 } else { 20_011 };

/// Errors within the published bounds, special values, the same bits on every instruction set, symmetry.
#[test]
fn functions_are_as_published() {
    let mut sets = vec![];
    for_each_isa(|set| sets.push(set));
    for function in Function::ALL {
        let tallies = Sweep { function, sets: &sets, every: EVERY }.run(|_| ());
        for (tally, set) in tallies.iter().zip(&sets) {
            let verdict = tally.verdict(function);
            assert!(verdict.is_ok(), "{} on {}: {}", function.name(), set.isa(), verdict.unwrap_err());
        }
    }
}

#[test]
fn every_length_in_and_out_of_place() {
    const GUARD: f32 = 12345.0;
    for_each_isa(|set| {
        for function in Function::ALL {
            for len in 0..70 {
                let xs: Vec<f32> = (0..len).map(|i| 0.3 * i as f32 + 0.1).collect();
                let mut one_by_one = xs.clone();
                one_by_one.chunks_mut(1).for_each(|x| set.map_in_place(function, x));
                let mut out = vec![GUARD; len + 2];
                set.map(function, &xs, &mut out[1..len + 1]);
                assert_eq!(out[1..len + 1], one_by_one, "{} of {len} on {}", function.name(), set.isa());
                assert_eq!((out[0], out[len + 1]), (GUARD, GUARD));
                let mut in_place = xs;
                set.map_in_place(function, &mut in_place);
                assert_eq!(in_place, one_by_one, "{} of {len} in place on {}", function.name(), set.isa());
            }
        }
    });
}

#[test]
#[should_panic(expected = "exp: 3 for x, 2 for out")]
fn lengths_that_differ_are_refused() {
    kernels::math::exp(&[0.0; 3], &mut [0.0; 2]);
}
