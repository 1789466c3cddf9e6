use super::{Trial, ids};
use crate::cases::{Loss, LossKind};
use crate::check::{Reference, Wrong};
use crate::engines::{self, LossEngine, Role, RunLoss, Setup, Targets};
use crate::problem::{Aligned, Real, uniform};

pub(crate) struct LossTrial {
    logits: Aligned<f32>,
    targets: Targets,
    references: References,
    engines: Vec<LossEngine>,
    d_logits: Aligned<f32>,
    loss: f64,
    /// Which engine ran last.
    last: usize,
}

struct References {
    d_logits: Reference,
    loss: Reference,
    softmax: Reference,
}

/// Logits lie within ± this.
const RANGE: f32 = 8.0;

impl LossTrial {
    pub(crate) fn new(loss: Loss, setup: Setup) -> Self {
        let Loss { rows, cols, .. } = loss;
        let logits = uniform(1, rows * cols, -RANGE, RANGE);
        let mut probabilities = uniform::<f32>(2, rows * cols, 0.0, 1.0);
        for row in probabilities.chunks_exact_mut(cols) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|part| *part /= sum);
        }
        let mut bits = Aligned::new(rows * cols, 0.0);
        bits.iter_mut().step_by(3).for_each(|bit| *bit = 1.0);
        let labels = (0..rows).map(|row| (row * 7 % cols) as u32).collect();
        let targets = Targets { labels, bits, probabilities };
        let references = References::new(loss, &logits, &targets);
        let d_logits = Aligned::new(rows * cols, f32::NAN);
        LossTrial {
            logits,
            targets,
            references,
            engines: engines::loss(loss, setup),
            d_logits,
            loss: f64::NAN,
            last: 0,
        }
    }
}

impl References {
    /// A probability p in `f32` is off by its own size times u for each term of its sum, for each unit of its
    /// exponent (a difference of two logits, rounded) and for a few roundings more. So is its logarithm, absolutely.
    fn new(loss: Loss, logits: &[f32], targets: &Targets) -> Self {
        let Loss { kind, rows, cols } = loss;
        let tolerance = (cols as f64 + 2.0 * f64::from(RANGE) + 16.0) * f32::UNIT_ROUNDOFF;
        let (mut softmax, mut gradients, mut total, mut total_bound) = (Vec::new(), Vec::new(), 0.0, 0.0);
        for (i, z) in logits.chunks_exact(cols).enumerate() {
            let z: Vec<f64> = z.iter().copied().map(f64::from).collect();
            let sum: f64 = z.iter().map(|z| z.exp()).sum();
            for (j, z) in z.into_iter().enumerate() {
                let at = i * cols + j;
                softmax.push((z.exp() / sum, tolerance * z.exp() / sum));
                let cross_entropy = |target: f64| (z.exp() / sum, target, target * (sum.ln() - z));
                let (p, target, term) = match kind {
                    LossKind::SoftmaxCrossEntropy => cross_entropy(f64::from(targets.labels[i] as usize == j)),
                    LossKind::SoftCrossEntropy => cross_entropy(targets.probabilities[at].into()),
                    LossKind::Bce => {
                        let target = f64::from(targets.bits[at]);
                        (1.0 / (1.0 + (-z).exp()), target, z.max(0.0) - z * target + (-z.abs()).exp().ln_1p())
                    }
                    LossKind::Mse => {
                        let target = f64::from(targets.bits[at]);
                        (z, target, 0.5 * (z - target).powi(2))
                    }
                };
                gradients.push(((p - target) / rows as f64, tolerance * (p.abs() + target) / rows as f64));
                total += term;
                total_bound += tolerance * (1.0 + term);
            }
        }
        References {
            d_logits: Reference::new(cols, gradients),
            loss: Reference::new(1, [(total / rows as f64, total_bound / rows as f64)]),
            softmax: Reference::new(cols, softmax),
        }
    }
}

impl Trial for LossTrial {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        ids(&self.engines)
    }

    fn run(&mut self, engine: usize) {
        self.last = engine;
        match &self.engines[engine].run {
            RunLoss::All(run) => self.loss = run(&self.logits, &self.targets, &mut self.d_logits),
            RunLoss::Softmax(run) => run(&self.logits, &mut self.d_logits),
        }
    }

    fn move_to(&mut self, place: usize) {
        let Targets { bits, probabilities, .. } = &mut self.targets;
        for slice in [&mut self.logits, bits, probabilities, &mut self.d_logits] {
            slice.move_to(place);
        }
    }

    fn spoil(&mut self) {
        self.d_logits.fill(f32::NAN);
        self.loss = f64::NAN;
    }

    fn check(&self) -> Result<(), Wrong> {
        if let RunLoss::Softmax(_) = self.engines[self.last].run {
            return self.references.softmax.check(&self.d_logits);
        }
        self.references.loss.check(&[self.loss])?;
        self.references.d_logits.check(&self.d_logits)
    }
}
