//! How a training went, as one HTML file that needs nothing else: curves, a confusion matrix, sample predictions.

mod chart;

use std::fmt::Write;
use std::path::Path;

use crate::check;
use crate::error::Result;
use crate::file::atomic_write;
use crate::metrics::ConfusionMatrix;
use crate::train::{EpochReport, TrainReport};
use chart::Chart;

/// A report of a training, to be written as HTML.
///
/// ```
/// use nn::estimators::MlpClassifier;
/// use nn::html::{HtmlReport, Sample};
/// use nn::metrics::ConfusionMatrix;
/// # fn main() -> nn::Result<()> {
/// let (x, y) = ([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1]);
/// let mut classifier = MlpClassifier::new();
/// let report = classifier.fit(&x, &y)?;
///
/// let predicted = classifier.predict(&x)?;
/// let matrix = ConfusionMatrix::new(&y, &predicted)?;
/// let sample = Sample { label: "1".into(), predicted: predicted[3].to_string(), ..Sample::default() };
/// let html = HtmlReport::new("Steps", &report).confusion(&matrix).sample(sample).to_html()?;
/// assert!(html.contains("<svg"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HtmlReport<'a> {
    title: String,
    report: &'a TrainReport,
    confusion: Option<&'a ConfusionMatrix>,
    samples: Vec<Sample>,
}

/// A row and what was made of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// What it is.
    pub label: String,
    /// What it was taken for.
    pub predicted: String,
    /// Its features as pixels, row by row, white where they are largest; none where it is no image.
    pub pixels: Vec<f32>,
    /// How many pixels a row has.
    pub width: usize,
}

const STYLE: &str = "body{font:16px/1.4 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}\
    table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:right;border:1px solid #ddd}\
    figure{display:inline-block;margin:.4em;text-align:center}.wrong{color:#c22}svg{max-width:100%}";

impl<'a> HtmlReport<'a> {
    /// With the curves of the training alone.
    pub fn new(title: impl Into<String>, report: &'a TrainReport) -> Self {
        HtmlReport { title: title.into(), report, confusion: None, samples: Vec::new() }
    }

    /// Also shows which classes are taken for which.
    #[must_use]
    pub fn confusion(mut self, matrix: &'a ConfusionMatrix) -> Self {
        self.confusion = Some(matrix);
        self
    }

    /// Also shows this sample, behind those that were given before.
    #[must_use]
    pub fn sample(mut self, sample: Sample) -> Self {
        self.samples.push(sample);
        self
    }

    /// Writes the report to `path`, all or nothing.
    ///
    /// # Errors
    /// Those of [`to_html`](Self::to_html), [`Error::File`](crate::Error::File).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(atomic_write(path.as_ref(), self.to_html()?.as_bytes())?)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for a sample whose pixels are not whole rows,
    /// [`Error::NonFiniteInput`](crate::Error::NonFiniteInput) for a pixel that is not finite.
    pub fn to_html(&self) -> Result<String> {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n{}",
            self.summary()
        );
        let epochs = &self.report.epochs;
        let curve = |value: fn(&EpochReport) -> Option<f64>| epochs.iter().map(value).collect::<Vec<_>>();
        let loss = Chart {
            title: "Loss by epoch",
            training: curve(|epoch| Some(epoch.loss)),
            validation: curve(|epoch| epoch.validation.map(|validation| validation.loss)),
        };
        let accuracy = Chart {
            title: "Accuracy by epoch",
            training: curve(|epoch| epoch.accuracy),
            validation: curve(|epoch| epoch.validation.and_then(|validation| validation.accuracy)),
        };
        html.extend([loss, accuracy].iter().filter_map(Chart::to_svg));
        html.extend(self.confusion.map(table));
        if !self.samples.is_empty() {
            html.push_str("<h2>Samples</h2>\n");
        }
        for sample in &self.samples {
            html.push_str(&sample.to_html()?);
        }
        html.push_str("</body></html>\n");
        Ok(html)
    }

    fn summary(&self) -> String {
        let TrainReport { epochs, stop, samples_per_second, .. } = self.report;
        let mut rows = vec![
            ("epochs", epochs.len().to_string()),
            ("stopped", format!("{stop:?}")),
            ("rows a second", format!("{samples_per_second:.0}")),
        ];
        if let Some(last) = epochs.last() {
            rows.push(("loss", format!("{:.6}", last.loss)));
            rows.extend(last.accuracy.map(|accuracy| ("accuracy", format!("{accuracy:.4}"))));
            if let Some(validation) = last.validation {
                rows.push(("validation loss", format!("{:.6}", validation.loss)));
                rows.extend(validation.accuracy.map(|accuracy| ("validation accuracy", format!("{accuracy:.4}"))));
            }
        }
        let rows: String =
            rows.iter().map(|(name, value)| format!("<tr><th>{name}</th><td>{value}</td></tr>")).collect();
        format!("<table>{rows}</table>\n")
    }
}

/// Each count on a background that is the darker the larger its share of the class.
fn table(matrix: &ConfusionMatrix) -> String {
    let classes = matrix.classes();
    let heads: String = classes.iter().map(|class| format!("<th>{class}</th>")).collect();
    let mut html = format!(
        "<h2>Confusion matrix</h2>\n<p>A line for each class, a column for each prediction; accuracy {:.4}.</p>\n\
         <table><tr><th></th>{heads}</tr>\n",
        matrix.accuracy()
    );
    for (class, counts) in classes.iter().zip(matrix.counts().chunks(classes.len())) {
        let total: f64 = counts.iter().sum();
        let cell = |count: &f64| {
            let share = if total > 0.0 { count / total } else { 0.0 };
            format!("<td style=\"background:rgba(31,119,180,{share:.3})\">{count}</td>")
        };
        let cells: String = counts.iter().map(cell).collect();
        // Writing to a string does not fail.
        let _ = writeln!(html, "<tr><th>{class}</th>{cells}</tr>");
    }
    html.push_str("</table>\n");
    html
}

impl Sample {
    fn to_html(&self) -> Result<String> {
        let mut picture = String::new();
        if !self.pixels.is_empty() {
            let rows = check::rows("the pixels of a sample", &self.pixels, self.width, None)?;
            check::finite("the pixels of a sample", &self.pixels, self.width)?;
            let range = |pixels: &[f32]| {
                pixels.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)))
            };
            let (low, high) = range(&self.pixels);
            let _ = write!(
                picture,
                "<svg width=\"84\" viewBox=\"0 0 {} {rows}\" shape-rendering=\"crispEdges\">",
                self.width
            );
            for (at, &pixel) in self.pixels.iter().enumerate() {
                let share =
                    (f64::from(pixel) - f64::from(low)) / (f64::from(high) - f64::from(low)).max(f64::MIN_POSITIVE);
                let (x, y, grey) = (at % self.width, at / self.width, (255.0 * share) as u8);
                let _ = write!(
                    picture,
                    "<rect x=\"{x}\" y=\"{y}\" width=\"1\" height=\"1\" fill=\"#{grey:02x}{grey:02x}{grey:02x}\"/>"
                );
            }
            picture.push_str("</svg><br>");
        }
        let class = if self.label == self.predicted { "" } else { " class=\"wrong\"" };
        let (label, predicted) = (escaped(&self.label), escaped(&self.predicted));
        Ok(format!("<figure{class}>{picture}{label}, taken for {predicted}</figure>\n"))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
