//! Activations where no gemm applies them.
//!
//! Behind a linear layer an activation runs in the epilogue of the gemm that computes its logits, and its derivative in the
//! epilogue of the gemm that computes the gradient of its output. What is left: other layers before or behind it.

use kernels::{Activation, KernelSet};

/// `d_output` becomes the gradient of the logits: `d_z = d_y · activation'(z)`, from what the activation keeps.
pub(crate) fn activation_backward(kernels: &KernelSet, activation: Activation, kept: &[f32], d_output: &mut [f32]) {
    if activation != Activation::Identity {
        kernels.activation_backward(activation, kept, d_output);
    }
}
