//! candle.

use crate::{Exchange, Net, Result, Trainee, timed};
use candle_core::{Device, Tensor, Var};
use candle_nn::{Linear, Module, Optimizer, SGD, loss};
use std::time::Duration;

struct Candle {
    predict: bool,
    epochs: usize,
    binary: bool,
    rate: f64,
    /// Weights as candle has them, `[outputs][inputs]`.
    first: Vec<(Tensor, Tensor)>,
    batches: Vec<(Tensor, Tensor)>,
    trained: Vec<(Var, Var)>,
    logits: Vec<f32>,
}

pub(crate) fn load(exchange: Exchange) -> Result<Box<dyn Trainee>> {
    let (net, device) = (&exchange.net, &Device::Cpu);
    let binary = net.outputs() == 1;
    let mut first = Vec::new();
    for (shape, (weight, bias)) in net.widths.windows(2).zip(&exchange.first) {
        let weight = Tensor::from_slice(weight, (shape[0], shape[1]), device)?.t()?.contiguous()?;
        first.push((weight, Tensor::from_slice(bias, shape[1], device)?));
    }
    let mut batches = Vec::new();
    for (x, labels) in exchange.batches() {
        let x = Tensor::from_slice(x, (net.batch, net.inputs()), device)?;
        let targets = if binary {
            let bits: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
            Tensor::from_slice(&bits, (net.batch, 1), device)?
        } else {
            Tensor::from_slice(labels, net.batch, device)?
        };
        batches.push((x, targets));
    }
    let Net { predict, epochs, rate, .. } = exchange.net;
    Ok(Box::new(Candle { predict, epochs, binary, rate, first, batches, trained: Vec::new(), logits: Vec::new() }))
}

fn forward(layers: &[Linear], x: &Tensor) -> candle_core::Result<Tensor> {
    let mut x = layers[0].forward(x)?;
    for layer in &layers[1..] {
        x = layer.forward(&x.relu()?)?;
    }
    Ok(x)
}

impl Trainee for Candle {
    fn run(&mut self) -> Result<Duration> {
        if self.predict {
            let layers: Vec<Linear> =
                self.first.iter().map(|(weight, bias)| Linear::new(weight.clone(), Some(bias.clone()))).collect();
            let (logits, elapsed) = timed(|| {
                let logits = self.batches.iter().map(|(x, _)| forward(&layers, x)?.flatten_all()?.to_vec1());
                Ok(logits.collect::<candle_core::Result<Vec<Vec<f32>>>>()?)
            })?;
            self.logits = logits.concat();
            return Ok(elapsed);
        }
        let vars = self.first.iter().map(|(weight, bias)| Ok((Var::from_tensor(weight)?, Var::from_tensor(bias)?)));
        let vars: Vec<(Var, Var)> = vars.collect::<candle_core::Result<_>>()?;
        let layer =
            |(weight, bias): &(Var, Var)| Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
        let layers: Vec<Linear> = vars.iter().map(layer).collect();
        let all = vars.iter().flat_map(|(weight, bias)| [weight.clone(), bias.clone()]).collect();
        let mut optimizer = SGD::new(all, self.rate)?;
        let ((), elapsed) = timed(|| {
            for (x, targets) in (0..self.epochs).flat_map(|_| &self.batches) {
                let logits = forward(&layers, x)?;
                let loss = if self.binary {
                    loss::binary_cross_entropy_with_logit(&logits, targets)?
                } else {
                    loss::cross_entropy(&logits, targets)?
                };
                optimizer.backward_step(&loss)?;
            }
            Ok(())
        })?;
        self.trained = vars;
        Ok(elapsed)
    }

    fn result(&self) -> Result<Vec<f32>> {
        if self.predict {
            return Ok(self.logits.clone());
        }
        let mut all = Vec::new();
        for (weight, bias) in &self.trained {
            all.extend(weight.t()?.flatten_all()?.to_vec1::<f32>()?);
            all.extend(bias.to_vec1::<f32>()?);
        }
        Ok(all)
    }
}
