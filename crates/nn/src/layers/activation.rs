//! Activations where no gemm applies them.
//!
//! Behind a linear layer an activation runs in the epilogue of the gemm that computes its logits, and its derivative in the
//! epilogue of the gemm that computes the gradient of its output. What is left: other layers before or behind it.

use kernels::{Activation, Function, KernelSet};

/// `output = activation(z)`
pub(crate) fn activation_forward(kernels: &KernelSet, activation: Activation, z: &[f32], output: &mut [f32]) {
    match activation {
        Activation::Identity => output.copy_from_slice(z),
        Activation::Relu => kernels.map(Function::Relu, z, output),
        Activation::Sigmoid => kernels.map(Function::Sigmoid, z, output),
        Activation::Tanh => kernels.map(Function::Tanh, z, output),
    }
}

/// The same in place.
pub(crate) fn activation_forward_in_place(kernels: &KernelSet, activation: Activation, z: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => kernels.map_in_place(Function::Relu, z),
        Activation::Sigmoid => kernels.map_in_place(Function::Sigmoid, z),
        Activation::Tanh => kernels.map_in_place(Function::Tanh, z),
    }
}

/// `d_output` becomes the gradient of the logits: `d_z = d_y · activation'(z)`, from what the activation keeps.
pub(crate) fn activation_backward(kernels: &KernelSet, activation: Activation, kept: &[f32], d_output: &mut [f32]) {
    if activation != Activation::Identity {
        kernels.activation_backward(activation, kept, d_output);
    }
}
