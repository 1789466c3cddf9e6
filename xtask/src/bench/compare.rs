//! `cargo xtask bench compare`: two reports, of before and after a change.

use super::report::ratio;
use crate::table::Table;
use benches::stats::geometric_mean;
use serde_json::Value;
use std::fmt::{self, Display};
use std::path::Path;

/// A change of the median that is no noise on a quiet machine.
const TOLERATED: f64 = 0.05;

/// Ours on a case.
#[derive(Clone, Debug, PartialEq)]
struct Time {
    case: String,
    threads: u64,
    median: f64,
    p10: f64,
    p90: f64,
}

/// What is read of a report.
#[derive(Debug)]
struct Measured {
    /// What must be the same in both for their times to mean much.
    conditions: Vec<(&'static str, String)>,
    peak: f64,
    times: Vec<Time>,
}

/// How ours changed.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Conditions that differ.
    differ: Vec<String>,
    /// The peak after, in units of that before.
    peak: f64,
    /// Each case with how many times as fast it became, those that changed most first.
    faster: Vec<(String, f64)>,
    slower: Vec<(String, f64)>,
    /// Those that did not change by more than noise.
    level: usize,
    all: Vec<f64>,
    /// Cases of one report alone.
    unmatched: usize,
}

/// Reads two files that `--json` wrote.
pub(super) fn compare(old: &Path, new: &Path) -> Result<Comparison, String> {
    Ok(Comparison::of(&read(old)?, &read(new)?))
}

fn read(path: &Path) -> Result<Measured, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    Measured::parse(&value).ok_or_else(|| failed("not a report of `cargo xtask bench --json`".to_owned()))
}

impl Measured {
    fn parse(report: &Value) -> Option<Self> {
        let conditions = ["cpu", "isa", "compiler"];
        let conditions = conditions.map(|name| (name, report[name].to_string().trim_matches('"').to_owned()));
        let times = report["cases"].as_array()?.iter().filter_map(time).collect();
        Some(Measured { conditions: conditions.to_vec(), peak: report["peak_gflops"]["f32"].as_f64()?, times })
    }
}

fn time(case: &Value) -> Option<Time> {
    let ours = case["engines"].as_array()?.iter().find(|engine| engine["name"] == "ours")?;
    let number = |key: &str| ours[key].as_f64();
    let (case, threads) = (case["name"].as_str()?.to_owned(), case["threads"].as_u64()?);
    Some(Time { case, threads, median: number("median_ns")?, p10: number("p10_ns")?, p90: number("p90_ns")? })
}

impl Comparison {
    fn of(old: &Measured, new: &Measured) -> Self {
        let pairs = old.conditions.iter().zip(&new.conditions).filter(|(old, new)| old != new);
        let differ = pairs.map(|((name, old), (_, new))| format!("{name}: {old}, then {new}")).collect();
        let mut comparison = Comparison {
            differ,
            peak: new.peak / old.peak,
            faster: Vec::new(),
            slower: Vec::new(),
            level: 0,
            all: Vec::new(),
            unmatched: old.times.len() + new.times.len(),
        };
        for new in &new.times {
            let Some(old) = old.times.iter().find(|old| (&old.case, old.threads) == (&new.case, new.threads)) else {
                continue;
            };
            comparison.unmatched -= 2;
            let speed = old.median / new.median;
            comparison.all.push(speed);
            let on = if new.threads == 1 { String::new() } else { format!(", {} threads", new.threads) };
            let row = (new.case.clone() + &on, speed);
            if speed > 1.0 + TOLERATED && new.p90 < old.p10 {
                comparison.faster.push(row);
            } else if speed < 1.0 / (1.0 + TOLERATED) && new.p10 > old.p90 {
                comparison.slower.push(row);
            } else {
                comparison.level += 1;
            }
        }
        comparison.faster.sort_by(|a, b| b.1.total_cmp(&a.1));
        comparison.slower.sort_by(|a, b| a.1.total_cmp(&b.1));
        comparison
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for differ in &self.differ {
            writeln!(f, "warning: not the same {differ}")?;
        }
        if (self.peak - 1.0).abs() > TOLERATED {
            writeln!(
                f,
                "warning: the FMA peak is {} of what it was: the clock or another load changed. Measure both again, one \
                 after the other.",
                ratio(self.peak)
            )?;
        }
        for (title, rows) in [("slower", &self.slower), ("faster", &self.faster)] {
            if !rows.is_empty() {
                let rows = rows.iter().map(|(case, speed)| vec![case.clone(), ratio(*speed)]).collect();
                let headings = vec!["case".to_owned(), "speed".to_owned()];
                writeln!(f, "{}", Table { title: title.to_owned(), headings, rows })?;
            }
        }
        let mean = geometric_mean(&self.all).map_or_else(|| "-".to_owned(), ratio);
        let (faster, slower) = (self.faster.len(), self.slower.len());
        write!(
            f,
            "{faster} faster, {slower} slower, {} within noise; geometric mean of the speeds: {mean}",
            self.level
        )?;
        if self.unmatched > 0 {
            write!(f, "; {} in one report only", self.unmatched)?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(cpu: &str, peak: f64, cases: &[(&str, f64)]) -> Measured {
        let case = |&(name, median): &(&str, f64)| {
            json!({ "name": name, "threads": 1, "engines": [
                { "name": "naive", "median_ns": 1e9, "p10_ns": 1e9, "p90_ns": 1e9 },
                { "name": "ours", "median_ns": median, "p10_ns": 0.97 * median, "p90_ns": 1.03 * median },
            ] })
        };
        let cases: Vec<Value> = cases.iter().map(case).collect();
        let value = json!({ "cpu": cpu, "isa": "avx2", "compiler": "rustc", "peak_gflops": { "f32": peak },
            "cases": cases });
        Measured::parse(&value).unwrap()
    }

    #[test]
    fn only_what_is_beyond_noise_changed() {
        let old =
            report("a", 100.0, &[("same", 10.0), ("faster", 10.0), ("slower", 10.0), ("noise", 10.0), ("gone", 1.0)]);
        let new =
            report("a", 101.0, &[("same", 10.0), ("faster", 5.0), ("slower", 12.5), ("noise", 10.55), ("new", 1.0)]);
        let comparison = Comparison::of(&old, &new);
        assert_eq!(comparison.faster, [("faster".to_owned(), 2.0)]);
        assert_eq!(comparison.slower, [("slower".to_owned(), 0.8)]);
        assert_eq!((comparison.level, comparison.unmatched), (2, 2));
        let text = comparison.to_string();
        assert!(text.contains("1 faster, 1 slower, 2 within noise") && !text.contains("warning"), "{text}");
    }

    #[test]
    fn other_conditions_are_warned_of() {
        let comparison = Comparison::of(&report("a", 100.0, &[]), &report("b", 80.0, &[]));
        let text = comparison.to_string();
        assert!(text.contains("cpu: a, then b") && text.contains("FMA peak is 0.80x"), "{text}");
        assert!(text.contains("mean of the speeds: -"), "{text}");
    }

    #[test]
    fn a_wrong_answer_has_no_time() {
        let case = json!({ "name": "x", "threads": 1, "engines": [{ "name": "ours", "wrong": "element (0, 0)" }] });
        assert_eq!(time(&case), None);
        assert!(Measured::parse(&json!({ "cases": [] })).is_none());
    }
}
