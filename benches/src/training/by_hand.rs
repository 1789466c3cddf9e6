//! What a good programmer writes for one net on the product of a library: buffers that are there before, no pass over
//! memory that can be saved, the weights updated by the product itself.

use super::{Place, RunTraining, Training, places};
use crate::cases::{Net, Pass};
use ::gemm::Parallelism;

pub(super) fn engine(net: Net, threads: usize) -> RunTraining {
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    let buffer = |place: &Place| vec![0.0; net.batch * place.outputs];
    let layers: Vec<Place> = places(net).collect();
    let (y, d_y) = (layers.iter().map(buffer).collect(), layers.iter().map(buffer).collect());
    let mut loops = Loops { batch: net.batch, parallelism, layers, y, d_y };
    RunTraining::Here(Box::new(move |training, result| loops.run(training, result)))
}

struct Loops {
    batch: usize,
    parallelism: Parallelism,
    layers: Vec<Place>,
    y: Vec<Vec<f32>>,
    d_y: Vec<Vec<f32>>,
}

impl Loops {
    fn run(&mut self, training: &Training, result: &mut [f32]) {
        let net = training.net();
        if net.pass == Pass::Predict {
            for ((x, _), logits) in training.batches().zip(result.chunks_exact_mut(net.batch * net.outputs)) {
                self.forward(training.first(), x);
                logits.copy_from_slice(&self.y[self.layers.len() - 1]);
            }
            return;
        }
        result.copy_from_slice(training.first());
        let rate = training.rate();
        if let ([Place { outputs: 1, .. }], 1) = (&self.layers[..], net.batch) {
            for (x, labels) in training.batches() {
                logistic_step(result, x, labels[0], rate);
            }
            return;
        }
        for (x, labels) in training.batches() {
            self.forward(result, x);
            self.gradient_of_loss(labels);
            self.backward(result, x, rate);
        }
    }

    fn forward(&mut self, params: &[f32], x: &[f32]) {
        for (number, place) in self.layers.iter().enumerate() {
            let (before, rest) = self.y.split_at_mut(number);
            let (x, y) = (before.last().map_or(x, |y| y), &mut rest[0]);
            let weight = Matrix { data: &params[place.weight.clone()], stride: place.outputs, transposed: false };
            let x = Matrix { data: x, stride: place.inputs, transposed: false };
            product([self.batch, place.outputs, place.inputs], 0.0, y, x, weight, 1.0, self.parallelism);
            let floor = if number + 1 < self.layers.len() { 0.0 } else { f32::NEG_INFINITY };
            for row in y.chunks_exact_mut(place.outputs) {
                for (y, b) in row.iter_mut().zip(&params[place.bias.clone()]) {
                    *y = (*y + b).max(floor);
                }
            }
        }
    }

    fn gradient_of_loss(&mut self, labels: &[u32]) {
        let last = self.layers.len() - 1;
        let (outputs, scale) = (self.layers[last].outputs, 1.0 / self.batch as f32);
        let rows = self.y[last].chunks_exact(outputs).zip(self.d_y[last].chunks_exact_mut(outputs));
        for ((z, d), &label) in rows.zip(labels) {
            if outputs == 1 {
                d[0] = (1.0 / (1.0 + (-z[0]).exp()) - label as f32) * scale;
                continue;
            }
            let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for (d, z) in d.iter_mut().zip(z) {
                *d = (z - max).exp();
                sum += *d;
            }
            let factor = scale / sum;
            d.iter_mut().for_each(|d| *d *= factor);
            d[label as usize] -= scale;
        }
    }

    fn backward(&mut self, params: &mut [f32], x: &[f32], rate: f32) {
        for (number, place) in self.layers.iter().enumerate().rev() {
            let (inputs, outputs) = (place.inputs, place.outputs);
            let (before, rest) = self.d_y.split_at_mut(number);
            let d_y = &rest[0];
            if let Some(d_x) = before.last_mut() {
                let transposed = Matrix { data: &params[place.weight.clone()], stride: outputs, transposed: true };
                let left = Matrix { data: d_y, stride: outputs, transposed: false };
                product([self.batch, inputs, outputs], 0.0, d_x, left, transposed, 1.0, self.parallelism);
                for (d, y) in d_x.iter_mut().zip(&self.y[number - 1]) {
                    *d = if *y > 0.0 { *d } else { 0.0 };
                }
            }
            let x = if number == 0 { x } else { &self.y[number - 1] };
            let x = Matrix { data: x, stride: inputs, transposed: true };
            let right = Matrix { data: d_y, stride: outputs, transposed: false };
            let weight = &mut params[place.weight.clone()];
            product([inputs, outputs, self.batch], 1.0, weight, x, right, -rate, self.parallelism);
            let bias = &mut params[place.bias.clone()];
            for row in d_y.chunks_exact(outputs) {
                bias.iter_mut().zip(row).for_each(|(b, d)| *b -= rate * d);
            }
        }
    }
}

/// The stride is that from one row to the next of what is stored.
struct Matrix<'a> {
    data: &'a [f32],
    stride: usize,
    transposed: bool,
}

/// C = alpha C + beta A B, C m x n and row-major, which is not read where alpha is 0.
fn product(
    [m, n, k]: [usize; 3],
    alpha: f32,
    c: &mut [f32],
    a: Matrix<'_>,
    b: Matrix<'_>,
    beta: f32,
    parallelism: Parallelism,
) {
    let strides = |matrix: &Matrix<'_>| match (matrix.stride as isize, matrix.transposed) {
        (stride, true) => (stride, 1),
        (stride, false) => (1, stride),
    };
    assert!(c.len() == m * n && a.data.len() == m * k && b.data.len() == k * n);
    let ((a_cols, a_rows), (b_cols, b_rows)) = (strides(&a), strides(&b));
    // SAFETY: the matrices are dense and have as many elements as their shapes say, and C is borrowed mutably, so apart
    // from A and B.
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            alpha != 0.0,
            a.data.as_ptr(),
            a_cols,
            a_rows,
            b.data.as_ptr(),
            b_cols,
            b_rows,
            alpha,
            beta,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Of logistic regression, for one example: the sum in as many parts as a compiler needs to use vectors.
fn logistic_step(params: &mut [f32], x: &[f32], label: u32, rate: f32) {
    const PARTS: usize = 16;
    let (weight, bias) = params.split_at_mut(x.len());
    let mut parts = [0.0; PARTS];
    let (x_chunks, w_chunks) = (x.chunks_exact(PARTS), weight.chunks_exact(PARTS));
    let rest: f32 = x_chunks.remainder().iter().zip(w_chunks.remainder()).map(|(x, w)| x * w).sum();
    for (x, w) in x_chunks.zip(w_chunks) {
        for (part, (x, w)) in parts.iter_mut().zip(x.iter().zip(w)) {
            *part += x * w;
        }
    }
    let z = parts.iter().sum::<f32>() + rest + bias[0];
    let step = rate * (1.0 / (1.0 + (-z).exp()) - label as f32);
    weight.iter_mut().zip(x).for_each(|(w, x)| *w -= step * x);
    bias[0] -= step;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Judge;

    #[test]
    fn it_trains_as_in_f64() {
        let net = Net { inputs: 6, hidden: &[64, 8], outputs: 4, batch: 1, examples: 16, pass: Pass::Train };
        for net in [net, Net { batch: 4, ..net }, Net { hidden: &[], outputs: 1, ..net }, Net { examples: 4096, ..net }]
        {
            let training = Training::new(net);
            let mut result = vec![f32::NAN; training.result_len()];
            engine(net, 1).time(&training, 1, &mut result);
            assert_eq!(Judge::new(&training).check(&result), Ok(()), "{net:?}");
        }
    }
}
