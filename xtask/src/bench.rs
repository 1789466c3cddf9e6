//! `cargo xtask bench`

mod compare;
mod html;
mod json;
mod load;
mod machine;
mod plot;
mod processes;
mod readme;
mod report;
mod summary;

use crate::flags::{Bench, Kind};
use crate::rebuild;
use benches::cases::{self, Case};
use benches::measure::{Plan, measure};
use benches::peak::Peak;
use benches::{Group, Role, Setup, engines, training};
use indicatif::{ProgressBar, ProgressStyle};
use kernels::KernelSet;
use machine::Machine;
use report::{Report, Row};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures, prints the tables and writes the files asked for; fails if an answer of ours is wrong.
pub(crate) fn run(flags: &Bench) -> Result<ExitCode, Box<dyn Error>> {
    match (&flags.files[..], flags.kind) {
        ([], _) => {}
        ([old, new], Kind::Compare) => {
            print!("{}", compare::compare(old, new)?);
            return Ok(ExitCode::SUCCESS);
        }
        _ => return Err("only `compare` takes files".into()),
    }
    if flags.peers && !cfg!(feature = "peers") {
        return Ok(rebuild::run("peers", "")?);
    }
    if let Some([case, engine]) = flags.alone.as_deref() {
        return processes::run_alone(case, engine, flags);
    }
    let (runs, set) = (runs(flags)?, kernel_set(flags)?);
    // All inside the pool, once: to enter it costs microseconds, and other libraries find their threads that way.
    let report = engines::pool(1)?.install(|| measure_all(runs, set, flags))?;

    // Written before anything is printed, which fails where nobody reads on, as behind a pipe to `head`.
    let (json, markdown) = (format!("{:#}\n", json::value(&report)), report.markdown());
    let directory = directory()?;
    let files = [("report.html", &html::page(&report)), ("report.json", &json), ("report.md", &markdown)];
    for (name, text) in files {
        write(&directory.join(name), text)?;
    }
    let asked_for = [(&flags.json, &json), (&flags.markdown, &markdown)];
    for (path, text) in asked_for.into_iter().filter_map(|(path, text)| Some((path.as_ref()?, text))) {
        write(path, text)?;
    }
    if flags.readme {
        let path = readme::path();
        let before = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        write(&path, &readme::with_figures(&before, &report)?)?;
    }
    print!("{report}");
    println!("\nwritten with plots to {}", directory.join("report.html").display());
    let ours_wrong = report.wrong().any(|(_, outcome)| matches!(outcome.role, Role::Ours | Role::OursSerial));
    Ok(if ours_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn selected(flags: &Bench) -> Result<Vec<Case>, String> {
    let mut cases = cases::all();
    cases.retain(|case| {
        (case.quick || !flags.quick)
            && match flags.kind {
                Kind::Gemm => case.group.is_gemm() && !case.group.is_scale(),
                Kind::Math => matches!(case.group, Group::Math | Group::Memory),
                Kind::Scale => case.group.is_scale(),
                Kind::Losses => case.group == Group::Loss,
                Kind::Train => case.group == Group::Train,
                Kind::All | Kind::Compare => true,
            }
            && flags.filter.as_ref().is_none_or(|text| case.name.contains(text.as_str()))
    });
    match (&flags.filter, cases.is_empty()) {
        (Some(text), true) => Err(format!("no case to measure has {text:?} in its name")),
        _ => Ok(cases),
    }
}

/// What to measure on how many threads, each number once, in ascending order.
fn runs(flags: &Bench) -> Result<Vec<(Case, usize)>, String> {
    let cases = selected(flags)?;
    let mut counts: Vec<usize> = flags.threads.iter().map(|threads| threads.get()).collect();
    counts.sort_unstable();
    counts.dedup();
    let on = |threads: usize| {
        let able = cases.iter().filter(move |case| threads == 1 || case.task.can_use_threads());
        able.map(move |case| (case.clone(), threads))
    };
    let runs: Vec<_> = counts.iter().flat_map(|threads| on(*threads)).collect();
    if runs.is_empty() {
        return Err(format!("{} cases to measure, but none that can use more than one thread", cases.len()));
    }
    Ok(runs)
}

fn kernel_set(flags: &Bench) -> Result<&'static KernelSet, String> {
    let Some(isa) = flags.isa else { return Ok(KernelSet::best()) };
    KernelSet::for_isa(isa).ok_or_else(|| format!("{isa}: {}", isa.missing().unwrap_or_default()))
}

fn plan(flags: &Bench) -> Plan {
    if flags.quick { Plan::QUICK } else { Plan::FULL }
}

fn measure_all(runs: Vec<(Case, usize)>, set: &'static KernelSet, flags: &Bench) -> Result<Report, String> {
    // First, as it loads libraries, whose threads then wait awake for a while.
    let any = |is: fn(Group) -> bool| runs.iter().any(|(case, _)| is(case.group));
    let mut peers = if any(Group::is_gemm) { benches::versions() } else { Vec::new() };
    if any(Group::is_net) {
        peers.extend(training::versions(Setup::new(set)));
    }
    // Not drawn where stderr is not a terminal.
    let progress = ProgressBar::new(runs.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {eta} left  {msg}");
    progress.set_style(style.expect("the template is well-formed"));

    let (before, others_before) = load::others_during(|| Peak::measure(set));
    let rows = runs
        .into_iter()
        .map(|(case, threads)| {
            progress.set_message(case.name.clone());
            let setup = Setup { threads, ..Setup::new(set) };
            let outcomes = match threads {
                1 => measure(&mut *case.trial(setup), plan(flags)),
                _ => processes::measure_apart(&case, setup, flags)?,
            };
            progress.inc(1);
            Ok(Row { case, threads, outcomes })
        })
        .collect::<Result<_, String>>()?;
    let (after, others_after) = load::others_during(|| Peak::measure(set));
    let others = [others_before, others_after].into_iter().flatten().reduce(f64::max);
    progress.finish_and_clear();
    Ok(Report { machine: Machine::here(), isa: set.isa(), peers, before, after, others, rows })
}

/// Where every report goes, in place of the one before.
fn directory() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target).join("bench");
    let failed = |error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(&directory).map_err(failed)?;
    directory.canonicalize().map_err(failed)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, Flags};
    use clap::Parser;

    fn flags(line: &str) -> Bench {
        let Flags { command: Command::Bench(bench) } = Flags::try_parse_from(line.split(' ')).unwrap() else {
            panic!("not a bench: {line}")
        };
        bench
    }

    #[test]
    fn flags_narrow_the_list() {
        let names = |line: &str| selected(&flags(line)).unwrap().len();
        assert_eq!(names("xtask bench"), cases::all().len());
        let kinds = ["gemm", "math", "losses", "train", "scale"].map(|kind| names(&format!("xtask bench {kind}")));
        assert_eq!(kinds.iter().sum::<usize>(), cases::all().len());
        assert!(names("xtask bench --quick") < cases::all().len());
        assert_eq!(names("xtask bench gemm --filter 256x1024x1024"), 4);
        assert!(selected(&flags("xtask bench math --filter 64x784x128")).unwrap_err().contains("64x784x128"));
    }

    #[test]
    fn more_threads_are_for_what_can_use_them() {
        let on =
            |line: &str, of: usize| runs(&flags(line)).unwrap().iter().filter(|(_, threads)| *threads == of).count();
        let all = "xtask bench --threads 4,1,4";
        assert_eq!(on(all, 1), cases::all().len());
        assert_eq!(on(all, 4), cases::all().iter().filter(|case| case.task.can_use_threads()).count());
        assert_eq!((on(all, 2), on("xtask bench gemm --threads 2", 1)), (0, 0));
        assert!(runs(&flags("xtask bench math --threads 2")).unwrap_err().contains("more than one thread"));
    }
}
