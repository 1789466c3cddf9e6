//! Models as ONNX files, for programs that predict with them: an input `x`, `[rows][inputs]`, and an output `y`,
//! `[rows][outputs]`, with any number of rows.
//!
//! ```
//! use nn::{Activation, Model, onnx};
//! # fn main() -> nn::Result<()> {
//! # let path = std::env::temp_dir().join("nn-onnx-example.onnx");
//! let model = Model::builder(4).linear(8, Activation::Tanh).linear(2, Activation::Identity).build()?;
//! onnx::save(&model, &path)?;
//! # std::fs::remove_file(&path).unwrap();
//! # Ok(())
//! # }
//! ```

mod protobuf;

use std::path::Path;

use kernels::Activation;

use crate::error::Result;
use crate::file::atomic_write;
use crate::layers::Layer;
use crate::model::Model;
use crate::params::StateEntry;
use protobuf::Message;

/// The version of the format, and of its operators: the first that has GELU as one.
const IR_VERSION: u64 = 9;
const OPERATORS: u64 = 20;
/// 32-bit floating-point numbers, as elements.
const FLOAT: u64 = 1;

/// Writes `model` as it predicts to `path`, all or nothing. `y` is what [`Model::predict`] returns, logits for the losses of
/// classification, up to the order in which another program adds. Parameters have the names that they have here, dropout is
/// left out and batch norms use their running moments.
///
/// # Errors
/// [`Error::File`](crate::Error::File)
pub fn save(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    Ok(atomic_write(path.as_ref(), &to_bytes(model))?)
}

/// What [`save`] writes.
pub fn to_bytes(model: &Model) -> Vec<u8> {
    let mut graph = Graph { message: Message::default(), current: "x".to_owned(), width: model.inputs() };
    for entry in model.state() {
        // Counts of batches are for training.
        if let StateEntry::Tensor(parameter) = entry {
            graph.initializer(parameter.name(), parameter.shape(), parameter.values());
        }
    }
    for (number, layer) in model.layers().iter().enumerate() {
        graph.layer(number, layer);
    }
    let output = graph.current.clone();
    graph.node("Identity", &[&output], "y", Message::default());
    let graph = graph.message.string(2, "model");
    let graph = graph.message(11, &value("x", model.inputs())).message(12, &value("y", model.outputs()));
    let operators = Message::default().string(1, "").int(2, OPERATORS);
    let message = Message::default().int(1, IR_VERSION).string(2, "nn").message(7, &graph).message(8, &operators);
    message.0
}

/// A `GraphProto` in the making.
struct Graph {
    message: Message,
    /// The name of what the last node returned, and the length of its rows.
    current: String,
    width: usize,
}

impl Graph {
    /// A `TensorProto`.
    fn initializer(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = f32>) {
        let tensor = shape.iter().fold(Message::default(), |tensor, &length| tensor.int(1, length as u64));
        let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        let tensor = tensor.int(2, FLOAT).string(8, name).bytes(9, &bytes);
        self.push(5, &tensor);
    }

    /// A `NodeProto`; `attributes` holds those of it, each as field 5.
    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Message) {
        let mut node = inputs.iter().fold(Message::default(), |node, input| node.string(1, input));
        node = node.string(2, output).string(3, output).string(4, operator);
        node.0.extend(attributes.0);
        self.push(1, &node);
        output.clone_into(&mut self.current);
    }

    fn push(&mut self, field: u64, message: &Message) {
        self.message = std::mem::take(&mut self.message).message(field, message);
    }

    fn layer(&mut self, number: usize, layer: &Layer) {
        let (input, output) = (self.current.clone(), format!("{number}.output"));
        let parameter = |name: &str| format!("{number}.{name}");
        let (weight, bias) = (parameter("weight"), parameter("bias"));
        match *layer {
            Layer::Linear(linear) => {
                let attributes = Message::default().message(5, &int_attribute("transB", 1));
                match linear.bias {
                    true => self.node("Gemm", &[&input, &weight, &bias], &output, attributes),
                    false => self.node("Gemm", &[&input, &weight], &output, attributes),
                }
                self.width = linear.outputs;
            }
            Layer::Activation(activation) => self.activation(activation, &input, &output),
            Layer::Dropout(_) => {}
            Layer::BatchNorm(norm) => {
                self.unless_affine(norm.affine, &weight, &bias);
                let (mean, variance) = (parameter("running_mean"), parameter("running_var"));
                let attributes = Message::default().message(5, &float_attribute("epsilon", norm.eps));
                self.node("BatchNormalization", &[&input, &weight, &bias, &mean, &variance], &output, attributes);
            }
            Layer::LayerNorm(norm) => {
                self.unless_affine(norm.affine, &weight, &bias);
                let attributes = Message::default().message(5, &float_attribute("epsilon", norm.eps));
                self.node("LayerNormalization", &[&input, &weight, &bias], &output, attributes);
            }
        }
    }

    /// The operators take a weight and a bias in any case.
    fn unless_affine(&mut self, affine: bool, weight: &str, bias: &str) {
        if !affine {
            let width = self.width;
            self.initializer(weight, &[width], std::iter::repeat_n(1.0, width));
            self.initializer(bias, &[width], std::iter::repeat_n(0.0, width));
        }
    }

    fn activation(&mut self, activation: Activation, input: &str, output: &str) {
        let none = Message::default;
        match activation {
            Activation::Identity => self.node("Identity", &[input], output, none()),
            Activation::Relu => self.node("Relu", &[input], output, none()),
            Activation::LeakyRelu { slope } => {
                self.node("LeakyRelu", &[input], output, none().message(5, &float_attribute("alpha", slope)));
            }
            Activation::Sigmoid => self.node("Sigmoid", &[input], output, none()),
            Activation::Tanh => self.node("Tanh", &[input], output, none()),
            Activation::Softplus => self.node("Softplus", &[input], output, none()),
            Activation::Gelu => self.node("Gelu", &[input], output, none()),
            Activation::GeluTanh => {
                let approximate = none().string(1, "approximate").string(4, "tanh").int(20, 3);
                self.node("Gelu", &[input], output, none().message(5, &approximate));
            }
            Activation::Silu => {
                let sigmoid = format!("{output}.sigmoid");
                self.node("Sigmoid", &[input], &sigmoid, none());
                self.node("Mul", &[input, &sigmoid], output, none());
            }
        }
    }
}

/// An `AttributeProto` of type FLOAT.
fn float_attribute(name: &str, value: f32) -> Message {
    Message::default().string(1, name).float(2, value).int(20, 1)
}

/// An `AttributeProto` of type INT.
fn int_attribute(name: &str, value: u64) -> Message {
    Message::default().string(1, name).int(3, value).int(20, 2)
}

/// A `ValueInfoProto` of a matrix with `cols` columns.
fn value(name: &str, cols: usize) -> Message {
    let rows = Message::default().string(2, "rows");
    let shape = Message::default().message(1, &rows).message(1, &Message::default().int(1, cols as u64));
    let tensor = Message::default().int(1, FLOAT).message(2, &shape);
    Message::default().string(1, name).message(2, &Message::default().message(1, &tensor))
}
