//! Checkpoints as `.safetensors` files.
//!
//! The weights have the names and shapes of a `torch.nn.Sequential`: `0.weight` of shape `[outputs, inputs]`, `0.bias` of
//! shape `[outputs]`, in 32-bit floating point; norms also `running_mean`, `running_var` and `num_batches_tracked`. [`save`]
//! writes these alone, for use by others too, and [`load`] reads them, also from a file that PyTorch wrote.
//!
//! [`Trainer::save`](crate::Trainer::save) adds what a training needs to go on: tensors `optimizer.exp_avg.0.weight` and so on
//! by the names that PyTorch has for the state of an optimiser, those of the best model so far as `best.0.weight`, the
//! `history` of the epochs, and in the metadata of the header position, options, layers and loss. The random numbers of a
//! training are functions of its seed, epoch and step, which are among these. [`load`] takes the weights from such a file.
//!
//! Both kinds have a format number and a checksum.
//!
//! ```
//! use nn::{Activation, Model, checkpoint};
//! # fn main() -> nn::Result<()> {
//! let path = std::env::temp_dir().join("nn-checkpoint-example.safetensors");
//! let model = Model::builder(3).linear(2, Activation::Identity).seed(1).build()?;
//! checkpoint::save(&model, &path)?;
//!
//! let mut other = Model::builder(3).linear(2, Activation::Identity).seed(2).build()?;
//! checkpoint::load(&mut other, &path)?;
//! assert!(model.parameters().eq(other.parameters()));
//! # std::fs::remove_file(&path).unwrap();
//! # Ok(())
//! # }
//! ```

mod container;
mod training;

use std::path::Path;

use flate2::Crc;
use safetensors::tensor::Dtype;

use crate::check;
use crate::error::{Error, Result};
use crate::file::{self, FileError, Problem};
use crate::model::Model;
use crate::optim::OptimizerState;
use crate::params::{Parameter, StateEntry};
use crate::train::{Course, TrainOptions};
use container::{Container, Tensor};

/// Writes the parameters and buffers of `model` to `path`, all or nothing: see [`atomic_write`](file::atomic_write).
///
/// # Errors
/// [`Error::File`].
pub fn save(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let bytes =
        container::serialize(&state_tensors(model, ""), &[]).map_err(|problem| FileError::whole(path, problem))?;
    Ok(file::atomic_write(path, &bytes)?)
}

/// Replaces the parameters and buffers of `model` by those in `path`, which must be the same by name, shape and element
/// type.
///
/// # Errors
/// [`Error::File`] if the file cannot be read, is not in the format or damaged, lacks a parameter, has a
/// tensor that is none, or one has another shape or type or is not finite. The model is then as before.
pub fn load(model: &mut Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let bytes = read_file(path)?;
    *model = read_weights(&bytes, model).map_err(|error| error.in_file(path))?;
    Ok(())
}

pub(crate) fn save_training(
    path: &Path,
    model: &Model,
    options: &TrainOptions,
    state: &OptimizerState,
    course: &Course,
) -> Result<()> {
    let bytes = training_bytes(model, options, state, course).map_err(|problem| FileError::whole(path, problem))?;
    Ok(file::atomic_write(path, &bytes)?)
}

fn training_bytes(
    model: &Model,
    options: &TrainOptions,
    state: &OptimizerState,
    course: &Course,
) -> Result<Vec<u8>, Problem> {
    container::serialize(&training::tensors(model, options, state, course), &training::lines(model, options, course))
}

/// The CRC-32 of some bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// What tells whether two trainings go on alike: of their options, and of all that they are.
pub(crate) fn digests(
    model: &Model,
    options: &TrainOptions,
    state: &OptimizerState,
    course: &Course,
) -> Result<(u32, u32)> {
    let settings = format!("{:?}", training::settings(model, options));
    let bytes = training_bytes(model, options, state, course);
    let bytes = bytes.map_err(|problem| FileError::whole(Path::new("a checkpoint"), problem))?;
    Ok((checksum(settings.as_bytes()), checksum(&bytes)))
}

pub(crate) fn load_training(
    path: &Path,
    model: &Model,
    options: &TrainOptions,
) -> Result<(Model, OptimizerState, Course)> {
    let bytes = read_file(path)?;
    parse_training(path, &bytes, model, options)
}

/// What [`parse_training`] needs of a file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    Ok(container::read_file(path).map_err(|cause| FileError::whole(path, cause))?)
}

/// [`load_training`] from the bytes of the file.
pub(crate) fn parse_training(
    path: &Path,
    bytes: &[u8],
    model: &Model,
    options: &TrainOptions,
) -> Result<(Model, OptimizerState, Course)> {
    let read = || training::read(&Container::parse(bytes)?, model, options);
    read().map_err(|error| error.in_file(path))
}

/// What is wrong with a file, or another error, such as no memory.
enum ReadError {
    File(Problem),
    Other(Error),
}

impl ReadError {
    fn in_file(self, path: &Path) -> Error {
        match self {
            ReadError::File(problem) => FileError::whole(path, problem).into(),
            ReadError::Other(error) => error,
        }
    }
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        ReadError::File(problem)
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        ReadError::Other(error)
    }
}

/// All of a model's state, under names with `prefix` in front.
fn state_tensors(model: &Model, prefix: &str) -> Vec<Tensor> {
    let tensor = |entry| match entry {
        StateEntry::Tensor(parameter) => tensor_of(parameter, prefix),
        StateEntry::Count { name, value } => {
            let bytes = (value as i64).to_le_bytes().to_vec();
            Tensor { name: format!("{prefix}{name}"), dtype: Dtype::I64, shape: Vec::new(), bytes }
        }
    };
    model.state().map(tensor).collect()
}

fn tensor_of(parameter: Parameter<'_>, prefix: &str) -> Tensor {
    Tensor {
        name: format!("{prefix}{}", parameter.name()),
        dtype: Dtype::F32,
        shape: parameter.shape().to_vec(),
        bytes: parameter.values().flat_map(f32::to_le_bytes).collect(),
    }
}

fn read_weights(bytes: &[u8], model: &Model) -> Result<Model, ReadError> {
    let file = Container::parse(bytes)?;
    let is_known = |name: &str| {
        let beside = file.lines.is_some() && training::is_beside_the_model(name);
        beside || model.state().any(|entry| entry.name() == name)
    };
    if let Some(name) = file.tensors.names().into_iter().find(|name| !is_known(name)) {
        return Err(Problem::UnknownTensor { name: name.to_owned() }.into());
    }
    read_model(&file, model, "")
}

/// A model like `model` with the state that the file has under names with `prefix` in front.
fn read_model(file: &Container<'_>, model: &Model, prefix: &str) -> Result<Model, ReadError> {
    let mut loaded = model.clone();
    for entry in model.state() {
        let name = format!("{prefix}{}", entry.name());
        match entry {
            StateEntry::Tensor(parameter) => {
                let values = read_values(file, &name, parameter.shape())?;
                let set = loaded.set_parameter(parameter.name(), parameter.shape(), &values);
                set.map_err(|error| match error {
                    Error::NegativeVariance { index, value, .. } => {
                        Problem::NegativeVariance { name, index, value }.into()
                    }
                    other => ReadError::Other(other),
                })?;
            }
            StateEntry::Count { name: own, .. } => loaded.set_count(own, read_count(file, &name)?)?,
        }
    }
    Ok(loaded)
}

/// The values of a tensor, row by row.
fn read_values(file: &Container<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, Problem> {
    let data = read(file, name, Dtype::F32, shape)?;
    let (words, _) = data.as_chunks();
    let values: Vec<f32> = words.iter().copied().map(f32::from_le_bytes).collect();
    match check::first_non_finite(&values) {
        Some(index) => Err(Problem::TensorNotFinite { name: name.to_owned(), index, value: values[index] }),
        None => Ok(values),
    }
}

fn read_count(file: &Container<'_>, name: &str) -> Result<u64, Problem> {
    let data = read(file, name, Dtype::I64, &[])?;
    let value = data.first_chunk().copied().map_or(-1, i64::from_le_bytes);
    u64::try_from(value).map_err(|_| Problem::CheckpointValue { name: name.to_owned(), value: value.to_string() })
}

/// The bytes of a tensor of this type and shape.
fn read<'a>(file: &Container<'a>, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], Problem> {
    let name = name.to_owned();
    let Ok(tensor) = file.tensors.tensor(&name) else { return Err(Problem::MissingTensor { name }) };
    if tensor.dtype() != dtype {
        let expected = if dtype == Dtype::F32 { "F32" } else { "I64" };
        return Err(Problem::TensorType { name, expected, found: tensor.dtype().to_string() });
    }
    if tensor.shape() != shape {
        return Err(Problem::TensorShape { name, expected: shape.to_vec(), found: tensor.shape().to_vec() });
    }
    Ok(tensor.data())
}

#[cfg(test)]
mod tests;
