//! Who computes: ours, the plain loops, and other libraries.

use crate::cases::{Gemm, Loss, LossKind, Precision, Task};
use crate::naive;
use crate::peers::{self, Peers};
use crate::problem::{Aligned, Operand, Real};
use crate::training::{self, Training};
use kernels::{ClassTargets, Function, GemmOptions, KernelSet, LossOptions, MatMut, MatRef, ThreadPool, Threads};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Under what conditions engines run.
#[derive(Clone, Copy)]
pub struct Setup {
    /// Our kernels; most other libraries choose their own instruction set.
    pub set: &'static KernelSet,
    /// How many threads an engine may use. Above 1, only the engines that can are there, and trials must run inside
    /// a pool of as many threads.
    pub threads: usize,
    /// Of the engines for products and nets, only the one of this name.
    pub only: Option<&'static str>,
}

impl Setup {
    /// One thread and all engines.
    pub fn new(set: &'static KernelSet) -> Self {
        Setup { set, threads: 1, only: None }
    }
}

/// The pool of so many threads: one for all, so that whoever is in it enters no other, which would cost a wake-up of its
/// threads.
///
/// # Errors
/// If its threads cannot be started.
pub fn pool(threads: usize) -> io::Result<Arc<ThreadPool>> {
    static POOLS: Mutex<Vec<(usize, Arc<ThreadPool>)>> = Mutex::new(Vec::new());
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pool)) = pools.iter().find(|(of, _)| *of == threads) {
        return Ok(Arc::clone(pool));
    }
    let pool = Arc::new(ThreadPool::new(threads)?);
    pools.push((threads, Arc::clone(&pool)));
    Ok(pool)
}

/// What an engine is to a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that is judged.
    Ours,
    /// Our kernels on one thread where the others have more.
    OursSerial,
    /// Our plain call, where the one that is judged does more.
    Plain,
    /// As many fused multiply-adds from registers: what the core allows.
    Peak,
    /// Our sum of as many bytes as are read: what memory allows.
    Sum,
    /// Plain loops.
    Naive,
    /// What a good programmer writes on another library's product.
    ByHand,
    /// Another library, in Rust.
    Peer,
    /// Another library, not in Rust.
    Foreign,
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
pub type GemmEngine<T> = Engine<Box<dyn Fn(&Operand<'_, T>, &Operand<'_, T>, &mut [T])>>;

/// Computes a function of each element.
pub type MapEngine = Engine<Box<dyn Fn(&[f32], &mut [f32])>>;

/// Computes a mean loss of logits, and its gradient, or part of that.
pub type LossEngine = Engine<RunLoss>;

/// What a [`LossEngine`] does.
pub enum RunLoss {
    /// The loss and its gradient.
    All(LossAndGradient),
    /// The softmax of each row, for libraries that have no such loss.
    Softmax(Rows),
}

type LossAndGradient = Box<dyn Fn(&[f32], &Targets, &mut [f32]) -> f64>;
type Rows = Box<dyn Fn(&[f32], &mut [f32])>;

/// What the logits of a [`Loss`] should have been.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The class of each row.
    pub labels: Vec<u32>,
    /// 0 or 1 for each logit.
    pub bits: Aligned<f32>,
    /// For each logit a number from 0 to 1; those of a row add up to 1.
    pub probabilities: Aligned<f32>,
}

/// Floating-point operations above which plain loops take too long: 2 · 512³.
const NAIVE_LIMIT: usize = 1 << 28;

/// The engines for a product of `T`, plain loops first.
pub fn gemm<T: Real>(shape: Gemm, setup: Setup) -> Vec<GemmEngine<T>> {
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
    let mut engines = Vec::new();
    if shape.flops() <= NAIVE_LIMIT {
        engines.push(Engine::new("naive", Role::Naive, Box::new(naive::gemm) as _));
    }
    engines.push(ours("ours", Role::Ours, setup.threads));
    if setup.threads > 1 {
        engines.push(ours("ours, 1 thread", Role::OursSerial, 1));
    }
    engines.extend(<T as Peers>::gemm(setup));
    engines.retain(|engine| setup.only.is_none_or(|name| name == engine.name));
    engines
}

/// The names and roles of the engines for a task that more than one thread can share: a product or a net.
///
/// # Panics
/// If it is one that [cannot](Task::can_use_threads).
pub fn with_threads(task: Task, setup: Setup) -> Vec<(&'static str, Role)> {
    match task {
        Task::Gemm(shape) => match shape.precision {
            Precision::F32 => ids(&gemm::<f32>(shape, setup)),
            Precision::F64 => ids(&gemm::<f64>(shape, setup)),
        },
        Task::Net(net) => ids(&training::engines(&Training::new(net), setup)),
        Task::Variant(_) | Task::Map(_) | Task::Loss(_) | Task::Memory(_) => panic!("not for threads: {task:?}"),
    }
}

pub(crate) fn ids<F>(engines: &[Engine<F>]) -> Vec<(&'static str, Role)> {
    engines.iter().map(|engine| (engine.name, engine.role)).collect()
}

#[inline]
pub(crate) fn view<'a, T: Copy>(x: &Operand<'a, T>) -> MatRef<'a, T> {
    match x.is_transposed() {
        true => MatRef::from_row_major(x.data(), x.cols(), x.rows()).t(),
        false => MatRef::from_row_major(x.data(), x.rows(), x.cols()),
    }
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
            RunLoss::All(Box::new(move |z, t, d| naive::softmax_cross_entropy(cols, z, &t.labels, d))),
            RunLoss::All(Box::new(move |z, t, d| {
                let targets = ClassTargets::Indices(&t.labels);
                set.softmax_cross_entropy(cols, z, targets, LossOptions::default(), d)
            })),
        ),
        LossKind::SoftCrossEntropy => (
            RunLoss::All(Box::new(move |z, t, d| naive::soft_cross_entropy(cols, z, &t.probabilities, d))),
            RunLoss::All(Box::new(move |z, t, d| {
                let targets = ClassTargets::Probabilities(&t.probabilities);
                set.softmax_cross_entropy(cols, z, targets, LossOptions::default(), d)
            })),
        ),
        LossKind::Bce => (
            RunLoss::All(Box::new(move |z, t, d| naive::bce(rows, z, &t.bits, d))),
            RunLoss::All(Box::new(move |z, t, d| set.bce_with_logits(cols, z, &t.bits, LossOptions::default(), d))),
        ),
        LossKind::Mse => (
            RunLoss::All(Box::new(move |y, t, d| naive::mse(rows, y, &t.bits, d))),
            RunLoss::All(Box::new(move |y, t, d| set.mse(cols, y, &t.bits, LossOptions::default(), d))),
        ),
    };
    let mut engines = vec![Engine::new("naive", Role::Naive, naive), Engine::new("ours", Role::Ours, ours)];
    if matches!(kind, LossKind::SoftmaxCrossEntropy | LossKind::SoftCrossEntropy) {
        engines.extend(peers::softmax(cols, set.isa()));
    }
    engines
}
