//! What a textbook has: triple loops, a pass for each formula.

use super::{Place, Training, places};
use crate::cases::{Net, Pass};
use crate::naive;
use crate::problem::Operand;

pub(super) fn run(training: &Training, result: &mut [f32]) {
    let net = training.net();
    let mut layers = Vec::from_iter(places(net).map(|place| Layer::new(net, place)));
    match net.pass {
        Pass::Train => {
            result.copy_from_slice(training.first());
            for (x, labels) in training.batches() {
                forward(&mut layers, result, x);
                gradient_of_loss(&mut layers, labels);
                backward(&mut layers, result, x, training.rate());
            }
        }
        Pass::Predict => {
            for ((x, _), logits) in training.batches().zip(result.chunks_exact_mut(net.batch * net.outputs)) {
                forward(&mut layers, training.first(), x);
                logits.copy_from_slice(&layers[layers.len() - 1].y);
            }
        }
    }
}

struct Layer {
    place: Place,
    batch: usize,
    y: Vec<f32>,
    d_y: Vec<f32>,
    d_weight: Vec<f32>,
}

impl Layer {
    fn new(net: Net, place: Place) -> Self {
        let y = vec![0.0; net.batch * place.outputs];
        Layer { batch: net.batch, d_y: y.clone(), y, d_weight: vec![0.0; place.weight.len()], place }
    }
}

fn forward(layers: &mut [Layer], params: &[f32], x: &[f32]) {
    let last = layers.len() - 1;
    for number in 0..layers.len() {
        let (before, rest) = layers.split_at_mut(number);
        let Layer { place, batch, y, .. } = &mut rest[0];
        let x = before.last().map_or(x, |layer| &layer.y);
        let weight = Operand::new(&params[place.weight.clone()], place.inputs, place.outputs, false);
        naive::gemm(&Operand::new(x, *batch, place.inputs, false), &weight, y);
        for row in y.chunks_exact_mut(place.outputs) {
            for (y, b) in row.iter_mut().zip(&params[place.bias.clone()]) {
                *y += b;
                if number < last {
                    *y = y.max(0.0);
                }
            }
        }
    }
}

fn gradient_of_loss(layers: &mut [Layer], labels: &[u32]) {
    let last = layers.len() - 1;
    let Layer { place, y, d_y, .. } = &mut layers[last];
    if place.outputs == 1 {
        let targets = Vec::from_iter(labels.iter().map(|&label| label as f32));
        naive::bce(labels.len(), y, &targets, d_y);
    } else {
        naive::softmax_cross_entropy(place.outputs, y, labels, d_y);
    }
}

fn backward(layers: &mut [Layer], params: &mut [f32], x: &[f32], rate: f32) {
    for number in (0..layers.len()).rev() {
        let (before, rest) = layers.split_at_mut(number);
        let Layer { place, batch, d_y, d_weight, .. } = &mut rest[0];
        let (inputs, outputs) = (place.inputs, place.outputs);
        let x = before.last().map_or(x, |layer| &layer.y);
        naive::gemm(&Operand::new(x, inputs, *batch, true), &Operand::new(d_y, *batch, outputs, false), d_weight);
        if let Some(Layer { y, d_y: d_x, .. }) = before.last_mut() {
            let transposed = Operand::new(&params[place.weight.clone()], outputs, inputs, true);
            naive::gemm(&Operand::new(d_y, *batch, outputs, false), &transposed, d_x);
            for (d, y) in d_x.iter_mut().zip(y) {
                if *y <= 0.0 {
                    *d = 0.0;
                }
            }
        }
        for (w, d) in params[place.weight.clone()].iter_mut().zip(d_weight) {
            *w -= rate * *d;
        }
        for row in d_y.chunks_exact(outputs) {
            for (b, d) in params[place.bias.clone()].iter_mut().zip(row) {
                *b -= rate * d;
            }
        }
    }
}
