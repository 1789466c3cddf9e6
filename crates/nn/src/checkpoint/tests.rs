//! Files of weights: what is read, and what is refused.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use safetensors::tensor::{SafeTensors, TensorView};

use super::*;
use crate::file::faults::{FAULTS, with_each_fault};
use crate::{Activation, Adam, Error, Trainer};

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

/// What a file holds beyond what its header speaks of is not read, as it may be without end.
#[test]
fn no_more_is_read_than_the_header_speaks_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    let whole = saved(&model(2, 2));
    let no_header = [&16u64.to_le_bytes()[..], b"{ no header }   "].concat();
    for (start, read) in [(&whole, whole.len() + 1), (&vec![0; 8], 8), (&vec![0xff; 8], 8), (&no_header, 24)] {
        let mut file = File::create(&path).unwrap();
        file.write_all(start).unwrap();
        file.set_len(1 << 30).unwrap();
        assert_eq!(container::read_file(&path).unwrap().len(), read);
        assert!(matches!(load(&mut model(2, 1), &path), Err(Error::File(_))));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let mut bytes = saved(&model(2, 2));
    let model = model(2, 1);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(matches!(read_weights(&bytes, &model), Err(ReadError::File(_))), "bit {bit} of byte {at}");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(read_weights(&bytes, &model).is_ok());
}

#[test]
fn files_of_others_are_read_and_those_of_other_versions_are_not() {
    let good = [("0.weight", vec![3, 2]), ("0.bias", vec![3]), ("2.weight", vec![2, 3]), ("2.bias", vec![2])];
    let data = [0; 24];
    let views = good.map(|(name, shape)| {
        let len = 4 * shape.iter().product::<usize>();
        (name, TensorView::new(Dtype::F32, shape, &data[..len]).unwrap())
    });
    let with = |metadata| safetensors::serialize(views.clone(), metadata).unwrap();
    let of_pytorch = with(Some([("format".to_owned(), "pt".to_owned())].into_iter().collect()));
    for bytes in [with(None), of_pytorch] {
        assert!(read_weights(&bytes, &model(2, 1)).is_ok());
    }

    let text = String::from_utf8_lossy(&saved(&model(2, 1))[8..80]).into_owned();
    assert!(text.starts_with(r#"{"__metadata__":{"nn":"crc32 "#) && text.contains(r#"\nformat 1\n"#), "{text}");
    let mut newer = saved(&model(2, 1));
    let at = newer.windows(9).position(|bytes| bytes == b"format 1\\").unwrap();
    newer[at + 7] = b'7';
    container::seal(&mut newer);
    let Problem::CheckpointFormat { expected, found } = problem(&newer) else { panic!("another format") };
    assert_eq!((expected, found.as_str()), ("1", "7"));
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
    let Problem::TensorType { name, found, .. } = with(3, ("2.bias", Dtype::F16, &[2])) else { panic!("another type") };
    assert_eq!((name.as_str(), found.as_str()), ("2.bias", "F16"));
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
fn a_variance_below_0_is_one_of_the_file() {
    let norm = crate::BatchNorm { affine: false, ..Default::default() };
    let model = || Model::builder(2).batch_norm(norm).build().unwrap();
    let mut bytes = saved(&model());
    let one = 1.0f32.to_le_bytes();
    // Only the running variance has ones.
    let at = bytes.windows(4).rposition(|bytes| bytes == one).unwrap();
    bytes[at..at + 4].copy_from_slice(&(-1.0f32).to_le_bytes());
    container::seal(&mut bytes);
    let Err(ReadError::File(problem)) = read_weights(&bytes, &model()) else { panic!("it was read") };
    let text = problem.to_string();
    assert_eq!(text, r#"tensor "0.running_var" has -1 at element 1, a variance is at least 0"#);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(&mut model(2, 1), "no/such/weights.safetensors").unwrap_err().to_string();
    assert!(error.starts_with("no/such/weights.safetensors: "), "{error}");
}

#[test]
fn every_flipped_bit_of_a_training_is_found() {
    let options =
        TrainOptions { optimizer: Adam::default().into(), max_epochs: 3, threads: 1, ..TrainOptions::default() };
    let mut trainer = Trainer::new(Model::logistic_regression(1).unwrap(), options).unwrap();
    trainer.fit((&[0.5, -0.5], &[0, 1])).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    trainer.save(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| training::read(&Container::parse(bytes)?, trainer.model(), &options);
    let mut found_by_checksum = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            match read(&bytes) {
                Err(ReadError::File(Problem::Checksum { .. })) => found_by_checksum += 1,
                Err(ReadError::File(_)) => {}
                Err(ReadError::Other(error)) => panic!("bit {bit} of byte {at}: {error}"),
                Ok(_) => panic!("bit {bit} of byte {at}"),
            }
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(found_by_checksum > bytes.len(), "{found_by_checksum} of {} bits", 8 * bytes.len());
    assert!(read(&bytes).is_ok());
}

/// The checksum is no signature: whoever writes a file can make it right.
#[test]
fn numbers_that_no_training_has_are_refused() {
    let options = TrainOptions { max_epochs: 3, threads: 1, ..TrainOptions::default() };
    let trainer = |model| Trainer::new(model, options).unwrap();
    let model = || Model::logistic_regression(1).unwrap();
    let mut trained = trainer(model());
    trained.fit((&[0.5, -0.5], &[0, 1])).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("training.safetensors");
    trained.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for (name, from, to) in [
        ("batch", "batch 0", "batch 9"),
        ("correct", "correct 0", "correct 9"),
        ("loss_sum", "loss_sum 0.0", "loss_sum NaN"),
        ("weight_sum", "weight_sum 0.0", "weight_sum inf"),
        ("epoch", "epoch 3", "epoch 4"),
    ] {
        let mut changed = bytes.clone();
        let from = format!("\\n{from}\\n");
        let at = bytes.windows(from.len()).position(|bytes| bytes == from.as_bytes()).expect(name);
        changed[at + 2..at + from.len() - 2].copy_from_slice(to.as_bytes());
        container::seal(&mut changed);
        fs::write(&path, changed).unwrap();
        let error = trainer(model()).resume(&path).unwrap_err();
        let Error::File(FileError { problem: Problem::CheckpointValue { name: found, .. }, .. }) = &error else {
            panic!("{error}")
        };
        assert_eq!(found, name);
    }
    fs::write(&path, bytes).unwrap();
    trainer(model()).resume(&path).unwrap();
}

#[test]
fn whatever_fails_while_a_checkpoint_is_written_the_old_or_the_new_one_can_be_gone_on_from() {
    let options = TrainOptions { optimizer: Adam::default().into(), threads: 1, ..TrainOptions::default() };
    let mut trainer = Trainer::new(Model::logistic_regression(2).unwrap(), options).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut bytes_after_step = || {
        trainer.step((&[0.5, 1.0, -0.5, 2.0], &[0, 1])).unwrap();
        let path = directory.path().join("training.safetensors");
        trainer.save(&path).unwrap();
        fs::read(path).unwrap()
    };
    let (old, new) = (bytes_after_step(), bytes_after_step());
    let mut steps = [0, 0];
    let faults = with_each_fault(Some(&old), &new, |path, fault, error| {
        let mut resumed = Trainer::new(Model::logistic_regression(2).unwrap(), options).unwrap();
        resumed.resume(path).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let step = resumed.position().step as usize;
        steps[step - 1] += 1;
        assert!(step == 2 || error.is_some(), "{fault:?}: not written, but no error");
    });
    assert!(faults >= 5 * FAULTS.len() && steps.iter().all(|&count| count > 0), "{faults} faults, {steps:?}");
}
