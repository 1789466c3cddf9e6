//! The section of figures in the README.

use super::report::Report;
use std::ops::Range;
use std::path::PathBuf;

/// What is shown of a report, on one thread: of each kind what training has, small and large.
const SHOWN: [&str; 49] = [
    "square 16",
    "square 32",
    "square 64",
    "square 128",
    "square 256",
    "square 512",
    "square 1024",
    "forward 64x784x128",
    "dX 64x784x128",
    "dW 64x784x128",
    "forward 64x128x10",
    "dX 64x128x10",
    "dW 64x128x10",
    "forward 256x1024x1024",
    "dX 256x1024x1024",
    "dW 256x1024x1024",
    "forward 512x512x10",
    "dX 512x512x10",
    "dW 512x512x10",
    "tall forward 10000x32x32",
    "batch 8 forward 8x784x128",
    "batch 1 forward 1x784x128",
    "exp",
    "expm1",
    "ln",
    "log1p",
    "sigmoid",
    "tanh",
    "softplus",
    "erf",
    "gelu",
    "gelu_tanh",
    "silu",
    "relu",
    "cross-entropy 64x10",
    "cross-entropy 64x100",
    "cross-entropy 64x1000",
    "soft cross-entropy 64x10",
    "soft cross-entropy 64x1000",
    "bce 256x1",
    "bce 64x64",
    "mse 64x64",
    "784-128-10, batch 64",
    "784-512-512-10, batch 256",
    "16-64-64-4, batch 32",
    "784-128-10, batch 1",
    "6-64-8-4, batch 1",
    "logistic 784-1, batch 1",
    "predict 6-64-8-4, batch 1",
];

pub(super) fn path() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md").into()
}

/// `readme` with the figures of `report` in its section for the instruction set.
pub(super) fn with_figures(readme: &str, report: &Report) -> Result<String, String> {
    let is_measured = |name: &&str| report.rows.iter().any(|row| row.threads == 1 && row.case.name == **name);
    if let Some(missing) = SHOWN.iter().find(|name| !is_measured(name)) {
        return Err(format!(
            "README.md shows {missing:?}, which was not measured: bench all, with one thread among them"
        ));
    }
    let section = section(readme, report.isa.name())?;
    let shown = |row: &&super::Row| row.threads == 1 && SHOWN.contains(&row.case.name.as_str());
    let figures = report.markdown_of(&report.rows.iter().filter(shown).collect::<Vec<_>>());
    Ok([&readme[..section.start], "\n", &figures, &readme[section.end..]].concat())
}

/// What lies between the marks around the figures of an instruction set.
fn section(readme: &str, isa: &str) -> Result<Range<usize>, String> {
    let (first, last) = (format!("<!-- bench {isa} -->\n"), "<!-- /bench -->");
    let from = readme.find(&first).map(|at| at + first.len());
    let section = from.and_then(|from| Some(from..from + readme[from..].find(last)?));
    section.ok_or_else(|| format!("README.md has no section from {:?} to {last:?}", first.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::super::Row;
    use super::super::report::tests::{outcome, report};
    use super::*;
    use benches::{Role, cases};

    fn measured() -> Report {
        let mut report = report(400.0);
        report.rows.clear();
        for case in cases::all() {
            let outcomes = vec![outcome("ours", Role::Ours, 100.0), outcome("copy", Role::Copy, 50.0)];
            report.rows.push(Row { case, threads: 1, outcomes });
        }
        report
    }

    #[test]
    fn only_the_section_changes() {
        let with = with_figures("a\n<!-- bench portable -->\nold\n<!-- /bench -->\nb\n", &measured()).unwrap();
        assert!(with.starts_with("a\n<!-- bench portable -->\n\nCPU: cpu"), "{with}");
        assert!(with.ends_with("\n<!-- /bench -->\nb\n") && !with.contains("old"), "{with}");
        assert!(SHOWN.iter().all(|name| with.contains(&format!("| {name} |"))), "{with}");
        assert!(!with.contains("| square 2048 |"));
        let twice = with_figures(&with, &measured()).unwrap();
        assert_eq!(with, twice);
    }

    #[test]
    fn what_is_missing_is_told() {
        let other = with_figures("<!-- bench avx2 -->\n<!-- /bench -->", &measured());
        assert!(other.unwrap_err().contains("<!-- bench portable -->"));
        let few = with_figures("<!-- bench portable -->\n<!-- /bench -->", &report(400.0));
        assert!(few.unwrap_err().contains("square 16"));
    }
}
