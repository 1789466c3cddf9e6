use super::{Trial, ids};
use crate::cases::Gemm;
use crate::check::{Reference, Wrong};
use crate::engines::{self, GemmEngine, Role, Setup};
use crate::problem::{Aligned, Problem, Real};
use std::time::{Duration, Instant};

pub(crate) struct GemmTrial<T: Real> {
    problem: Problem<T>,
    reference: Reference,
    engines: Vec<GemmEngine<T>>,
    c: Aligned<T>,
}

impl<T: Real> GemmTrial<T> {
    pub(crate) fn new(shape: Gemm, setup: Setup) -> Self {
        let engines = engines::gemm(shape, setup);
        let problem = Problem::new(shape);
        let reference = Reference::product(&problem);
        GemmTrial { problem, reference, engines, c: Aligned::new(shape.m * shape.n, T::NAN) }
    }

    /// The elements of A, and of B.
    pub(super) fn operands(&self) -> [&[T]; 2] {
        [self.problem.a().data(), self.problem.b().data()]
    }

    pub(super) fn engines_len(&self) -> usize {
        self.engines.len()
    }
}

impl<T: Real> Trial for GemmTrial<T> {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        ids(&self.engines)
    }

    fn run(&mut self, engine: usize) {
        (self.engines[engine].run)(&self.problem.a(), &self.problem.b(), &mut self.c);
    }

    /// Describes the operands once: the smallest products are over before that is done.
    fn time(&mut self, engine: usize, calls: u32) -> Duration {
        let (a, b) = (self.problem.a(), self.problem.b());
        let run = &self.engines[engine].run;
        let start = Instant::now();
        for _ in 0..calls {
            run(&a, &b, &mut self.c);
        }
        start.elapsed()
    }

    fn move_to(&mut self, place: usize) {
        self.problem.move_to(place);
        self.c.move_to(place);
    }

    fn spoil(&mut self) {
        self.c.fill(T::NAN);
    }

    fn check(&self) -> Result<(), Wrong> {
        self.reference.check(&self.c)
    }
}
