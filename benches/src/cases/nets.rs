//! Whole nets: a few epochs of training, or predictions.

use super::{Case, Group, Task};
use std::iter;

/// A net of linear layers with ReLU between them, and its data. With one output it is trained by binary cross-entropy,
/// with more by softmax cross-entropy of class indices; by plain gradient descent at a constant rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Features of an example.
    pub inputs: usize,
    /// The widths of the hidden layers.
    pub hidden: &'static [usize],
    /// Logits.
    pub outputs: usize,
    /// Examples of a step.
    pub batch: usize,
    /// Examples of an epoch, whole batches.
    pub examples: usize,
    /// What is done with them.
    pub pass: Pass,
}

/// What is done with the examples of a [`Net`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// A step for each batch, for some epochs.
    Train,
    /// The logits of each batch.
    Predict,
}

impl Net {
    /// Inputs and outputs of each linear layer.
    pub fn layers(self) -> impl Iterator<Item = (usize, usize)> + Clone {
        let Net { inputs, hidden, outputs, .. } = self;
        let widths = || hidden.iter().copied();
        iter::once(inputs).chain(widths()).zip(widths().chain([outputs]))
    }

    /// How many numbers are trained: a weight for each pair of an input and an output, a bias for each output.
    pub fn parameters(self) -> usize {
        self.layers().map(|(inputs, outputs)| inputs * outputs + outputs).sum()
    }

    /// How often a run goes through the examples: in training as often as lets what is done once, such as checks of the
    /// data, count as little as it does in use, unless that takes long.
    pub fn epochs(self) -> usize {
        const LONG: usize = 1 << 30;
        if self.pass == Pass::Train && self.flops_of_epoch() < LONG { 4 } else { 1 }
    }

    /// Examples that pass in a run.
    pub fn examples_of_run(self) -> usize {
        self.epochs() * self.examples
    }

    /// Floating-point operations of a run, in products alone: each weight has a multiplication and an addition forward, as
    /// many for its gradient, and but for the first layer as many for the gradient of the inputs.
    pub fn flops(self) -> usize {
        self.epochs() * self.flops_of_epoch()
    }

    fn flops_of_epoch(self) -> usize {
        let weights = |(inputs, outputs)| inputs * outputs;
        let all: usize = self.layers().map(weights).sum();
        let hidden: usize = self.layers().skip(1).map(weights).sum();
        let multiplications = match self.pass {
            Pass::Train => 2 * all + hidden,
            Pass::Predict => all,
        };
        2 * multiplications * self.examples
    }

    /// The widths from the inputs to the outputs, and the batch.
    pub(super) fn name(self) -> String {
        let widths = iter::once(self.inputs).chain(self.layers().map(|(_, outputs)| outputs));
        let widths: Vec<String> = widths.map(|width| width.to_string()).collect();
        format!("{}, batch {}", widths.join("-"), self.batch)
    }
}

pub(super) fn push(cases: &mut Vec<Case>) {
    let train =
        |inputs, hidden, outputs, batch, examples| Net { inputs, hidden, outputs, batch, examples, pass: Pass::Train };
    let small = train(6, &[64, 8], 4, 1, 4096);
    let nets = [
        ("", train(784, &[128], 10, 64, 2048)),
        ("", train(784, &[512, 512], 10, 256, 2048)),
        ("", train(16, &[64, 64], 4, 32, 4096)),
        ("", train(784, &[128], 10, 1, 1024)),
        ("", small),
        ("logistic ", train(784, &[], 1, 1, 4096)),
        ("predict ", Net { pass: Pass::Predict, ..small }),
    ];
    for (title, net) in nets {
        let name = format!("{title}{}", net.name());
        cases.push(Case { name, group: Group::Train, quick: true, task: Task::Net(net) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: Net = Net { inputs: 784, hidden: &[128], outputs: 10, batch: 64, examples: 128, pass: Pass::Train };

    #[test]
    fn operations_are_those_of_the_products() {
        // Forward and the gradient of each weight, and the gradient of the hidden layer.
        assert_eq!(NET.flops(), 4 * 128 * (4 * (784 * 128 + 128 * 10) + 2 * 128 * 10));
        assert_eq!(Net { pass: Pass::Predict, ..NET }.flops(), 128 * 2 * (784 * 128 + 128 * 10));
        assert_eq!(Net { hidden: &[], outputs: 1, ..NET }.flops(), 4 * 128 * 4 * 784);
    }

    #[test]
    fn layers_go_from_the_inputs_to_the_outputs() {
        assert_eq!(NET.layers().collect::<Vec<_>>(), [(784, 128), (128, 10)]);
        assert_eq!(NET.parameters(), 784 * 128 + 128 + 1280 + 10);
        assert_eq!(NET.name(), "784-128-10, batch 64");
        assert_eq!(Net { hidden: &[], outputs: 1, ..NET }.layers().collect::<Vec<_>>(), [(784, 1)]);
    }

    #[test]
    fn examples_are_whole_batches() {
        let mut cases = Vec::new();
        push(&mut cases);
        for case in cases {
            let Task::Net(net) = case.task else { panic!("{} is a net", case.name) };
            assert!(net.examples.is_multiple_of(net.batch), "{}", case.name);
        }
    }
}
