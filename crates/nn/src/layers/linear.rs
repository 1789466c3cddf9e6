//! The linear layer with its activation: `y = activation(x W + b)`.
//!
//! Shapes: x is `[rows][inputs]`, W `[inputs][outputs]`, b `[outputs]`, y `[rows][outputs]`.

use kernels::{Activation, Epilogue, GemmOptions, KernelSet, MatMut, MatRef};

use crate::random::{Purpose, Stream};

/// The shape of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// Values in a row of the input.
    pub inputs: usize,
    /// Values in a row of the output.
    pub outputs: usize,
    /// Applied to each output.
    pub activation: Activation,
}

/// The parameters of a layer.
#[derive(Clone, Copy)]
pub(crate) struct LinearParams<'a> {
    pub(crate) weight: MatRef<'a, f32>,
    pub(crate) bias: &'a [f32],
}

/// Where the gradients of a layer's parameters go.
pub(crate) struct LinearGrads<'a> {
    pub(crate) d_weight: MatMut<'a, f32>,
    pub(crate) d_bias: &'a mut [f32],
}

/// `y = activation(x W + b)`, one gemm.
pub(crate) fn linear_forward(
    kernels: &KernelSet,
    params: LinearParams<'_>,
    activation: Activation,
    x: MatRef<'_, f32>,
    y: MatMut<'_, f32>,
) {
    let epilogue = Epilogue::Bias { bias: Some(params.bias), activation };
    kernels.gemm(1.0, x, params.weight, 0.0, y, &GemmOptions { epilogue, ..GemmOptions::default() });
}

/// The gradients of the parameters from `d_z` `[rows][outputs]`, the gradient of the logits `z = x W + b`:
/// `d_weight = xᵀ d_z`, `d_bias[j] = Σ_i d_z[i][j]`.
pub(crate) fn linear_backward_params(kernels: &KernelSet, x: MatRef<'_, f32>, d_z: &[f32], grads: LinearGrads<'_>) {
    let outputs = grads.d_bias.len();
    let d_z_matrix = MatRef::from_row_major(d_z, x.rows(), outputs);
    kernels.gemm(1.0, x.t(), d_z_matrix, 0.0, grads.d_weight, &GemmOptions::default());
    kernels.column_sums(outputs, d_z, grads.d_bias);
}

/// The gradient of the logits of the layer before, whose output `x = activation(z)` this layer read:
/// `d_x = (d_z Wᵀ) · activation'(z)`, one gemm.
pub(crate) fn linear_backward_input(
    kernels: &KernelSet,
    weight: MatRef<'_, f32>,
    d_z: MatRef<'_, f32>,
    activation: Activation,
    x: MatRef<'_, f32>,
    d_x: MatMut<'_, f32>,
) {
    let epilogue = Epilogue::Derivative { activation, kept: x };
    kernels.gemm(1.0, d_z, weight.t(), 0.0, d_x, &GemmOptions { epilogue, ..GemmOptions::default() });
}

impl Linear {
    /// The bound of the uniform distribution in (−bound, bound) from which the first weights are drawn.
    ///
    /// ReLU: `√(6 / inputs)`, which keeps the variance of the signal through layers that zero half of it (He et al.,
    /// "Delving Deep into Rectifiers", 2015). Else `√(6 / (inputs + outputs))`, a compromise between the variance of the
    /// signal forward and of the gradient backward (Glorot and Bengio, "Understanding the difficulty of training deep
    /// feedforward neural networks", 2010, where it is called Xavier's by its users).
    pub fn init_bound(&self) -> f32 {
        let fan = match self.activation {
            Activation::Relu => self.inputs as f64,
            _ => self.inputs as f64 + self.outputs as f64,
        };
        (6.0 / fan).sqrt() as f32
    }

    /// Draws the first weights; `layer` is the number of the layer in its model.
    pub(crate) fn init_weight(&self, seed: u64, layer: usize, weight: &mut [f32]) {
        let bound = self.init_bound();
        let mut stream = Stream::new(seed, Purpose::Init, layer as u64);
        for w in weight {
            *w = (2.0 * stream.uniform() - 1.0) * bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_weights_are_uniform_within_the_published_bounds() {
        for (activation, bound) in [
            (Activation::Relu, (6.0f64 / 300.0).sqrt()),
            (Activation::Sigmoid, (6.0f64 / 400.0).sqrt()),
            (Activation::Tanh, (6.0f64 / 400.0).sqrt()),
            (Activation::Identity, (6.0f64 / 400.0).sqrt()),
        ] {
            let layer = Linear { inputs: 300, outputs: 100, activation };
            let mut weight = vec![0.0; 300 * 100];
            layer.init_weight(1, 0, &mut weight);
            let n = weight.len() as f64;
            let largest = weight.iter().fold(0.0, |max: f64, &w| max.max(f64::from(w).abs()));
            let mean = weight.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
            let variance = weight.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / n;
            assert!(largest <= bound * (1.0 + 1e-6) && largest > 0.999 * bound, "{activation:?}: {largest} of {bound}");
            // Five standard deviations of the mean and of the variance of a uniform distribution.
            assert!(mean.abs() <= 5.0 * bound / (3.0 * n).sqrt(), "{activation:?}: mean {mean}");
            let expected = bound * bound / 3.0;
            assert!((variance - expected).abs() <= 5.0 * expected * (0.8 / n).sqrt(), "{activation:?}: {variance}");
        }
    }

    #[test]
    fn layers_draw_from_streams_of_their_own() {
        let layer = Linear { inputs: 4, outputs: 4, activation: Activation::Relu };
        let draw = |seed, number| {
            let mut weight = [0.0; 16];
            layer.init_weight(seed, number, &mut weight);
            weight
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }
}
