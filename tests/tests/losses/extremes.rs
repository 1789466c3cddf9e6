//! Every finite logit, infinities and NaN.

use kernels::testing::for_each_isa;
use kernels::{ClassTargets, KernelSet, LossOptions, Reduction};

/// The logsumexp of a row whose softmax, its logarithm, cross-entropy and gradient are NaN.
fn logsumexp_without_softmax(set: &KernelSet, z: &[f32], targets: [ClassTargets<'_>; 2], place: &str) -> f32 {
    let cols = z.len();
    let mut d = vec![0.0; cols];
    for targets in targets {
        let cost = set.softmax_cross_entropy(cols, z, targets, LossOptions::default(), &mut d);
        assert!(cost.is_nan() && d.iter().all(|d| d.is_nan()), "{place}: {cost}, {d:?}");
    }
    d.fill(0.0);
    set.softmax(cols, z, &mut d);
    assert!(d.iter().all(|d| d.is_nan()), "{place}: {d:?}");
    d.fill(0.0);
    set.log_softmax(cols, z, &mut d);
    assert!(d.iter().all(|d| d.is_nan()), "{place}: {d:?}");
    d.fill(0.0);
    set.logsumexp(cols, z, &mut d[..1]);
    d[0]
}

#[test]
fn losses_are_finite_for_every_finite_logit_and_nan_for_nan() {
    for_each_isa(|set| {
        let isa = set.isa();
        let extremes = [f32::MAX, -f32::MAX, 1e30, -1e-40, 0.0, -0.0, 88.8, -104.0];
        let mut d = [0.0; 8];
        for target in [0.0, 1.0, 0.25] {
            let cost = set.bce_with_logits(8, &extremes, &[target; 8], LossOptions::default(), &mut d);
            assert!(cost.is_finite() && d.iter().all(|d| d.is_finite()), "bce to {target} on {isa}: {cost}, {d:?}");
        }
        // Sums of losses beyond f32, and squares.
        let (large, mut d_large) = ([-f32::MAX; 100], [0.0; 100]);
        let max = f64::from(f32::MAX);
        let cost = set.bce_with_logits(1, &large, &[1.0; 100], Reduction::Sum.into(), &mut d_large);
        assert!((cost / (100.0 * max) - 1.0).abs() < 1e-12, "{cost} on {isa}");
        let cost = set.mse(1, &large, &[0.0; 100], Reduction::Sum.into(), &mut d_large);
        assert!((cost / (50.0 * max * max) - 1.0).abs() < 1e-12, "{cost} on {isa}");
        for label in 0..8 {
            for smoothing in [0.0, 0.5] {
                let options = LossOptions { label_smoothing: smoothing, ..LossOptions::default() };
                let targets = ClassTargets::Indices(&[label]);
                let cost = set.softmax_cross_entropy(8, &extremes, targets, options, &mut d);
                assert!(cost.is_finite() && d.iter().all(|d| d.is_finite()), "label {label} on {isa}: {cost}, {d:?}");
            }
        }
        for cols in [8, 20, 70] {
            for bad in [0, 3, cols - 1] {
                let (mut z, mut d) = (vec![0.5; cols], vec![0.0; cols]);
                z[bad] = f32::NAN;
                let place = format!("NaN at {bad} of {cols} on {isa}");
                let ones = vec![1.0; cols];
                assert!(set.bce_with_logits(cols, &z, &ones, LossOptions::default(), &mut d).is_nan(), "{place}");
                assert!(d[bad].is_nan(), "{place}");
                assert!(set.mse(cols, &z, &ones, LossOptions::default(), &mut d).is_nan(), "{place}");
                assert!(d[bad].is_nan(), "{place}");
                assert!(set.huber(cols, &z, &ones, 1.0, LossOptions::default(), &mut d).is_nan(), "{place}");
                assert!(d[bad].is_nan(), "{place}");
                let targets = [ClassTargets::Indices(&[3]), ClassTargets::Probabilities(&ones)];
                let logsumexp = logsumexp_without_softmax(set, &z, targets, &place);
                assert!(logsumexp.is_nan(), "{place}: {logsumexp}");
            }
        }
    });
}

#[test]
fn infinite_logits() {
    const INF: f32 = f32::INFINITY;
    for_each_isa(|set| {
        let isa = set.isa();
        for cols in [3, 20, 70] {
            let place = format!("{cols} columns on {isa}");
            // A class that cannot be.
            let (mut z, mut d) = (vec![0.0; cols], vec![0.0; cols]);
            z[1] = -INF;
            let others = cols as f64 - 1.0;
            let mut t = vec![0.0; cols];
            t[0] = 1.0;
            for targets in [ClassTargets::Indices(&[0]), ClassTargets::Probabilities(&t)] {
                let cost = set.softmax_cross_entropy(cols, &z, targets, LossOptions::default(), &mut d);
                assert!((cost - others.ln()).abs() < 1e-6, "{place}: {cost}");
                assert!(d[1] == 0.0 && (f64::from(d[2]) - 1.0 / others).abs() < 1e-6, "{place}: {d:?}");
            }
            let cost = set.softmax_cross_entropy(cols, &z, ClassTargets::Indices(&[1]), LossOptions::default(), &mut d);
            assert_eq!((cost, d[1]), (f64::INFINITY, -1.0), "{place}");
            set.softmax(cols, &z, &mut d);
            assert!(d[1] == 0.0 && (f64::from(d[0]) - 1.0 / others).abs() < 1e-6, "{place}: {d:?}");
            set.log_softmax(cols, &z, &mut d);
            assert!(d[1] == -INF && (f64::from(d[0]) + others.ln()).abs() < 1e-6, "{place}: {d:?}");
            set.logsumexp(cols, &z, &mut d[..1]);
            assert!((f64::from(d[0]) - others.ln()).abs() < 1e-6, "{place}: {d:?}");
            // No class can be, or one is certain beyond measure.
            for (z, logsumexp) in [(vec![-INF; cols], -INF), ([vec![INF], vec![0.0; cols - 1]].concat(), INF)] {
                let targets = [ClassTargets::Indices(&[1]), ClassTargets::Probabilities(&t)];
                assert_eq!(logsumexp_without_softmax(set, &z, targets, &place), logsumexp, "{place}");
            }
        }
    });
}
