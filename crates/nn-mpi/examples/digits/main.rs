//! Trains a classifier of images on any number of ranks: started by `mpirun` or `srun` on many, started alone on one, with the same
//! options and to the same weights.

mod data;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nn::collective::{Collective, Exchange, Sharding};
use nn::file::check_writable;
use nn::html::HtmlReport;
use nn::{Activation, Adam, BatchSize, Loss, Model, Progress, TrainOptions, TrainReport, Trainer};

/// Trains a classifier of handwritten digits, or of the images in IDX files, on all ranks of a job.
///
/// The same options give the same weights bit for bit, on any number of ranks and threads and on every instruction set; compare
/// the checksums.
#[derive(Parser)]
struct Args {
    /// Passes over the training rows
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Rows of one update, over all ranks
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Sizes of the hidden layers, separated by commas
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "128")]
    hidden: Vec<usize>,
    /// The share of the outputs of hidden layers that dropout sets to 0
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
    /// The learning rate of Adam
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// Where the random numbers start: the split, the first weights, the order of the rows
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Into how many shards the data is cut, for as many ranks at most; the weights depend on it
    #[arg(long, default_value_t = 16)]
    shards: usize,
    /// Sum by the all-reduce of the MPI library: the weights then depend on the number of ranks
    #[arg(long)]
    fast: bool,
    /// Threads of each rank; 0 is its share of the cores of its machine
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// A directory with train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k, each with or without .gz,
    /// as MNIST and Fashion-MNIST come [default: the digits that come with the repository]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file that rank 0 keeps the state of the training in
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// After how many updates it is written anew
    #[arg(long, value_name = "UPDATES", default_value_t = 100)]
    every: u64,
    /// Go on from the checkpoint where there is one, with the same options; more epochs and other ranks are fine
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Where rank 0 writes a report with the curves of the training, as HTML
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    #[cfg(feature = "mpi")]
    return nn_mpi::run(|mpi| {
        let threads = mpi.threads();
        train(mpi, threads, &args)
    });
    #[cfg(not(feature = "mpi"))]
    match train(&mut nn::collective::Single, 0, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What each rank does; `threads` is its share of the cores.
fn train(ranks: &mut dyn Collective, threads: usize, args: &Args) -> Result<(), Box<dyn Error>> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let exchange = if args.fast { Exchange::Fast } else { Exchange::Ordered };
    let sharding = Sharding { shards: args.shards, exchange };
    let (training, test) = data::load(args.data.as_deref(), args.seed, |rows| sharding.rows(rank, size, rows))?;

    let mut builder = Model::builder(training.cols).loss(Loss::SoftmaxCrossEntropy).seed(args.seed);
    for &hidden in &args.hidden {
        builder = builder.linear(hidden, Activation::Relu).dropout(args.dropout);
    }
    let model = builder.linear(training.classes, Activation::Identity).build()?;
    let options = TrainOptions {
        batch_size: BatchSize::Rows(args.batch),
        optimizer: Adam { learning_rate: args.learning_rate, ..Adam::default() }.into(),
        max_epochs: args.epochs,
        tol: None,
        seed: args.seed,
        sharding: Some(sharding),
        threads: if args.threads == 0 { threads } else { args.threads },
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(model, options)?;
    if rank == 0 {
        println!("data: {} rows to learn from, {} held out", training.total, test.total);
        println!("ranks: {size}, {} threads each, {} shards", trainer.pool().threads(), args.shards);
        for path in [&args.checkpoint, &args.report].into_iter().flatten() {
            check_writable(path)?;
        }
    }
    if let Some(path) = args.checkpoint.as_ref().filter(|_| args.resume) {
        // The ranks may not see the same files.
        let mut exists = [u8::from(path.exists())];
        ranks.broadcast(0, &mut exists)?;
        if exists == [1] {
            trainer.resume_over(ranks, path)?;
            if rank == 0 {
                println!("resumed: after update {}", trainer.position().step);
            }
        }
    }

    let mut saved = Ok(());
    let report = trainer.fit_observed_over(ranks, training.part(), Some(test.part()), |trainer, progress| {
        match (progress, &args.checkpoint) {
            (Progress::Batch(_), Some(path)) if trainer.position().step.is_multiple_of(args.every) => {
                saved = trainer.save(path);
            }
            (Progress::Epoch(epoch), _) if rank == 0 => println!("epoch {}: loss {:.4}", epoch.epoch, epoch.loss),
            _ => {}
        }
        if saved.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    saved?;
    if rank == 0 {
        tell(&report, trainer.model());
        args.report.as_ref().map_or(Ok(()), |path| HtmlReport::new("Digits", &report).save(path))?;
    }
    Ok(())
}

fn tell(report: &TrainReport, model: &Model) {
    if let Some(last) = report.epochs.last() {
        let test = last.validation.and_then(|test| Some((test.loss, test.accuracy?)));
        let (loss, accuracy) = test.unwrap_or((f64::NAN, f64::NAN));
        println!("trained: loss {:.4}, {:.0} samples/s", last.loss, report.samples_per_second);
        println!("test: loss {loss:.4}, accuracy {accuracy:.4}");
    }
    let communication = report.communication;
    println!(
        "communication: {:.3} s in {} calls with {} bytes, of which training waited {:.3} s",
        communication.seconds, communication.calls, communication.bytes, communication.waited_seconds
    );
    println!("weights: checksum {:016x}", checksum(model));
}

/// FNV-1a over the bits of all weights.
fn checksum(model: &Model) -> u64 {
    let bytes = model.parameters().flat_map(|parameter| parameter.values()).flat_map(f32::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
