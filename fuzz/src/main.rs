//! Feeds the targets mutations of their seeds, with a stable compiler. An input that leads to a new kind of result joins
//! those that are mutated; there is no other feedback, so libFuzzer goes deeper where it can be had.
#![forbid(unsafe_code)]

use clap::Parser;
use fuzz::{TARGETS, Target, file, mutate, panics};
use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::random::Random;

/// What a run takes that is worth a look; the machine may have been busy.
const SLOW: Duration = Duration::from_secs(2);

/// Looks for inputs that make a target panic.
#[derive(Parser)]
struct Args {
    /// Only this target
    target: Option<String>,

    /// For each target
    #[arg(long, value_name = "N", default_value = "30")]
    seconds: u64,

    /// Where the random numbers start, to repeat a run [default: the time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only this one input, without changes
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    panics::allow_expected();
    let chosen = |target: &&Target| args.target.as_ref().is_none_or(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    if targets.is_empty() {
        let names = TARGETS.map(|target| target.name).join(", ");
        return Err(format!("no such target, there are {names}").into());
    }
    if let Some(path) = &args.input {
        println!("{}", (targets[0].run)(&fs::read(path)?));
        return Ok(ExitCode::SUCCESS);
    }
    let seed = args
        .seed
        .map_or_else(|| Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()), Ok::<_, Box<dyn Error>>)?;
    for target in targets {
        if !fuzz(target, seed, Duration::from_secs(args.seconds))? {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether nothing was found.
fn fuzz(target: &Target, seed: u64, time: Duration) -> Result<bool, Box<dyn Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = seeds(&home.join("seeds").join(target.name))?;
    let artifacts = home.join("artifacts").join(target.name);
    fs::create_dir_all(&artifacts)?;
    // Written before each run: a sanitizer ends the process.
    let last = artifacts.join("last-input");

    println!("{}: seed {seed}, {} inputs to start from", target.name, corpus.len());
    let mut random = Random::new(seed);
    let mut kinds = HashSet::new();
    let (start, mut runs, mut slowest) = (Instant::now(), 0u64, Duration::ZERO);
    let mut waiting = corpus.clone();
    while start.elapsed() < time || !waiting.is_empty() {
        let input = waiting.pop().unwrap_or_else(|| mutate::mutate(&corpus, &mut random));
        file::replace(&last, &input)?;
        let before = Instant::now();
        let Ok(kind) = catch_unwind(|| (target.run)(&input)) else {
            println!("{}: found after {runs} runs from seed {seed}: {}", target.name, last.display());
            return Ok(false);
        };
        let taken = before.elapsed();
        slowest = slowest.max(taken);
        runs += 1;
        if taken > SLOW {
            let slow = artifacts.join("slow-input");
            file::replace(&slow, &input)?;
            println!("{}: a run took {taken:.1?}: {}", target.name, slow.display());
        }
        if kinds.insert(kind) {
            corpus.push(input);
        }
    }
    fs::remove_file(&last)?;
    println!("{}: {runs} runs, {} kinds of result, the slowest run took {slowest:.1?}", target.name, kinds.len());
    Ok(true)
}

/// In the order of their names, so that a seed is a run.
fn seeds(directory: &Path) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}
