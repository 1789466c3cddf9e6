//! A report as one page that needs nothing else.

use super::plot::{Bars, Kind, Line, Plot, binary, escape, short};
use super::report::{Report, Row};
use benches::cases::{Grows, Memory, Stream, Task};
use benches::{Group, Role};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;font-size:13px;margin:0 0 2em;display:block;overflow-x:auto}\
td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}\
td:first-child,th:first-child{text-align:left}dt{font-weight:600;float:left;clear:left;width:12em}dd{margin:0 0 0 12em}\
.warning{background:#fff3cd;padding:.5em 1em;margin:.5em 0}.plots{display:flex;flex-wrap:wrap;gap:1em}\
svg{width:100%;max-width:760px;height:auto;font:12px system-ui,sans-serif;fill:#222;border:1px solid #ddd}\
svg .title{font-size:15px;font-weight:600}svg .middle{text-anchor:middle}svg .end{text-anchor:end}\
svg .value{font-size:10px}svg .grid{stroke:#e4e4e4}svg .unit{fill:#555}";

pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Benchmark</title><style>{STYLE}</style>\n\
         <h1>Benchmark</h1>\n<dl>"
    );
    let mut put = |text: std::fmt::Arguments<'_>| page.write_fmt(text).expect("a string takes all");
    for (name, text) in report.header() {
        put(format_args!("<dt>{name}</dt><dd>{}</dd>\n", escape(&text)));
    }
    put(format_args!("</dl>\n"));
    for warning in report.warnings() {
        put(format_args!("<p class=\"warning\">{}</p>\n", escape(&warning)));
    }
    put(format_args!("<div class=\"plots\">\n{}</div>\n", plots(report).concat()));
    for table in report.tables() {
        put(format_args!("<h2>{}</h2>\n<table><tr>", escape(&table.title)));
        table.headings.iter().for_each(|heading| put(format_args!("<th>{}</th>", escape(heading))));
        for row in &table.rows {
            put(format_args!("</tr>\n<tr>"));
            row.iter().for_each(|cell| put(format_args!("<td>{}</td>", escape(cell))));
        }
        put(format_args!("</tr></table>\n"));
    }
    page + "</html>\n"
}

/// Those for which cases were measured.
fn plots(report: &Report) -> Vec<String> {
    let lengths = [("exp", true), ("adam", false)].map(|(name, is_map)| over_lengths(report, name, is_map).svg());
    let nets = Grows::ALL.map(|grows| over_nets(report, grows).svg());
    let first = [over_sizes(report).svg(), shares(report).svg()];
    let threads = [over_threads(report).svg(), speed_ups(report).svg()];
    let rest = [functions(report).svg(), training(report).svg()].into_iter().chain(threads);
    first.into_iter().chain(lengths).chain(nets).chain(rest).flatten().collect()
}

/// A line for each engine, of the cases on the fewest threads that have an x, with its y of a case and the nanoseconds that
/// it took.
fn lines(
    report: &Report,
    x: impl Fn(&Row) -> Option<f64>,
    y: impl Fn(&Row, f64) -> f64,
    wanted: impl Fn(Role) -> bool,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in fewest_threads(report) {
        let Some(x) = x(row) else { continue };
        for outcome in row.outcomes.iter().filter(|outcome| wanted(outcome.role)) {
            let Ok(summary) = outcome.nanoseconds else { continue };
            let point = (x, y(row, summary.median));
            match lines.iter_mut().find(|line| line.name == outcome.name) {
                Some(line) => line.points.push(point),
                None => {
                    lines.push(Line { name: outcome.name.to_owned(), kind: kind(outcome.role), points: vec![point] })
                }
            }
        }
    }
    lines
}

/// What all plots but those over threads show.
fn fewest_threads(report: &Report) -> impl Iterator<Item = &Row> {
    let fewest = report.threads().first().copied();
    report.rows.iter().filter(move |row| Some(row.threads) == fewest)
}

fn kind(role: Role) -> Kind {
    match role {
        Role::Ours => Kind::Ours,
        Role::Copy => Kind::Limit,
        _ => Kind::Other,
    }
}

fn over_sizes(report: &Report) -> Plot {
    let size = |row: &Row| match row.case.task {
        Task::Gemm(gemm) if row.case.group == Group::Sizes => Some(gemm.m as f64),
        _ => None,
    };
    let rate = |row: &Row, nanoseconds: f64| row.flops().map_or(0.0, |flops| flops as f64 / nanoseconds);
    let mut lines = lines(report, size, rate, |role| !matches!(role, Role::Naive | Role::Peak));
    let peak = report.peak().f32 * fewest_threads(report).next().map_or(1, |row| row.threads) as f64;
    lines.extend(limit("FMA peak", &lines, |_| peak));
    Plot {
        title: "Square products of n x n in f32".to_owned(),
        x: "n",
        show_x: short,
        y: "GFLOP/s",
        log_y: false,
        lines,
    }
}

/// A line over all that the others have.
fn limit(name: &str, lines: &[Line], y: impl Fn(f64) -> f64) -> Option<Line> {
    let ours = lines.iter().find(|line| line.kind == Kind::Ours)?;
    let points = ours.points.iter().map(|point| (point.0, y(point.0))).collect();
    Some(Line { name: name.to_owned(), kind: Kind::Limit, points })
}

fn over_lengths(report: &Report, name: &str, is_map: bool) -> Plot {
    let bytes = |row: &Row| match row.case.task {
        Task::Memory(memory @ Memory { kernel, .. }) if row.case.group == Group::Slices => {
            (matches!(kernel, Stream::Map(_)) == is_map).then(|| memory.bytes() as f64)
        }
        _ => None,
    };
    let rate = |row: &Row, nanoseconds: f64| bytes(row).map_or(0.0, |bytes| bytes / nanoseconds);
    let lines = lines(report, bytes, rate, |_| true);
    let title = format!("{name} over lengths, against a copy of as many bytes");
    Plot { title, x: "bytes read and written", show_x: binary, y: "GB/s", log_y: true, lines }
}

fn over_nets(report: &Report, grows: Grows) -> Plot {
    let (net_name, x) = match grows {
        Grows::Batch => ("784-128-10", "batch"),
        Grows::Width => ("64-w-w-10, batch 64", "width w"),
        Grows::Depth => ("hidden layers of 128, batch 64", "hidden layers"),
    };
    let net = |row: &Row| match row.case.task {
        Task::Net(net) if row.case.group == Group::Nets => Some(net),
        _ => None,
    };
    let size = |row: &Row| Some(grows.of(net(row)?)? as f64);
    let rate =
        |row: &Row, nanoseconds: f64| net(row).map_or(0.0, |net| 1e9 * net.examples_of_run() as f64 / nanoseconds);
    let mut lines = lines(report, size, rate, |_| true);
    let most = |of: f64| {
        let mut nets = fewest_threads(report).filter_map(|row| Some((row.threads, net(row)?)));
        let found = nets.find(|(_, net)| grows.of(*net).is_some_and(|size| size as f64 == of));
        found.map_or(0.0, |(threads, net)| {
            1e9 * report.peak().f32 * threads as f64 * net.examples_of_run() as f64 / net.flops() as f64
        })
    };
    lines.extend(limit("FMA peak", &lines, most));
    let title = format!("Training of {net_name}");
    Plot { title, x, show_x: short, y: "examples/s", log_y: true, lines }
}

/// Bars of the cases of some groups, of one value each.
fn bars<'r>(
    rows: impl Iterator<Item = &'r Row>,
    title: &str,
    unit: &'static str,
    value: impl Fn(&Row) -> Option<f64>,
) -> Bars {
    let value = |row: &Row| Some((row.case.name.clone(), vec![Some(value(row)?)]));
    let groups = rows.filter_map(value);
    Bars { title: title.to_owned(), unit, names: vec![("ours".to_owned(), Kind::Ours)], groups: groups.collect() }
}

fn shares(report: &Report) -> Bars {
    let shown = |group| matches!(group, Group::Square | Group::Layer | Group::Thin | Group::Double);
    bars(fewest_threads(report), "Part of the FMA peak", "%", |row| {
        shown(row.case.group).then(|| report.share_of_peak(row).map(|share| 100.0 * share)).flatten()
    })
}

/// Of the most threads.
fn speed_ups(report: &Report) -> Bars {
    let most = report.threads().last().copied().unwrap_or(1);
    let title = format!("Speed-up of {most} threads over one");
    let rows = report.rows.iter().filter(|row| row.threads == most && !row.case.group.is_scale());
    bars(rows, &title, "times as fast", |row| row.ratio(Role::OursSerial))
}

/// Cases of the plot over threads: small and large ones.
const OVER_THREADS: [&str; 6] = [
    "square 256",
    "square 1024",
    "forward 64x784x128",
    "dW 256x1024x1024",
    "784-128-10, batch 64",
    "784-512-512-10, batch 256",
];

/// How much faster than on one thread.
fn over_threads(report: &Report) -> Plot {
    let measured = |name: &&str| {
        let rows = report.rows.iter().filter(|row| row.case.name == *name);
        let points = rows.filter_map(|row| Some((row.threads as f64, row.ratio(Role::OursSerial)?)));
        let points: Vec<(f64, f64)> = [(1.0, 1.0)].into_iter().chain(points).collect();
        (points.len() > 1).then(|| Line { name: (*name).to_owned(), kind: Kind::Other, points })
    };
    let mut lines: Vec<Line> = OVER_THREADS.iter().filter_map(measured).collect();
    if let Some(last) = report.threads().last().map(|most| *most as f64).filter(|_| !lines.is_empty()) {
        lines.push(Line { name: "ideal".to_owned(), kind: Kind::Limit, points: vec![(1.0, 1.0), (last, last)] });
    }
    let title = "Speed-up over one thread".to_owned();
    Plot { title, x: "threads", show_x: short, y: "times as fast", log_y: true, lines }
}

/// Bars of all engines, of the cases of a group.
fn engines(report: &Report, group: Group, value: impl Fn(&Row, f64) -> f64) -> (Vec<(String, Kind)>, BarGroups) {
    let rows = || fewest_threads(report).filter(|row| row.case.group == group);
    let mut names: Vec<(String, Kind)> = Vec::new();
    for outcome in rows().flat_map(|row| &row.outcomes) {
        if !names.iter().any(|(name, _)| name == outcome.name) {
            names.push((outcome.name.to_owned(), kind(outcome.role)));
        }
    }
    let of = |row: &Row, name: &str| {
        let outcome = row.outcomes.iter().find(|outcome| outcome.name == name)?;
        outcome.nanoseconds.ok().map(|summary| value(row, summary.median))
    };
    let groups = rows().map(|row| (row.case.name.clone(), names.iter().map(|(name, _)| of(row, name)).collect()));
    let groups = groups.collect();
    (names, groups)
}

type BarGroups = Vec<(String, Vec<Option<f64>>)>;

fn functions(report: &Report) -> Bars {
    let per_element =
        |row: &Row, nanoseconds: f64| nanoseconds / row.case.task.elements().map_or(1.0, |len| len as f64);
    let (names, groups) = engines(report, Group::Math, per_element);
    Bars { title: "Functions, in cache".to_owned(), unit: "ns an element", names, groups }
}

/// In parts of ours, as nets differ by orders of magnitude.
fn training(report: &Report) -> Bars {
    let ratio = |row: &Row, nanoseconds: f64| row.ours().map_or(0.0, |ours| ours / nanoseconds);
    let (names, groups) = engines(report, Group::Train, ratio);
    Bars { title: "Nets".to_owned(), unit: "examples/s, as a part of ours", names, groups }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{outcome, report};
    use super::*;
    use benches::cases;

    #[test]
    fn cases_over_threads_are_in_the_list() {
        let all = cases::all();
        for name in OVER_THREADS {
            assert!(all.iter().any(|case| case.name == name), "{name}");
        }
    }

    #[test]
    fn a_page_has_what_was_measured() {
        let mut report = report(100.0);
        let page_before = page(&report);
        // Of one product: a bar, no line.
        assert!(page_before.contains("square 128") && page_before.matches("<svg").count() == 1, "{page_before}");
        assert!(page_before.contains("class=\"warning\""));
        for case in cases::all().into_iter().filter(|case| case.group.is_scale() || case.group == Group::Math) {
            let outcomes = vec![outcome("ours", Role::Ours, 100.0), outcome("copy", Role::Copy, 50.0)];
            report.rows.push(Row { case, threads: 1, outcomes });
        }
        for threads in [2, 4] {
            let outcomes = vec![outcome("ours", Role::Ours, 60.0), outcome("ours, 1 thread", Role::OursSerial, 100.0)];
            let case = cases::all().into_iter().find(|case| case.name == "square 1024").unwrap();
            report.rows.push(Row { case, threads, outcomes });
        }
        let page = page(&report);
        // Sizes, shares, two over lengths, three over nets, functions, two over threads.
        assert_eq!(page.matches("<svg").count(), 10);
        assert!(!page.contains("NaN") && !page.contains("inf,") && !page.contains("http://www.w3.org/1999"), "{page}");
    }
}
