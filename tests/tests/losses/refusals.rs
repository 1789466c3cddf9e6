//! Bad input, and weights of nothing.

use kernels::testing::for_each_isa;
use kernels::{ClassTargets, KernelSet, LossOptions, Reduction};

/// Runs a loss that must panic and returns the message.
fn refused(f: impl FnOnce(&KernelSet) + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(|| f(KernelSet::best())).expect_err("bad input was taken");
    panic.downcast_ref::<String>().expect("a formatted message").clone()
}

fn weighted(weights: &[f32]) -> LossOptions<'_> {
    LossOptions { sample_weights: Some(weights), ..LossOptions::default() }
}

fn by_class(weights: &[f32]) -> LossOptions<'_> {
    LossOptions { class_weights: Some(weights), ..LossOptions::default() }
}

fn positive(weights: &[f32]) -> LossOptions<'_> {
    LossOptions { positive_weights: Some(weights), ..LossOptions::default() }
}

fn smoothed(label_smoothing: f32) -> LossOptions<'static> {
    LossOptions { label_smoothing, ..LossOptions::default() }
}

#[test]
fn bad_input_is_refused_with_its_numbers() {
    let ce = |targets: ClassTargets<'_>, options: LossOptions<'_>| {
        let mut d = [0.0; 6];
        KernelSet::best().softmax_cross_entropy(3, &[0.0; 6], targets, options, &mut d);
    };
    let labels = ClassTargets::Indices(&[2, 0]);
    let message = refused(|_| ce(ClassTargets::Indices(&[2, 3]), LossOptions::default()));
    assert_eq!(message, "softmax_cross_entropy: label 3 of row 1 with 3 classes");
    let message = refused(|_| ce(ClassTargets::Indices(&[2]), LossOptions::default()));
    assert_eq!(message, "softmax_cross_entropy: 2 for rows, 1 for labels");
    let message = refused(|_| ce(ClassTargets::Probabilities(&[0.0; 5]), LossOptions::default()));
    assert_eq!(message, "softmax_cross_entropy: 6 for logits, 5 for probabilities");
    for bad in [f32::NAN, f32::INFINITY, -1.0, -f32::MIN_POSITIVE] {
        let message = refused(|_| ce(labels, weighted(&[1.0, bad])));
        let expected = format!("softmax_cross_entropy: sample_weights[1] is {bad}, must be finite and not negative");
        assert_eq!(message, expected);
        let message = refused(|_| ce(labels, by_class(&[bad, 1.0, 1.0])));
        assert!(message.starts_with(&format!("softmax_cross_entropy: class_weights[0] is {bad}")), "{message}");
        let message = refused(|set| {
            set.bce_with_logits(1, &[0.0; 2], &[0.0; 2], positive(&[bad]), &mut [0.0; 2]);
        });
        assert!(message.starts_with(&format!("bce_with_logits: positive_weights[0] is {bad}")), "{message}");
    }
    assert_eq!(refused(|_| ce(labels, weighted(&[1.0; 3]))), "softmax_cross_entropy: 2 for rows, 3 for sample_weights");
    assert_eq!(refused(|_| ce(labels, by_class(&[1.0; 2]))), "softmax_cross_entropy: 3 for cols, 2 for class_weights");
    assert_eq!(
        refused(|_| ce(labels, positive(&[1.0; 3]))),
        "softmax_cross_entropy: takes no positive_weights, 3 given"
    );
    for bad in [-0.1, 1.0, 2.0, f32::NAN] {
        let message = refused(|_| ce(labels, smoothed(bad)));
        assert_eq!(message, format!("softmax_cross_entropy: label_smoothing is {bad}, must be from 0 to below 1"));
        let message = refused(|set| {
            set.bce_with_logits(1, &[0.0; 2], &[0.0; 2], smoothed(bad), &mut [0.0; 2]);
        });
        assert!(message.starts_with(&format!("bce_with_logits: label_smoothing is {bad}")), "{message}");
    }
    let message = refused(|set| {
        set.mse(1, &[0.0; 2], &[0.0; 2], smoothed(0.5), &mut [0.0; 2]);
    });
    assert_eq!(message, "mse: takes no label_smoothing, 0.5 given");
    let message = refused(|_| ce(labels, Reduction::None(&mut [0.0; 3]).into()));
    assert_eq!(message, "softmax_cross_entropy: 2 for rows, 3 for the losses");
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let message = refused(|set| {
            set.huber(1, &[0.0; 2], &[0.0; 2], bad, LossOptions::default(), &mut [0.0; 2]);
        });
        assert_eq!(message, format!("huber: delta is {bad}, must be positive and finite"));
    }
    let message = refused(|set| {
        set.mse(3, &[0.0; 7], &[0.0; 7], LossOptions::default(), &mut [0.0; 7]);
    });
    assert_eq!(message, "mse: 7 elements are not whole rows of 3");
    let message = refused(|set| {
        set.huber(3, &[0.0; 6], &[0.0; 3], 1.0, LossOptions::default(), &mut [0.0; 6]);
    });
    assert_eq!(message, "huber: 6 for prediction, 3 for target");
    assert_eq!(refused(|set| set.logsumexp(3, &[0.0; 6], &mut [0.0; 3])), "logsumexp: 2 for rows, 3 for out");
    assert_eq!(refused(|set| set.log_softmax(0, &[], &mut [])), "log_softmax: 0 elements are not whole rows of 0");
}

#[test]
fn a_batch_that_weighs_nothing_costs_nothing() {
    for_each_isa(|set| {
        let mut d = [1.0; 6];
        let cost = set.softmax_cross_entropy(3, &[1.0; 6], ClassTargets::Indices(&[0, 1]), weighted(&[0.0; 2]), &mut d);
        assert!(cost == 0.0 && d.iter().all(|&d| d == 0.0), "{cost}, {d:?} on {}", set.isa());
        let cost = set.mse(3, &[1.0; 6], &[0.5; 6], weighted(&[0.0; 2]), &mut d);
        assert!(cost == 0.0 && d.iter().all(|&d| d == 0.0), "{cost}, {d:?} on {}", set.isa());
    });
}
