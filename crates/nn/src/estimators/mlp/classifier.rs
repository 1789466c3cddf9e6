//! A classifier with hidden layers.

use kernels::Activation;

use super::{Settings, default_options};
use crate::data::{Examples, Features, Labels};
use crate::error::{Error, Result};
use crate::estimators::ClassWeights;
use crate::estimators::classifier::{Classifier, Rows, classes_of, loss_for, outputs_for};
use crate::model::Model;
use crate::train::{TrainOptions, TrainReport, Trainer};

/// A classifier with hidden layers: linear, activation, and so on, to one logit for two classes and to a logit for each for
/// more, trained with cross-entropy.
///
/// The settings are scikit-learn's unless changed: one hidden layer of 100, ReLU, Adam with a learning rate of 1e-3, batches
/// of 200, at most 200 epochs, until the loss has not improved by 1e-4 for 10. There is no penalty by default: the weight
/// decay of the optimiser is scikit-learn's `alpha` divided by the rows of a batch, and also shrinks biases.
///
/// ```
/// use nn::data::{CsvOptions, Dataset, Scaler};
/// use nn::estimators::MlpClassifier;
/// use nn::{Activation, TrainOptions};
/// # fn main() -> nn::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");
/// let mut digits = Dataset::from_csv(path, &CsvOptions::default())?;
/// Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits)?;
/// let (training, test) = digits.split(0.2, 1)?;
/// let labels = |data| Dataset::labels(data).expect("the targets are labels");
///
/// let options = TrainOptions { max_epochs: 30, ..MlpClassifier::default_options() };
/// let mut classifier = MlpClassifier::new().hidden(&[64]).activation(Activation::Tanh).options(options);
/// let report = classifier.fit(training.features(), labels(&training))?;
/// assert_eq!(report.epochs.len(), 30);
/// assert!(classifier.score(test.features(), labels(&test))? > 0.9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MlpClassifier {
    settings: Settings,
    class_weights: ClassWeights,
    classes: Vec<i64>,
    fitted: Option<Classifier>,
}

impl Default for MlpClassifier {
    fn default() -> Self {
        MlpClassifier {
            settings: Settings::new(),
            class_weights: ClassWeights::Uniform,
            classes: Vec::new(),
            fitted: None,
        }
    }
}

impl MlpClassifier {
    /// With the settings of the [type](Self).
    pub fn new() -> Self {
        Self::default()
    }

    /// The options of training unless others are given.
    pub fn default_options() -> TrainOptions {
        default_options()
    }

    /// The widths of the hidden layers, each at least 1; none at all makes it a logistic regression.
    #[must_use]
    pub fn hidden(mut self, widths: &[usize]) -> Self {
        self.settings.hidden = widths.to_vec();
        self
    }

    /// The activation of the hidden layers.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.settings.activation = activation;
        self
    }

    /// How to train; `seed` is also that of the first weights.
    #[must_use]
    pub fn options(mut self, options: TrainOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// How much the rows of each class count.
    #[must_use]
    pub fn class_weights(mut self, weights: ClassWeights) -> Self {
        self.class_weights = weights;
        self
    }

    /// All classes, where the rows of the first call may not have them all.
    #[must_use]
    pub fn declare_classes(mut self, classes: &[i64]) -> Self {
        self.classes = classes.to_vec();
        self
    }

    /// Trains from the first weights on the rows `x`, `[rows][inputs]`, and the label of each.
    ///
    /// # Errors
    /// - those of [`Trainer::fit`]
    /// - [`Error::TooFewClasses`], and [`Error::UnknownClass`] for a label that was not declared
    /// - [`Error::InvalidHyperParameter`] for a setting outside its range
    /// - [`Error::Isa`], [`Error::ThreadPool`], [`Error::OutOfMemory`]
    pub fn fit<'a>(&mut self, x: impl Into<Features<'a>>, y: impl Into<Labels<'a>>) -> Result<TrainReport> {
        let (x, y) = (x.into(), y.into());
        y.check()?;
        let mut classifier = self.begin(x, &y)?;
        let rows = Rows::new(x, &y, &classifier.classes, &self.class_weights)?;
        let report = classifier.trainer.fit(Examples { x, targets: rows.weighted_targets() })?;
        self.fitted = Some(classifier);
        Ok(report)
    }

    /// One pass over the rows `x`, `[rows][inputs]`, in the batches and the order of the [options](Self::options); returns
    /// their mean loss by weight, each row's before the update that it belongs to. It goes on from what was fitted before;
    /// the first call decides on the number of inputs and, unless they were [declared](Self::declare_classes), on the
    /// classes. A schedule of the learning rate by epochs stays where it is.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit); [`Error::InvalidHyperParameter`] for [`ClassWeights::Balanced`].
    pub fn partial_fit<'a>(&mut self, x: impl Into<Features<'a>>, y: impl Into<Labels<'a>>) -> Result<f64> {
        let (x, y) = (x.into(), y.into());
        y.check()?;
        if let Some(classifier) = &mut self.fitted {
            return classifier.partial_fit(x, &y, &self.class_weights);
        }
        let mut classifier = self.begin(x, &y)?;
        let loss = classifier.partial_fit(x, &y, &self.class_weights)?;
        self.fitted = Some(classifier);
        Ok(loss)
    }

    fn begin(&self, x: Features<'_>, y: &Labels<'_>) -> Result<Classifier> {
        let classes = classes_of(&self.classes, y)?;
        let outputs = outputs_for(classes.len());
        let model = self.settings.model(x.inputs(y.values().len())?, outputs, loss_for(outputs))?;
        Ok(Classifier::new(Trainer::new(model, self.settings.options)?, classes))
    }

    /// The most likely class of each row of `x`, `[rows][inputs]`; the first of equals.
    ///
    /// # Errors
    /// [`Error::NotFitted`], and those of [`Model::predict`].
    pub fn predict<'a>(&self, x: impl Into<Features<'a>>) -> Result<Vec<i64>> {
        self.fitted()?.predict(x.into())
    }

    /// The probability of each class for each row of `x`, `[rows][classes]`, in the order of [`classes`](Self::classes).
    ///
    /// # Errors
    /// [`Error::NotFitted`], and those of [`Model::predict`].
    pub fn predict_proba<'a>(&self, x: impl Into<Features<'a>>) -> Result<Vec<f32>> {
        self.fitted()?.predict_proba(x.into())
    }

    /// The share of the rows, by weight, whose class is predicted: [`metrics::accuracy`](crate::metrics::accuracy).
    ///
    /// # Errors
    /// [`Error::NotFitted`], those of [`Model::predict`], and for labels and weights that do not fit.
    pub fn score<'a>(&self, x: impl Into<Features<'a>>, y: impl Into<Labels<'a>>) -> Result<f64> {
        self.fitted()?.score(x.into(), &y.into())
    }

    /// The classes in ascending order.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn classes(&self) -> Result<&[i64]> {
        Ok(&self.fitted()?.classes)
    }

    /// What predicts.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn fitted_model(&self) -> Result<&Model> {
        Ok(self.fitted()?.model())
    }

    fn fitted(&self) -> Result<&Classifier> {
        self.fitted.as_ref().ok_or(Error::NotFitted)
    }
}
