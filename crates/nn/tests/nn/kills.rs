//! A training that is killed at random moments, again and again, and goes on from its checkpoint to the same bits.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nn::random::{Purpose, Stream};
use nn::{Adam, Clock, Decay, Schedule, TrainOptions, Trainer};

use crate::bits;
use crate::checkpoints::{data, model, options};

/// Tells the child where its checkpoint is.
const CHECKPOINT: &str = "NN_TEST_CHECKPOINT";
const KILLS: usize = 50;

fn trainer() -> Trainer {
    let schedule = Schedule { decay: Decay::Exponential { factor: 0.999 }, clock: Clock::Step, warmup: 10 };
    Trainer::new(model(), TrainOptions { schedule, max_epochs: 100, ..options(Adam::default()) }).unwrap()
}

/// Trains from where the checkpoint is to the end, saving after each batch.
#[test]
#[ignore = "run by the test below, as a process of its own"]
fn child() {
    let Some(path) = std::env::var_os(CHECKPOINT) else { return };
    let path = Path::new(&path);
    let mut trainer = trainer();
    if path.exists() {
        trainer.resume(path).unwrap();
    }
    let (x, labels) = data();
    let observer = |trainer: &Trainer, _| {
        trainer.save(path).unwrap();
        ControlFlow::Continue(())
    };
    trainer.fit_observed((&x, &labels), None, observer).unwrap();
    trainer.save(path).unwrap();
}

/// Whether this program can be started as a process: not where an emulator runs it that the system does not know of.
fn can_start_itself() -> bool {
    let itself = Command::new(std::env::current_exe().unwrap()).arg("--list").stdout(Stdio::null()).status();
    itself.is_ok_and(|status| status.success())
}

#[test]
fn fifty_kills_leave_a_checkpoint_that_leads_to_the_same_bits() {
    if !can_start_itself() {
        eprintln!("not run: this program cannot start itself here");
        return;
    }
    let (x, labels) = data();
    let mut whole = trainer();
    whole.fit((&x, &labels)).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    let mut random = Stream::new(1, Purpose::Split, 0);
    let (mut kills, mut finished, mut positions) = (0, 0, Vec::new());
    while kills < KILLS || finished == 0 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kills::child", "--exact", "--ignored"])
            .env(CHECKPOINT, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        if kills < KILLS {
            std::thread::sleep(Duration::from_micros(random.below(150_000)));
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        if status.success() {
            let mut resumed = trainer();
            resumed.resume(&path).unwrap();
            assert_eq!(resumed.position(), whole.position());
            assert_eq!(bits(resumed.model()), bits(whole.model()), "after {kills} kills");
            finished += 1;
            std::fs::remove_file(&path).unwrap();
            continue;
        }
        assert!(status.code().is_none(), "the child failed: {status}");
        kills += 1;
        if path.exists() {
            let mut resumed = trainer();
            resumed.resume(&path).unwrap();
            positions.push(resumed.position().step);
        }
    }
    positions.dedup();
    assert!(positions.len() >= 10, "the kills came too early to mean something: {positions:?}");
}
