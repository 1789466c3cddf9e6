//! How cost grows: one size goes from small to large, the rest stays.

use super::{Case, Gemm, Group, Layout, MAP_LEN, Memory, Net, Optimizer, Pass, Precision, Stream, Task};
use kernels::Function;

const SIZES: [usize; 18] = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];

static WIDTHS: [[usize; 2]; 8] = [[16; 2], [32; 2], [64; 2], [128; 2], [256; 2], [512; 2], [1024; 2], [2048; 2]];

static DEPTHS: [usize; 8] = [128; 8];

/// Examples of a run, at least.
const EXAMPLES: usize = 1024;

pub(super) fn push(cases: &mut Vec<Case>) {
    for size in SIZES {
        let gemm = Gemm { m: size, n: size, k: size, layout: Layout::Nn, precision: Precision::F32 };
        let quick = size <= 1024 && size.is_power_of_two();
        cases.push(Case { name: format!("size {size}"), group: Group::Sizes, quick, task: Task::Gemm(gemm) });
    }
    // From what fits the first-level cache to what fits none.
    for shift in 0..14 {
        let len = MAP_LEN << shift;
        for (name, kernel) in [("exp", Stream::Map(Function::Exp)), ("adam", Stream::Update(Optimizer::Adam))] {
            let task = Task::Memory(Memory { kernel, len });
            cases.push(Case { name: format!("{name} of {len}"), group: Group::Slices, quick: shift % 3 == 0, task });
        }
    }
    for net in nets() {
        let size = Grows::ALL.iter().find_map(|grows| grows.of(net));
        let quick = size.is_some_and(|size| [1, 4, 16, 64, 256, 1024].contains(&size)) && net.hidden[0] <= 256;
        let name = format!("net {}", net.name());
        cases.push(Case { name, group: Group::Nets, quick, task: Task::Net(net) });
    }
}

fn nets() -> impl Iterator<Item = Net> {
    let net = |inputs, hidden, batch: usize| Net {
        inputs,
        hidden,
        outputs: 10,
        batch,
        examples: batch.max(EXAMPLES),
        pass: Pass::Train,
    };
    let batches = (0..13).map(move |shift| net(784, &DEPTHS[..1], 1 << shift));
    let widths = WIDTHS.iter().map(move |hidden| net(64, hidden, 64));
    let depths = (1..=DEPTHS.len()).map(move |depth| net(128, &DEPTHS[..depth], 64));
    batches.chain(widths).chain(depths)
}

/// What a net of [`Group::Nets`] is one of a row of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grows {
    /// Examples of a step.
    Batch,
    /// Units of each hidden layer.
    Width,
    /// Hidden layers.
    Depth,
}

impl Grows {
    /// All of them.
    pub const ALL: [Grows; 3] = [Grows::Batch, Grows::Width, Grows::Depth];

    /// What a net has of it, if it is in that row.
    pub fn of(self, net: Net) -> Option<usize> {
        match (self, net.inputs) {
            (Grows::Batch, 784) => Some(net.batch),
            (Grows::Width, 64) => Some(net.hidden[0]),
            (Grows::Depth, 128) => Some(net.hidden.len()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_net_is_in_one_row() {
        for net in nets() {
            assert_eq!(Grows::ALL.iter().filter(|grows| grows.of(net).is_some()).count(), 1, "{net:?}");
        }
        let of = |grows: Grows| nets().filter_map(move |net| grows.of(net)).collect::<Vec<_>>();
        assert_eq!(of(Grows::Batch), (0..13).map(|shift| 1 << shift).collect::<Vec<_>>());
        assert_eq!(of(Grows::Width), [16, 32, 64, 128, 256, 512, 1024, 2048]);
        assert_eq!(of(Grows::Depth), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
