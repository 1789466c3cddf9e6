//! Engines in processes of their own.
//!
//! The idle threads of some libraries wait awake for a while, which would take the cores from the engine that has its turn.
//! So with more than one thread a process runs one engine on one case, and its threads end with it. The engines have
//! their turns in several passes, so that a disturbance meets all alike.

use super::kernel_set;
use crate::flags::Bench;
use benches::cases::{self, Case};
use benches::check::Wrong;
use benches::measure::{Outcome, Plan, measure};
use benches::stats::Summary;
use benches::{Role, Setup, engines};
use serde_json::{Value, json};
use std::error::Error;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// For how long a process works before it is timed: new threads may share a core until the system has seen them busy, and
/// a turn is short.
const SETTLING: Duration = Duration::from_millis(50);

/// What was found of an engine: nanoseconds a call, or why there are none.
type Found = Result<Summary, Wrong>;

fn passes(flags: &Bench) -> u32 {
    if flags.quick { 3 } else { 5 }
}

/// The part of the plan that a process has.
fn plan(flags: &Bench) -> Plan {
    let (plan, passes) = (super::plan(flags), passes(flags));
    Plan { rounds: plan.rounds.div_ceil(passes as usize), budget: plan.budget / passes, ..plan }
}

/// Measures engines on a case, each turn in a process.
pub(super) fn measure_apart(case: &Case, setup: Setup, flags: &Bench) -> Result<Vec<Outcome>, String> {
    let engines = engines::with_threads(case.task, setup);
    let mut found: Vec<Vec<Found>> = vec![Vec::new(); engines.len()];
    for pass in 0..passes(flags) as usize {
        // Another one first each time: who follows whom makes a difference.
        for turn in 0..engines.len() {
            let engine = (pass + turn) % engines.len();
            let (name, role) = engines[engine];
            found[engine].push(run_in_process(case, (name, role), setup.threads, flags)?);
        }
    }
    let outcome = |((name, role), passes): (_, Vec<Found>)| Outcome { name, role, nanoseconds: merge(&passes) };
    Ok(engines.into_iter().zip(found).map(outcome).collect())
}

/// The median of the medians of some passes, and how far these lie apart; the first wrong answer, if there is one.
fn merge(passes: &[Found]) -> Found {
    let summaries = passes.iter().copied().collect::<Result<Vec<Summary>, Wrong>>()?;
    let medians: Vec<f64> = summaries.iter().map(|summary| summary.median).collect();
    let samples = summaries.iter().map(|summary| summary.samples).sum();
    Ok(Summary { samples, ..Summary::of(&medians) })
}

fn run_in_process(case: &Case, (name, role): (&str, Role), threads: usize, flags: &Bench) -> Result<Found, String> {
    let (engine, threads) = match role {
        Role::OursSerial => ("ours", 1),
        Role::Naive => (name, 1),
        _ => (name, threads),
    };
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut command = Command::new(program);
    command.args(["bench", "--alone", &case.name, engine, "--threads", &threads.to_string()]);
    command.args(flags.quick.then_some("--quick"));
    command.args(flags.isa.iter().flat_map(|isa| ["--isa", isa.name()]));
    let failed = |why: String| format!("{}, {name}: {why}", case.name);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    decode(&text).ok_or_else(|| failed(format!("not understood: {text}")))
}

/// What such a process does: it prints what it found.
pub(super) fn run_alone(case: &str, engine: &str, flags: &Bench) -> Result<ExitCode, Box<dyn Error>> {
    let case = cases::all().into_iter().find(|other| other.name == case).ok_or("no such case")?;
    let (set, threads) = (kernel_set(flags)?, flags.threads[0].get());
    // Names of engines are constants; this one lives as long as the process, too.
    let setup = Setup { set, threads, only: Some(engine.to_owned().leak()) };
    let plan = plan(flags);
    let outcomes = engines::pool(threads)?.install(|| {
        let mut trial = case.trial(setup);
        let start = Instant::now();
        while start.elapsed() < SETTLING {
            trial.run(0);
        }
        measure(&mut *trial, plan)
    });
    let [outcome] = outcomes[..] else { return Err(format!("{} engines are called {engine}", outcomes.len()).into()) };
    println!("{}", encode(outcome.nanoseconds));
    Ok(ExitCode::SUCCESS)
}

fn encode(found: Found) -> Value {
    match found {
        Ok(Summary { median, p10, p90, samples }) => json!({ "ns": [median, p10, p90], "samples": samples }),
        // As text: a number of JSON is finite.
        Err(Wrong { row, col, found, expected, bound }) => {
            let numbers = [found, expected, bound].map(|x| x.to_string());
            json!({ "wrong": numbers, "row": row, "col": col })
        }
    }
}

fn decode(text: &str) -> Option<Found> {
    let value: Value = serde_json::from_str(text).ok()?;
    let integer = |key: &str| value[key].as_u64()?.try_into().ok();
    if let Some(numbers) = value["ns"].as_array() {
        let [median, p10, p90] = numbers.as_slice() else { return None };
        let (median, p10, p90) = (median.as_f64()?, p10.as_f64()?, p90.as_f64()?);
        return Some(Ok(Summary { median, p10, p90, samples: integer("samples")? }));
    }
    let [found, expected, bound] = value["wrong"].as_array()?.as_slice() else { return None };
    let number = |text: &Value| text.as_str()?.parse().ok();
    Some(Err(Wrong {
        row: integer("row")?,
        col: integer("col")?,
        found: number(found)?,
        expected: number(expected)?,
        bound: number(bound)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(median: f64) -> Summary {
        Summary { median, p10: 0.5 * median, p90: 2.0 * median, samples: 10 }
    }

    const WRONG: Wrong = Wrong { row: 3, col: 4, found: f64::NAN, expected: 0.1, bound: f64::INFINITY };

    #[test]
    fn passes_are_merged_by_their_medians() {
        let passes = [5.0, 1.0, 2.0, 4.0, 30.0].map(|median| Ok(summary(median)));
        let merged = merge(&passes).unwrap();
        assert_eq!((merged.median, merged.samples), (4.0, 50));
        assert!((merged.p10 - 1.4).abs() <= 1e-12 && (merged.p90 - 20.0).abs() <= 1e-12, "{merged:?}");
    }

    #[test]
    fn one_wrong_answer_is_enough() {
        let merged = merge(&[Ok(summary(1.0)), Err(WRONG), Ok(summary(1.0))]);
        assert_eq!(merged.unwrap_err().row, 3);
    }

    #[test]
    fn what_was_found_passes_through_text() {
        assert_eq!(decode(&encode(Ok(summary(0.1))).to_string()), Some(Ok(summary(0.1))));
        let wrong = decode(&encode(Err(WRONG)).to_string()).unwrap().unwrap_err();
        assert!(wrong.found.is_nan());
        assert_eq!((wrong.row, wrong.col, wrong.expected, wrong.bound), (3, 4, 0.1, f64::INFINITY));
        for text in ["", "{}", "[]", r#"{"ns":[1,2],"samples":3}"#, r#"{"wrong":["1","2","x"],"row":0,"col":0}"#] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
