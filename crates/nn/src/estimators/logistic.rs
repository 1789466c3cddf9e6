//! Logistic regression, solved to its optimum.

mod cost;

use std::sync::Arc;

use kernels::{Activation, ThreadPool};

use super::classifier::{Classifier, Rows, classes_of, loss_for, outputs_for};
use super::lbfgs::{Limits, SolverReport, minimise};
use super::weights::ClassWeights;
use crate::data::{Features, Labels};
use crate::error::{Error, Result};
use crate::memory::zeros;
use crate::model::Model;
use crate::train::{TrainOptions, Trainer};
use cost::{Cost, Problem};

/// Logistic regression with an L2 penalty: binary for two classes, multinomial for more.
///
/// [`fit`](Self::fit) minimises
///
/// `J(w, b) = (Σ_i s_i L_i + ½ l2 ‖w‖²) / Σ_i s_i`,
///
/// where `L_i` is the cross-entropy of row i and `s_i` its weight, its own times that of its class; the intercepts b are not
/// penalised. `l2` is scikit-learn's `1 / C`. The optimum is unique for an `l2` above 0 (of multinomial intercepts, the one that
/// is found has sum 0). L-BFGS finds it in f64, from 0, from the gradients of all rows; [`coefficients`](Self::coefficients)
/// gives it in f64, predictions are computed with its values rounded to f32.
///
/// [`partial_fit`](Self::partial_fit) makes a pass of gradient descent instead, for rows that come in parts.
///
/// ```
/// use nn::data::{CsvHeader, CsvOptions, Dataset, Scaler};
/// use nn::estimators::LogisticRegression;
/// # fn main() -> nn::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/breast_cancer.csv");
/// let mut tumours = Dataset::from_csv(path, &CsvOptions { header: CsvHeader::Counts, ..CsvOptions::default() })?;
/// Scaler::standard(&tumours).apply(&mut tumours)?;
/// let labels = tumours.labels().expect("the targets are labels");
///
/// let mut classifier = LogisticRegression::new();
/// let report = classifier.fit(tumours.features(), labels)?;
/// assert!(report.gradient <= 1e-6);
/// assert_eq!(classifier.coefficients()?.len(), 30);
/// assert!(classifier.score(tumours.features(), labels)? > 0.98);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LogisticRegression {
    l2: f64,
    intercept: bool,
    limits: Limits,
    class_weights: ClassWeights,
    classes: Vec<i64>,
    options: TrainOptions,
    fitted: Option<Fitted>,
}

#[derive(Debug)]
struct Fitted {
    classifier: Classifier,
    /// The parameters in f64, `[inputs][outputs]` and then `[outputs]`, until descent changes the model.
    optimum: Option<Vec<f64>>,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        LogisticRegression {
            l2: 1.0,
            intercept: true,
            limits: Limits { tol: 1e-6, max_iter: 1000 },
            class_weights: ClassWeights::Uniform,
            classes: Vec::new(),
            options: TrainOptions::default(),
            fitted: None,
        }
    }
}

impl LogisticRegression {
    /// `l2` 1, with intercepts, tolerance 1e-6, at most 1000 iterations, uniform class weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// The strength of the penalty, finite and at least 0; scikit-learn's `1 / C`.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.l2 = l2;
        self
    }

    /// Whether the logits have intercepts.
    #[must_use]
    pub fn intercept(mut self, intercept: bool) -> Self {
        self.intercept = intercept;
        self
    }

    /// The largest element that the gradient of J may have at the end, finite and above 0.
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.limits.tol = tol;
        self
    }

    /// The most iterations, at least 1.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.limits.max_iter = max_iter;
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

    /// How [`partial_fit`](Self::partial_fit) descends, by `batch_size`, `optimizer`, `shuffle` and `seed`, and on how many
    /// `threads` both ways of fitting run.
    #[must_use]
    pub fn options(mut self, options: TrainOptions) -> Self {
        self.options = options;
        self
    }

    /// Finds the optimum for the rows `x`, `[rows][inputs]`, and the label of each. That it was not reached within the
    /// iterations allowed is told by the report, not an error.
    ///
    /// Each iteration takes two passes over the data or a few more; memory is needed for 256 rows in f64 and 24 times the
    /// parameters.
    ///
    /// # Errors
    /// - [`Error::EmptyData`], [`Error::ShapeMismatch`], [`Error::NonFiniteInput`], [`Error::InvalidWeight`],
    ///   [`Error::NoWeight`] for data that is none
    /// - [`Error::TooFewClasses`], and [`Error::UnknownClass`] for a label that was not declared
    /// - [`Error::InvalidHyperParameter`] for a setting outside its range
    /// - [`Error::Isa`], [`Error::ThreadPool`], [`Error::OutOfMemory`]
    pub fn fit<'a>(&mut self, x: impl Into<Features<'a>>, y: impl Into<Labels<'a>>) -> Result<SolverReport> {
        self.check()?;
        let (x, y) = (x.into(), y.into());
        y.check()?;
        let classes = classes_of(&self.classes, &y)?;
        let rows = Rows::new(x, &y, &classes, &self.class_weights)?;
        let (mut model, pool) = (self.model(rows.inputs, classes.len())?, self.pool()?);
        let x = model.check_inputs(x)?;
        let mut cost = Cost::new(Problem {
            kernels: model.kernels(),
            x,
            targets: &rows.targets,
            weights: rows.weights.as_deref(),
            inputs: rows.inputs,
            outputs: model.outputs(),
            intercept: self.intercept,
            l2: self.l2,
        })?;
        let mut theta = zeros("the coefficients in f64", cost.parameters(), 1)?;
        let report = pool.install(|| minimise(&mut theta, self.limits, |theta, d_theta| cost.evaluate(theta, d_theta)));

        let (inputs, outputs) = (model.inputs(), model.outputs());
        let narrow: Vec<f32> = theta.iter().map(|&value| value as f32).collect();
        let (w, b) = narrow.split_at(inputs * outputs);
        model.set_parameter("0.weight", &[outputs, inputs], &transposed(w, outputs))?;
        if self.intercept {
            model.set_parameter("0.bias", &[outputs], b)?;
        }
        let trainer = Trainer::with_pool(model, self.options, pool)?;
        self.fitted = Some(Fitted { classifier: Classifier::new(trainer, classes), optimum: Some(theta) });
        Ok(report)
    }

    /// One pass of gradient descent over the rows `x`, `[rows][inputs]`; returns their mean loss by weight, each row's before
    /// the update that it belongs to. It goes on from what was fitted before, or from 0; the first call decides on the
    /// number of inputs and, unless they were [declared](Self::declare_classes), on the classes.
    ///
    /// `l2` has no part in it, as it belongs to the sum over rows that are not all there. The weight decay of the optimiser
    /// is such a penalty: `l2` divided by the number of all rows, also on the intercepts.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit); [`Error::InvalidHyperParameter`] for [`ClassWeights::Balanced`];
    /// [`Error::NonFiniteLoss`], [`Error::NonFiniteUpdate`] if the descent diverges.
    pub fn partial_fit<'a>(&mut self, x: impl Into<Features<'a>>, y: impl Into<Labels<'a>>) -> Result<f64> {
        let (x, y) = (x.into(), y.into());
        self.class_weights.check_for_parts()?;
        let fitted_before = self.fitted.is_some();
        let mut fitted = match self.fitted.take() {
            Some(fitted) => fitted,
            None => self.at_zero(x, &y)?,
        };
        let loss = fitted.classifier.partial_fit(x, &y, &self.class_weights);
        if loss.is_ok() {
            fitted.optimum = None;
        }
        if fitted_before || loss.is_ok() {
            self.fitted = Some(fitted);
        }
        loss
    }

    /// The most likely class of each row of `x`, `[rows][inputs]`; the first of equals.
    ///
    /// # Errors
    /// [`Error::NotFitted`], and those of [`Model::predict`].
    pub fn predict<'a>(&self, x: impl Into<Features<'a>>) -> Result<Vec<i64>> {
        self.fitted()?.classifier.predict(x.into())
    }

    /// The probability of each class for each row of `x`, `[rows][classes]`, in the order of
    /// [`classes`](Self::classes).
    ///
    /// # Errors
    /// [`Error::NotFitted`], and those of [`Model::predict`].
    pub fn predict_proba<'a>(&self, x: impl Into<Features<'a>>) -> Result<Vec<f32>> {
        self.fitted()?.classifier.predict_proba(x.into())
    }

    /// The share of the rows, by weight, whose class is predicted: [`metrics::accuracy`](crate::metrics::accuracy).
    ///
    /// # Errors
    /// [`Error::NotFitted`], those of [`Model::predict`], and for labels and weights that do not fit.
    pub fn score<'a>(&self, x: impl Into<Features<'a>>, y: impl Into<Labels<'a>>) -> Result<f64> {
        self.fitted()?.classifier.score(x.into(), &y.into())
    }

    /// The coefficients w: for two classes `[inputs]`, of the log-odds of the second one; for more `[classes][inputs]`.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn coefficients(&self) -> Result<Vec<f64>> {
        let Fitted { classifier, optimum } = self.fitted()?;
        let (inputs, outputs) = (classifier.model().inputs(), classifier.model().outputs());
        Ok(match optimum {
            Some(theta) => transposed(&theta[..inputs * outputs], outputs),
            None => classifier.parameter("0.weight"),
        })
    }

    /// The intercepts b: one for two classes, else one for each; all 0 without intercepts.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn intercepts(&self) -> Result<Vec<f64>> {
        let Fitted { classifier, optimum } = self.fitted()?;
        let (inputs, outputs) = (classifier.model().inputs(), classifier.model().outputs());
        let intercepts = match optimum {
            Some(theta) => theta[inputs * outputs..].to_vec(),
            None => classifier.parameter("0.bias"),
        };
        Ok(if intercepts.is_empty() { vec![0.0; outputs] } else { intercepts })
    }

    /// The classes in ascending order.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn classes(&self) -> Result<&[i64]> {
        Ok(&self.fitted()?.classifier.classes)
    }

    /// What predicts: one linear layer.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn fitted_model(&self) -> Result<&Model> {
        Ok(self.fitted()?.classifier.model())
    }

    fn fitted(&self) -> Result<&Fitted> {
        self.fitted.as_ref().ok_or(Error::NotFitted)
    }

    fn check(&self) -> Result<()> {
        let invalid = |name, value: String, allowed| Err(Error::InvalidHyperParameter { name, value, allowed });
        if !(0.0..f64::INFINITY).contains(&self.l2) {
            return invalid("l2", self.l2.to_string(), "finite and at least 0");
        }
        if !(self.limits.tol > 0.0 && self.limits.tol.is_finite()) {
            return invalid("tol", self.limits.tol.to_string(), "finite and above 0");
        }
        if self.limits.max_iter == 0 {
            return invalid("max_iter", "0".into(), "at least 1");
        }
        self.options.check()
    }

    /// What descent starts from where nothing was fitted.
    fn at_zero(&self, x: Features<'_>, y: &Labels<'_>) -> Result<Fitted> {
        self.check()?;
        y.check()?;
        let classes = classes_of(&self.classes, y)?;
        let (inputs, outputs) = (x.inputs(y.values().len())?, outputs_for(classes.len()));
        let mut model = self.model(inputs, classes.len())?;
        model.set_parameter("0.weight", &[outputs, inputs], &vec![0.0; inputs * outputs])?;
        let trainer = Trainer::with_pool(model, self.options, self.pool()?)?;
        Ok(Fitted { classifier: Classifier::new(trainer, classes), optimum: None })
    }

    fn model(&self, inputs: usize, classes: usize) -> Result<Model> {
        let (builder, outputs) = (Model::builder(inputs), outputs_for(classes));
        let layer = match self.intercept {
            true => builder.linear(outputs, Activation::Identity),
            false => builder.linear_without_bias(outputs, Activation::Identity),
        };
        layer.loss(loss_for(outputs)).build()
    }

    fn pool(&self) -> Result<Arc<ThreadPool>> {
        let threads = self.options.threads;
        Ok(Arc::new(ThreadPool::new(threads).map_err(|source| Error::ThreadPool { threads, source })?))
    }
}

/// `[cols][rows]` from `[rows][cols]`.
fn transposed<T: Copy>(values: &[T], cols: usize) -> Vec<T> {
    (0..cols).flat_map(|col| values[col..].iter().step_by(cols).copied()).collect()
}
