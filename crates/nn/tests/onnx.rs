//! ONNX files. Where `ONNX_PYTHON` names a Python that has `onnx`, `onnxruntime` and `numpy`, they check the files and predict
//! with them.

use std::fs;
use std::process::Command;

use nn::random::{Purpose, Stream};
use nn::{Activation, BatchNorm, LayerNorm, Model, ModelBuilder, TrainOptions, Trainer, onnx};

const CHECK: &str = r#"
import sys
import numpy as np, onnx, onnxruntime
model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
x, expected = [np.load(path) for path in sys.argv[2:]]
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
y = session.run(["y"], {"x": x})[0]
assert y.shape == expected.shape, (y.shape, expected.shape)
error = (abs(y - expected) / np.maximum(1, abs(expected))).max()
print(f"{error:.1e}")
assert error <= 1e-6, error
"#;

fn models() -> Vec<(&'static str, ModelBuilder)> {
    let activations = [
        ("relu", Activation::Relu),
        ("leaky", Activation::LeakyRelu { slope: 0.1 }),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("softplus", Activation::Softplus),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
        ("silu", Activation::Silu),
    ];
    let of_one = |(name, activation)| (name, Model::builder(6).linear(8, activation).linear(3, Activation::Identity));
    let not_affine = (BatchNorm { affine: false, ..BatchNorm::default() }, LayerNorm { affine: false, eps: 1e-3 });
    let norms = Model::builder(6).linear_without_bias(8, Activation::Identity).batch_norm(BatchNorm::default());
    let norms = norms.activation(Activation::Relu).dropout(0.5).linear(8, Activation::Identity);
    let norms = norms.layer_norm(LayerNorm::default()).linear(3, Activation::Tanh);
    let plain = Model::builder(6).batch_norm(not_affine.0).linear(8, Activation::Tanh).layer_norm(not_affine.1);
    let plain = plain.linear(3, Activation::Identity);
    activations.into_iter().map(of_one).chain([("norms", norms), ("plain_norms", plain)]).collect()
}

/// A model that has been trained a little, so that no parameter is 0 or 1.
fn trained(builder: ModelBuilder) -> Model {
    let mut random = Stream::new(1, Purpose::Split, 0);
    let mut values = |count| (0..count).map(|_| 2.0 * random.uniform() - 1.0).collect::<Vec<f32>>();
    let options = TrainOptions { max_epochs: 3, threads: 1, ..TrainOptions::default() };
    let mut trainer = Trainer::new(builder.build().unwrap(), options).unwrap();
    trainer.fit((&values(64 * 6), &values(64 * 3))).unwrap();
    trainer.into_model()
}

fn npy(values: &[f32], cols: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {cols}), }}\n", values.len() / cols);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[test]
fn onnxruntime_predicts_the_same() {
    let Ok(python) = std::env::var("ONNX_PYTHON") else {
        println!("SKIPPED: ONNX_PYTHON names no Python");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let x: Vec<f32> = (0..20 * 6).map(|i| ((i * 29) % 61) as f32 / 20.0 - 1.5).collect();
    fs::write(path("x.npy"), npy(&x, 6)).unwrap();
    for (name, builder) in models() {
        let model = trained(builder);
        onnx::save(&model, path("model.onnx")).unwrap();
        fs::write(path("y.npy"), npy(&model.predict(&x).unwrap(), 3)).unwrap();
        let mut check = Command::new(&python);
        let output = check.args(["-c", CHECK]).args(["model.onnx", "x.npy", "y.npy"].map(path)).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {out}{err}");
        println!("{name}: error {}", out.trim());
    }
}

/// Of every model, what `onnxruntime` accepted.
#[test]
fn files_are_as_they_were_when_they_were_checked() {
    let checksum = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let sums: Vec<u64> =
        models().into_iter().map(|(_, builder)| checksum(&onnx::to_bytes(&trained(builder)))).collect();
    assert_eq!(sums, CHECKED, "check the new files with ONNX_PYTHON");
}

/// FNV-1a.
const CHECKED: [u64; 10] = [
    0xeafe_9788_fac9_28e9,
    0xcd9c_8eee_3b53_dce2,
    0x5922_079e_7741_bc15,
    0x4169_73d7_a01c_22d2,
    0x211f_2b38_0f59_c7ac,
    0xd6d5_2c7c_ca5b_bad5,
    0x4408_2921_e6ac_1710,
    0x42df_fdf7_ad71_6cd5,
    0xe248_d89c_6b01_100d,
    0xea04_be0d_bed5_a88e,
];
