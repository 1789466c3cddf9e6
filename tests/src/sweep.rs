//! An element-wise function over all 2^32 inputs, or a sample of them, on several instruction sets at once: each result
//! against f64, each instruction set against the portable one.
//!
//! Magnitudes are taken in ascending order, each with both signs: neighbours in the order of values are then neighbours
//! in the sweep, and so are x and -x.

mod inputs;
mod tally;

use crate::exact::exact;
use crate::properties::special_values;
use inputs::Magnitudes;
use kernels::{Function, Isa, KernelSet};
use std::sync::atomic::{AtomicU32, Ordering};
use tally::Results;
pub use tally::Tally;

/// What to sweep over.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// The function.
    pub function: Function,
    /// The instruction sets to judge.
    pub sets: &'a [&'static KernelSet],
    /// 1 for all inputs. For n, one of each n, and the neighbourhoods of all powers of two and of the ends of the
    /// functions' ranges.
    pub every: u32,
}

impl Sweep<'_> {
    /// Blocks that a thread takes at a time.
    const CHUNK: u32 = 64;

    /// Runs on all cores; `progress` is told of each number of inputs done. What it found of each of the sets.
    ///
    /// # Panics
    /// If `every` is 0.
    pub fn run(&self, progress: impl Fn(u64) + Sync) -> Vec<Tally> {
        let magnitudes = Magnitudes::new(self.every);
        let blocks = magnitudes.blocks();
        let next = AtomicU32::new(0);
        let work = || {
            let mut found = Vec::new();
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= blocks.div_ceil(Self::CHUNK) {
                    return found;
                }
                let blocks = chunk * Self::CHUNK..((chunk + 1) * Self::CHUNK).min(blocks);
                let tallies = self.fold(blocks.map(|block| {
                    let tallies = self.block(&magnitudes.block(block));
                    progress(tallies[0].inputs);
                    tallies
                }));
                found.push((chunk, tallies));
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut found: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
        });
        found.sort_by_key(|(chunk, _)| *chunk);
        let mut tallies = self.fold(found.into_iter().map(|(_, tallies)| tallies));
        for (tally, set) in tallies.iter_mut().zip(self.sets) {
            tally.check_specials(special_values(self.function), |x| {
                let mut y = [x];
                set.map_in_place(self.function, &mut y);
                y[0]
            });
        }
        tallies
    }

    /// Of each set, from the smallest magnitudes to the largest.
    fn fold(&self, parts: impl Iterator<Item = Vec<Tally>>) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); self.sets.len()];
        for part in parts {
            tallies.iter_mut().zip(part).for_each(|(tally, part)| tally.surround(part));
        }
        tallies
    }

    /// The sets on one block. What is slow, the portable kernel and f64, is computed once for all of them.
    fn block(&self, magnitudes: &[f32]) -> Vec<Tally> {
        let function = self.function;
        let xs: Vec<f32> = magnitudes.iter().copied().chain(magnitudes.iter().map(|x| -x)).collect();
        let references: Vec<f64> = xs.iter().map(|&x| exact(function, x)).collect();
        let mut portable = vec![0.0; xs.len()];
        KernelSet::for_isa(Isa::Portable).expect("it is always available").map(function, &xs, &mut portable);
        let judge =
            |ys: &[f32]| Tally::of(&Results { function, xs: &xs, references: &references, portable: &portable, ys });
        let of_portable = judge(&portable);
        let mut ys = vec![0.0; xs.len()];
        let of_set = |set: &&KernelSet| {
            set.map(function, &xs, &mut ys);
            // Whatever has the same bits is as right as they are.
            let same = ys.iter().zip(&portable).all(|(y, portable)| y.to_bits() == portable.to_bits());
            if same { of_portable.clone() } else { judge(&ys) }
        };
        self.sets.iter().map(of_set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let sets: Vec<_> = KernelSet::available().collect();
        let sweep = Sweep { function: Function::Tanh, sets: &sets, every: 10_007 };
        let done = std::sync::atomic::AtomicU64::new(0);
        let tallies = sweep.run(|inputs| _ = done.fetch_add(inputs, Ordering::Relaxed));
        assert_eq!(tallies.len(), sets.len());
        let magnitudes = Magnitudes::new(10_007);
        let all: Vec<f32> = (0..magnitudes.blocks()).flat_map(|block| magnitudes.block(block)).collect();
        for tally in tallies {
            assert_eq!(tally.inputs, 2 * all.len() as u64);
            // As text, because NaN is not equal to itself.
            assert_eq!(format!("{tally:?}"), format!("{:?}", sweep.block(&all)[0]));
        }
        assert_eq!(done.into_inner(), 2 * all.len() as u64);
    }
}
