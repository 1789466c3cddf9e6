//! The linear layer with its activation: `y = activation(x W + b)`.
//!
//! Shapes: x is `[rows][inputs]`, W `[inputs][outputs]`, b `[outputs]`, y `[rows][outputs]`.

use kernels::{Activation, Epilogue, GemmOptions, KernelSet, MatMut, MatRef};

use crate::random::{Purpose, Stream};

/// The shape of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Linear {
    /// Values in a row of the input.
    pub inputs: usize,
    /// Values in a row of the output.
    pub outputs: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

/// `y = activation(x W + b)`, one gemm.
pub(crate) fn linear_forward(
    kernels: &KernelSet,
    weight: MatRef<'_, f32>,
    bias: Option<&[f32]>,
    activation: Activation,
    x: MatRef<'_, f32>,
    y: MatMut<'_, f32>,
) {
    let epilogue = Epilogue::Bias { bias, activation };
    kernels.gemm(1.0, x, weight, 0.0, y, &GemmOptions { epilogue, ..GemmOptions::default() });
}

/// `d_weight = beta d_weight + alpha xᵀ d_z`, from `d_z` `[rows][outputs]`, the gradient of the logits `z = x W + b`: the
/// gradient for alpha = 1 and beta = 0, and a step of gradient descent on the weight itself for others.
pub(crate) fn linear_backward_weight(
    kernels: &KernelSet,
    alpha: f32,
    x: MatRef<'_, f32>,
    d_z: MatRef<'_, f32>,
    beta: f32,
    d_weight: MatMut<'_, f32>,
) {
    kernels.gemm(alpha, x.t(), d_z, beta, d_weight, &GemmOptions::default());
}

/// The gradient of the logits of the layer before, whose output `x = activation(z)` this layer read:
/// `d_x = (d_z Wᵀ) · activation'(z)`, one gemm; `kept` is what the activation keeps of x and z.
pub(crate) fn linear_backward_input(
    kernels: &KernelSet,
    weight: MatRef<'_, f32>,
    d_z: MatRef<'_, f32>,
    activation: Activation,
    kept: MatRef<'_, f32>,
    d_x: MatMut<'_, f32>,
) {
    let epilogue = Epilogue::Derivative { activation, kept };
    kernels.gemm(1.0, d_z, weight.t(), 0.0, d_x, &GemmOptions { epilogue, ..GemmOptions::default() });
}

impl Linear {
    /// The bound of the uniform distribution in (−bound, bound) from which the first weights are drawn, for a layer behind
    /// which `activation` comes.
    ///
    /// ReLU and functions like it, softplus, GELU and SiLU: `√(6 / inputs)`, which keeps the variance of the signal through
    /// layers that zero half of it; for a leaky one divided by `√(1 + slope²)` (He et al., "Delving Deep into Rectifiers",
    /// 2015). Else `√(6 / (inputs + outputs))`, a compromise between the variance of the signal forward and of the gradient
    /// backward (Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, where
    /// it is called Xavier's by its users).
    pub fn init_bound(&self, activation: Activation) -> f32 {
        let (inputs, outputs) = (self.inputs as f64, self.outputs as f64);
        let fan = match activation {
            Activation::LeakyRelu { slope } => inputs * (1.0 + f64::from(slope) * f64::from(slope)),
            Activation::Relu | Activation::Softplus | Activation::Gelu | Activation::GeluTanh | Activation::Silu => {
                inputs
            }
            Activation::Identity | Activation::Sigmoid | Activation::Tanh => inputs + outputs,
        };
        (6.0 / fan).sqrt() as f32
    }

    /// Draws the first weights; `number` is that of the layer among the linear ones of its model.
    pub(crate) fn init_weight(&self, activation: Activation, seed: u64, number: usize, weight: &mut [f32]) {
        let bound = self.init_bound(activation);
        let mut stream = Stream::new(seed, Purpose::Init, number as u64);
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
            (Activation::LeakyRelu { slope: 0.5 }, (6.0f64 / 375.0).sqrt()),
            (Activation::Gelu, (6.0f64 / 300.0).sqrt()),
            (Activation::Sigmoid, (6.0f64 / 400.0).sqrt()),
            (Activation::Tanh, (6.0f64 / 400.0).sqrt()),
            (Activation::Identity, (6.0f64 / 400.0).sqrt()),
        ] {
            let layer = Linear { inputs: 300, outputs: 100, bias: true };
            let mut weight = vec![0.0; 300 * 100];
            layer.init_weight(activation, 1, 0, &mut weight);
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
        let layer = Linear { inputs: 4, outputs: 4, bias: true };
        let draw = |seed, number| {
            let mut weight = [0.0; 16];
            layer.init_weight(Activation::Relu, seed, number, &mut weight);
            weight
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }
}
