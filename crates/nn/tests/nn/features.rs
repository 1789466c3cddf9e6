//! Features as floats, as bytes and with any strides: the same numbers lead to the same bits.

use nn::data::Dataset;
use nn::estimators::{LogisticRegression, MlpClassifier};
use nn::{
    Activation, BatchSize, ByteScale, EpochReport, Error, Features, Loss, MatRef, Model, ThreadPool, TrainOptions,
    Trainer,
};

use crate::{bits, descent};

const ROWS: usize = 150;
const COLS: usize = 37;
const SCALE: ByteScale = ByteScale { scale: 1.0 / 100.0, offset: -1.25 };

/// The same rows in memory of each kind.
struct Forms {
    bytes: Vec<u8>,
    rows: Vec<f32>,
    by_columns: Vec<f32>,
    /// Every second element, from the last row to the first.
    apart: Vec<f32>,
}

impl Forms {
    fn new() -> Self {
        let bytes: Vec<u8> = (0..ROWS * COLS).map(|i| ((i * i + 31 * i) % 256) as u8).collect();
        let rows: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte).mul_add(SCALE.scale, SCALE.offset)).collect();
        let mut by_columns = vec![f32::NAN; ROWS * COLS];
        let mut apart = vec![f32::NAN; 2 * ROWS * COLS];
        for (i, j) in (0..ROWS).flat_map(|i| (0..COLS).map(move |j| (i, j))) {
            by_columns[j * ROWS + i] = rows[i * COLS + j];
            apart[2 * ((ROWS - 1 - i) * COLS + j)] = rows[i * COLS + j];
        }
        Forms { bytes, rows, by_columns, apart }
    }

    fn all(&self) -> [(&'static str, Features<'_>); 4] {
        let apart = MatRef::from_strided(&self.apart, 2 * (ROWS - 1) * COLS, ROWS, COLS, -2 * COLS as isize, 2);
        [
            ("rows", (&self.rows).into()),
            ("bytes", Features::Bytes { bytes: &self.bytes, scale: SCALE }),
            ("by columns", MatRef::from_row_major(&self.by_columns, COLS, ROWS).t().into()),
            ("apart", apart.into()),
        ]
    }
}

fn labels(classes: u32) -> Vec<u32> {
    (0..ROWS as u32).map(|row| row * row % classes).collect()
}

/// What of an epoch must not depend on the form.
fn judged(epoch: &EpochReport) -> (u64, Option<u64>, Option<u64>) {
    let validation = epoch.validation.map(|validation| validation.loss.to_bits());
    (epoch.loss.to_bits(), epoch.accuracy.map(f64::to_bits), validation)
}

#[test]
fn trainings_do_not_show_the_form() {
    let forms = Forms::new();
    let classifier = Model::builder(COLS).linear(20, Activation::Relu).linear(5, Activation::Identity);
    let classifier = classifier.loss(Loss::SoftmaxCrossEntropy).seed(3).build().unwrap();
    for (model, labels) in [(classifier, labels(5)), (Model::logistic_regression(COLS).unwrap(), labels(2))] {
        for (batch, shuffle, validation_fraction) in
            [(16, true, 0.0), (16, false, 0.0), (16, true, 0.3), (1, true, 0.0), (1000, true, 0.0)]
        {
            for threads in [1, 2] {
                let options = TrainOptions {
                    batch_size: BatchSize::Rows(batch),
                    optimizer: descent(0.05),
                    max_epochs: 3,
                    tol: None,
                    shuffle,
                    validation_fraction,
                    ..TrainOptions::default()
                };
                let results = forms.all().map(|(name, x)| {
                    let pool = ThreadPool::with_work_per_thread(threads, 1).unwrap();
                    let mut trainer = Trainer::with_pool(model.clone(), options, pool).unwrap();
                    let report = trainer.fit((x, &labels)).unwrap();
                    let epochs: Vec<_> = report.epochs.iter().map(judged).collect();
                    (name, bits(trainer.model()), epochs)
                });
                let (_, weights, epochs) = &results[0];
                assert_ne!(*weights, bits(&model), "nothing was learned");
                for (name, other_weights, other_epochs) in &results[1..] {
                    let case =
                        format!("{name}, batches of {batch}, {shuffle}, {validation_fraction}, {threads} threads");
                    assert_eq!(other_epochs, epochs, "{case}");
                    assert!(other_weights == weights, "{case}: other weights");
                }
            }
        }
    }
}

#[test]
fn steps_predictions_and_estimators_do_not_show_the_form() {
    let (forms, labels) = (Forms::new(), labels(3));
    let model = Model::builder(COLS).linear(3, Activation::Identity).loss(Loss::SoftmaxCrossEntropy).build().unwrap();
    let results = forms.all().map(|(name, x)| {
        let mut trainer = Trainer::new(model.clone(), TrainOptions::default()).unwrap();
        let losses = [trainer.step((x, &labels)).unwrap(), trainer.step((x, &labels)).unwrap()];
        let model = trainer.into_model();
        let evaluation = model.evaluate(x, &labels).unwrap();

        let options = TrainOptions { max_epochs: 2, validation_fraction: 0.2, ..TrainOptions::default() };
        let mut mlp = MlpClassifier::new().hidden(&[8]).options(options);
        mlp.fit(x, &labels).unwrap();
        mlp.partial_fit(x, &labels).unwrap();
        let mut logistic = LogisticRegression::new();
        logistic.fit(x, &labels).unwrap();
        let coefficients = logistic.coefficients().unwrap();
        let score = logistic.score(x, &labels).unwrap();
        let answers = [model.predict(x), model.predict_proba(x), mlp.predict_proba(x), logistic.predict_proba(x)];
        let answers = answers.map(|answer| answer.unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>());
        (name, (losses, evaluation, coefficients, score, answers, model.predict_classes(x).unwrap()))
    });
    for (name, result) in &results[1..] {
        assert!(*result == results[0].1, "{name}: {result:?}, expected {:?}", results[0].1);
    }
}

#[test]
fn data_sets_keep_bytes_in_every_part() {
    let forms = Forms::new();
    let bytes = Dataset::bytes_with_labels(forms.bytes.clone(), SCALE, COLS, labels(2), 2).unwrap();
    let floats = Dataset::with_labels(forms.rows.clone(), COLS, labels(2), 2).unwrap();
    assert_eq!(bytes.to_f32(), floats.to_f32());
    let (of_bytes, of_floats) = (bytes.split(0.3, 5).unwrap(), floats.split(0.3, 5).unwrap());
    for (kept, expected) in [(of_bytes.0, of_floats.0), (of_bytes.1, of_floats.1)] {
        assert!(matches!(kept.features(), Features::Bytes { scale: SCALE, .. }));
        assert_eq!((kept.to_f32(), kept.targets()), (expected.to_f32(), expected.targets()));
    }
    let counts: Vec<f32> = forms.bytes.iter().map(|&byte| byte.into()).collect();
    let counts = Dataset::with_labels(counts, COLS, labels(2), 2).unwrap();
    assert_eq!(counts.into_bytes(SCALE).unwrap(), bytes);
}

#[test]
fn what_is_no_rows_of_numbers_is_refused() {
    let model = Model::logistic_regression(2).unwrap();
    let refused = |x: Features<'_>| model.predict(x).unwrap_err();
    let data = [0.0, 1.0, f32::NAN, 3.0, 4.0, 5.0];
    let error = refused(MatRef::from_row_major(&data, 2, 3).t().into());
    assert!(matches!(error, Error::NonFiniteInput { row: 2, column: 0, .. }), "{error}");
    let error = refused(MatRef::from_row_major(&data, 2, 3).into()).to_string();
    assert!(error.contains("[2, 3]") && error.contains("[2, 2]"), "{error}");
    assert!(matches!(refused(MatRef::from_row_major(&[], 0, 2).into()), Error::EmptyData));
    let scale = ByteScale::default();
    assert!(matches!(refused(Features::Bytes { bytes: &[1, 2, 3], scale }), Error::ShapeMismatch { .. }));
    assert!(matches!(refused(Features::Bytes { bytes: &[], scale }), Error::EmptyData));
    for (scale, offset) in [(f32::MAX, 0.0), (1.0, f32::NAN), (f32::INFINITY, 0.0)] {
        let scale = ByteScale { scale, offset };
        assert!(matches!(refused(Features::Bytes { bytes: &[0, 0], scale }), Error::InvalidHyperParameter { .. }));
        assert!(Dataset::bytes_with_labels(vec![0], scale, 1, vec![0], 1).is_err());
    }
    for wrong in [-1.0, 256.0, 0.5] {
        let data = Dataset::with_labels(vec![0.0, 255.0, 1.0, wrong], 2, vec![0, 0], 1).unwrap();
        let error = data.into_bytes(scale).unwrap_err();
        assert!(matches!(error, Error::NotAByte { row: 1, column: 1, value } if value == wrong), "{error}");
    }
    let mut classifier = MlpClassifier::new();
    assert!(matches!(
        classifier.fit(MatRef::from_row_major(&data[3..], 3, 1), &[0, 1]),
        Err(Error::ShapeMismatch { .. })
    ));
}
