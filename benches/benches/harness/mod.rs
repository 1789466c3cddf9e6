//! Hands the list of cases to criterion.

use benches::cases::{self, Task, Variant};
use benches::{Group, Role, Setup, engines};
use criterion::{BenchmarkId, Criterion, Throughput};
use kernels::KernelSet;
use std::time::Duration;

/// Plain loops are left out of products of more operations: criterion repeats a call at least ten times.
const NAIVE_FLOPS: usize = 1 << 22;

/// Measures the quick cases of the groups that are asked for, on one thread, each answer checked first.
pub(crate) fn run(wanted: fn(Group) -> bool) {
    let pool = engines::pool(1).expect("a thread starts");
    // Inside a pool of one thread, because some libraries take all threads of the pool that they are called from.
    pool.install(|| {
        let mut criterion = Criterion::default()
            .sample_size(30)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(1))
            .configure_from_args();
        for case in cases::all().into_iter().filter(|case| case.quick && wanted(case.group)) {
            let mut group = criterion.benchmark_group(&case.name);
            let work = case.task.elements().unwrap_or_else(|| flops(case.task));
            group.throughput(Throughput::Elements(work as u64));
            let mut trial = case.trial(Setup::new(KernelSet::best()));
            for (engine, (name, role)) in trial.engines().into_iter().enumerate() {
                if role == Role::Naive && flops(case.task) > NAIVE_FLOPS {
                    continue;
                }
                // Only when criterion's filter lets it run.
                let mut checked = false;
                group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                    if !std::mem::replace(&mut checked, true) {
                        trial.spoil();
                        trial.run(engine);
                        trial.check().unwrap_or_else(|wrong| panic!("{}, {name}: {wrong}", case.name));
                    }
                    bencher.iter(|| trial.run(engine));
                });
            }
            group.finish();
        }
        criterion.final_summary();
    });
}

fn flops(task: Task) -> usize {
    match task {
        Task::Gemm(gemm) | Task::Variant(Variant { gemm, .. }) => gemm.flops(),
        Task::Net(net) => net.flops(),
        Task::Map(_) | Task::Loss(_) | Task::Memory(_) => 0,
    }
}
