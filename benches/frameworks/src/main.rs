//! Trains nets by a framework, as another process asks for it: see `training/apart.rs` of the package `benches`.

mod burn;
mod candle;
mod exchange;

use exchange::{Exchange, Net};
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A framework with a net.
trait Trainee {
    /// Goes through all batches, for as many epochs as the net says, from the first parameters; they are in place before the clock starts.
    fn run(&mut self) -> Result<Duration>;

    /// What the last run left: the parameters, the weights as `[inputs][outputs]`, or the logits.
    fn result(&self) -> Result<Vec<f32>>;
}

type Load = fn(Exchange) -> Result<Box<dyn Trainee>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let (load, version): (Load, _) = match arguments.get(1).map(String::as_str) {
        Some("burn") => (burn::load, "burn-flex"),
        Some("candle") => (candle::load, "candle-core"),
        _ => {
            println!("error: the first argument is burn or candle");
            return ExitCode::FAILURE;
        }
    };
    println!("{version} {}", exchange::version(version).unwrap_or("unknown"));
    let mut loaded = None;
    for line in io::stdin().lock().lines() {
        let answer = line.map_err(Into::into).and_then(|line| answer(&line, load, &mut loaded));
        match answer {
            Ok(text) => println!("{text}"),
            Err(error) => println!("error: {error}"),
        }
        if io::stdout().flush().is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

struct Loaded {
    trainee: Box<dyn Trainee>,
    directory: String,
}

fn answer(line: &str, load: Load, loaded: &mut Option<Loaded>) -> Result<String> {
    match (line.split_once(' '), loaded) {
        (Some(("load", directory)), loaded) => {
            *loaded = None;
            let trainee = load(Exchange::read(directory)?)?;
            *loaded = Some(Loaded { trainee, directory: directory.to_owned() });
            Ok("ready".to_owned())
        }
        (Some(("run", runs)), Some(Loaded { trainee, directory })) => {
            let mut elapsed = Duration::ZERO;
            for _ in 0..runs.parse::<u32>()? {
                elapsed += trainee.run()?;
            }
            exchange::write(directory, &trainee.result()?)?;
            Ok(elapsed.as_secs_f64().to_string())
        }
        _ => Err(format!("not understood: {line}").into()),
    }
}

fn timed<T>(f: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let result = f()?;
    Ok((result, start.elapsed()))
}
