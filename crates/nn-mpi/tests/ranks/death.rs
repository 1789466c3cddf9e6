//! Ranks that die while the others wait for them.

use std::process::{Command, id};
use std::time::Duration;

use nn::collective::Collective;
use nn_mpi::Mpi;

use crate::job::{end_of, job, texts};

const RANKS: usize = 3;
const AT_MOST: Duration = Duration::from_secs(10);

fn dies(role: &str, says: &[&str]) {
    let mut job = job(RANKS, role);
    let (output, time) = end_of(&mut job);
    let errors = texts(&output).1;
    assert!(!output.status.success(), "{role}: it ended with success");
    assert!(time < AT_MOST, "{role}: it took {time:?} to end");
    says.iter().for_each(|text| assert!(errors.contains(text), "{role}: nothing says '{text}':\n{errors}"));
}

pub(crate) fn an_error_ends_the_job() {
    dies("error", &["rank 1 of 3: error: the disk is full"]);
}

pub(crate) fn a_panic_ends_the_job() {
    dies("panic", &["index out of bounds", "rank 2 of 3: it panicked"]);
}

pub(crate) fn a_killed_rank_ends_the_job() {
    dies("killed", &["process rank 1", "exited on signal 9"]);
}

/// All ranks but one wait for that one.
fn wait_for(mpi: &mut Mpi, dead: usize, die: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    mpi.barrier().map_err(|error| error.to_string())?;
    if mpi.rank() == dead {
        return die();
    }
    mpi.sum(&mut vec![1.0; 100_000]).map_err(|error| error.to_string())
}

pub(crate) fn error_rank(mpi: &mut Mpi) -> Result<(), String> {
    wait_for(mpi, 1, || Err("the disk is full".to_owned()))
}

pub(crate) fn panic_rank(mpi: &mut Mpi) -> Result<(), String> {
    let empty: Vec<u8> = Vec::new();
    wait_for(mpi, 2, || Err(empty[id() as usize].to_string()))
}

pub(crate) fn killed_rank(mpi: &mut Mpi) -> Result<(), String> {
    wait_for(mpi, 1, || {
        let killed = Command::new("kill").args(["-9", &id().to_string()]).status();
        Err(format!("still alive: {killed:?}"))
    })
}
