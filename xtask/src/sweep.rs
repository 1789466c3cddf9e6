//! `cargo xtask sweep`

use crate::flags::Sweep as Flags;
use crate::rebuild;
use crate::table::Table;
use ::tests::properties::{is_monotone, is_odd};
use ::tests::sweep::{Sweep, Tally};
use indicatif::{ProgressBar, ProgressStyle};
use kernels::{Function, KernelSet};
use std::error::Error;
use std::fmt::Write;
use std::num::NonZeroU32;
use std::process::ExitCode;

/// The functions of a table, each with what was found on each of the sets.
type Found = Vec<(Function, Vec<Tally>)>;

/// Sweeps, prints the table, writes it if asked to; fails if a function is not as it must be.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(path) = &flags.output {
        nn::file::check_writable(path)?;
    }
    let sets = kernel_sets(flags)?;
    if !has_fused_multiply_add() && flags.every == NonZeroU32::MIN {
        return Ok(rebuild::run("", FUSED_MULTIPLY_ADD)?);
    }
    let functions = if flags.functions.is_empty() { &Function::ALL[..] } else { &flags.functions };
    let every = flags.every.get();
    let found = sweep(functions, &sets, every);

    let table = table(&found, &sets, every);
    // Before anything is printed, which fails where nobody reads on, as behind a pipe to `head`.
    if let Some(path) = &flags.output {
        nn::file::atomic_write(path, markdown(&table).as_bytes())?;
    }
    print!("{table}");
    let faults = faults(&found, &sets);
    faults.iter().for_each(|fault| println!("FAILED {fault}"));
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The portable path, by far the slowest, calls a function for each multiply-add if the compiler may not use the
/// instruction: a matter of an hour or of minutes.
const FUSED_MULTIPLY_ADD: &str = "-C target-feature=+fma";

/// Whether this build uses the instruction, if the CPU has it.
fn has_fused_multiply_add() -> bool {
    #[cfg(all(target_arch = "x86_64", not(target_feature = "fma")))]
    return !std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(all(target_arch = "x86_64", not(target_feature = "fma"))))]
    true
}

fn kernel_sets(flags: &Flags) -> Result<Vec<&'static KernelSet>, String> {
    if flags.isa.is_empty() {
        return Ok(KernelSet::available().collect());
    }
    let set = |&isa| KernelSet::for_isa(isa).ok_or_else(|| format!("{isa}: {}", isa.missing().unwrap_or_default()));
    flags.isa.iter().map(set).collect()
}

fn sweep(functions: &[Function], sets: &[&'static KernelSet], every: u32) -> Found {
    // Not drawn where stderr is not a terminal.
    let inputs = functions.len() as u64 * (1u64 << 32).div_ceil(every.into());
    let progress = ProgressBar::new(inputs);
    let style = ProgressStyle::with_template("{bar:30} {percent}%  {elapsed}, {eta} left  {msg}");
    progress.set_style(style.expect("the template is well-formed"));
    let one = |&function: &Function| {
        progress.set_message(function.name());
        (function, Sweep { function, sets, every }.run(|inputs| progress.inc(inputs)))
    };
    let found = functions.iter().map(one).collect();
    progress.finish_and_clear();
    found
}

fn faults(found: &Found, sets: &[&KernelSet]) -> Vec<String> {
    let each = found.iter().flat_map(|(function, tallies)| tallies.iter().zip(sets).map(move |pair| (function, pair)));
    each.filter_map(|(function, (tally, set))| {
        let fault = tally.verdict(*function).err()?;
        Some(format!("{} on {}: {fault}", function.name(), set.isa()))
    })
    .collect()
}

fn table(found: &Found, sets: &[&KernelSet], every: u32) -> Table {
    let title = match every {
        1 => "All 2^32 inputs".to_owned(),
        n => format!("One of each {n} inputs, and the neighbourhoods of powers of two and of the ends of ranges"),
    };
    let headings = [
        "function",
        "instruction sets",
        "worst ULP",
        "bound",
        "at",
        "bits",
        "above ½",
        "wrong specials",
        "other bits",
        "falls",
        "not odd",
    ];
    let rows = found.iter().flat_map(|(function, tallies)| rows(*function, tallies, sets)).collect();
    Table { title, headings: headings.map(str::to_owned).into(), rows }
}

/// One row for all sets of which the same was found.
fn rows(function: Function, tallies: &[Tally], sets: &[&KernelSet]) -> Vec<Vec<String>> {
    let mut rows: Vec<(String, [String; 9])> = Vec::new();
    for (tally, set) in tallies.iter().zip(sets) {
        let cells = cells(function, tally);
        match rows.iter_mut().find(|(_, other)| *other == cells) {
            Some((isas, _)) => write!(isas, ", {}", set.isa()).expect("a string takes all"),
            None => rows.push((set.isa().to_string(), cells)),
        }
    }
    rows.into_iter()
        .map(|(isas, cells)| [function.name().to_owned(), isas].into_iter().chain(cells).collect())
        .collect()
}

fn cells(function: Function, tally: &Tally) -> [String; 9] {
    let where_known = |known: bool, text: String| if known { text } else { "-".to_owned() };
    let inexact = tally.worst > 0.0;
    [
        format!("{:.4}", tally.worst),
        function.max_ulp().to_string(),
        where_known(inexact, format!("{:e}", tally.worst_input)),
        where_known(inexact, format!("{:#010x}", tally.worst_input.to_bits())),
        grouped(tally.above_half),
        grouped(tally.wrong_specials),
        grouped(tally.different),
        where_known(is_monotone(function), grouped(tally.falls)),
        where_known(is_odd(function), grouped(tally.not_odd)),
    ]
}

/// Digits in groups of three.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits"));
    groups.collect::<Vec<_>>().join(",")
}

/// The table with what its columns mean.
fn markdown(table: &Table) -> String {
    format!("{}\n{NOTES}", table.markdown())
}

const NOTES: &str = "\
Errors are in units in the last place (ULP) of the exact value. A unit is at least 2^-149 and, for `gelu` and `gelu_tanh`, at
least 2^-25 times the magnitude of the argument. `above ½`: results that are not the nearest number. `wrong specials`: zeros,
infinities and NaNs that are due and not returned, or returned and not due. `other bits`: results that differ from those of the
portable path. `falls`: neighbours x < y with f(x) > f(y), of functions that should have none. `not odd`: inputs with
f(-x) ≠ -f(x), of odd functions. Written by `cargo xtask sweep --output`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_that_agree_share_a_row() {
        let portable = KernelSet::for_isa(kernels::Isa::Portable).unwrap();
        let mut good = Tally::default();
        (good.worst, good.worst_input, good.above_half) = (0.75, 1.5, 1_234_567);
        let mut bad = good.clone();
        bad.different = 7;
        let found = vec![(Function::Exp, vec![good.clone(), bad, good])];
        let rows = table(&found, &[portable; 3], 1).rows;
        let expected = ["0.7500", "0.91", "1.5e0", "0x3fc00000", "1,234,567", "0"];
        assert_eq!(rows[0], [&["exp", "portable, portable"], &expected[..], &["0", "0", "-"]].concat());
        assert_eq!(rows[1], [&["exp", "portable"], &expected[..], &["7", "0", "-"]].concat());
        assert_eq!(faults(&found, &[portable; 3]), ["exp on portable: 7 results differ from the portable path's"]);
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1000, 1 << 32].map(grouped), ["0", "999", "1,000", "4,294,967,296"]);
    }
}
