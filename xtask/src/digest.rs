//! `cargo xtask digest`

use crate::flags::Digest;
use kernels::KernelSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tests::digest::{serial, threaded};

/// Computes the golden digests on the best instruction set; compares them with the committed ones, or writes those.
pub(crate) fn run(flags: &Digest) -> Result<ExitCode, Box<dyn Error>> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "tests", "digests.txt"].iter().collect();
    let set = KernelSet::try_best()?;
    let mut digests = serial(set);
    digests.extend(threaded(set, 1)?);
    let text: String = digests.iter().map(|digest| format!("{digest}\n")).collect();
    print!("{text}");
    if flags.write {
        nn::file::atomic_write(&path, text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let same = std::fs::read_to_string(&path)? == text;
    println!("{} on {}", if same { "as committed" } else { "NOT as committed" }, set.isa());
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
