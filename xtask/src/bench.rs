//! `cargo xtask bench`

mod compare;
mod html;
mod json;
mod load;
mod machine;
mod plot;
mod processes;
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
    let cases = selected(flags)?;
    let setup = Setup { set: kernel_set(flags)?, threads: flags.threads.get(), only: None };
    let pool = engines::pool(setup.threads)?;
    // All inside the pool, once: to enter it costs microseconds, and other libraries find their threads that way.
    let report = pool.install(|| measure_all(cases, setup, flags))?;

    print!("{report}");
    let (json, markdown) = (format!("{:#}\n", json::value(&report)), report.markdown());
    let directory = directory()?;
    let files = [("report.html", &html::page(&report)), ("report.json", &json), ("report.md", &markdown)];
    for (name, text) in files {
        write(&directory.join(name), text)?;
    }
    println!("\nwritten with plots to {}", directory.join("report.html").display());
    let asked_for = [(&flags.json, &json), (&flags.markdown, &markdown)];
    for (path, text) in asked_for.into_iter().filter_map(|(path, text)| Some((path.as_ref()?, text))) {
        write(path, text)?;
    }
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

fn kernel_set(flags: &Bench) -> Result<&'static KernelSet, String> {
    let Some(isa) = flags.isa else { return Ok(KernelSet::best()) };
    KernelSet::for_isa(isa).ok_or_else(|| format!("{isa}: {}", isa.missing().unwrap_or_default()))
}

fn plan(flags: &Bench) -> Plan {
    if flags.quick { Plan::QUICK } else { Plan::FULL }
}

fn measure_all(cases: Vec<Case>, setup: Setup, flags: &Bench) -> Result<Report, String> {
    // First, as it loads libraries, whose threads then wait awake for a while.
    let mut peers = if cases.iter().any(|case| case.group.is_gemm()) { benches::versions() } else { Vec::new() };
    if cases.iter().any(|case| case.group.is_net()) {
        peers.extend(training::versions(setup));
    }
    // Not drawn where stderr is not a terminal.
    let progress = ProgressBar::new(cases.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {eta} left  {msg}");
    progress.set_style(style.expect("the template is well-formed"));

    let (before, others_before) = load::others_during(|| Peak::measure(setup.set));
    let rows = cases
        .into_iter()
        .map(|case| {
            progress.set_message(case.name.clone());
            let apart = (setup.threads > 1).then(|| engines::with_threads(case.task, setup)).flatten();
            let outcomes = match apart {
                Some(engines) => processes::measure_apart(&case, engines, flags)?,
                None => measure(&mut *case.trial(setup), plan(flags)),
            };
            progress.inc(1);
            Ok(Row { case, outcomes })
        })
        .collect::<Result<_, String>>()?;
    let (after, others_after) = load::others_during(|| Peak::measure(setup.set));
    let others = [others_before, others_after].into_iter().flatten().reduce(f64::max);
    progress.finish_and_clear();
    let (machine, isa, threads) = (Machine::here(), setup.set.isa(), setup.threads);
    Ok(Report { machine, isa, threads, peers, before, after, others, rows })
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
}
