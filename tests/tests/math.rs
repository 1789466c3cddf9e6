//! Vector math: judged against f64, the same bits on every instruction set, and any length.

use kernels::testing::for_each_isa;
use kernels::{Function, Isa, KernelSet};
use tests::exact::exact;
use tests::ulp::ulp_error;

/// Every `step`-th bit pattern, and the neighbourhood of every power of two and of the ends of the functions' ranges.
fn inputs(step: usize) -> Vec<f32> {
    let mut bits: Vec<u32> = (0..=u32::MAX).step_by(step).collect();
    let ends = [-104.0f32, -103.98, -87.34, -20.0, -1.0, -0.34, 0.33, 0.66, 1.33, 9.02, 17.33, 88.72, 88.73, 89.0];
    for centre in (0..=510u32).map(|e| e << 23).chain(ends.map(f32::to_bits)) {
        bits.extend((0..17).map(|i| (centre + i).wrapping_sub(8)));
    }
    bits.into_iter().map(f32::from_bits).collect()
}

/// The worst error over `xs` and where it is, apart from those that the bound by the argument allows.
fn worst(set: &KernelSet, function: Function, xs: &[f32]) -> (f64, f32) {
    let mut ys = vec![0.0; xs.len()];
    set.map(function, xs, &mut ys);
    let mut worst = (0.0, 0.0);
    for (&x, &y) in xs.iter().zip(&ys) {
        let exact = exact(function, x);
        let error = ulp_error(y, exact);
        // For an infinite argument this is NaN or true of every result.
        let allowed =
            x.is_finite() && (f64::from(y) - exact).abs() <= function.max_error_per_argument() * f64::from(x.abs());
        if error > worst.0 && !(allowed && error > function.max_ulp()) {
            worst = (error, x);
        }
    }
    worst
}

#[test]
fn errors_are_within_the_published_bounds() {
    let xs = inputs(20_011);
    for_each_isa(|set| {
        for function in Function::ALL {
            let (error, x) = worst(set, function, &xs);
            assert!(error <= function.max_ulp(), "{}({x:e}) on {} is off by {error} ULP", function.name(), set.isa());
        }
    });
}

/// All 2^32 inputs on the fastest instruction set, and its bits against those of the others on a 16th of them.
#[test]
#[ignore = "minutes; for `cargo test --release -p tests -- --ignored --nocapture all_inputs`"]
fn all_inputs_are_within_the_published_bounds() {
    const BLOCK: u32 = 1 << 16;
    let mut within_bounds = true;
    let threads = std::thread::available_parallelism().unwrap().get() as u32;
    for function in Function::ALL {
        let share = |thread: u32| {
            let set = KernelSet::available().last().unwrap();
            let mut found = (0.0, 0.0);
            for block in (thread..(1 << 16)).step_by(threads as usize) {
                let xs: Vec<f32> = (0..BLOCK).map(|i| f32::from_bits(block * BLOCK + i)).collect();
                let error = worst(set, function, &xs);
                if error.0 > found.0 {
                    found = error;
                }
            }
            found
        };
        let found: Vec<(f64, f32)> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (error, x) = found.into_iter().fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        println!("{:8} {error:.4} ULP at {x:e}", function.name());
        within_bounds &= error <= function.max_ulp();
    }
    assert!(within_bounds);
}

#[test]
fn every_isa_gives_the_same_bits() {
    let xs = inputs(100_003);
    let portable = KernelSet::for_isa(Isa::Portable).unwrap();
    for function in Function::ALL {
        let mut expected = vec![0.0; xs.len()];
        portable.map(function, &xs, &mut expected);
        for_each_isa(|set| {
            let mut ys = vec![0.0; xs.len()];
            set.map(function, &xs, &mut ys);
            for ((x, y), expected) in xs.iter().zip(&ys).zip(&expected) {
                let same = y.to_bits() == expected.to_bits() || (y.is_nan() && expected.is_nan());
                assert!(same, "{}({x:e}) on {}: {y:e}, portable {expected:e}", function.name(), set.isa());
            }
        });
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
fn tanh_is_odd() {
    let xs = inputs(50_021);
    let negative: Vec<f32> = xs.iter().map(|x| -x).collect();
    let (mut ys, mut zs) = (vec![0.0; xs.len()], vec![0.0; xs.len()]);
    KernelSet::best().map(Function::Tanh, &xs, &mut ys);
    KernelSet::best().map(Function::Tanh, &negative, &mut zs);
    for ((x, y), z) in xs.iter().zip(&ys).zip(&zs).filter(|((x, _), _)| !x.is_nan()) {
        assert_eq!(y.to_bits(), (-z).to_bits(), "at {x:e}");
    }
}

#[test]
#[should_panic(expected = "exp: 3 for x, 2 for out")]
fn lengths_that_differ_are_refused() {
    kernels::math::exp(&[0.0; 3], &mut [0.0; 2]);
}
