//! Trainings on any number of ranks, killed or not.

use std::env;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nn::collective::{Collective, Part, Sharding, Single};
use nn::random::{Purpose, Stream};
use nn::{Activation, Adam, BatchSize, Loss, Model, Progress, ThreadPool, TrainOptions, Trainer};
use nn_mpi::Mpi;

use crate::job::{job, success};

/// Tells a rank how many threads to train on.
const THREADS: &str = "NN_MPI_TEST_THREADS";
/// Tells a rank where the checkpoint is, if there is to be one.
const CHECKPOINT: &str = "NN_MPI_TEST_CHECKPOINT";
/// How many kills there are to be.
const KILLS: &str = "NN_MPI_KILLS";

/// Of 20 steps.
const EPOCHS: usize = 25;
/// Not as many for each shard, nor whole batches.
const ROWS: usize = 1270;
const INPUTS: usize = 20;
const CLASSES: u32 = 5;

fn trainer(threads: usize) -> nn::Result<Trainer> {
    let model = Model::builder(INPUTS)
        .linear(48, Activation::Relu)
        .dropout(0.2)
        .linear(33, Activation::Gelu)
        .dropout(0.1)
        .linear(CLASSES as usize, Activation::Identity)
        .loss(Loss::SoftmaxCrossEntropy)
        .seed(3)
        .build()?;
    let options = TrainOptions {
        batch_size: BatchSize::Rows(64),
        optimizer: Adam::default().into(),
        max_epochs: EPOCHS,
        tol: None,
        sharding: Some(Sharding::default()),
        ..TrainOptions::default()
    };
    // So that there are several even for products as small as these.
    let pool = ThreadPool::with_work_per_thread(threads, 1).expect("threads can be started");
    Trainer::with_pool(model, options, pool)
}

/// The part of a rank.
fn data(rank: usize, size: usize) -> nn::Result<(Vec<f32>, Vec<u32>)> {
    let mut stream = Stream::new(11, Purpose::Split, 0);
    let x: Vec<f32> = (0..ROWS * INPUTS).map(|_| stream.uniform() - 0.5).collect();
    let label = |row: &[f32]| ((row[0] + row[1] + 1.0) * 2.5) as u32 % CLASSES;
    let labels: Vec<u32> = x.chunks_exact(INPUTS).map(label).collect();
    let rows = Sharding::default().rows(rank, size, ROWS)?;
    Ok((x[rows.start * INPUTS..rows.end * INPUTS].to_vec(), labels[rows].to_vec()))
}

/// Trains for 500 steps, from where the checkpoint is; returns the bits of the weights.
fn train(ranks: &mut dyn Collective, threads: usize, checkpoint: Option<&Path>) -> nn::Result<Vec<u8>> {
    let (x, labels) = data(ranks.rank(), ranks.size())?;
    let mut trainer = trainer(threads)?;
    if let Some(path) = checkpoint.filter(|path| path.exists()) {
        trainer.resume_over(ranks, path)?;
        if ranks.rank() == 0 {
            println!("resumed after update {}", trainer.position().step);
        }
    }
    let mut saved = Ok(());
    trainer.fit_observed_over(ranks, Part::new((&x, &labels), ROWS), None, |trainer, progress| {
        if let (Progress::Batch(_), Some(path)) = (progress, checkpoint)
            && trainer.position().step.is_multiple_of(5)
        {
            saved = trainer.save(path);
        }
        if saved.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    saved?;
    assert_eq!(trainer.position().step, 500);
    Ok(trainer.model().parameters().flat_map(|parameter| parameter.values()).flat_map(f32::to_le_bytes).collect())
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("checksum {hash:016x}")
}

pub(crate) fn train_rank(mpi: &mut Mpi) -> nn::Result<()> {
    println!("rank {} is process {}", mpi.rank(), std::process::id());
    let threads = env::var(THREADS).map_or(1, |threads| threads.parse().expect("a number"));
    let checkpoint = env::var_os(CHECKPOINT);
    let weights = train(mpi, threads, checkpoint.as_ref().map(Path::new))?;
    let mut all = vec![0; weights.len() * mpi.size()];
    mpi.all_gather(&weights, &mut all)?;
    assert!(all.chunks_exact(weights.len()).all(|other| other == weights), "ranks have different weights");
    if mpi.rank() == 0 {
        println!("{}", checksum(&weights));
    }
    Ok(())
}

/// What one process trains, without MPI.
fn alone() -> String {
    checksum(&train(&mut Single, 1, None).expect("it trains"))
}

pub(crate) fn any_number_of_ranks_trains_the_same_bits() {
    let expected = alone();
    for ranks in [1, 2, 4] {
        for threads in ["1", "2"] {
            let printed = success(job(ranks, "train").env(THREADS, threads));
            assert!(printed.contains(&expected), "{ranks} ranks, {threads} threads, {expected} expected:\n{printed}");
        }
    }
}

pub(crate) fn kills_leave_a_checkpoint_that_leads_to_the_same_bits() {
    let kills: usize = env::var(KILLS).map_or(2, |kills| kills.parse().expect("a number"));
    let expected = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let mut random = Stream::new(5, Purpose::Split, 0);
    let sizes = [4, 2, 1];
    let mut killed = 0;
    while killed < kills {
        let (ranks, others) = (sizes[killed % 3], sizes[(killed + 1 + killed / 3 % 2) % 3]);
        let path = directory.path().join(format!("{killed}.safetensors"));
        let Some((rank, time)) = kill(ranks, &path, &mut random) else { continue };
        let printed = success(job(others, "train").env(CHECKPOINT, &path));
        assert!(printed.contains(&expected), "{ranks} ranks, then {others}, {expected} expected:\n{printed}");
        let resumed = printed.lines().find(|line| line.starts_with("resumed")).unwrap_or("begun anew");
        println!("\n  rank {rank} of {ranks} killed, ended in {time:.1?}; {others} ranks {resumed}");
        killed += 1;
    }
}

/// Starts a training and kills one of its ranks at some moment: which, and how long the others took to end. Nothing if
/// the training was over before.
fn kill(ranks: usize, checkpoint: &Path, random: &mut Stream) -> Option<(usize, Duration)> {
    let mut job = job(ranks, "train");
    job.env(CHECKPOINT, checkpoint).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut mpirun = job.spawn().expect("mpirun can be started");
    let mut printed = BufReader::new(mpirun.stdout.take().expect("it is piped"));
    let mut processes = vec![String::new(); ranks];
    for _ in 0..ranks {
        let mut line = String::new();
        printed.read_line(&mut line).expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        processes[words[1].parse::<usize>().expect("a rank")] = words[4].to_owned();
    }
    std::thread::sleep(Duration::from_millis(random.below(1500)));
    let rank = random.below(ranks as u64) as usize;
    let start = Instant::now();
    let killed = Command::new("kill").args(["-9", &processes[rank]]).output().expect("kill can be started");
    let output = mpirun.wait_with_output().expect("mpirun ends");
    let time = start.elapsed();
    if output.status.success() || !killed.status.success() {
        std::fs::remove_file(checkpoint).expect("it was written");
        return None;
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(&format!("process rank {rank} ")), "nothing names rank {rank}:\n{errors}");
    assert!(time < Duration::from_secs(10), "rank {rank} of {ranks} was killed, and the others took {time:?} to end");
    Some((rank, time))
}
