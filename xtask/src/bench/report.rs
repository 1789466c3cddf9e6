//! What was measured, in tables, and whether to believe it.

use super::machine::Machine;
use super::summary;
use crate::table::Table;
use benches::cases::{Case, Gemm, Precision, Task, Variant};
use benches::measure::Outcome;
use benches::peak::Peak;
use benches::stats::Summary;
use benches::{Group, Role};
use kernels::Isa;
use std::fmt;

/// A difference that is more than noise on a quiet machine.
const TOLERATED: f64 = 0.10;

/// Cores that other programs may keep busy: as good as idle, by a clock of hundredths of a second.
const OTHERS: f64 = 0.2;

/// Cases that a warning names.
const SHOWN: usize = 6;

pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) isa: Isa,
    /// The other libraries for products, with their versions.
    pub(crate) peers: Vec<String>,
    /// The peak of a core before all cases,
    pub(crate) before: Peak,
    /// and after them.
    pub(crate) after: Peak,
    /// How many cores other programs kept busy before or after, whichever is more, where the system tells.
    pub(crate) others: Option<f64>,
    pub(crate) rows: Vec<Row>,
}

/// A case and what each engine did with so many threads.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) threads: usize,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Row {
    fn of(&self, role: Role) -> Option<Summary> {
        let medians = self.outcomes.iter().filter(|outcome| outcome.role == role);
        medians.filter_map(|outcome| outcome.nanoseconds.ok()).min_by(|a, b| a.median.total_cmp(&b.median))
    }

    /// Nanoseconds of ours.
    pub(crate) fn ours(&self) -> Option<f64> {
        Some(self.of(Role::Ours)?.median)
    }

    /// How many times as long as ours the best engine of a role takes.
    pub(crate) fn ratio(&self, role: Role) -> Option<f64> {
        Some(self.of(role)?.median / self.of(Role::Ours)?.median)
    }

    /// The same of the best library.
    pub(crate) fn ratio_to_best(&self) -> Option<f64> {
        [Role::Peer, Role::Foreign].into_iter().filter_map(|role| self.ratio(role)).min_by(f64::total_cmp)
    }

    /// Of the engines of a role, one was right.
    fn has(&self, role: Role) -> bool {
        self.of(role).is_some()
    }

    fn product(&self) -> Option<Gemm> {
        match self.case.task {
            Task::Gemm(gemm) | Task::Variant(Variant { gemm, .. }) => Some(gemm),
            Task::Map(_) | Task::Loss(_) | Task::Memory(_) | Task::Net(_) => None,
        }
    }

    /// Floating-point operations of a call or a run.
    pub(crate) fn flops(&self) -> Option<usize> {
        match self.case.task {
            Task::Net(net) => Some(net.flops()),
            _ => Some(self.product()?.flops()),
        }
    }

    /// Microseconds a step of ours, of all its examples.
    fn step(&self) -> Option<f64> {
        let Task::Net(net) = self.case.task else { return None };
        Some(self.of(Role::Ours)?.median / 1e3 / (net.examples_of_run() / net.batch) as f64)
    }

    /// GB/s of ours.
    fn bandwidth(&self) -> Option<f64> {
        let Task::Memory(memory) = self.case.task else { return None };
        Some(memory.bytes() as f64 / self.of(Role::Ours)?.median)
    }

    /// GFLOP/s of ours.
    fn rate(&self) -> Option<f64> {
        Some(self.flops()? as f64 / self.of(Role::Ours)?.median)
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

    /// The part of the peak of as many cores as there are threads that ours reaches: of the peak that took turns with it, if
    /// it did.
    pub(crate) fn share_of_peak(&self, row: &Row) -> Option<f64> {
        if let Some(share) = row.ratio(Role::Peak) {
            return Some(share);
        }
        let peak = match row.product() {
            Some(Gemm { precision: Precision::F64, .. }) => self.peak().f64,
            _ => self.peak().f32,
        };
        Some(row.rate()? / (peak * row.threads as f64))
    }

    /// The numbers of threads, ascending.
    pub(crate) fn threads(&self) -> Vec<usize> {
        let mut threads: Vec<usize> = self.rows.iter().map(|row| row.threads).collect();
        threads.dedup();
        threads
    }

    /// Each wrong answer.
    pub(crate) fn wrong(&self) -> impl Iterator<Item = (&Case, &Outcome)> {
        let all = self.rows.iter().flat_map(|row| row.outcomes.iter().map(|outcome| (&row.case, outcome)));
        all.filter(|(_, outcome)| outcome.nanoseconds.is_err())
    }

    pub(crate) fn markdown(&self) -> String {
        self.markdown_of(&self.rows.iter().collect::<Vec<_>>())
    }

    /// With tables of some rows, and the summary of all.
    pub(crate) fn markdown_of(&self, rows: &[&Row]) -> String {
        let header = self.header().into_iter().map(|(name, text)| format!("{name}: {text}"));
        let header = header.collect::<Vec<_>>().join(" · ");
        let tables = self.tables_of(rows).into_iter().map(|table| table.markdown());
        [header + "\n"].into_iter().chain(tables).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn header(&self) -> Vec<(&'static str, String)> {
        let peak = self.peak();
        let mut header = vec![
            ("CPU", format!("{}, cores: {}", self.machine.cpu, self.machine.cores)),
            ("ISA", self.isa.to_string()),
            ("threads", self.threads().iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
            ("FMA peak of a core", format!("{:.1} GFLOP/s f32, {:.1} f64", peak.f32, peak.f64)),
            ("compiler", self.machine.compiler.to_owned()),
            ("sources", format!("{}, measured {}", self.machine.commit, self.machine.date)),
        ];
        if !self.machine.caches.is_empty() {
            header.insert(1, ("caches", self.machine.caches.join(", ")));
        }
        if !self.peers.is_empty() {
            header.push(("other libraries", self.peers.join(", ")));
        }
        header
    }

    pub(crate) fn tables(&self) -> Vec<Table> {
        self.tables_of(&self.rows.iter().collect::<Vec<_>>())
    }

    fn tables_of(&self, rows: &[&Row]) -> Vec<Table> {
        let groups = self.threads().into_iter().flat_map(|threads| Group::ALL.map(|group| (threads, group)));
        let groups = groups.filter_map(|(threads, group)| {
            let of_it = |row: &&Row| (row.threads, row.case.group) == (threads, group);
            let rows: Vec<&Row> = rows.iter().copied().filter(of_it).collect();
            (!rows.is_empty()).then(|| self.table(group, threads, &rows))
        });
        // With matrixmultiply alone it would say little.
        groups.chain((self.peers.len() > 1).then(|| summary::table(self)).flatten()).collect()
    }

    fn table(&self, group: Group, threads: usize, rows: &[&Row]) -> Table {
        let mut engines: Vec<&str> = Vec::new();
        // The peak has a column of shares.
        for outcome in rows.iter().flat_map(|row| &row.outcomes).filter(|outcome| outcome.role != Role::Peak) {
            if !engines.contains(&outcome.name) {
                engines.push(outcome.name);
            }
        }
        let any = |role| rows.iter().any(|row| row.has(role));
        let columns = columns(group, &any);
        let mut headings = vec!["case"];
        headings.extend(&engines);
        headings.push("spread");
        headings.extend(columns.iter().map(|&(heading, _)| heading));
        let cells = |row: &&Row| {
            let unit = row.case.task.elements().map_or(1e3, |elements| elements as f64);
            let mut cells = vec![row.case.name.clone()];
            cells.extend(
                engines.iter().map(|name| if group.is_net() { speed(row, name) } else { time(row, name, unit) }),
            );
            cells.push(optional(row.of(Role::Ours), spread));
            cells.extend(columns.iter().map(|(_, cell)| cell(self, row)));
            cells
        };
        let unit = match group {
            _ if group.is_net() => "examples/s",
            _ if group.is_gemm() => "µs a call",
            _ => "ns an element",
        };
        let on = if threads == 1 { String::new() } else { format!(", {threads} threads") };
        Table {
            title: format!("{group}{on}: {unit}, median"),
            headings: headings.into_iter().map(str::to_owned).collect(),
            rows: rows.iter().map(cells).collect(),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
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
            warnings.push(format!("slower on several threads than on one: {names}"));
        }
        if let Some(names) = named(&|row| row.spread() > TOLERATED) {
            warnings.push(format!(
                "times of ours spread over more than 10 % (10th to 90th percentile): {names}. Stop other programs, \
                 then repeat these with --filter; what spreads still depends on the place of its buffers, which move \
                 from round to round."
            ));
        }
        if let Some(others) = self.others.filter(|others| *others > OTHERS) {
            warnings.push(format!(
                "other programs kept {others:.1} cores busy. Stop them, or raise the priority of this one with `nice`."
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

/// A heading, and what stands below it of a row.
type Column = (&'static str, fn(&Report, &Row) -> String);

/// What is worked out from the times, as far as there are engines to compare with.
fn columns(group: Group, any: &dyn Fn(Role) -> bool) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    if group.is_net() {
        columns.push(("µs a step", |_, row| optional(row.step(), significant)));
    }
    if group.is_gemm() {
        columns.push(("GFLOP/s", |_, row| optional(row.rate(), |rate| format!("{rate:.1}"))));
    }
    if group.is_gemm() || group.is_net() {
        columns.push(("% peak", |report, row| {
            optional(report.share_of_peak(row), |share| format!("{:.0}", 100.0 * share))
        }));
    }
    if group.is_memory() {
        columns.push(("GB/s", |_, row| optional(row.bandwidth(), |rate| format!("{rate:.1}"))));
    }
    let mut compare = |role, column: Column| columns.extend(any(role).then_some(column));
    compare(Role::Sum, ("% of sum", |_, row| optional(row.ratio(Role::Sum), |part| format!("{:.0}", 100.0 * part))));
    compare(
        Role::Plain,
        ("cost", |_, row| optional(row.ratio(Role::Plain), |x| format!("{:+.1}%", 100.0 / x - 100.0))),
    );
    let plain = if group == Group::Math { "vs std" } else { "vs naive" };
    compare(Role::Naive, (plain, |_, row| optional(row.ratio(Role::Naive), ratio)));
    compare(Role::OursSerial, ("speed-up", |_, row| optional(row.ratio(Role::OursSerial), ratio)));
    compare(Role::ByHand, ("vs by hand", |_, row| optional(row.ratio(Role::ByHand), ratio)));
    if any(Role::Foreign) {
        compare(Role::Peer, ("vs Rust", |_, row| optional(row.ratio(Role::Peer), ratio)));
    }
    if any(Role::Peer) || any(Role::Foreign) {
        columns.push(("vs best", |_, row| optional(row.ratio_to_best(), ratio)));
    }
    columns
}

fn time(row: &Row, engine: &str, unit: f64) -> String {
    match row.outcomes.iter().find(|outcome| outcome.name == engine).map(|outcome| outcome.nanoseconds) {
        None => "-".to_owned(),
        Some(Ok(summary)) => significant(summary.median / unit),
        Some(Err(_)) => "wrong".to_owned(),
    }
}

/// Examples a second.
fn speed(row: &Row, engine: &str) -> String {
    let Some(examples) = row.case.task.elements() else { return "-".to_owned() };
    match row.outcomes.iter().find(|outcome| outcome.name == engine).map(|outcome| outcome.nanoseconds) {
        None => "-".to_owned(),
        Some(Ok(summary)) => thousands(1e9 * examples as f64 / summary.median),
        Some(Err(_)) => "wrong".to_owned(),
    }
}

/// Three digits or more, in thousands.
fn thousands(x: f64) -> String {
    format!("{}k", significant(x / 1e3))
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

pub(crate) fn ratio(x: f64) -> String {
    if x < 10.0 { format!("{x:.2}x") } else { format!("{x:.0}x") }
}

/// The 10th and the 90th percentile, relative to the median.
fn spread(summary: Summary) -> String {
    let percent = |x: f64| 100.0 * (x / summary.median - 1.0);
    format!("{:.0}..+{:.0}%", percent(summary.p10), percent(summary.p90))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use benches::cases;

    pub(crate) fn outcome(name: &'static str, role: Role, median: f64) -> Outcome {
        Outcome { name, role, nanoseconds: Ok(Summary { median, p10: 0.9 * median, p90: 1.2 * median, samples: 9 }) }
    }

    pub(crate) fn report(peak_after: f64) -> Report {
        let case = cases::all().into_iter().find(|case| case.name == "square 128").unwrap();
        let outcomes = vec![
            outcome("naive", Role::Naive, 400_000.0),
            outcome("ours", Role::Ours, 20_000.0),
            outcome("slow", Role::Peer, 30_000.0),
            outcome("fast", Role::Peer, 10_000.0),
        ];
        Report {
            machine: Machine {
                cpu: "cpu".to_owned(),
                cores: 1,
                caches: vec!["L1 48K".to_owned()],
                compiler: "rustc",
                commit: "abc1234".to_owned(),
                date: "2024-02-29".to_owned(),
            },
            isa: Isa::Portable,
            peers: vec!["slow 1.0".to_owned(), "fast 2.0".to_owned()],
            before: Peak { f32: 419.4304, f64: 1.0 },
            after: Peak { f32: peak_after, f64: 1.0 },
            others: Some(0.1),
            rows: vec![Row { case, threads: 1, outcomes }],
        }
    }

    #[test]
    fn ratios_are_to_ours() {
        let table = report(400.0).tables().remove(0);
        let expected = ["square 128", "400", "20.0", "30.0", "10.0", "-10..+20%", "209.7", "50", "20x", "0.50x"]
            .map(str::to_owned);
        assert_eq!(table.headings.len(), expected.len());
        assert_eq!(table.rows, [expected]);
    }

    #[test]
    fn the_peak_counts_that_took_turns() {
        let mut report = report(400.0);
        report.rows[0].outcomes.push(outcome("peak", Role::Peak, 15_000.0));
        let table = report.tables().remove(0);
        assert!(!table.headings.contains(&"peak".to_owned()), "{:?}", table.headings);
        assert_eq!(table.rows[0][7], "75");
    }

    #[test]
    fn noise_is_warned_of() {
        let text = report(200.0).to_string();
        assert!(text.contains("spread over more than 10 %") && text.contains("52 % apart"), "{text}");
        let quiet = report(419.0);
        assert!(!quiet.to_string().contains("apart") && !quiet.to_string().contains("cores busy"));
        let text = Report { others: Some(1.5), ..quiet }.to_string();
        assert!(text.contains("other programs kept 1.5 cores busy"), "{text}");
    }

    #[test]
    fn lines_fit_a_terminal() {
        assert!(
            report(400.0)
                .tables()
                .iter()
                .all(|table| table.to_string().lines().all(|line| line.chars().count() <= 140))
        );
    }

    #[test]
    fn a_wrong_answer_shows() {
        let mut report = report(400.0);
        let wrong = benches::check::Wrong { row: 1, col: 2, found: f64::NAN, expected: 1.0, bound: 0.5 };
        report.rows[0].outcomes[1].nanoseconds = Err(wrong);
        assert_eq!(report.wrong().count(), 1);
        assert_eq!(report.tables()[0].rows[0][2], "wrong");
        assert!(report.to_string().contains("square 128, ours: wrong"), "{report}");
    }
}
