//! A seeded source of test data.

use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Random numbers that depend on the seed alone.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`, good enough for choosing cases.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    /// One of the choices.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number in [-1, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// `len` numbers in [-scale, scale).
    pub fn floats(&mut self, len: usize, scale: f64) -> Vec<f32> {
        (0..len).map(|_| (self.unit() * scale) as f32).collect()
    }
}
