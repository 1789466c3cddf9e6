//! The FMA peak of one core, as it is now: clocks move, and on a shared machine with the neighbours.

use kernels::{KernelSet, probe};
use std::time::{Duration, Instant};

/// GFLOP/s of fused multiply-adds from registers on one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Of `f32`.
    pub f32: f64,
    /// Of `f64`.
    pub f64: f64,
}

impl Peak {
    /// Measures with the instruction set of `set`, for a fifth of a second.
    pub fn measure(set: &KernelSet) -> Self {
        Peak {
            f32: best_rate(probe::FLOPS_PER_ITERATION_F32, |iterations| f64::from(probe::fma_f32(set, iterations))),
            f64: best_rate(probe::FLOPS_PER_ITERATION_F64, |iterations| probe::fma_f64(set, iterations)),
        }
    }

    /// The higher of two measurements.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Peak { f32: self.f32.max(other.f32), f64: self.f64.max(other.f64) }
    }

    /// How far two measurements lie apart, as a part of the higher.
    pub fn drift(self, other: Self) -> f64 {
        (self.f32 - other.f32).abs() / self.f32.max(other.f32)
    }
}

/// The highest of many rates, as anything else that runs only lowers it.
fn best_rate(flops_per_iteration: usize, run: impl Fn(usize) -> f64) -> f64 {
    const SAMPLE: Duration = Duration::from_micros(500);
    const TOTAL: Duration = Duration::from_millis(100);
    let begin = Instant::now();
    let (mut iterations, mut best) = (64, 0.0_f64);
    while begin.elapsed() < TOTAL {
        let start = Instant::now();
        std::hint::black_box(run(iterations));
        let elapsed = start.elapsed();
        if elapsed < SAMPLE {
            iterations *= 2;
        } else {
            best = best.max((iterations * flops_per_iteration) as f64 / elapsed.as_nanos() as f64);
        }
    }
    best
}
