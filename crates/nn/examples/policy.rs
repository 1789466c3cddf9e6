//! A small policy that is updated online: it learns to balance a pole, one step of the world at a time, by the policy
//! gradient with a baseline (Williams, "Simple statistical gradient-following algorithms", 1992).
//!
//! The world is the cart and pole of Barto, Sutton and Anderson (1983), with Euler steps of 20 ms.

use nn::random::{Purpose, Stream};
use nn::{Activation, Adam, Loss, LossOptions, Model, Predictor, Reduction, Targets, TrainOptions, Trainer};

/// Steps of an episode that ends well.
const GOAL: usize = 200;

fn main() -> nn::Result<()> {
    let builder = Model::builder(4).linear(32, Activation::Tanh).linear(2, Activation::Identity);
    let loss_options = LossOptions { reduction: Reduction::Sum, ..LossOptions::default() };
    let model = builder.loss(Loss::SoftmaxCrossEntropy).loss_options(loss_options).seed(7).build()?;
    let optimizer = Adam { learning_rate: 0.01, ..Adam::default() }.into();
    let mut trainer = Trainer::new(model, TrainOptions { optimizer, threads: 1, ..TrainOptions::default() })?;

    let mut random = Stream::new(7, Purpose::Split, 0);
    let mut mean = 10.0;
    let mut episodes = 0;
    while mean < 0.9 * GOAL as f32 && episodes < 3000 {
        let episode = Episode::play(trainer.model(), &mut random)?;
        mean = 0.95 * mean + 0.05 * episode.actions.len() as f32;
        episodes += 1;
        // The cross-entropy of the actions that were taken, by how much better they went than usual: a step for the better
        // ones alone, since a weight is not negative.
        let returns = episode.returns();
        let weights: Vec<f32> = returns.iter().map(|gain| gain.max(0.0)).collect();
        if weights.iter().any(|&weight| weight > 0.0) {
            let targets = Targets::Labels(&episode.actions).weighted(&weights);
            trainer.step((&episode.states, targets))?;
        }
    }
    let mut steps = 0;
    for _ in 0..100 {
        steps += Episode::play(trainer.model(), &mut random)?.actions.len();
    }
    println!("{episodes} episodes, {} parameters", trainer.model().parameters().flat_map(|p| p.values()).count());
    println!("test: mean steps of {GOAL} {:.1}", steps as f64 / 100.0);
    Ok(())
}

/// States, `[steps][4]`, and the actions taken in them.
struct Episode {
    states: Vec<f32>,
    actions: Vec<u32>,
}

impl Episode {
    fn play(model: &Model, random: &mut Stream) -> nn::Result<Self> {
        let mut predictor = Predictor::new(model, 1)?;
        let mut state = [0.0; 4].map(|_: f32| 0.1 * random.uniform() - 0.05);
        let mut episode = Episode { states: Vec::new(), actions: Vec::new() };
        while state[0].abs() < 2.4 && state[2].abs() < 0.21 && episode.actions.len() < GOAL {
            let logits = predictor.predict(&state)?;
            let mut right = [logits[1] - logits[0]];
            model.kernels().map_in_place(kernels::Function::Sigmoid, &mut right);
            let action = u32::from(random.uniform() < right[0]);
            episode.states.extend(state);
            episode.actions.push(action);
            state = step(state, action);
        }
        Ok(episode)
    }

    /// What came after each step, discounted, less the mean and in units of the deviation.
    fn returns(&self) -> Vec<f32> {
        let mut returns = vec![0.0; self.actions.len()];
        let mut after = 0.0;
        for value in returns.iter_mut().rev() {
            after = 1.0 + 0.98 * after;
            *value = after;
        }
        let mean = returns.iter().sum::<f32>() / returns.len() as f32;
        let variance = returns.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / returns.len() as f32;
        returns.iter().map(|value| (value - mean) / (variance.sqrt() + 1e-3)).collect()
    }
}

/// Position, speed, angle and angular speed after 20 ms of a push to the left (0) or right (1).
fn step([x, v, angle, spin]: [f32; 4], action: u32) -> [f32; 4] {
    let force = if action == 1 { 10.0 } else { -10.0 };
    let (sin, cos) = angle.sin_cos();
    let push = (force + 0.05 * spin * spin * sin) / 1.1;
    let turn = (9.8 * sin - cos * push) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1));
    let drive = push - 0.05 * turn * cos / 1.1;
    [x + 0.02 * v, v + 0.02 * drive, angle + 0.02 * spin, spin + 0.02 * turn]
}
