//! The reader of weights.

use crate::file;
use nn::{Activation, Error, Model, checkpoint};

fn bits(model: &Model) -> Vec<u32> {
    model.parameters().flat_map(|parameter| parameter.values()).map(f32::to_bits).collect()
}

/// All of it is the file.
pub fn run(data: &[u8]) -> String {
    let path = file::write("weights.safetensors", data);
    let builder = Model::builder(2).linear(3, Activation::Relu).linear(2, Activation::Identity).seed(1);
    let mut model = builder.build().expect("the model is sound");
    let before = bits(&model);
    match checkpoint::load(&mut model, &path) {
        Ok(()) => {
            assert!(model.parameters().flat_map(|parameter| parameter.values()).all(f32::is_finite));
            "loaded".to_owned()
        }
        Err(error) => {
            assert_eq!(bits(&model), before, "an error left a changed model");
            let Error::File(error) = error else { panic!("not about a file: {error}") };
            file::kind(&error)
        }
    }
}
