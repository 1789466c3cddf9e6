//! Configurations in files: what is written is read back, and what is left out is the default.
#![cfg(feature = "serde")]

use nn::{
    Activation, Adam, BatchNorm, BatchSize, Clip, Decay, Dropout, Layer, Linear, Loss, LossOptions, Optimizer,
    Schedule, TrainOptions,
};
use serde_json::{from_str, to_string};

#[test]
fn what_is_written_is_read_back() {
    let options = TrainOptions {
        batch_size: BatchSize::All,
        optimizer: Adam { learning_rate: 3e-4, ..Adam::adamw() }.into(),
        schedule: Schedule { decay: Decay::Exponential { factor: 0.9 }, ..Schedule::default() },
        clip: Some(Clip::Norm(1.0)),
        tol: None,
        ..TrainOptions::default()
    };
    assert_eq!(from_str::<TrainOptions>(&to_string(&options).unwrap()).unwrap(), options);
    let layers = [
        Layer::Linear(Linear { inputs: 3, outputs: 2, bias: true }),
        Layer::Activation(Activation::LeakyRelu { slope: 0.1 }),
        Layer::BatchNorm(BatchNorm::default()),
        Layer::Dropout(Dropout { p: 0.5 }),
    ];
    assert_eq!(from_str::<Vec<Layer>>(&to_string(&layers).unwrap()).unwrap(), layers);
    let loss =
        (Loss::Huber { delta: 2.0 }, LossOptions { class_weights: Some(vec![1.0, 0.5]), ..LossOptions::default() });
    assert_eq!(from_str::<(Loss, LossOptions)>(&to_string(&loss).unwrap()).unwrap(), loss);
}

#[test]
fn what_is_left_out_is_the_default() {
    let options: TrainOptions =
        from_str(r#"{ "max_epochs": 7, "batch_size": { "Rows": 64 }, "optimizer": { "Adam": { "beta1": 0.8 } } }"#)
            .unwrap();
    let expected = TrainOptions {
        max_epochs: 7,
        batch_size: BatchSize::Rows(64),
        optimizer: Optimizer::Adam(Adam { beta1: 0.8, ..Adam::default() }),
        ..TrainOptions::default()
    };
    assert_eq!(options, expected);
    assert!(from_str::<TrainOptions>(r#"{ "batch_size": 64 }"#).is_err());
}
