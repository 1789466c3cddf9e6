use super::{Trial, map};
use crate::cases::{Memory, Optimizer, Stream};
use crate::check::{Reference, Wrong};
use crate::engines::{Role, Setup};
use crate::problem::{Aligned, Real, uniform};
use kernels::fused::{Adagrad, Adam, RmsProp, Sgd};
use kernels::{KernelSet, reference};

/// Numbers come again after this many.
const PERIOD: usize = crate::cases::MAP_LEN;

/// The step that optimisers which count them are in.
const STEP: u64 = 10;

/// A kernel on slices that no cache holds, and a copy of as many bytes.
pub(crate) struct MemoryTrial {
    task: Memory,
    set: &'static KernelSet,
    /// x and out; or parameters, gradients and states.
    slices: Vec<Aligned<f32>>,
    /// What they hold before a run, again and again.
    before: Vec<Aligned<f32>>,
    /// What the one that is judged holds after a run, again and again.
    after: Reference,
    copied: [Aligned<f32>; 2],
    last: usize,
}

const COPY: usize = 0;

impl MemoryTrial {
    pub(crate) fn new(task: Memory, setup: Setup) -> Self {
        assert!(task.len.is_multiple_of(PERIOD));
        let (before, after) = match task.kernel {
            Stream::Map(function) => {
                let (x, after) = map::operands(function);
                (vec![x, Aligned::new(PERIOD, f32::NAN)], after)
            }
            Stream::Update(optimizer) => {
                let signed = (1..=2).map(|seed| uniform(seed, PERIOD, -1.0, 1.0));
                let states = (3..).map(|seed| uniform(seed, PERIOD, 0.1, 1.0)).take(optimizer.states());
                let before: Vec<Aligned<f32>> = signed.chain(states).collect();
                let after = updated(optimizer, &before);
                (before, after)
            }
        };
        let slices = before.iter().map(|_| Aligned::new(task.len, 0.0)).collect();
        let copied = [Aligned::new(task.len, 1.0), Aligned::new(task.len, 0.0)];
        MemoryTrial { task, set: setup.set, slices, before, after, copied, last: COPY }
    }

    fn copy(&mut self) {
        let [from, to] = &mut self.copied;
        // A copy reads and writes.
        let mut left = self.task.bytes() / size_of::<f32>() / 2;
        while left > 0 {
            let len = left.min(to.len());
            to[..len].copy_from_slice(&from[..len]);
            left -= len;
        }
    }

    fn compute(&mut self) {
        let set = self.set;
        let [first, second, states @ ..] = &mut self.slices[..] else { unreachable!("two slices at least") };
        match (self.task.kernel, states) {
            (Stream::Map(function), []) => set.map(function, first, second),
            (Stream::Update(optimizer), states) => _ = update(optimizer, set, first, second, states),
            _ => unreachable!("a function has no state"),
        }
    }
}

fn update(
    optimizer: Optimizer,
    set: &KernelSet,
    params: &mut [f32],
    grads: &[f32],
    states: &mut [Aligned<f32>],
) -> bool {
    match (optimizer, states) {
        (Optimizer::Sgd, []) => set.sgd(params, grads, SGD_RATE, 0.0),
        (Optimizer::Momentum, [velocity]) => set.sgd_momentum(params, grads, velocity, &momentum(false)),
        (Optimizer::Nesterov, [velocity]) => set.sgd_momentum(params, grads, velocity, &momentum(true)),
        (Optimizer::Adam, [mean, square]) => set.adam(params, grads, [mean, square], STEP, &Adam::default()),
        (Optimizer::AdamW, [mean, square]) => set.adam(params, grads, [mean, square], STEP, &Adam::adamw()),
        (Optimizer::RmsProp, [square]) => set.rmsprop(params, grads, square, &mut [], &RmsProp::default()),
        (Optimizer::Adagrad, [squares]) => set.adagrad(params, grads, squares, STEP, &Adagrad::default()),
        _ => unreachable!("as many states as the optimiser has"),
    }
}

const SGD_RATE: f32 = 1e-3;

fn momentum(nesterov: bool) -> Sgd {
    Sgd { momentum: 0.9, nesterov, ..Sgd::default() }
}

/// The parameters after an update in f64. Those in f32 are off by a few roundings of both them and the step, which is
/// smaller.
fn updated(optimizer: Optimizer, before: &[Aligned<f32>]) -> Reference {
    const ROUNDINGS: f64 = 16.0;
    let after = |i: usize| {
        let values: Vec<f64> = before.iter().map(|slice| slice[i].into()).collect();
        let (p, g, state) = (values[0], values[1], |n: usize| values[2 + n]);
        let after = match optimizer {
            Optimizer::Sgd => reference::sgd(p, g, SGD_RATE.into(), 0.0),
            Optimizer::Momentum => reference::sgd_momentum(p, g, state(0), &momentum(false)).0,
            Optimizer::Nesterov => reference::sgd_momentum(p, g, state(0), &momentum(true)).0,
            Optimizer::Adam => reference::adam(p, g, [state(0), state(1)], STEP, &Adam::default()).0,
            Optimizer::AdamW => reference::adam(p, g, [state(0), state(1)], STEP, &Adam::adamw()).0,
            Optimizer::RmsProp => reference::rmsprop(p, g, [state(0), 0.0], &RmsProp::default()).0,
            Optimizer::Adagrad => reference::adagrad(p, g, state(0), STEP, &Adagrad::default()).0,
        };
        (after, ROUNDINGS * f32::UNIT_ROUNDOFF * (p.abs() + (after - p).abs()))
    };
    Reference::new(PERIOD, (0..PERIOD).map(after))
}

impl Trial for MemoryTrial {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        vec![("copy", Role::Copy), ("ours", Role::Ours)]
    }

    fn run(&mut self, engine: usize) {
        self.last = engine;
        if engine == COPY { self.copy() } else { self.compute() }
    }

    fn spoil(&mut self) {
        for (slice, before) in self.slices.iter_mut().zip(&self.before) {
            slice.chunks_exact_mut(PERIOD).for_each(|part| part.copy_from_slice(before));
        }
        self.copied[1].fill(f32::NAN);
    }

    fn check(&self) -> Result<(), Wrong> {
        let [from, to] = &self.copied;
        let copied = Reference::new(PERIOD, from[..PERIOD].iter().map(|&x| (x.into(), 0.0)));
        let (judged, due) = match (self.last, self.task.kernel) {
            (COPY, _) => (to, &copied),
            (_, Stream::Map(_)) => (&self.slices[1], &self.after),
            (_, Stream::Update(_)) => (&self.slices[0], &self.after),
        };
        judged.chunks_exact(PERIOD).try_for_each(|part| due.check(part))
    }
}
