//! The report of a training as HTML.

use nn::data::{CsvOptions, Dataset, Scaler};
use nn::estimators::MlpClassifier;
use nn::html::{HtmlReport, Sample};
use nn::metrics::ConfusionMatrix;
use nn::{Communication, Error, StopReason, TrainOptions, TrainReport};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");

fn count(html: &str, text: &str) -> usize {
    html.matches(text).count()
}

#[test]
fn a_fit_becomes_one_file_with_all_that_was_asked_for() {
    let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default()).unwrap();
    Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits).unwrap();
    let (x, labels) = (digits.features(), digits.labels().unwrap());
    let options = TrainOptions { max_epochs: 4, validation_fraction: 0.2, ..MlpClassifier::default_options() };
    let mut classifier = MlpClassifier::new().hidden(&[16]).options(options);
    let report = classifier.fit(x, labels).unwrap();
    let predicted = classifier.predict(x).unwrap();
    let matrix = ConfusionMatrix::new(labels, &predicted).unwrap();
    let mut page = HtmlReport::new("<Digits> & more", &report).confusion(&matrix);
    for row in 0..3 {
        let (label, predicted) = (labels[row].to_string(), predicted[row].to_string());
        page = page.sample(Sample { label, predicted, pixels: x[row * 64..][..64].to_vec(), width: 8 });
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.html");
    page.save(&path).unwrap();
    let html = std::fs::read_to_string(&path).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</body></html>\n"));
    assert!(html.contains("<h1>&lt;Digits&gt; &amp; more</h1>") && !html.contains("<Digits>"));
    assert_eq!(count(&html, "<polyline"), 4, "loss and accuracy, of training and validation");
    assert_eq!(count(&html, "<rect"), 3 * 64);
    assert_eq!(count(&html, "<td style"), 100);
    assert!(html.contains(&format!("accuracy {:.4}", matrix.accuracy())));
    for tag in ["svg", "table", "figure", "tr", "td", "th", "text"] {
        let opened = count(&html, &format!("<{tag}>")) + count(&html, &format!("<{tag} "));
        assert_eq!(opened, count(&html, &format!("</{tag}>")), "{tag}");
    }
    assert!(!html.contains("http") && !html.contains("<script"), "it needs nothing else");
    assert!(!html.contains("NaN"));
}

#[test]
fn a_training_without_epochs_has_no_curves() {
    let report = TrainReport {
        epochs: Vec::new(),
        stop: StopReason::Stopped,
        samples_per_second: 0.0,
        communication: Communication::default(),
    };
    let html = HtmlReport::new("", &report).to_html().unwrap();
    assert_eq!(count(&html, "<svg"), 0);
    let bad = Sample { pixels: vec![0.0; 5], width: 2, ..Sample::default() };
    let page = HtmlReport::new("", &report);
    assert!(matches!(page.clone().sample(bad).to_html(), Err(Error::ShapeMismatch { .. })));
    let bad = Sample { pixels: vec![f32::NAN], width: 1, ..Sample::default() };
    assert!(matches!(page.clone().sample(bad).to_html(), Err(Error::NonFiniteInput { .. })));
    let named = Sample { label: "<b>".into(), predicted: "a&b".into(), ..Sample::default() };
    let html = page.clone().sample(named).to_html().unwrap();
    assert!(html.contains("<figure class=\"wrong\">&lt;b&gt;, taken for a&amp;b</figure>"), "{html}");
    let level = Sample { pixels: vec![3.0; 4], width: 2, ..Sample::default() };
    assert_eq!(count(&page.sample(level).to_html().unwrap(), "#000000"), 4);
}
