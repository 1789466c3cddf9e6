//! Nets, their data, and the engines that train them or predict by them.

#[cfg(feature = "peers")]
mod apart;
#[cfg(feature = "peers")]
mod by_hand;
mod exact;
mod naive;
mod ours;

use crate::cases::{Net, Pass};
use crate::engines::{Engine, Role, Setup};
use crate::problem::{Aligned, uniform};
pub(crate) use exact::Judge;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A net with its first parameters and its examples, the same at each call.
#[derive(Clone, Debug)]
pub struct Training {
    net: Net,
    x: Aligned<f32>,
    labels: Vec<u32>,
    first: Aligned<f32>,
}

/// Where the parameters of a layer lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Rows of the weight.
    pub inputs: usize,
    /// Columns of the weight, and biases.
    pub outputs: usize,
    /// The weight, row-major.
    pub weight: Range<usize>,
    /// The bias.
    pub bias: Range<usize>,
}

impl Training {
    /// Examples of numbers in -1..1; the class of an example is that of its first features which is highest, or, if there
    /// are two classes, whether the first is above 0. Parameters are drawn as PyTorch draws them.
    pub fn new(net: Net) -> Self {
        let x: Aligned<f32> = uniform(1, net.examples * net.inputs, -1.0, 1.0);
        let label = |x: &[f32]| match net.outputs {
            1 => u32::from(x[0] > 0.0),
            classes => (1..classes).fold(0, |best, class| if x[class] > x[best] { class } else { best }) as u32,
        };
        let labels = x.chunks_exact(net.inputs).map(label).collect();
        let mut first = Aligned::new(net.parameters(), 0.0);
        for (seed, place) in (2..).zip(places(net)) {
            let bound = 1.0 / (place.inputs as f32).sqrt();
            let all = place.weight.start..place.bias.end;
            first[all.clone()].copy_from_slice(&uniform(seed, all.len(), -bound, bound));
        }
        Training { net, x, labels, first }
    }

    /// The net.
    pub fn net(&self) -> Net {
        self.net
    }

    /// The examples, row by row.
    pub fn x(&self) -> &[f32] {
        &self.x
    }

    /// The class of each example.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The parameters that training starts from.
    pub fn first(&self) -> &[f32] {
        &self.first
    }

    /// The learning rate.
    pub fn rate(&self) -> f32 {
        0.01
    }

    /// Each batch of each epoch: the examples and their classes.
    pub fn batches(&self) -> impl Iterator<Item = (&[f32], &[u32])> {
        let Net { inputs, batch, .. } = self.net;
        let epoch = move |_| self.x.chunks_exact(batch * inputs).zip(self.labels.chunks_exact(batch));
        (0..self.net.epochs()).flat_map(epoch)
    }

    /// What a run leaves: the parameters after the last step, or the logits of each example.
    pub fn result_len(&self) -> usize {
        match self.net.pass {
            Pass::Train => self.net.parameters(),
            Pass::Predict => self.net.examples * self.net.outputs,
        }
    }
}

/// The parameters of each layer, one after the other.
pub fn places(net: Net) -> impl Iterator<Item = Place> {
    net.layers().scan(0, |end, (inputs, outputs)| {
        let weight = *end..*end + inputs * outputs;
        let bias = weight.end..weight.end + outputs;
        *end = bias.end;
        Some(Place { inputs, outputs, weight, bias })
    })
}

/// Goes through all batches, from the first parameters.
pub type TrainEngine = Engine<RunTraining>;

/// Who does it.
pub enum RunTraining {
    /// A function, which leaves its result in the slice.
    Here(Run),
    /// Another process.
    #[cfg(feature = "peers")]
    Apart(apart::Apart),
}

type Run = Box<dyn FnMut(&Training, &mut [f32])>;

impl RunTraining {
    /// Runs some times.
    pub(crate) fn time(&mut self, training: &Training, runs: u32, result: &mut [f32]) -> Duration {
        match self {
            RunTraining::Here(run) => {
                let start = Instant::now();
                for _ in 0..runs {
                    run(training, result);
                }
                start.elapsed()
            }
            #[cfg(feature = "peers")]
            RunTraining::Apart(process) => process.time(runs, result),
        }
    }
}

/// Floating-point operations of a run above which plain loops take too long.
const NAIVE_LIMIT: usize = 1 << 32;

/// The engines for a net, plain loops first.
pub fn engines(training: &Training, setup: Setup) -> Vec<TrainEngine> {
    let net = training.net;
    let mut engines = Vec::new();
    if net.flops() <= NAIVE_LIMIT {
        engines.push(Engine::new("naive", Role::Naive, RunTraining::Here(Box::new(naive::run))));
    }
    let ours = |name, role, threads| Engine::new(name, role, ours::engine(training, setup.set, threads));
    engines.push(ours("ours", Role::Ours, setup.threads));
    if setup.threads > 1 {
        engines.push(ours("ours, 1 thread", Role::OursSerial, 1));
    }
    #[cfg(feature = "peers")]
    {
        engines.push(Engine::new("by hand", Role::ByHand, by_hand::engine(net, setup.threads)));
        engines.extend(apart::engines(training, setup));
    }
    engines.retain(|engine| setup.only.is_none_or(|name| name == engine.name));
    engines
}

/// The frameworks with their versions, and for one that does not take part, why. Starts those that do.
pub fn versions(setup: Setup) -> Vec<String> {
    #[cfg(feature = "peers")]
    return apart::versions(setup.threads);
    #[cfg(not(feature = "peers"))]
    {
        let _ = setup;
        Vec::new()
    }
}
