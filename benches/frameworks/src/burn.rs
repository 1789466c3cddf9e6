//! burn with its backend flex.

use crate::{Exchange, Net, Result, Trainee, timed};
use burn::module::{Module, Param};
use burn::nn::loss::{BinaryCrossEntropyLoss, BinaryCrossEntropyLossConfig, CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::time::Duration;

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    fn new(exchange: &Exchange, device: &Device) -> Self {
        let shapes = exchange.net.widths.windows(2);
        let layer = |(shape, (weight, bias)): (&[usize], &(Vec<f32>, Vec<f32>))| {
            let mut layer = LinearConfig::new(shape[0], shape[1]).init(device);
            layer.weight = Param::from_data(TensorData::new(weight.clone(), [shape[0], shape[1]]), device);
            layer.bias = Some(Param::from_data(TensorData::new(bias.clone(), [shape[1]]), device));
            layer
        };
        Mlp { layers: shapes.zip(&exchange.first).map(layer).collect() }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().expect("a net has a layer");
        last.forward(hidden.iter().fold(x, |x, layer| relu(layer.forward(x))))
    }
}

enum Loss {
    Classes(CrossEntropyLoss),
    Binary(BinaryCrossEntropyLoss),
}

impl Loss {
    fn forward(&self, logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        match self {
            Loss::Classes(loss) => loss.forward(logits, labels),
            Loss::Binary(loss) => loss.forward(logits, labels.unsqueeze_dim(1)),
        }
    }
}

struct Burn {
    predict: bool,
    epochs: usize,
    rate: f64,
    first: Mlp,
    loss: Loss,
    batches: Vec<(Tensor<2>, Tensor<1, Int>)>,
    trained: Option<Mlp>,
    logits: Vec<f32>,
}

pub(crate) fn load(exchange: Exchange) -> Result<Box<dyn Trainee>> {
    let net = &exchange.net;
    let device = if net.predict { Device::flex() } else { Device::flex().autodiff() };
    let loss = match net.outputs() {
        1 => Loss::Binary(BinaryCrossEntropyLossConfig::new().with_logits(true).init(&device)),
        _ => Loss::Classes(CrossEntropyLossConfig::new().init(&device)),
    };
    let batches = exchange.batches().map(|(x, labels)| {
        let labels: Vec<i64> = labels.iter().map(|&label| label.into()).collect();
        let x = TensorData::new(x.to_vec(), [net.batch, net.inputs()]);
        (Tensor::from_data(x, &device), Tensor::from_data(TensorData::new(labels, [net.batch]), &device))
    });
    let batches = batches.collect();
    let first = Mlp::new(&exchange, &device);
    let Net { predict, epochs, rate, .. } = exchange.net;
    Ok(Box::new(Burn { predict, epochs, rate, first, loss, batches, trained: None, logits: Vec::new() }))
}

impl Trainee for Burn {
    fn run(&mut self) -> Result<Duration> {
        let mut model = self.first.clone();
        if self.predict {
            let logits =
                || self.batches.iter().map(|(x, _)| floats(model.forward(x.clone()))).collect::<Result<Vec<_>>>();
            let (logits, elapsed) = timed(logits)?;
            self.logits = logits.concat();
            return Ok(elapsed);
        }
        let mut optimizer = SgdConfig::new().init();
        let (model, elapsed) = timed(|| {
            for (x, labels) in (0..self.epochs).flat_map(|_| &self.batches) {
                let loss = self.loss.forward(model.forward(x.clone()), labels.clone());
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(self.rate, model, gradients);
            }
            Ok(model)
        })?;
        self.trained = Some(model);
        Ok(elapsed)
    }

    fn result(&self) -> Result<Vec<f32>> {
        let Some(model) = &self.trained else { return Ok(self.logits.clone()) };
        let mut all = Vec::new();
        for layer in &model.layers {
            all.extend(floats(layer.weight.val())?);
            all.extend(floats(layer.bias.as_ref().ok_or("no bias")?.val())?);
        }
        Ok(all)
    }
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_to_vec().map_err(|error| format!("{error:?}").into())
}
