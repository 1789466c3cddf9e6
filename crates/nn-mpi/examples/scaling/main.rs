//! Measures what a sum over two ranks and what steps of training cost here, and estimates from that how training scales: a plot
//! and a table, for the documentation. Run by `cargo xtask scaling`.

mod model;
mod plot;
mod speed;

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use nn::TrainOptions;
use nn::collective::Collective;
use nn::file::atomic_write;
use nn_mpi::Mpi;

use crate::model::{Compute, Network};

/// Estimates how training scales, from what is measured with two ranks.
#[derive(Parser)]
struct Args {
    /// A directory for scaling.svg and scaling.md
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// What it takes for one message of the network to compare with to arrive, in microseconds
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 20.0)]
    latency: f64,
    /// What the network to compare with carries each way, in gigabits a second
    #[arg(long, value_name = "GBIT", default_value_t = 10.0)]
    bandwidth: f64,
}

/// The sizes of the layers.
const NETS: [&[usize]; 3] = [&[64, 128, 10], &[784, 512, 512, 10], &[784, 2048, 2048, 2048, 10]];
/// Rows of the batches whose steps are measured.
const ROWS: [usize; 2] = [64, 512];
/// For each measurement.
const TIME: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    let args = Args::parse();
    nn_mpi::run(|mpi| run(mpi, &args))
}

fn run(mpi: &mut Mpi, args: &Args) -> Result<(), Box<dyn Error>> {
    if mpi.size() != 2 {
        return Err(format!("{} ranks, where two are to be measured", mpi.size()).into());
    }
    for layers in NETS {
        let speeds = speed::two_ranks(mpi, layers)?;
        if mpi.rank() == 0 {
            println!("{}: {speeds}", name(layers));
        }
    }
    let here = measured_network(mpi)?;
    let mut computes = Vec::new();
    for layers in NETS {
        // One after the other, as cores that compute at once may share more than memory.
        if mpi.rank() == 0 {
            computes.push(measured_compute(layers)?);
        }
        mpi.barrier()?;
    }
    if mpi.rank() != 0 {
        return Ok(());
    }
    let name = format!("{} µs, {} Gbit/s", args.latency, args.bandwidth);
    let other = Network { name, latency: args.latency * 1e-6, seconds_per_byte: 8e-9 / args.bandwidth };
    let networks = [here, other];
    let table = table(&computes, &networks)?;
    print!("{table}");
    atomic_write(&args.output.join("scaling.md"), table.as_bytes())?;
    atomic_write(&args.output.join("scaling.svg"), plot::to_svg(&computes, &networks)?.as_bytes())?;
    Ok(())
}

/// Fits the model to sums of one value and of 4 MiB.
fn measured_network(mpi: &mut Mpi) -> Result<Network, Box<dyn Error>> {
    let mut seconds = [0.0; 2];
    for (seconds, len) in seconds.iter_mut().zip([1, 1 << 20]) {
        *seconds = sum_seconds(mpi, len)?;
    }
    let network = Network::of_two_ranks(seconds[0], seconds[1], 4 << 20);
    for len in [1, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22] {
        let (measured, modelled) = (sum_seconds(mpi, len)?, network.sum_seconds(2, 4 * len));
        if mpi.rank() == 0 {
            println!("sum of {len} values: {:.1} µs, {:.1} by the model", 1e6 * measured, 1e6 * modelled);
        }
    }
    Ok(network)
}

/// The median over many sums.
fn sum_seconds(mpi: &mut Mpi, len: usize) -> Result<f64, Box<dyn Error>> {
    let mut values = vec![1.0; len];
    let mut times = Vec::new();
    let repetitions = (1 << 24 >> len.ilog2()).clamp(20, 2000);
    for _ in 0..repetitions {
        mpi.barrier()?;
        let start = Instant::now();
        mpi.sum(&mut values)?;
        times.push(start.elapsed().as_secs_f64());
        values.fill(1.0);
    }
    Ok(median(times))
}

/// Fits a line to the time of a step over the rows of its batch, on one thread.
fn measured_compute(layers: &[usize]) -> Result<Compute, Box<dyn Error>> {
    let name = name(layers);
    let mut seconds = [0.0; 2];
    for (seconds, rows) in seconds.iter_mut().zip(ROWS) {
        *seconds = step_seconds(layers, rows)?;
        println!("{name}: {:.0} µs for a step of {rows} rows", 1e6 * *seconds);
    }
    let per_row = (seconds[1] - seconds[0]) / (ROWS[1] - ROWS[0]) as f64;
    let fixed = (seconds[0] - per_row * ROWS[0] as f64).max(0.0);
    Ok(Compute { name, sums: model::sums(layers), seconds_per_step: fixed, seconds_per_row: per_row })
}

fn name(layers: &[usize]) -> String {
    layers.iter().map(usize::to_string).collect::<Vec<_>>().join("-")
}

fn step_seconds(layers: &[usize], rows: usize) -> Result<f64, Box<dyn Error>> {
    let mut trainer = speed::trainer(layers, TrainOptions::default())?;
    let (x, labels) = speed::data(layers, rows);
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < TIME {
        let step = Instant::now();
        trainer.step((&x, &labels))?;
        times.push(step.elapsed().as_secs_f64());
    }
    times.sort_unstable_by(f64::total_cmp);
    // Other programs slow some steps down.
    Ok(times[times.len() / 10])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many times faster than one rank, by numbers of ranks.
fn table(computes: &[Compute], networks: &[Network]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "| net | network | {} |", model::RANKS.map(|ranks| format!("{ranks} ranks")).join(" | "))?;
    writeln!(text, "|---|---|{}", "---|".repeat(model::RANKS.len()))?;
    for compute in computes {
        for network in networks {
            let speedups = model::RANKS.map(|ranks| {
                let (least, most) = compute.speedups(network, ranks);
                format!("{least:.1}–{most:.1}")
            });
            writeln!(text, "| {} | {} | {} |", compute.name, network.name, speedups.join(" | "))?;
        }
    }
    Ok(text)
}
