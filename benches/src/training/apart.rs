//! Frameworks in processes of their own: those of Rust in a package of their own, as they bring hundreds of others, and
//! those of Python. A process takes a line and answers with one:
//!
//! | it is sent | it answers |
//! |---|---|
//! | (nothing: its arguments are a framework and a number of threads) | name and version, or `error: ` and why not |
//! | `load` and a directory, see [`Exchange`] | `ready`, or `error: ` and why not |
//! | `run` and a number | the seconds that so many runs took, after it has written the result |

use super::{Engine, RunTraining, TrainEngine, Training};
use crate::cases::Pass;
use crate::engines::{Role, Setup};
use bytemuck::{cast_slice, cast_slice_mut};
use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// A framework, and which program runs it.
struct Framework {
    name: &'static str,
    role: Role,
}

const FRAMEWORKS: [Framework; 6] = [
    Framework { name: "burn", role: Role::Peer },
    Framework { name: "candle", role: Role::Peer },
    Framework { name: "torch", role: Role::Foreign },
    Framework { name: "torch.compile", role: Role::Foreign },
    Framework { name: "jax", role: Role::Foreign },
    Framework { name: "scikit-learn", role: Role::Foreign },
];

/// A framework with a net.
pub struct Apart {
    process: Arc<Mutex<Process>>,
    exchange: Arc<Exchange>,
}

impl Apart {
    /// The time of some runs, by the clock of the process. Where it fails the result is left as it is.
    pub(super) fn time(&mut self, runs: u32, result: &mut [f32]) -> Duration {
        let answer = lock(&self.process).ask(&format!("run {runs}"));
        let seconds = answer.ok().and_then(|answer| answer.parse().ok()).filter(|seconds: &f64| *seconds > 0.0);
        let Some(seconds) = seconds else { return Duration::ZERO };
        match self.exchange.read(result) {
            Ok(()) => Duration::from_secs_f64(seconds),
            Err(_) => Duration::ZERO,
        }
    }
}

/// A directory with the files `x`, `labels`, `first` and, from the process, `result`, numbers of 32 bits one after the
/// other; and `net`: the pass, the epochs, the batch, the rate and the widths from the inputs to the outputs.
struct Exchange(TempDir);

impl Exchange {
    fn new(training: &Training) -> io::Result<Self> {
        let exchange = Exchange(tempfile::tempdir()?);
        let net = training.net();
        let pass = match net.pass {
            Pass::Train => "train",
            Pass::Predict => "predict",
        };
        let mut text = format!("{pass} {} {} {:e} {}", net.epochs(), net.batch, training.rate(), net.inputs);
        for (_, outputs) in net.layers() {
            text.push_str(&format!(" {outputs}"));
        }
        std::fs::write(exchange.file("net"), text)?;
        std::fs::write(exchange.file("x"), cast_slice::<f32, u8>(training.x()))?;
        std::fs::write(exchange.file("labels"), cast_slice::<u32, u8>(training.labels()))?;
        std::fs::write(exchange.file("first"), cast_slice::<f32, u8>(training.first()))?;
        Ok(exchange)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, result: &mut [f32]) -> io::Result<()> {
        File::open(self.file("result"))?.read_exact(cast_slice_mut(result))
    }
}

/// The frameworks that can take the net.
pub(crate) fn engines(training: &Training, setup: Setup) -> Vec<TrainEngine> {
    let wanted = FRAMEWORKS.iter().filter(|framework| setup.only.is_none_or(|name| name == framework.name));
    let started: Vec<_> =
        wanted.filter_map(|framework| Some((framework, start(framework, setup.threads).ok()?))).collect();
    if started.is_empty() {
        return Vec::new();
    }
    let Ok(exchange) = Exchange::new(training).map(Arc::new) else { return Vec::new() };
    let load = format!("load {}", exchange.0.path().display());
    let loaded = started.into_iter().filter(|(_, process)| lock(process).ask(&load).is_ok());
    loaded
        .map(|(framework, process)| {
            let apart = Apart { process, exchange: Arc::clone(&exchange) };
            Engine::new(framework.name, framework.role, RunTraining::Apart(apart))
        })
        .collect()
}

/// Each framework with its version, or why it does not take part. Starts them.
pub(crate) fn versions(threads: usize) -> Vec<String> {
    let describe = |framework: &Framework| match start(framework, threads) {
        Ok(process) => lock(&process).version.clone(),
        Err(why) => format!("{}: {why}", framework.name),
    };
    let mut versions: Vec<String> = FRAMEWORKS.iter().map(describe).collect();
    versions.dedup();
    versions
}

struct Process {
    version: String,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Ends when its input does.
    _child: Child,
}

type Started = Result<Arc<Mutex<Process>>, String>;

/// The process of a framework: started once, as some take seconds for it.
fn start(framework: &Framework, threads: usize) -> Started {
    static STARTED: Mutex<Vec<(&str, Started)>> = Mutex::new(Vec::new());
    let mut started = lock(&STARTED);
    if let Some((_, process)) = started.iter().find(|(name, _)| *name == framework.name) {
        return process.clone();
    }
    let process = Process::start(framework, threads).map(|process| Arc::new(Mutex::new(process)));
    started.push((framework.name, process.clone()));
    process
}

impl Process {
    fn start(framework: &Framework, threads: usize) -> Result<Self, String> {
        let mut command = match framework.role {
            Role::Peer => Command::new(rust_program()?),
            _ if threads > 1 => return Err("measured on one thread only".to_owned()),
            _ => {
                let python = env::var_os("BENCH_PYTHON").unwrap_or_else(|| "python3".into());
                let mut command = Command::new(python);
                command.arg(directory().join("python/train.py"));
                command
            }
        };
        for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        command.args([framework.name, &threads.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("has no pipes".to_owned());
        };
        let mut process = Process { version: String::new(), input, output: BufReader::new(output), _child: child };
        process.version = process.answer()?;
        Ok(process)
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        writeln!(self.input, "{line}").map_err(|error| error.to_string())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("ended by itself".to_owned()),
            Err(error) => Err(error.to_string()),
            Ok(_) => match line.trim_end().strip_prefix("error: ") {
                Some(why) => Err(why.to_owned()),
                None => Ok(line.trim_end().to_owned()),
            },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the program with the frameworks of Rust.
fn rust_program() -> Result<PathBuf, String> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| directory().join("../target"), PathBuf::from);
    let target = target.join("frameworks");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    cargo.arg(directory().join("frameworks/Cargo.toml")).arg("--target-dir").arg(&target);
    let status = cargo.status().map_err(|error| format!("cannot be built: {error}"))?;
    let program = target.join("release/frameworks").with_extension(env::consts::EXE_EXTENSION);
    status.success().then_some(program).ok_or_else(|| "does not build".to_owned())
}
