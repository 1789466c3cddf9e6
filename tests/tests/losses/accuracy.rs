//! How many digits losses and gradients keep, and that they do so in any company.

use super::U;
use crate::fused::{bits, logits, wide};
use kernels::testing::for_each_isa;
use kernels::{ClassTargets, KernelSet, Reduction, reference};
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::random::Random;
use tests::ulp::ulp_error;

/// An error in ULP and the logit that has it.
type Worst = (f64, f32);

/// The worst error in units in the last place of the loss and of the gradient for targets of 0 and 1, over every `step`th
/// logit that is finite, by binary cross-entropy and by rows of two classes.
fn sweep(step: usize) {
    const BLOCK: usize = 1 << 16;
    let mut sets = Vec::new();
    for_each_isa(|set| sets.push(set));
    if sets.len() > 1 {
        // The portable path, which comes first, has the same bits, which other tests compare, and takes too long.
        sets.remove(0);
    }
    let blocks = (1usize << 32).div_ceil(step * BLOCK);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut worst = [(0.0, 0.0); 4];
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            if block >= blocks {
                return worst;
            }
            let bits = (block * BLOCK * step..1 << 32).step_by(step).take(BLOCK);
            let z: Vec<f32> = bits.map(|bits| f32::from_bits(bits as u32)).filter(|z| z.is_finite()).collect();
            judge_block(&sets, &z, &mut worst);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let worst = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().expect("no logit is wrong")).fold(
            [(0.0, 0.0); 4],
            |mut all, found| {
                all.iter_mut().zip(found).for_each(|(worst, (ulp, z))| note(worst, ulp, z));
                all
            },
        )
    });
    let isas: Vec<_> = sets.iter().map(|set| set.isa()).collect();
    println!("{isas:?}: worst ULP of bce loss, its gradient, two-class loss, its gradient: {worst:?}");
    assert!(worst.iter().all(|&(ulp, _)| ulp <= 3.0), "{worst:?}");
}

/// The first of the sets against f64, the others against its bits.
fn judge_block(sets: &[&KernelSet], z: &[f32], worst: &mut [Worst; 4]) {
    let rows: Vec<f32> = z.iter().flat_map(|&z| [0.0, z]).collect();
    for target in [0u8, 1] {
        let (targets, labels) = (vec![f32::from(target); z.len()], vec![u32::from(target); z.len()]);
        let by_set = |set: &KernelSet| {
            let (mut losses, mut d) = (vec![0.0; z.len()], vec![0.0; z.len()]);
            set.bce_with_logits(1, z, &targets, Reduction::None(&mut losses).into(), &mut d);
            let (mut of_classes, mut d_classes) = (vec![0.0; z.len()], vec![0.0; rows.len()]);
            let (labels, options) = (ClassTargets::Indices(&labels), Reduction::None(&mut of_classes).into());
            set.softmax_cross_entropy(2, &rows, labels, options, &mut d_classes);
            (losses, d, of_classes, d_classes)
        };
        let Some((first, others)) = sets.split_first() else { return };
        let (losses, d, of_classes, d_classes) = by_set(first);

        // The loss of z for 0 and of -z for 1 are the same.
        let sign = if target == 0 { 1.0 } else { -1.0 };
        let exact =
            |&z: &f32| (reference::softplus(sign * f64::from(z)), sign * reference::sigmoid(sign * f64::from(z)));
        let exact: Vec<(f64, f64)> = z.iter().map(exact).collect();
        judge(&mut worst[..2], z, &exact, &losses, d.iter().copied());
        judge(&mut worst[2..], z, &exact, &of_classes, d_classes.iter().skip(1).step_by(2).copied());
        for ((pair, z), exact) in d_classes.chunks_exact(2).zip(z).zip(&exact) {
            let expected = either_zero(-exact.1, pair[0]);
            assert!(ulp_error(pair[0], expected) <= 3.0, "{}: {pair:?} for {z}", first.isa());
        }

        for set in others {
            let found = by_set(set);
            let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
            let same = same(&found.0, &losses) && same(&found.2, &of_classes);
            let same = same && bits(&found.1) == bits(&d) && bits(&found.3) == bits(&d_classes);
            assert!(same, "{} and {} differ for a logit from {} to {:?}", set.isa(), first.isa(), z[0], z.last());
        }
    }
}

/// `expected`; where that is 0, the 0 that was found, if it was.
fn either_zero(expected: f64, found: f32) -> f64 {
    if expected == 0.0 && found == 0.0 { found.into() } else { expected }
}

fn judge(worst: &mut [Worst], z: &[f32], exact: &[(f64, f64)], losses: &[f64], d: impl Iterator<Item = f32>) {
    for (((&z, exact), &loss), d) in z.iter().zip(exact).zip(losses).zip(d) {
        assert!(loss.is_finite() && d.is_finite(), "{z}: loss {loss}, gradient {d}");
        // A loss is an f64: its error in units of an f32.
        let unit = 2.0 * U * 2f64.powi(((exact.0.to_bits() >> 52) as i32 - 1023).max(-126));
        for (worst, error) in
            worst.iter_mut().zip([(loss - exact.0).abs() / unit, ulp_error(d, either_zero(exact.1, d))])
        {
            // A subnormal may be off by one more.
            let small = exact.0 < f64::from(f32::MIN_POSITIVE);
            let error = if small { (error - 1.0).max(0.0) } else { error };
            note(worst, error, z);
        }
    }
}

fn note(worst: &mut Worst, error: f64, z: f32) {
    // A NaN stays, as the worst.
    let known = error <= worst.0 || worst.0.is_nan();
    if !known {
        *worst = (error, z);
    }
}

#[test]
fn hard_targets_are_right_to_3_ulp() {
    sweep(64 * 31 + 1);
}

#[test]
#[ignore = "all 2^32 logits take minutes: run it in release"]
fn hard_targets_are_right_to_3_ulp_for_every_logit() {
    sweep(1);
}

/// Soft targets: within 2^-23 max(1, |x|).
#[test]
fn soft_targets_are_right_to_an_absolute_error() {
    let mut random = Random::new(26);
    for_each_isa(|set| {
        for bits in (0..=u32::MAX).step_by(1 << 16 | 1) {
            let z = f32::from_bits(bits);
            if !z.is_finite() {
                continue;
            }
            let t = random.unit().abs() as f32;
            let bound = 2.0 * U * f64::from(z).abs().max(1.0);
            let (expected, d_expected) = reference::bce_with_logits(&[z.into()], &[t.into()]);
            let mut d = [0.0; 2];
            let cost = set.bce_with_logits(1, &[z], &[t], Reduction::Sum.into(), &mut d[..1]);
            assert!((cost - expected).abs() <= bound, "bce of {z}, target {t} on {}: {cost}", set.isa());
            assert!((f64::from(d[0]) - d_expected[0]).abs() <= bound, "bce of {z}, target {t} on {}: {d:?}", set.isa());
            let targets = [1.0 - t, t];
            let t = f64::from(targets[1]) / (f64::from(targets[0]) + f64::from(targets[1]));
            let sum = f64::from(targets[0]) + f64::from(targets[1]);
            let (expected, d_expected) = reference::bce_with_logits(&[z.into()], &[t]);
            let targets = ClassTargets::Probabilities(&targets);
            let cost = set.softmax_cross_entropy(2, &[0.0, z], targets, Reduction::Sum.into(), &mut d);
            assert!((cost - sum * expected).abs() <= bound, "two classes, {z} on {}: {cost}", set.isa());
            assert!((f64::from(d[1]) - sum * d_expected[0]).abs() <= bound, "two classes, {z} on {}: {d:?}", set.isa());
        }
    });
}

#[test]
fn gradients_of_many_classes_are_right_to_3_ulp() {
    let mut random = Random::new(27);
    let mut worst = (0.0, 0.0);
    for (rows, cols) in [(4000, 3), (4000, 10), (1000, 33), (500, 64), (400, 100), (100, 1000), (4, 30_000)] {
        for magnitude in [0.1, 3.0, 20.0, 80.0, 200.0, 1000.0] {
            let z = logits(&mut random, rows * cols, magnitude);
            let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
            let (mut losses, mut d) = (vec![0.0; rows], vec![0.0; rows * cols]);
            let options = Reduction::None(&mut losses).into();
            KernelSet::best().softmax_cross_entropy(cols, &z, ClassTargets::Indices(&labels), options, &mut d);
            for (row, &label) in labels.iter().enumerate() {
                let (loss, d_expected) =
                    reference::softmax_cross_entropy(&wide(&z[row * cols..][..cols]), label as usize);
                worst.0 = f64::max(worst.0, (losses[row] - loss).abs() / (2.0 * U * loss.abs().max(1e-37)));
                for (&d, &expected) in d[row * cols..][..cols].iter().zip(&d_expected) {
                    let subnormal = expected.abs() < 2.0 * f64::from(f32::MIN_POSITIVE);
                    let ulp = if subnormal { 0.0 } else { ulp_error(d, expected) };
                    worst.1 = f64::max(worst.1, ulp);
                }
            }
        }
    }
    println!("worst relative error of losses in 2^-23, worst ULP of gradients: {worst:?}");
    assert!(worst.0 <= 3.0 && worst.1 <= 3.0, "{worst:?}");
}

/// Rows of small logits are computed in another way than others; which ones share a call does not show.
#[test]
fn rows_have_the_same_bits_among_any_others() {
    let mut random = Random::new(28);
    let rows = 70;
    for cols in [1, 2, 3, 10, 16, 17, 33, 64, 65, 200] {
        let z = logits(&mut random, rows * cols, 31.0);
        let labels: Vec<u32> = (0..rows).map(|_| random.below(cols) as u32).collect();
        for_each_isa(|set| {
            let run = |z: &[f32]| {
                let (mut losses, mut d, mut p) = (vec![0.0; rows], vec![0.0; z.len()], vec![0.0; z.len()]);
                let options = Reduction::None(&mut losses).into();
                set.softmax_cross_entropy(cols, z, ClassTargets::Indices(&labels), options, &mut d);
                set.softmax(cols, z, &mut p);
                (losses, d, p)
            };
            let (losses, d, p) = run(&z);
            for large in [9, 66] {
                let mut others = z.clone();
                others[large * cols] = 100.0;
                let (losses_among, d_among, p_among) = run(&others);
                for row in (0..rows).filter(|row| *row != large) {
                    let place = format!("{}, {cols} columns, row {row}, {large} is large", set.isa());
                    let elements = row * cols..(row + 1) * cols;
                    assert_eq!(losses[row].to_bits(), losses_among[row].to_bits(), "{place}");
                    assert_eq!(bits(&d[elements.clone()]), bits(&d_among[elements.clone()]), "{place}");
                    assert_eq!(bits(&p[elements.clone()]), bits(&p_among[elements]), "{place}");
                }
            }
        });
    }
}

#[test]
fn a_certain_label_keeps_the_digits_of_its_gradient() {
    for_each_isa(|set| {
        let mut d = [0.0; 2];
        let small = (-40f64).exp();
        let near = |x: f64, y: f64| (x / y - 1.0).abs() < 4.0 * U;
        for targets in [ClassTargets::Indices(&[0]), ClassTargets::Probabilities(&[1.0, 0.0])] {
            let cost = set.softmax_cross_entropy(2, &[40.0, 0.0], targets, Reduction::Sum.into(), &mut d);
            assert!(near(cost, small) && near(d[0].into(), -small), "{cost}, {d:?} on {}", set.isa());
        }
        let cost = set.bce_with_logits(1, &[40.0, -40.0], &[1.0, 0.0], Reduction::Sum.into(), &mut d);
        assert!(near(cost, 2.0 * small) && near(d[0].into(), -small), "{cost}, {d:?} on {}", set.isa());
        assert!(near(d[1].into(), small), "{d:?} on {}", set.isa());
    });
}
