//! The products of a report in a few lines.

use super::report::{Report, Row, ratio};
use crate::table::Table;
use benches::cases::Task;
use benches::stats::geometric_mean;
use benches::{Group, Role};

/// Cases of which ours is held to a part of the peak.
const PEAK: [(&str, &[&str]); 12] = [
    ("square 32", &["square 32"]),
    ("square 64", &["square 64"]),
    ("squares 128 to 512", &["square 128", "square 256", "square 512"]),
    ("squares 1024 and 2048", &["square 1024", "square 2048"]),
    (
        "squares 128 to 2048, NT",
        &["square 128 NT", "square 256 NT", "square 512 NT", "square 1024 NT", "square 2048 NT"],
    ),
    (
        "squares 128 to 2048, TN",
        &["square 128 TN", "square 256 TN", "square 512 TN", "square 1024 TN", "square 2048 TN"],
    ),
    ("64x784x128 forward and dW", &["forward 64x784x128", "dW 64x784x128"]),
    ("64x784x128 dX", &["dX 64x784x128"]),
    (
        "64x128x10 and 512x512x10, forward and dW",
        &["forward 64x128x10", "dW 64x128x10", "forward 512x512x10", "dW 512x512x10"],
    ),
    ("64x128x10 dX", &["dX 64x128x10"]),
    ("512x512x10 dX", &["dX 512x512x10"]),
    ("f64 squares 256 to 1024", &["double 256", "double 512", "double 1024"]),
];

/// Cases of which ours is held to a speed-up by threads.
const SPEED_UP: &[&str] = &["square 512", "square 1024", "square 2048", "forward 256x1024x1024", "dW 256x1024x1024"];

/// Some cases, each with a number, and how to show one.
struct Line<'a> {
    title: String,
    values: Vec<(f64, &'a str)>,
    show: fn(f64) -> String,
}

/// The geometric means and the worst of ratios to other libraries, of parts of the peak and of speed-ups.
pub(crate) fn table(report: &Report) -> Option<Table> {
    let lines: Vec<Line<'_>> = lines(report).into_iter().filter(|line| !line.values.is_empty()).collect();
    let headings = ["ours", "geometric mean", "worst", "of the case"].map(str::to_owned).into();
    let rows = lines.iter().filter_map(Line::cells).collect();
    (!lines.is_empty()).then(|| Table { title: "summary of the products".to_owned(), headings, rows })
}

fn lines(report: &Report) -> Vec<Line<'_>> {
    let products = || report.rows.iter().filter(|row| matches!(row.case.task, Task::Gemm(_)));
    let gemv = || products().filter(|row| row.case.group == Group::Gemv);
    let named = |names: &'static [&str]| products().filter(move |row| names.contains(&row.case.name.as_str()));
    let mut lines = vec![
        Line::new("against the best library in Rust", ratio, products(), |row| row.ratio(Role::Peer)),
        Line::new("against the best library", ratio, products(), Row::ratio_to_best),
        Line::new("one row or column: against the best library", ratio, gemv(), Row::ratio_to_best),
        Line::new("one row or column: % of a plain sum", percent, gemv(), |row| row.ratio(Role::Sum)),
    ];
    for (title, names) in PEAK {
        lines.push(Line::new(&format!("% of the peak: {title}"), percent, named(names), |row| {
            report.share_of_peak(row)
        }));
    }
    let with_epilogues = report.rows.iter().filter(|row| row.case.group == Group::Epilogue);
    let speed = |row: &Row| row.ratio(Role::Plain);
    lines.push(Line::new("with an epilogue: % of the speed without", percent, with_epilogues, speed));
    let speed_up = |row: &Row| row.ratio(Role::OursSerial);
    lines.push(Line::new("speed-up over one thread: 512 and above", ratio, named(SPEED_UP), speed_up));
    lines.push(Line::new("speed-up over one thread: all", ratio, products(), speed_up));
    lines
}

impl<'a> Line<'a> {
    fn new(
        title: &str,
        show: fn(f64) -> String,
        rows: impl Iterator<Item = &'a Row>,
        value: impl Fn(&Row) -> Option<f64>,
    ) -> Self {
        let values = rows.filter_map(|row| Some((value(row)?, row.case.name.as_str()))).collect();
        Line { title: title.to_owned(), values, show }
    }

    fn cells(&self) -> Option<Vec<String>> {
        let numbers: Vec<f64> = self.values.iter().map(|(value, _)| *value).collect();
        let (worst, case) = self.values.iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
        let mean = (self.show)(geometric_mean(&numbers)?);
        Some(vec![self.title.clone(), mean, (self.show)(*worst), (*case).to_owned()])
    }
}

fn percent(part: f64) -> String {
    format!("{:.1}", 100.0 * part)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{outcome, report};
    use super::*;
    use benches::cases;

    #[test]
    fn cases_are_in_the_list() {
        let all = cases::all();
        for name in PEAK.iter().flat_map(|(_, names)| *names).chain(SPEED_UP) {
            assert!(all.iter().any(|case| case.name == *name), "{name}");
        }
    }

    #[test]
    fn means_and_worst_cases_are_those_of_the_rows() {
        // Ours takes 20 µs for 2^22 operations at a peak of 419.4304 a nanosecond: 50 %. The best in Rust takes 10.
        let mut report = report(400.0);
        let case = cases::all().into_iter().find(|case| case.name == "square 256").unwrap();
        let outcomes = vec![
            outcome("ours", Role::Ours, 10.0),
            outcome("one", Role::Peer, 80.0),
            outcome("openblas", Role::Foreign, 5.0),
        ];
        report.rows.push(Row { case, threads: 1, outcomes });
        let rows = table(&report).unwrap().rows;
        let line = |title: &str| {
            rows.iter().find(|row| row[0] == title).map(|row| [row[1].as_str(), row[2].as_str(), row[3].as_str()])
        };
        assert_eq!(line("against the best library in Rust"), Some(["2.00x", "0.50x", "square 128"]));
        assert_eq!(line("against the best library"), Some(["0.50x", "0.50x", "square 128"]));
        assert_eq!(line("% of the peak: squares 128 to 512").unwrap()[1..], ["50.0", "square 128"]);
        assert_eq!(line("speed-up over one thread: all"), None);
        report.rows.clear();
        assert!(table(&report).is_none());
    }
}
