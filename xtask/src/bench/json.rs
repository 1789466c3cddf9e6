//! All figures, for other programs.

use super::report::{Report, Row};
use benches::cases::{Task, Variant};
use benches::measure::Outcome;
use serde_json::{Value, json};

pub(crate) fn value(report: &Report) -> Value {
    let peak = report.peak();
    json!({
        "cpu": report.machine.cpu,
        "cores": report.machine.cores,
        "caches": report.machine.caches,
        "compiler": report.machine.compiler,
        "commit": report.machine.commit,
        "date": report.machine.date,
        "isa": report.isa.name(),
        "threads": report.threads(),
        "peers": report.peers,
        "peak_gflops": { "f32": peak.f32, "f64": peak.f64 },
        "other_cores_busy": report.others,
        "cases": report.rows.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(Row { case, threads, outcomes }: &Row) -> Value {
    let mut value = json!({
        "name": case.name,
        "group": format!("{:?}", case.group).to_lowercase(),
        "threads": threads,
        "engines": outcomes.iter().map(engine).collect::<Vec<_>>(),
    });
    match case.task {
        Task::Gemm(gemm) | Task::Variant(Variant { gemm, .. }) => {
            value["m"] = gemm.m.into();
            value["n"] = gemm.n.into();
            value["k"] = gemm.k.into();
            value["layout"] = format!("{:?}", gemm.layout).to_lowercase().into();
            value["precision"] = format!("{:?}", gemm.precision).to_lowercase().into();
            value["flops"] = gemm.flops().into();
        }
        Task::Map(_) | Task::Loss(_) => value["elements"] = case.task.elements().into(),
        Task::Memory(memory) => {
            value["elements"] = memory.len.into();
            value["bytes"] = memory.bytes().into();
        }
        Task::Net(net) => {
            value["examples"] = net.examples.into();
            value["epochs"] = net.epochs().into();
            value["batch"] = net.batch.into();
            value["parameters"] = net.parameters().into();
            value["flops"] = net.flops().into();
        }
    }
    value
}

fn engine(outcome: &Outcome) -> Value {
    match outcome.nanoseconds {
        Ok(summary) => json!({
            "name": outcome.name,
            "median_ns": summary.median,
            "p10_ns": summary.p10,
            "p90_ns": summary.p90,
            "samples": summary.samples,
        }),
        Err(wrong) => json!({ "name": outcome.name, "wrong": wrong.to_string() }),
    }
}
