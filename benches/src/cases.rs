//! The one list of cases.
//!
//! A layer is named by batch x inputs x outputs. With X stored batch x in, W in x out and dY batch x out, row-major:
//!
//! | pass | product | m, n, k | layout |
//! |---|---|---|---|
//! | forward | Y = X W | batch, out, in | NN |
//! | dX | dX = dY Wᵀ | batch, in, out | NT |
//! | dW | dW = Xᵀ dY | in, out, batch | TN |

mod nets;
mod products;
mod scale;

use kernels::{Activation, Function};
pub use nets::{Net, Pass};
pub use scale::Grows;
use std::fmt;

/// One thing to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Unique in the list.
    pub name: String,
    /// The table that it belongs to.
    pub group: Group,
    /// Whether a short run includes it.
    pub quick: bool,
    /// What is computed.
    pub task: Task,
}

/// A table of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Square and odd products in `f32`.
    Square,
    /// The three products of training a layer.
    Layer,
    /// Products with a dimension of a few.
    Thin,
    /// Products with one row or one column.
    Gemv,
    /// Square products in `f64`.
    Double,
    /// Our products with an epilogue against those without.
    Epilogue,
    /// Our products with a packed B against those without.
    Packed,
    /// Element-wise functions.
    Math,
    /// Loss and gradient.
    Loss,
    /// Functions and updates of more than a cache holds.
    Memory,
    /// Training of whole nets, and predictions.
    Train,
    /// Square products over sizes.
    Sizes,
    /// Functions and updates over lengths.
    Slices,
    /// Training over batches, widths and depths.
    Nets,
}

impl Group {
    /// Every group, in the order of a report.
    pub const ALL: [Group; 14] = [
        Group::Square,
        Group::Layer,
        Group::Thin,
        Group::Gemv,
        Group::Double,
        Group::Epilogue,
        Group::Packed,
        Group::Math,
        Group::Loss,
        Group::Memory,
        Group::Train,
        Group::Sizes,
        Group::Slices,
        Group::Nets,
    ];

    /// Whether its cases are matrix products.
    pub fn is_gemm(self) -> bool {
        !matches!(self, Group::Math | Group::Loss) && !self.is_memory() && !self.is_net()
    }

    /// Whether its cases go through slices of memory, once.
    pub fn is_memory(self) -> bool {
        matches!(self, Group::Memory | Group::Slices)
    }

    /// Whether its cases are nets.
    pub fn is_net(self) -> bool {
        matches!(self, Group::Train | Group::Nets)
    }

    /// Whether its cases show how cost grows.
    pub fn is_scale(self) -> bool {
        matches!(self, Group::Sizes | Group::Slices | Group::Nets)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Group::Square => "gemm f32, square and odd (m x k x n)",
            Group::Layer => "gemm f32, layers (batch x in x out)",
            Group::Thin => "gemm f32, thin (batch x in x out)",
            Group::Gemv => "gemm f32, one row or column (batch x in x out)",
            Group::Double => "gemm f64, square",
            Group::Epilogue => "gemm f32, with epilogues against the plain call",
            Group::Packed => "gemm f32, with B packed before against the plain call",
            Group::Math => "math f32",
            Group::Loss => "loss and gradient f32",
            Group::Memory => "out of cache f32, 64 MiB a slice, against a copy of as many bytes",
            Group::Train => "nets f32 (inputs-hidden-outputs)",
            Group::Sizes => "gemm f32, squares over sizes",
            Group::Slices => "f32 over lengths, against a copy of as many bytes",
            Group::Nets => "nets f32 over batches, widths and depths",
        })
    }
}

/// What a case computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// C = A B.
    Gemm(Gemm),
    /// C = A B by another call of ours than the plain one.
    Variant(Variant),
    /// A function of each of [`MAP_LEN`] elements.
    Map(Function),
    /// A loss and its gradient.
    Loss(Loss),
    /// What has little to compute for each byte.
    Memory(Memory),
    /// Some epochs of a net.
    Net(Net),
}

/// The product C (m x n) = A (m x k) B (k x n), C row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gemm {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// How A and B lie in memory.
    pub layout: Layout,
    /// The type of the elements.
    pub precision: Precision,
}

impl Gemm {
    /// Floating-point operations: an addition and a multiplication for each of m n k.
    pub fn flops(&self) -> usize {
        2 * self.m * self.n * self.k
    }
}

/// Which operand is stored as its transpose, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Neither.
    Nn,
    /// B.
    Nt,
    /// A.
    Tn,
}

/// The type of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `f32`
    F32,
    /// `f64`
    F64,
}

/// A product in `f32`, by a call that does more than the plain one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// The product.
    pub gemm: Gemm,
    /// What more it does.
    pub with: With,
}

/// What a [`Variant`] does more than the plain call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum With {
    /// It adds a bias and applies an activation.
    Bias(Activation),
    /// It multiplies by the derivative of an activation.
    Derivative(Activation),
    /// It sums the columns of C.
    ColumnSums,
    /// It takes a B that was packed before.
    PackedB,
}

/// A loss over rows of logits, averaged over the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which one.
    pub kind: LossKind,
    /// Examples.
    pub rows: usize,
    /// Logits of an example.
    pub cols: usize,
}

/// The losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// Softmax cross-entropy with class indices.
    SoftmaxCrossEntropy,
    /// Softmax cross-entropy with a probability for each class.
    SoftCrossEntropy,
    /// Binary cross-entropy with logits.
    Bce,
    /// Squared error.
    Mse,
}

/// One pass over slices of `len` elements each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What it computes.
    pub kernel: Stream,
    /// Elements of each slice.
    pub len: usize,
}

/// What a [`Memory`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A function of each element, from one slice to another.
    Map(Function),
    /// A step of an optimiser.
    Update(Optimizer),
}

/// The optimisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    /// Gradient descent.
    Sgd,
    /// Gradient descent with momentum.
    Momentum,
    /// Gradient descent with Nesterov's momentum.
    Nesterov,
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
    /// RMSprop.
    RmsProp,
    /// Adagrad.
    Adagrad,
}

impl Optimizer {
    /// Every optimiser.
    pub const ALL: [Optimizer; 7] = [
        Optimizer::Sgd,
        Optimizer::Momentum,
        Optimizer::Nesterov,
        Optimizer::Adam,
        Optimizer::AdamW,
        Optimizer::RmsProp,
        Optimizer::Adagrad,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Optimizer::Sgd => "sgd",
            Optimizer::Momentum => "momentum",
            Optimizer::Nesterov => "nesterov",
            Optimizer::Adam => "adam",
            Optimizer::AdamW => "adamw",
            Optimizer::RmsProp => "rmsprop",
            Optimizer::Adagrad => "adagrad",
        }
    }

    /// Slices of state beside parameters and gradients.
    pub const fn states(self) -> usize {
        match self {
            Optimizer::Sgd => 0,
            Optimizer::Momentum | Optimizer::Nesterov | Optimizer::RmsProp | Optimizer::Adagrad => 1,
            Optimizer::Adam | Optimizer::AdamW => 2,
        }
    }
}

impl Memory {
    /// Bytes that are read, and written: what is changed in place counts twice.
    pub fn bytes(&self) -> usize {
        let slices = match self.kernel {
            Stream::Map(_) => 2,
            Stream::Update(optimizer) => 3 + 2 * optimizer.states(),
        };
        slices * self.len * size_of::<f32>()
    }
}

/// Elements of a slice of a [`Task::Memory`]: 64 MiB.
pub const MEMORY_LEN: usize = 1 << 24;

/// Elements of a [`Task::Map`]: input and output fit the first-level cache together.
pub const MAP_LEN: usize = 4096;

impl Task {
    /// Elements, of a net examples, that the time is divided by in a report, or `None` for a product.
    pub fn elements(&self) -> Option<usize> {
        match self {
            Task::Gemm(_) | Task::Variant(_) => None,
            Task::Map(_) => Some(MAP_LEN),
            Task::Loss(loss) => Some(loss.rows * loss.cols),
            Task::Memory(memory) => Some(memory.len),
            Task::Net(net) => Some(net.examples_of_run()),
        }
    }

    /// Whether more than one thread can share it: a product or a net.
    pub fn can_use_threads(&self) -> bool {
        matches!(self, Task::Gemm(_) | Task::Net(_))
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    products::push(&mut cases);
    for function in Function::ALL {
        let name = function.name().to_owned();
        cases.push(Case { name, group: Group::Math, quick: true, task: Task::Map(function) });
    }
    for (kind, rows, cols) in [
        (LossKind::SoftmaxCrossEntropy, 64, 10),
        (LossKind::SoftmaxCrossEntropy, 64, 100),
        (LossKind::SoftmaxCrossEntropy, 64, 1000),
        (LossKind::SoftCrossEntropy, 64, 10),
        (LossKind::SoftCrossEntropy, 64, 1000),
        (LossKind::Bce, 256, 1),
        (LossKind::Bce, 64, 64),
        (LossKind::Mse, 64, 64),
    ] {
        let title = match kind {
            LossKind::SoftmaxCrossEntropy => "cross-entropy",
            LossKind::SoftCrossEntropy => "soft cross-entropy",
            LossKind::Bce => "bce",
            LossKind::Mse => "mse",
        };
        let name = format!("{title} {rows}x{cols}");
        cases.push(Case { name, group: Group::Loss, quick: true, task: Task::Loss(Loss { kind, rows, cols }) });
    }
    memory(&mut cases);
    nets::push(&mut cases);
    scale::push(&mut cases);
    cases
}

fn memory(cases: &mut Vec<Case>) {
    let maps = Function::ALL.map(|function| (function.name(), Stream::Map(function)));
    let updates = Optimizer::ALL.map(|optimizer| (optimizer.name(), Stream::Update(optimizer)));
    for (name, kernel) in maps.into_iter().chain(updates) {
        let quick = matches!(kernel, Stream::Map(Function::Exp) | Stream::Update(Optimizer::Adam));
        let task = Task::Memory(Memory { kernel, len: MEMORY_LEN });
        cases.push(Case { name: format!("memory {name}"), group: Group::Memory, quick, task });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let cases = all();
        let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn every_group_has_a_quick_case() {
        for group in Group::ALL {
            assert!(all().iter().any(|case| case.group == group && case.quick), "{group}");
        }
    }
}
