//! Vector math: judged against f64, the same bits on every instruction set, and any length.

use kernels::testing::for_each_isa;
use kernels::{Function, KernelSet};
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

/// Runs of neighbours, where a rounding that goes the wrong way shows, all over the range. `exp` falls by one unit between
/// some neighbours, as the table of its accuracy says; no other of these ever does.
#[test]
fn what_rises_never_falls() {
    let rising = [Function::Exp, Function::Ln, Function::Sigmoid, Function::Tanh, Function::Erf];
    let set = KernelSet::best();
    for start in (0..0x7f80_0000u32 - 64).step_by(40_009) {
        let above: Vec<f32> = (start..start + 64).map(f32::from_bits).collect();
        let below: Vec<f32> = above.iter().rev().map(|x| -x).collect();
        for function in rising {
            for xs in [&above, &below] {
                let mut ys = vec![0.0; xs.len()];
                set.map(function, xs, &mut ys);
                for (x, y) in xs.windows(2).zip(ys.windows(2)).filter(|(_, y)| !y[0].is_nan() && !y[1].is_nan()) {
                    let least = if function == Function::Exp { y[0].next_down() } else { y[0] };
                    assert!(least <= y[1], "{}({:e}) = {:e}, {:e} after it", function.name(), x[0], y[0], y[1]);
                }
            }
        }
    }
}

#[test]
fn leaky_relu_of_any_length() {
    for_each_isa(|set| {
        for len in 0..70 {
            let xs: Vec<f32> = (0..len).map(|i| 1.5 * i as f32 - 40.0).collect();
            let expected: Vec<f32> = xs.iter().map(|&x| if x > 0.0 { x } else { 0.1 * x }).collect();
            let mut out = vec![f32::NAN; len];
            set.leaky_relu(0.1, &xs, &mut out);
            assert_eq!(out, expected, "{len} on {}", set.isa());
            let mut in_place = xs;
            set.leaky_relu_in_place(0.1, &mut in_place);
            assert_eq!(in_place, expected, "{len} in place on {}", set.isa());
        }
        let mut specials = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
        set.leaky_relu_in_place(0.1, &mut specials);
        assert!(specials[0].is_nan() && specials[1..] == [f32::INFINITY, f32::NEG_INFINITY, 0.0], "{}", set.isa());
    });
}

#[test]
#[should_panic(expected = "exp: 3 for x, 2 for out")]
fn lengths_that_differ_are_refused() {
    kernels::math::exp(&[0.0; 3], &mut [0.0; 2]);
}
