//! Reductions and updates: judged against f64, and the same bits on every ISA.

use kernels::testing::for_each_isa;
use kernels::{Isa, KernelSet, reference};
use tests::random::Random;

/// The unit roundoff of f32.
const U: f64 = 1.0 / (1u64 << 24) as f64;
const SIZES: [(usize, usize); 12] =
    [(0, 3), (1, 1), (1, 2), (3, 10), (16, 10), (17, 16), (33, 17), (5, 100), (40, 3), (2, 1000), (1100, 1), (300, 4)];

/// Logits of a moderate and of an extreme kind, some equal.
pub(crate) fn logits(random: &mut Random, len: usize, scale: f64) -> Vec<f32> {
    let mut z = random.floats(len, scale);
    for i in (0..len).step_by(7) {
        z[i] = z[i / 2];
    }
    z
}

pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

pub(crate) fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Runs `f` on each instruction set with a guarded buffer of `len` elements to fill; returns what the portable one gave,
/// after the others were found to give the same bits.
pub(crate) fn same_everywhere<R: PartialEq + Clone + std::fmt::Debug>(
    len: usize,
    mut f: impl FnMut(&KernelSet, &mut [f32]) -> R,
) -> (R, Vec<f32>) {
    const GUARD: f32 = 4321.0;
    let mut expected = None;
    for_each_isa(|set| {
        let mut buffer = vec![GUARD; len + 2];
        let result = f(set, &mut buffer[1..len + 1]);
        assert_eq!((buffer[0], buffer[len + 1]), (GUARD, GUARD), "a guard changed on {}", set.isa());
        let out = buffer[1..len + 1].to_vec();
        let (portable, values) = expected.get_or_insert_with(|| (result.clone(), out.clone()));
        assert_eq!(*portable, result, "on {}", set.isa());
        assert_eq!(bits(values), bits(&out), "on {}", set.isa());
    });
    expected.unwrap()
}

#[test]
fn reductions() {
    let mut random = Random::new(8);
    for len in (0..200).chain([1000, 4096, 5001]) {
        let (x, y) = (random.floats(len, 1.0), random.floats(len, 1.0));
        let (sum, _) = same_everywhere(0, |set, _| set.sum(&x));
        let (dot, _) = same_everywhere(0, |set, _| set.dot(&x, &y));
        let (max, _) = same_everywhere(0, |set, _| set.max(&x));
        // A lane adds a 64th of the elements, then six more additions.
        let roundings = len as f64 / 64.0 + 8.0;
        let magnitude: f64 = wide(&x).iter().map(|x| x.abs()).sum();
        assert!((f64::from(sum) - wide(&x).iter().sum::<f64>()).abs() <= roundings * U * magnitude, "sum of {len}");
        let products = || wide(&x).into_iter().zip(wide(&y)).map(|(x, y)| x * y);
        let magnitude: f64 = products().map(f64::abs).sum();
        assert!((f64::from(dot) - products().sum::<f64>()).abs() <= roundings * U * magnitude, "dot of {len}");
        assert_eq!(max, x.iter().copied().fold(f32::NEG_INFINITY, f32::max), "max of {len}");
        for at in [0, len / 2, len.saturating_sub(1)].into_iter().filter(|&at| at < len) {
            let mut x = x.clone();
            x[at] = f32::NAN;
            for_each_isa(|set| assert!(set.max(&x).is_nan() && set.sum(&x).is_nan(), "{at} of {len} on {}", set.isa()));
        }
    }
}

#[test]
fn column_sums() {
    let mut random = Random::new(9);
    for (rows, cols) in SIZES {
        let x = logits(&mut random, rows * cols, 1.0);
        let ((), sums) = same_everywhere(cols, |set, out| set.column_sums(cols, &x, out));
        for (j, sum) in sums.iter().enumerate() {
            let column = || wide(&x).into_iter().skip(j).step_by(cols);
            let bound = (rows as f64 + 1.0) * U * column().map(f64::abs).sum::<f64>();
            assert!((f64::from(*sum) - column().sum::<f64>()).abs() <= bound, "column {j} of {rows}x{cols}: {sum}");
        }
    }
}

#[test]
fn argmax() {
    let mut random = Random::new(12);
    for (rows, cols) in SIZES.into_iter().chain([(3, 31), (3, 32), (3, 33), (2, 47), (2, 48), (2, 64), (2, 129)]) {
        let x = logits(&mut random, rows * cols, 1.0);
        first_of_the_largest(cols, &x);
        for at in 0..cols.min(x.len()) {
            for (here, last) in [(9.0, 9.0), (9.0, f32::NAN), (f32::NAN, f32::NAN), (9.0, x[cols - 1])] {
                let mut x = x.clone();
                x[cols - 1] = last;
                x[at] = here;
                first_of_the_largest(cols, &x);
            }
        }
        first_of_the_largest(cols, &vec![f32::NEG_INFINITY; rows * cols]);
    }
}

/// Asserts that `argmax` finds, on each instruction set, the first NaN or else the first of the largest.
fn first_of_the_largest(cols: usize, x: &[f32]) {
    let expected: Vec<u32> = x
        .chunks_exact(cols)
        .map(|row| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let nan = row.iter().position(|x| x.is_nan());
            nan.or_else(|| row.iter().position(|&x| x == largest)).unwrap() as u32
        })
        .collect();
    for_each_isa(|set| {
        let mut found = vec![u32::MAX; expected.len()];
        set.argmax(cols, x, &mut found);
        assert_eq!(found, expected, "{x:?} in rows of {cols} on {}", set.isa());
    });
}

#[test]
fn updates() {
    let mut random = Random::new(10);
    for len in [0, 1, 15, 16, 17, 100] {
        let (p, g) = (random.floats(len, 1.0), random.floats(len, 1.0));
        let ((), updated) = same_everywhere(len, |set, out| {
            out.copy_from_slice(&p);
            set.sgd(out, &g, 0.1, 0.01);
        });
        for i in 0..len {
            let expected = reference::sgd(p[i].into(), g[i].into(), 0.1f32.into(), 0.01f32.into());
            assert!((f64::from(updated[i]) - expected).abs() <= 4.0 * U, "{} for {expected}", updated[i]);
        }
    }
}

#[test]
fn the_portable_set_is_what_the_others_are_compared_with() {
    assert_eq!(KernelSet::available().next().unwrap().isa(), Isa::Portable);
}
