//! What was measured, in tables, and whether to believe it.

use super::machine::Machine;
use crate::table::Table;
use benches::cases::{Case, Precision, Task};
use benches::measure::Outcome;
use benches::peak::Peak;
use benches::stats::Summary;
use benches::{Group, Role};
use kernels::Isa;
use std::fmt;

/// A difference that is more than noise on a quiet machine.
const TOLERATED: f64 = 0.10;

/// Cases that a warning names.
const SHOWN: usize = 6;

pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
    /// The peak of a core before all cases,
    pub(crate) before: Peak,
    /// and after them.
    pub(crate) after: Peak,
    pub(crate) rows: Vec<Row>,
}

/// A case and what each engine did.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Row {
    fn of(&self, role: Role) -> Option<Summary> {
        let medians = self.outcomes.iter().filter(|outcome| outcome.role == role);
        medians.filter_map(|outcome| outcome.nanoseconds.ok()).min_by(|a, b| a.median.total_cmp(&b.median))
    }

    /// How many times as long as ours the best engine of a role takes.
    fn ratio(&self, role: Role) -> Option<f64> {
        Some(self.of(role)?.median / self.of(Role::Ours)?.median)
    }

    fn spread(&self) -> f64 {
        self.of(Role::Ours).map_or(0.0, |summary| summary.spread())
    }
}

impl Report {
    /// GFLOP/s of one core.
    pub(crate) fn peak(&self) -> Peak {
        self.before.max(self.after)
    }

    /// Each wrong answer.
    pub(crate) fn wrong(&self) -> impl Iterator<Item = (&Case, &Outcome)> {
        let all = self.rows.iter().flat_map(|row| row.outcomes.iter().map(|outcome| (&row.case, outcome)));
        all.filter(|(_, outcome)| outcome.nanoseconds.is_err())
    }

    pub(crate) fn markdown(&self) -> String {
        let header = self.header().map(|(name, text)| format!("{name}: {text}")).join(" · ");
        let tables = self.tables().map(|table| table.markdown());
        [header + "\n"].into_iter().chain(tables).collect::<Vec<_>>().join("\n")
    }

    fn header(&self) -> [(&'static str, String); 5] {
        let peak = self.peak();
        [
            ("CPU", format!("{}, cores: {}", self.machine.cpu, self.machine.cores)),
            ("ISA", self.isa.to_string()),
            ("threads", self.threads.to_string()),
            ("FMA peak of a core", format!("{:.1} GFLOP/s f32, {:.1} f64", peak.f32, peak.f64)),
            ("compiler", self.machine.compiler.to_owned()),
        ]
    }

    fn tables(&self) -> impl Iterator<Item = Table> {
        Group::ALL.into_iter().filter_map(|group| {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.case.group == group).collect();
            (!rows.is_empty()).then(|| self.table(group, &rows))
        })
    }

    fn table(&self, group: Group, rows: &[&Row]) -> Table {
        let mut engines: Vec<&str> = Vec::new();
        for outcome in rows.iter().flat_map(|row| &row.outcomes) {
            if !engines.contains(&outcome.name) {
                engines.push(outcome.name);
            }
        }
        let plain = if group == Group::Math { "vs std" } else { "vs naive" };
        let has_peers = rows.iter().any(|row| row.of(Role::Peer).is_some());
        let mut headings = vec!["case"];
        headings.extend(&engines);
        headings.push("spread");
        match group {
            Group::Memory => headings.extend(["GB/s", "% of copy"]),
            group if group.is_gemm() => headings.extend(["GFLOP/s", "% peak", plain]),
            _ => headings.push(plain),
        }
        if has_peers {
            headings.push("vs best");
        }
        let cells = |row: &&Row| {
            let unit = row.case.task.elements().map_or(1e3, |elements| elements as f64);
            let mut cells = vec![row.case.name.clone()];
            cells.extend(engines.iter().map(|name| time(row, name, unit)));
            let ours = row.of(Role::Ours);
            cells.push(optional(ours, spread));
            match row.case.task {
                Task::Gemm(gemm) => {
                    let rate = ours.map(|summary| gemm.flops() as f64 / summary.median);
                    let peak = match gemm.precision {
                        Precision::F32 => self.peak().f32,
                        Precision::F64 => self.peak().f64,
                    };
                    cells.push(optional(rate, |rate| format!("{rate:.1}")));
                    cells.push(optional(rate, |rate| format!("{:.0}", 100.0 * rate / (peak * self.threads as f64))));
                    cells.push(optional(row.ratio(Role::Naive), ratio));
                }
                Task::Memory(memory) => {
                    cells.push(optional(ours, |summary| format!("{:.1}", memory.bytes() as f64 / summary.median)));
                    cells.push(optional(row.ratio(Role::Copy), |ratio| format!("{:.0}", 100.0 * ratio)));
                }
                Task::Map(_) | Task::Loss(_) => cells.push(optional(row.ratio(Role::Naive), ratio)),
            }
            if has_peers {
                cells.push(optional(row.ratio(Role::Peer), ratio));
            }
            cells
        };
        let unit = if group.is_gemm() { "µs a call" } else { "ns an element" };
        Table {
            title: format!("{group}: {unit}, median"),
            headings: headings.into_iter().map(str::to_owned).collect(),
            rows: rows.iter().map(cells).collect(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (case, outcome) in self.wrong() {
            if let Err(wrong) = outcome.nanoseconds {
                warnings.push(format!("{}, {}: wrong, so not timed: {wrong}", case.name, outcome.name));
            }
        }
        let named = |chosen: &dyn Fn(&Row) -> bool| {
            let names: Vec<&str> =
                self.rows.iter().filter(|row| chosen(row)).map(|row| row.case.name.as_str()).collect();
            let more = names.len().saturating_sub(SHOWN);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!names.is_empty()).then(|| names[..names.len() - more].join(", ") + &rest)
        };
        if let Some(names) = named(&|row| row.ratio(Role::OursSerial).is_some_and(|ratio| ratio < 1.0 - TOLERATED)) {
            warnings.push(format!("slower on {} threads than on one: {names}", self.threads));
        }
        if let Some(names) = named(&|row| row.spread() > TOLERATED) {
            warnings.push(format!(
                "times of ours spread over more than 10 % (10th to 90th percentile): {names}. Stop other programs, \
                 then repeat these with --filter."
            ));
        }
        let drift = self.before.drift(self.after);
        if drift > TOLERATED {
            warnings.push(format!(
                "the FMA peak was {:.1} GFLOP/s before and {:.1} after, {:.0} % apart: the clock changed or another \
                 load ran. Repeat on a quiet machine, with a fixed clock where it can be set.",
                self.before.f32,
                self.after.f32,
                100.0 * drift
            ));
        }
        warnings
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in self.header() {
            writeln!(f, "{name:<18}  {text}")?;
        }
        for table in self.tables() {
            write!(f, "\n{table}")?;
        }
        for warning in self.warnings() {
            write!(f, "\nwarning: {warning}\n")?;
        }
        Ok(())
    }
}

fn time(row: &Row, engine: &str, unit: f64) -> String {
    match row.outcomes.iter().find(|outcome| outcome.name == engine).map(|outcome| outcome.nanoseconds) {
        None => "-".to_owned(),
        Some(Ok(summary)) => significant(summary.median / unit),
        Some(Err(_)) => "wrong".to_owned(),
    }
}

fn optional<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// Three or more digits that matter.
fn significant(x: f64) -> String {
    let decimals = match x {
        x if x < 1.0 => 3,
        x if x < 10.0 => 2,
        x if x < 100.0 => 1,
        _ => 0,
    };
    format!("{x:.decimals$}")
}

fn ratio(x: f64) -> String {
    if x < 10.0 { format!("{x:.2}x") } else { format!("{x:.0}x") }
}

/// The 10th and the 90th percentile, relative to the median.
fn spread(summary: Summary) -> String {
    let percent = |x: f64| 100.0 * (x / summary.median - 1.0);
    format!("{:.0}..+{:.0}%", percent(summary.p10), percent(summary.p90))
}

#[cfg(test)]
mod tests {
    use super::*;
    use benches::cases;

    fn outcome(name: &'static str, role: Role, median: f64) -> Outcome {
        Outcome { name, role, nanoseconds: Ok(Summary { median, p10: 0.9 * median, p90: 1.2 * median, samples: 9 }) }
    }

    fn report(peak_after: f64) -> Report {
        let case = cases::all().into_iter().find(|case| case.name == "square 128").unwrap();
        let outcomes = vec![
            outcome("naive", Role::Naive, 400_000.0),
            outcome("ours", Role::Ours, 20_000.0),
            outcome("slow", Role::Peer, 30_000.0),
            outcome("fast", Role::Peer, 10_000.0),
        ];
        Report {
            machine: Machine { cpu: "cpu".to_owned(), cores: 1, compiler: "rustc" },
            isa: Isa::Portable,
            threads: 1,
            before: Peak { f32: 419.4304, f64: 1.0 },
            after: Peak { f32: peak_after, f64: 1.0 },
            rows: vec![Row { case, outcomes }],
        }
    }

    #[test]
    fn ratios_are_to_ours() {
        let table = report(400.0).tables().next().unwrap();
        let expected = ["square 128", "400", "20.0", "30.0", "10.0", "-10..+20%", "209.7", "50", "20x", "0.50x"]
            .map(str::to_owned);
        assert_eq!(table.headings.len(), expected.len());
        assert_eq!(table.rows, [expected]);
    }

    #[test]
    fn noise_is_warned_of() {
        let text = report(200.0).to_string();
        assert!(text.contains("spread over more than 10 %") && text.contains("52 % apart"), "{text}");
        assert!(!report(419.0).to_string().contains("apart"));
    }

    #[test]
    fn lines_fit_a_terminal() {
        assert!(report(400.0).tables().all(|table| table.to_string().lines().all(|line| line.chars().count() <= 140)));
    }

    #[test]
    fn a_wrong_answer_shows() {
        let mut report = report(400.0);
        let wrong = benches::check::Wrong { row: 1, col: 2, found: f64::NAN, expected: 1.0, bound: 0.5 };
        report.rows[0].outcomes[1].nanoseconds = Err(wrong);
        assert_eq!(report.wrong().count(), 1);
        assert_eq!(report.tables().next().unwrap().rows[0][2], "wrong");
        assert!(report.to_string().contains("square 128, ours: wrong"), "{report}");
    }
}
