use super::Trial;
use super::gemm::GemmTrial;
use crate::cases::Gemm;
use crate::check::{Reference, Wrong};
use crate::engines::{Role, Setup};
use crate::problem::Real;
use kernels::KernelSet;
use std::time::{Duration, Instant};

/// A product with one row or one column: it reads each element once, so that it takes as long as to read them. One more
/// engine only adds them up, on one thread as the others.
pub(crate) struct GemvTrial {
    product: GemmTrial<f32>,
    sum: Option<Sum>,
    /// Whether the sum ran last.
    summed: bool,
}

struct Sum {
    set: &'static KernelSet,
    reference: Reference,
    found: f32,
}

impl GemvTrial {
    pub(crate) fn new(shape: Gemm, setup: Setup) -> Self {
        let product = GemmTrial::new(shape, setup);
        let is_wanted = setup.threads == 1 && setup.only.is_none();
        let sum = is_wanted.then(|| Sum::new(&product, setup.set));
        GemvTrial { product, sum, summed: false }
    }
}

impl Sum {
    fn new(product: &GemmTrial<f32>, set: &'static KernelSet) -> Self {
        let elements = || product.operands().into_iter().flatten().map(|&x| f64::from(x));
        let magnitude: f64 = elements().map(f64::abs).sum();
        let bound = elements().count() as f64 * f32::UNIT_ROUNDOFF * magnitude;
        Sum { set, reference: Reference::new(1, [(elements().sum(), bound)]), found: f32::NAN }
    }

    fn time(&mut self, operands: [&[f32]; 2], calls: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..calls {
            self.found = operands.iter().map(|x| self.set.sum(x)).sum();
        }
        start.elapsed()
    }
}

impl Trial for GemvTrial {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        let mut engines = self.product.engines();
        engines.extend(self.sum.as_ref().map(|_| ("sum", Role::Sum)));
        engines
    }

    fn run(&mut self, engine: usize) {
        self.time(engine, 1);
    }

    fn time(&mut self, engine: usize, calls: u32) -> Duration {
        self.summed = engine == self.product.engines_len();
        match &mut self.sum {
            Some(sum) if self.summed => sum.time(self.product.operands(), calls),
            _ => self.product.time(engine, calls),
        }
    }

    fn move_to(&mut self, place: usize) {
        self.product.move_to(place);
    }

    fn spoil(&mut self) {
        self.product.spoil();
        if let Some(sum) = &mut self.sum {
            sum.found = f32::NAN;
        }
    }

    fn check(&self) -> Result<(), Wrong> {
        match &self.sum {
            Some(sum) if self.summed => sum.reference.check(&[sum.found]),
            _ => self.product.check(),
        }
    }
}
