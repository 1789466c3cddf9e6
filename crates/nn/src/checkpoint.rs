//! Weights as `.safetensors` files, with the names and shapes of a `torch.nn.Sequential`: `0.weight` [outputs, inputs],
//! `0.bias` `[outputs]`, in 32-bit floating point.
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

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::check;
use crate::error::Result;
use crate::file::{self, FileError, Problem};
use crate::model::Model;
use crate::params::Parameter;

/// Writes the parameters of `model` to `path`, all or nothing: see [`atomic_write`](file::atomic_write).
///
/// # Errors
/// [`Error::File`](crate::Error::File).
pub fn save(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let little_endian = |parameter: &Parameter<'_>| parameter.values().flat_map(f32::to_le_bytes).collect();
    let data: Vec<Vec<u8>> = model.parameters().map(|parameter| little_endian(&parameter)).collect();
    let bytes = model
        .parameters()
        .zip(&data)
        .map(|(parameter, data)| Ok((parameter.name(), TensorView::new(Dtype::F32, parameter.shape().to_vec(), data)?)))
        .collect::<Result<Vec<_>, _>>()
        .and_then(|tensors| safetensors::serialize(tensors, None))
        .map_err(|error| FileError::whole(path, error))?;
    Ok(file::atomic_write(path, &bytes)?)
}

/// Replaces the parameters of `model` by those in `path`, which must be the same by name, shape and element type.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if the file cannot be read, is not in the format, lacks a parameter, has a tensor
/// that is none, or one has another shape or type or is not finite. The model is then as before.
pub fn load(model: &mut Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let error = |problem| FileError::whole(path, problem);
    let bytes = fs::read(path).map_err(|cause| error(cause.into()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|cause| error(cause.into()))?;
    if let Some(name) = tensors.names().into_iter().find(|&name| model.parameters().all(|known| known.name() != name)) {
        return Err(error(Problem::UnknownTensor { name: name.to_owned() }).into());
    }
    let mut loaded = model.clone();
    for parameter in model.parameters() {
        let values = read_values(&tensors, parameter).map_err(error)?;
        loaded.set_parameter(parameter.name(), parameter.shape(), &values)?;
    }
    *model = loaded;
    Ok(())
}

/// The new values of `parameter`, row by row.
fn read_values(tensors: &SafeTensors<'_>, parameter: Parameter<'_>) -> Result<Vec<f32>, Problem> {
    let name = parameter.name().to_owned();
    let Ok(tensor) = tensors.tensor(&name) else { return Err(Problem::MissingTensor { name }) };
    if tensor.dtype() != Dtype::F32 {
        return Err(Problem::TensorType { name, found: tensor.dtype() });
    }
    if tensor.shape() != parameter.shape() {
        let (expected, found) = (parameter.shape().to_vec(), tensor.shape().to_vec());
        return Err(Problem::TensorShape { name, expected, found });
    }
    let (words, _) = tensor.data().as_chunks();
    let values: Vec<f32> = words.iter().copied().map(f32::from_le_bytes).collect();
    match check::first_non_finite(&values) {
        Some(index) => Err(Problem::TensorNotFinite { name, index, value: values[index] }),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;

    use super::*;
    use crate::{Activation, Error};

    fn model(inputs: usize, seed: u64) -> Model {
        let builder = Model::builder(inputs).linear(3, Activation::Relu).linear(2, Activation::Identity);
        builder.seed(seed).build().unwrap()
    }

    fn weights(model: &Model) -> Vec<u32> {
        model.parameters().flat_map(|parameter| parameter.values()).map(f32::to_bits).collect()
    }

    /// Loads `bytes` into a model, which must not change, and returns the problem.
    fn problem(bytes: &[u8]) -> Problem {
        let directory = tempfile::tempdir().unwrap();
        let path: PathBuf = directory.path().join("weights.safetensors");
        fs::write(&path, bytes).unwrap();
        let mut model = model(2, 1);
        let before = weights(&model);
        match load(&mut model, &path).unwrap_err() {
            Error::File(error) => {
                assert_eq!(error.path, path);
                assert_eq!(weights(&model), before, "{error}");
                error.problem
            }
            other => panic!("{other}"),
        }
    }

    fn saved(model: &Model) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights.safetensors");
        save(model, &path).unwrap();
        fs::read(path).unwrap()
    }

    /// A file of tensors of zeros.
    fn zeros(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
        let data = [0; 1024];
        let views = tensors.iter().map(|&(name, dtype, shape)| {
            let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (name, TensorView::new(dtype, shape.to_vec(), &data[..bytes]).unwrap())
        });
        safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
    }

    #[test]
    fn files_have_the_names_shapes_and_order_of_pytorch() {
        let mut model = model(2, 1);
        model.set_parameter("0.weight", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let bytes = saved(&model);
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let shapes: HashMap<_, _> = tensors.iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect();
        let expected = [("0.weight", vec![3, 2]), ("0.bias", vec![3]), ("2.weight", vec![2, 3]), ("2.bias", vec![2])];
        assert_eq!(shapes, HashMap::from(expected));
        let weight = tensors.tensor("0.weight").unwrap();
        assert_eq!(weight.dtype(), Dtype::F32);
        assert_eq!(weight.data(), [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0].map(f32::to_le_bytes).as_flattened());
    }

    #[test]
    fn what_was_saved_is_loaded_and_equal_weights_are_equal_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights.safetensors");
        let (first, mut second) = (model(2, 1), model(2, 2));
        assert_ne!(weights(&first), weights(&second));
        save(&first, &path).unwrap();
        load(&mut second, &path).unwrap();
        assert_eq!(weights(&first), weights(&second));
        assert_eq!(saved(&first), saved(&second));
    }

    #[test]
    fn files_cut_short_or_too_long_are_refused() {
        let whole = saved(&model(2, 2));
        for len in 0..whole.len() {
            assert!(matches!(problem(&whole[..len]), Problem::Safetensors(_)), "{len} bytes");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(matches!(problem(&longer), Problem::Safetensors(_)));
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights.safetensors");
        let mut bytes = saved(&model(2, 2));
        let mut model = model(2, 1);
        for at in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                bytes[at] ^= mask;
                fs::write(&path, &bytes).unwrap();
                let loaded = load(&mut model, &path);
                assert!(loaded.is_ok() || matches!(loaded, Err(Error::File(_))), "byte {at}: {loaded:?}");
                bytes[at] ^= mask;
            }
        }
    }

    #[test]
    fn tensors_that_are_not_the_models_are_refused() {
        let good: [(&str, Dtype, &[usize]); 4] = [
            ("0.weight", Dtype::F32, &[3, 2]),
            ("0.bias", Dtype::F32, &[3]),
            ("2.weight", Dtype::F32, &[2, 3]),
            ("2.bias", Dtype::F32, &[2]),
        ];
        let with = |index: usize, tensor| {
            let mut tensors = good;
            tensors[index] = tensor;
            problem(&zeros(&tensors))
        };

        let Problem::TensorShape { name, expected, found } = with(0, ("0.weight", Dtype::F32, &[2, 3])) else {
            panic!("the transposed shape")
        };
        assert_eq!((name.as_str(), expected, found), ("0.weight", vec![3, 2], vec![2, 3]));
        let Problem::TensorType { name, found } = with(3, ("2.bias", Dtype::F16, &[2])) else { panic!("another type") };
        assert_eq!((name.as_str(), found), ("2.bias", Dtype::F16));
        let Problem::UnknownTensor { name } = with(1, ("1.bias", Dtype::F32, &[3])) else { panic!("another name") };
        assert_eq!(name, "1.bias");
        let Problem::MissingTensor { name } = problem(&zeros(&good[..3])) else { panic!("one too few") };
        assert_eq!(name, "2.bias");

        let mut bytes = zeros(&good);
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(problem(&bytes), Problem::TensorNotFinite { value, .. } if value.is_nan()));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load(&mut model(2, 1), "no/such/weights.safetensors").unwrap_err().to_string();
        assert!(error.starts_with("no/such/weights.safetensors: "), "{error}");
    }
}
