//! Activations where no gemm applies them.
//!
//! A hidden activation runs in the epilogue of the gemm that computes its logits, and its derivative in the epilogue of the
//! gemm that computes the gradient of its output. Only the derivative of the last layer is left.

use kernels::{Activation, KernelSet};

/// `d_output` becomes the gradient of the logits: `d_z = d_y · activation'(z)`, where `output = activation(z)`.
pub(crate) fn activation_backward(kernels: &KernelSet, activation: Activation, output: &[f32], d_output: &mut [f32]) {
    if activation != Activation::Identity {
        kernels.activation_backward(activation, output, d_output);
    }
}
