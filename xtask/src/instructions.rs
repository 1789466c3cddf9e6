//! `cargo xtask instructions`: how many instructions kernels execute on AVX2, which no noise of the machine changes.

use crate::flags::Instructions;
use crate::table::Table;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// How the program is built whose instructions are counted.
struct Build {
    name: &'static str,
    /// In the environment of cargo.
    settings: &'static [(&'static str, &'static str)],
    /// Below the target directory.
    directory: &'static str,
    /// Per cent that counts may differ by from those of the file.
    tolerated: u64,
}

/// As this workspace is built, which the counts of the file are of.
const USUAL: Build = Build { name: "the release profile", settings: &[], directory: "", tolerated: 2 };

/// As programs that want speed are often built. Where the compiler sees more at once, it decides otherwise: it once kept all
/// sums of a product in memory, at a fifth of the speed.
const ONE_UNIT: Build = Build {
    name: "one codegen unit",
    settings: &[("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")],
    directory: "one-unit",
    tolerated: 15,
};

const COMPILER: &str = match option_env!("RUSTC_VERSION") {
    Some(version) => version,
    None => "unknown",
};

/// Instructions of a call of each kernel, and the compiler that they are of.
#[derive(Clone, Debug, PartialEq)]
struct Counts {
    compiler: String,
    /// In the order of the list of cases.
    calls: Vec<(String, u64)>,
}

/// What came of a comparison.
pub(crate) enum Verdict {
    /// Of so many kernels.
    Level(usize),
    /// The kernels whose counts changed, or that are in one of the lists only, and what to do.
    Changed(Table, &'static str),
    /// Why nothing was compared.
    Skipped(String),
}

pub(crate) fn run(flags: &Instructions) -> Result<ExitCode, Box<dyn Error>> {
    if flags.write {
        if let Some(why) = missing() {
            return Err(why.into());
        }
        let counts = count(&USUAL)?;
        fs::write(path(), counts.to_string())?;
        println!("{} kernels written to {}", counts.calls.len(), path().display());
        return Ok(ExitCode::SUCCESS);
    }
    match compare()? {
        Verdict::Level(kernels) => println!("{kernels} kernels execute as many instructions as before, {LEVEL}"),
        Verdict::Skipped(why) => println!("skipped: {why}"),
        Verdict::Changed(table, what_to_do) => {
            print!("{table}\n{what_to_do}\n");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What [`Verdict::Level`] says.
const LEVEL: &str = "within 2 %, and within 15 % where all is one codegen unit";

const HOW_TO_REWRITE: &str =
    "If that is meant, `cargo xtask instructions --write` puts the new counts into benches/instructions.txt.";

const HOW_TO_LOOK: &str =
    "The compiler treats these kernels otherwise where all is one codegen unit: look at their loops.";

/// Counts, and compares with the file, for each way to build.
pub(crate) fn compare() -> Result<Verdict, Box<dyn Error>> {
    if let Some(why) = missing() {
        return Ok(Verdict::Skipped(why));
    }
    let text = fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))?;
    let before = Counts::parse(&text).ok_or_else(|| format!("{} is damaged", path().display()))?;
    if before.compiler != COMPILER {
        return Ok(Verdict::Skipped(format!("the counts are of {}, this is {COMPILER}", before.compiler)));
    }
    match before.verdict(&count(&USUAL)?, &USUAL) {
        Some(table) => Ok(Verdict::Changed(table, HOW_TO_REWRITE)),
        None => match before.verdict(&count(&ONE_UNIT)?, &ONE_UNIT) {
            Some(table) => Ok(Verdict::Changed(table, HOW_TO_LOOK)),
            None => Ok(Verdict::Level(before.calls.len())),
        },
    }
}

fn path() -> PathBuf {
    root().join("benches/instructions.txt")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a directory")
}

/// What is missing to count.
fn missing() -> Option<String> {
    if kernels::KernelSet::for_isa(kernels::Isa::Avx2).is_none() {
        return kernels::Isa::Avx2.missing();
    }
    if std::env::var_os("RUSTFLAGS").is_some_and(|flags| !flags.is_empty()) {
        return Some("RUSTFLAGS are set, and counts are of a build without".to_owned());
    }
    let mut version = Command::new("valgrind");
    let status = version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    (!status.is_ok_and(|status| status.success())).then(|| "valgrind is not installed".to_owned())
}

/// Runs the program of the package `benches` under callgrind, which leaves a file for each kernel.
fn count(how: &Build) -> Result<Counts, Box<dyn Error>> {
    let target = root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let target = target.join(how.directory);
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--package", "benches", "--bin", "instructions"]).current_dir(root());
    build.env("CARGO_TARGET_DIR", &target).envs(how.settings.iter().copied());
    if !build.status()?.success() {
        return Err("the program does not build".into());
    }
    let directory = target.join("instructions");
    fs::remove_dir_all(&directory).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    fs::create_dir_all(&directory)?;
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--toggle-collect=instructions::counted_call"])
        .arg("--dump-after=instructions::counted_call")
        .arg(format!("--callgrind-out-file={}", directory.join("calls").display()))
        .arg(target.join("release/instructions"))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("valgrind: {}", output.status).into());
    }
    let mut calls = Vec::new();
    for (number, name) in String::from_utf8_lossy(&output.stdout).lines().enumerate() {
        let file = directory.join(format!("calls.{}", number + 1));
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let total = total(&text).filter(|total| *total > 0);
        calls.push((name.to_owned(), total.ok_or_else(|| format!("{} has no total", file.display()))?));
    }
    Ok(Counts { compiler: COMPILER.to_owned(), calls })
}

/// Of a file of callgrind.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

impl Counts {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let compiler = lines.next()?.to_owned();
        let call = |line: &str| {
            let (count, name) = line.trim_start().split_once("  ")?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        Some(Counts { compiler, calls: lines.map(call).collect::<Option<_>>()? })
    }

    /// What differs by more than a build may.
    fn verdict(&self, now: &Counts, of: &Build) -> Option<Table> {
        let mut rows = Vec::new();
        let after: BTreeMap<&str, u64> = now.calls.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        for (name, old) in &self.calls {
            let new = after.get(name.as_str()).copied();
            let part = new.map(|new| new as f64 / *old as f64 - 1.0);
            if new.is_none_or(|new| 100 * new.abs_diff(*old) > of.tolerated * old) {
                let show = |part: f64| format!("{:+.1} %", 100.0 * part);
                let new = new.map_or_else(|| "-".to_owned(), |new| new.to_string());
                rows.push(vec![name.clone(), old.to_string(), new, part.map_or_else(|| "-".to_owned(), show)]);
            }
        }
        let known = |name: &str| self.calls.iter().any(|(known, _)| known == name);
        for (name, new) in now.calls.iter().filter(|(name, _)| !known(name)) {
            rows.push(vec![name.clone(), "-".to_owned(), new.to_string(), "-".to_owned()]);
        }
        let headings = ["kernel", "before", "now", "change"].map(str::to_owned).to_vec();
        let title = format!("instructions of a call on AVX2, {}", of.name);
        (!rows.is_empty()).then_some(Table { title, headings, rows })
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "# Instructions that a call executes on AVX2, by callgrind, and the compiler that they are of.")?;
        writeln!(f, "# `cargo xtask instructions` compares them, with --write it writes them.\n{}", self.compiler)?;
        self.calls.iter().try_for_each(|(name, count)| writeln!(f, "{count:>12}  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(calls: &[(&str, u64)]) -> Counts {
        let calls = calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { compiler: "rustc 1.0".to_owned(), calls }
    }

    #[test]
    fn counts_pass_through_text() {
        let written = counts(&[("square 64", 1_234_567), ("bias, relu, forward", 3)]);
        assert_eq!(Counts::parse(&written.to_string()), Some(written));
        assert_eq!(Counts::parse("# nothing\n"), None);
        assert_eq!(Counts::parse("rustc\n12 square\n"), None);
        assert_eq!(total("events: Ir\ntotals: 42\n"), Some(42));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn as_much_is_tolerated_as_the_build_says() {
        let before = counts(&[("up", 1000), ("down", 1000)]);
        let changed = |now: &[(&str, u64)], of: &Build| -> Vec<String> {
            let rows = before.verdict(&counts(now), of).into_iter().flat_map(|table| table.rows);
            rows.map(|row| row[0].clone()).collect()
        };
        assert!(changed(&[("down", 980), ("up", 1020)], &USUAL).is_empty());
        assert_eq!(changed(&[("up", 1021), ("down", 979)], &USUAL), ["up", "down"]);
        assert_eq!(changed(&[("up", 1000), ("new", 1)], &USUAL), ["down", "new"]);
        assert_eq!(changed(&[("up", 1021), ("down", 1151)], &ONE_UNIT), ["down"]);
    }
}
