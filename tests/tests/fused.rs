//! Losses with their gradients, softmax, reductions and updates: judged against f64, and the same bits on every ISA.

use approx::assert_relative_eq;
use kernels::testing::for_each_isa;
use kernels::{ClassTargets, Isa, KernelSet, LossOptions, Reduction, reference};
use tests::random::Random;

/// The unit roundoff of f32.
const U: f64 = 1.0 / (1u64 << 24) as f64;
/// What a subnormal result may lose.
const TINY: f64 = 1e-44;

const SIZES: [(usize, usize); 12] =
    [(0, 3), (1, 1), (1, 2), (3, 10), (16, 10), (17, 16), (33, 17), (5, 100), (40, 3), (2, 1000), (1100, 1), (300, 4)];

/// Logits of a moderate and of an extreme kind, some equal.
fn logits(random: &mut Random, len: usize, scale: f64) -> Vec<f32> {
    let mut z = random.floats(len, scale);
    for i in (0..len).step_by(7) {
        z[i] = z[i / 2];
    }
    z
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Runs `f` on each instruction set with a guarded buffer of `len` elements to fill; returns what the portable one gave,
/// after the others were found to give the same bits.
fn same_everywhere<R: PartialEq + Copy + std::fmt::Debug>(
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
        let (portable, values) = expected.get_or_insert_with(|| (result, out.clone()));
        assert_eq!(*portable, result, "on {}", set.isa());
        assert_eq!(bits(values), bits(&out), "on {}", set.isa());
    });
    expected.unwrap()
}

fn scale(mean: bool, rows: usize) -> f64 {
    if mean { 1.0 / rows.max(1) as f64 } else { 1.0 }
}

fn options<'a>(mean: bool) -> LossOptions<'a> {
    if mean { LossOptions::default() } else { Reduction::Sum.into() }
}

#[test]
fn element_wise_losses() {
    let mut random = Random::new(5);
    for (rows, cols) in SIZES {
        for mean in [true, false] {
            for magnitude in [1.0, 30.0, 1e4] {
                let len = rows * cols;
                let z = logits(&mut random, len, magnitude);
                let hard: Vec<f32> = (0..len).map(|_| random.below(2) as f32).collect();
                let soft: Vec<f32> = (0..len).map(|_| random.unit().abs() as f32).collect();
                for t in [&hard, &soft] {
                    let place = format!("{rows}x{cols}, mean: {mean}, logits to {magnitude}");
                    let scale = scale(mean, rows);

                    let (cost, d) = same_everywhere(len, |set, d| set.bce_with_logits(cols, &z, t, options(mean), d));
                    let (expected, d_expected) = reference::bce_with_logits(&wide(&z), &wide(t));
                    // Every loss is a sum of non-negative terms but for z t, rounded a few times; the rest is f64.
                    let terms: f64 = z.iter().zip(t).map(|(z, t)| f64::from(z.abs() * (1.0 + t.abs())) + 1.0).sum();
                    assert!((cost - scale * expected).abs() <= 8.0 * U * scale * terms, "bce {place}: {cost}");
                    for i in 0..len {
                        // (1 - t) σ(z) - t σ(-z): both products to a few roundings, and their magnitudes add up.
                        let (z, t) = (f64::from(z[i]), f64::from(t[i]));
                        let magnitude = (1.0 - t).abs() * reference::sigmoid(z) + t * reference::sigmoid(-z);
                        let error = (f64::from(d[i]) - scale * d_expected[i]).abs();
                        assert!(error <= 10.0 * U * scale * magnitude + TINY, "bce {place}: d[{i}] is {}", d[i]);
                    }

                    let (cost, d) = same_everywhere(len, |set, d| set.mse(cols, &z, t, options(mean), d));
                    let (expected, d_expected) = reference::mse(&wide(&z), &wide(t));
                    assert!((cost - scale * expected).abs() <= 4.0 * U * scale * expected, "mse {place}: {cost}");
                    for i in 0..len {
                        let error = (f64::from(d[i]) - scale * d_expected[i]).abs();
                        assert!(error <= 4.0 * U * (scale * d_expected[i]).abs(), "mse {place}: d[{i}] is {}", d[i]);
                    }
                }
            }
        }
    }
}

#[test]
fn softmax_cross_entropy() {
    let mut random = Random::new(6);
    for (rows, cols) in SIZES {
        for mean in [true, false] {
            for magnitude in [1.0, 30.0, 1e4] {
                let z = logits(&mut random, rows * cols, magnitude);
                let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
                let place = format!("{rows}x{cols}, mean: {mean}, logits to {magnitude}");
                let scale = scale(mean, rows);
                let (cost, d) = same_everywhere(rows * cols, |set, d| {
                    set.softmax_cross_entropy(cols, &z, ClassTargets::Indices(&labels), options(mean), d)
                });
                let (mut expected, mut cost_bound) = (0.0, 0.0);
                // An exponential's argument, at most 104 where it counts, is off by half a unit; sums of `cols` terms.
                let relative = (104.0 + cols as f64 + 16.0) * U;
                for (row, &label) in labels.iter().enumerate() {
                    let z = wide(&z[row * cols..][..cols]);
                    let (loss, d_expected) = reference::softmax_cross_entropy(&z, label as usize);
                    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let at_max = z[label as usize] == max;
                    expected += loss;
                    cost_bound += if at_max { relative * loss } else { relative + 8.0 * U * loss };
                    for j in 0..cols {
                        let got = f64::from(d[row * cols + j]);
                        let bound = relative * scale * d_expected[j].abs() + TINY;
                        // An exponential below 2^-126 keeps fewer digits, relative to the largest, which is 1.
                        let bound = bound + scale * f64::from(f32::MIN_POSITIVE) * U * cols as f64;
                        let right = (got - scale * d_expected[j]).abs() <= bound;
                        assert!(right, "{place}: d[{row}][{j}] is {got}, not {}", scale * d_expected[j]);
                    }
                }
                assert!(
                    (cost - scale * expected).abs() <= scale * cost_bound + TINY,
                    "{place}: {cost}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn a_certain_label_keeps_the_digits_of_its_gradient() {
    for_each_isa(|set| {
        let mut d = [0.0; 2];
        let cost = set.softmax_cross_entropy(2, &[40.0, 0.0], ClassTargets::Indices(&[0]), options(false), &mut d);
        assert_relative_eq!(cost, (-40f64).exp(), max_relative = 1e-5);
        assert_relative_eq!(f64::from(d[0]), -(-40f64).exp(), max_relative = 1e-5);
        let cost = set.bce_with_logits(1, &[40.0, -40.0], &[1.0, 0.0], options(false), &mut d);
        assert_relative_eq!(cost, 2.0 * (-40f64).exp(), max_relative = 1e-5);
        assert_relative_eq!(f64::from(d[0]), -(-40f64).exp(), max_relative = 1e-5);
        assert_relative_eq!(f64::from(d[1]), (-40f64).exp(), max_relative = 1e-5);
    });
}

#[test]
fn losses_are_finite_for_every_finite_logit_and_nan_for_nan() {
    for_each_isa(|set| {
        let isa = set.isa();
        let extremes = [f32::MAX, -f32::MAX, 1e30, -1e-40, 0.0, -0.0, 88.8, -104.0];
        let mut d = [0.0; 8];
        for target in [0.0, 1.0, 0.25] {
            let cost = set.bce_with_logits(8, &extremes, &[target; 8], options(true), &mut d);
            assert!(cost.is_finite() && d.iter().all(|d| d.is_finite()), "bce to {target} on {isa}: {cost}, {d:?}");
        }
        // Sums of losses beyond f32, and squares.
        let (large, mut d_large) = ([-f32::MAX; 100], [0.0; 100]);
        let cost = set.bce_with_logits(1, &large, &[1.0; 100], options(false), &mut d_large);
        assert_relative_eq!(cost, 100.0 * f64::from(f32::MAX), max_relative = 1e-12);
        let cost = set.mse(1, &large, &[0.0; 100], options(false), &mut d_large);
        assert_relative_eq!(cost, 50.0 * f64::from(f32::MAX).powi(2), max_relative = 1e-12);
        for label in 0..8 {
            let cost = set.softmax_cross_entropy(8, &extremes, ClassTargets::Indices(&[label]), options(true), &mut d);
            assert!(d.iter().all(|d| d.is_finite()), "label {label} on {isa}: {d:?}");
            assert!(cost.is_finite(), "label {label} on {isa}: {cost}");
        }
        for bad in 0..8 {
            let mut z = [0.5; 8];
            z[bad] = f32::NAN;
            assert!(set.bce_with_logits(8, &z, &[1.0; 8], options(true), &mut d).is_nan(), "{bad} on {isa}");
            assert!(d[bad].is_nan(), "{bad} on {isa}");
            assert!(set.mse(8, &z, &[1.0; 8], options(true), &mut d).is_nan(), "{bad} on {isa}");
            assert!(
                set.softmax_cross_entropy(8, &z, ClassTargets::Indices(&[3]), options(true), &mut d).is_nan(),
                "{bad} on {isa}"
            );
            assert!(d.iter().all(|d| d.is_nan()), "{bad} on {isa}: {d:?}");
        }
    });
}

#[test]
fn softmax_rows() {
    let mut random = Random::new(7);
    for (rows, cols) in SIZES {
        let z = logits(&mut random, rows * cols, 20.0);
        let ((), p) = same_everywhere(rows * cols, |set, out| set.softmax(cols, &z, out));
        for (row, p) in p.chunks_exact(cols).enumerate() {
            let expected = reference::softmax(&wide(&z[row * cols..][..cols]));
            for (p, expected) in p.iter().zip(expected) {
                let bound = (40.0 + cols as f64 + 16.0) * U * expected;
                assert!((f64::from(*p) - expected).abs() <= bound, "{rows}x{cols}: {p}, not {expected}");
            }
        }
    }
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
fn column_sums_and_argmax() {
    let mut random = Random::new(9);
    for (rows, cols) in SIZES {
        let x = logits(&mut random, rows * cols, 1.0);
        let ((), sums) = same_everywhere(cols, |set, out| set.column_sums(cols, &x, out));
        for (j, sum) in sums.iter().enumerate() {
            let column = || wide(&x).into_iter().skip(j).step_by(cols);
            let bound = (rows as f64 + 1.0) * U * column().map(f64::abs).sum::<f64>();
            assert!((f64::from(*sum) - column().sum::<f64>()).abs() <= bound, "column {j} of {rows}x{cols}: {sum}");
        }
        let mut found = vec![0; rows];
        KernelSet::best().argmax(cols, &x, &mut found);
        for (row, &found) in x.chunks_exact(cols).zip(&found) {
            let first = row.iter().position(|x| row.iter().all(|y| x >= y)).unwrap();
            assert_eq!(found as usize, first);
        }
    }
    let mut found = [9; 3];
    KernelSet::best().argmax(2, &[1.0, f32::NAN, f32::NAN, 2.0, f32::NAN, f32::NAN], &mut found);
    assert_eq!(found, [1, 0, 0]);
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

#[test]
#[should_panic(expected = "softmax_cross_entropy: label 3 of row 1 with 3 classes")]
fn labels_out_of_range_are_refused() {
    KernelSet::best().softmax_cross_entropy(3, &[0.0; 6], ClassTargets::Indices(&[2, 3]), options(true), &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "mse: 7 elements are not whole rows of 3")]
fn ragged_rows_are_refused() {
    KernelSet::best().mse(3, &[0.0; 7], &[0.0; 7], options(true), &mut [0.0; 7]);
}
