//! What all classifiers do alike once they are trained.

use super::passes::Passes;
use super::weights::ClassWeights;
use crate::check;
use crate::data::labels::distinct;
use crate::data::{Features, Labels};
use crate::error::{Error, Result};
use crate::losses::{Loss, Targets, WeightedTargets};
use crate::metrics;
use crate::model::Model;
use crate::train::Trainer;

/// A model in training and the labels that its classes stand for.
#[derive(Debug)]
pub(super) struct Classifier {
    pub(super) trainer: Trainer,
    /// In ascending order.
    pub(super) classes: Vec<i64>,
    passes: Passes,
}

/// Labelled rows as models take them.
pub(super) struct Rows {
    pub(super) targets: Vec<u32>,
    pub(super) weights: Option<Vec<f32>>,
    pub(super) inputs: usize,
}

impl Rows {
    /// Checks the labels of the rows of `x` and maps them to their places in `classes`.
    pub(super) fn new(x: Features<'_>, y: &Labels<'_>, classes: &[i64], class_weights: &ClassWeights) -> Result<Self> {
        y.check()?;
        let inputs = x.inputs(y.values().len())?;
        let targets = y.indices(classes)?;
        let weights = class_weights.of_rows(y, &targets, classes)?;
        if let Some(weights) = &weights {
            check::weights("the sample weights times the class weights", weights, targets.len())?;
        }
        Ok(Rows { targets, weights, inputs })
    }

    pub(super) fn weighted_targets(&self) -> WeightedTargets<'_> {
        WeightedTargets { targets: Targets::Labels(&self.targets), weights: self.weights.as_deref() }
    }
}

/// The classes that were declared or, where there are none, those of the labels: at least two.
pub(super) fn classes_of(declared: &[i64], y: &Labels<'_>) -> Result<Vec<i64>> {
    let classes = if declared.is_empty() { y.classes() } else { distinct(declared.to_vec()) };
    match classes.len() {
        0 | 1 => Err(Error::TooFewClasses { classes }),
        _ => Ok(classes),
    }
}

/// Two classes need the logit of one.
pub(super) fn outputs_for(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

pub(super) fn loss_for(outputs: usize) -> Loss {
    if outputs == 1 { Loss::BceWithLogits } else { Loss::SoftmaxCrossEntropy }
}

impl Classifier {
    pub(super) fn new(trainer: Trainer, classes: Vec<i64>) -> Self {
        Classifier { trainer, classes, passes: Passes::default() }
    }

    pub(super) fn model(&self) -> &Model {
        self.trainer.model()
    }

    /// The values of a parameter, in the order of its shape in files.
    pub(super) fn parameter(&self, name: &str) -> Vec<f64> {
        let named = self.model().parameters().filter(|parameter| parameter.name() == name);
        named.flat_map(|parameter| parameter.values()).map(f64::from).collect()
    }

    /// One pass of updates over the rows; returns their mean loss by weight, each row's before the update that it belongs to.
    pub(super) fn partial_fit(&mut self, x: Features<'_>, y: &Labels<'_>, class_weights: &ClassWeights) -> Result<f64> {
        class_weights.check_for_parts()?;
        let rows = Rows::new(x, y, &self.classes, class_weights)?;
        self.passes.run(&mut self.trainer, x, rows.weighted_targets(), rows.targets.len())
    }

    pub(super) fn predict(&self, x: Features<'_>) -> Result<Vec<i64>> {
        let places = self.model().predict_classes(x)?;
        Ok(places.into_iter().map(|place| self.classes[place as usize]).collect())
    }

    pub(super) fn predict_proba(&self, x: Features<'_>) -> Result<Vec<f32>> {
        let probabilities = self.model().predict_proba(x)?;
        if self.model().outputs() > 1 {
            return Ok(probabilities);
        }
        // 1 - p would have lost what a small p is.
        let mut opposite = self.model().predict(x)?;
        opposite.iter_mut().for_each(|logit| *logit = -*logit);
        self.model().kernels().map_in_place(kernels::Function::Sigmoid, &mut opposite);
        Ok(opposite.into_iter().zip(probabilities).flat_map(|(zero, one)| [zero, one]).collect())
    }

    pub(super) fn score(&self, x: Features<'_>, y: &Labels<'_>) -> Result<f64> {
        let inputs = x.inputs(y.values().len())?;
        if inputs != self.model().inputs() {
            let rows = y.values().len();
            return Err(check::mismatch("the data", &[rows, self.model().inputs()], &[rows, inputs]));
        }
        metrics::accuracy(y.clone(), &self.predict(x)?)
    }
}
