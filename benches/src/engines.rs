//! Who computes: ours, the plain loops, and other libraries.

use crate::cases::{Loss, LossKind};
use crate::naive;
use crate::peers::{self, Peers};
use crate::problem::{Operand, Real};
use kernels::{ClassTargets, Function, GemmOptions, KernelSet, LossOptions, MatMut, MatRef, Threads};

/// Under what conditions engines run.
#[derive(Clone, Copy)]
pub struct Setup {
    /// Our kernels; most other libraries choose their own instruction set.
    pub set: &'static KernelSet,
    /// How many threads an engine may use. Above 1, only the engines that can are there, and trials must run inside
    /// a pool of as many threads.
    pub threads: usize,
}

/// What an engine is to a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that is judged.
    Ours,
    /// Our kernels on one thread where the others have more.
    OursSerial,
    /// Plain loops.
    Naive,
    /// Another library.
    Peer,
    /// A copy of as many bytes as are read and written: what memory allows.
    Copy,
}

/// One way to compute a kind of task.
#[derive(Clone, Copy, Debug)]
pub struct Engine<F> {
    /// For tables.
    pub name: &'static str,
    /// What it is to the comparison.
    pub role: Role,
    pub(crate) run: F,
}

impl<F> Engine<F> {
    pub(crate) fn new(name: &'static str, role: Role, run: F) -> Self {
        Engine { name, role, run }
    }
}

/// Computes C = A B into a row-major C whose elements it must not read.
pub type GemmEngine<T> = Engine<Box<dyn Fn(Operand<'_, T>, Operand<'_, T>, &mut [T])>>;

/// Computes a function of each element.
pub type MapEngine = Engine<Box<dyn Fn(&[f32], &mut [f32])>>;

/// Computes a mean loss of logits, and its gradient.
pub type LossEngine = Engine<RunLoss>;
type RunLoss = Box<dyn Fn(&[f32], &Targets, &mut [f32]) -> f64>;

/// What the logits of a [`Loss`] should have been.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The class of each row.
    pub labels: Vec<u32>,
    /// 0 or 1 for each logit.
    pub bits: Vec<f32>,
}

/// The engines for products of `T`, plain loops first.
pub fn gemm<T: Real>(setup: Setup) -> Vec<GemmEngine<T>> {
    let ours = |name, role, threads| {
        let set = setup.set;
        let options = GemmOptions { threads: Threads::AtMost(threads), ..Default::default() };
        GemmEngine::<T>::new(
            name,
            role,
            Box::new(move |a, b, c| {
                let c = MatMut::from_row_major(c, a.rows(), b.cols());
                set.gemm(T::from(1.0), view(a), view(b), T::from(0.0), c, &options);
            }),
        )
    };
    let mut engines =
        vec![Engine::new("naive", Role::Naive, Box::new(naive::gemm) as _), ours("ours", Role::Ours, setup.threads)];
    if setup.threads > 1 {
        engines.push(ours("ours, 1 thread", Role::OursSerial, 1));
    }
    engines.extend(<T as Peers>::gemm(setup.threads));
    engines
}

fn view<T: Copy>(x: Operand<'_, T>) -> MatRef<'_, T> {
    MatRef::from_strided(x.data(), 0, x.rows(), x.cols(), x.row_stride(), x.col_stride())
}

/// The engines for a function, that of `std` first.
pub fn map(function: Function, setup: Setup) -> Vec<MapEngine> {
    let set = setup.set;
    let mut engines = vec![
        MapEngine::new("std", Role::Naive, Box::new(move |x, out| naive::map(function, x, out))),
        MapEngine::new("ours", Role::Ours, Box::new(move |x, out| set.map(function, x, out))),
    ];
    engines.extend(peers::map(function, set.isa()));
    engines
}

/// The engines for a loss, plain loops first.
pub fn loss(loss: Loss, setup: Setup) -> Vec<LossEngine> {
    let set = setup.set;
    let Loss { kind, rows, cols } = loss;
    let (naive, ours): (RunLoss, RunLoss) = match kind {
        LossKind::SoftmaxCrossEntropy => (
            Box::new(move |z, t, d| naive::softmax_cross_entropy(cols, z, &t.labels, d)),
            Box::new(move |z, t, d| {
                let targets = ClassTargets::Indices(&t.labels);
                set.softmax_cross_entropy(cols, z, targets, LossOptions::default(), d)
            }),
        ),
        LossKind::Bce => (
            Box::new(move |z, t, d| naive::bce(rows, z, &t.bits, d)),
            Box::new(move |z, t, d| set.bce_with_logits(cols, z, &t.bits, LossOptions::default(), d)),
        ),
    };
    vec![Engine::new("naive", Role::Naive, naive), Engine::new("ours", Role::Ours, ours)]
}
