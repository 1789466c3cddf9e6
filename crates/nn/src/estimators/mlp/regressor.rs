//! A regressor with hidden layers.

use kernels::Activation;

use super::{Settings, default_options};
use crate::check;
use crate::data::{Examples, Features};
use crate::error::{Error, Result};
use crate::estimators::passes::Passes;
use crate::losses::{Loss, Targets, WeightedTargets};
use crate::metrics::{self, Values};
use crate::model::Model;
use crate::train::{TrainOptions, TrainReport, Trainer};

/// A regressor with hidden layers: linear, activation, and so on, to one output for each value that is to be predicted,
/// trained with squared error `½ Σ_j (y_j − t_j)²`.
///
/// The settings are those of [`MlpClassifier`](super::MlpClassifier). Scale the targets too if they are far from 0 and 1.
///
/// ```
/// use nn::estimators::MlpRegressor;
/// use nn::{Activation, Adam, BatchSize, TrainOptions};
/// # fn main() -> nn::Result<()> {
/// let x: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
/// let y: Vec<f32> = x.iter().map(|x| x * x).collect();
/// let optimizer = Adam { learning_rate: 0.02, ..Adam::default() }.into();
/// let options = TrainOptions { batch_size: BatchSize::Rows(16), optimizer, tol: None, ..MlpRegressor::default_options() };
/// let mut regressor = MlpRegressor::new().hidden(&[32]).activation(Activation::Tanh).options(options);
/// regressor.fit(&x, &y)?;
/// assert!(regressor.score(&x, &y)? > 0.95);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MlpRegressor {
    settings: Settings,
    outputs: usize,
    fitted: Option<(Trainer, Passes)>,
}

impl Default for MlpRegressor {
    fn default() -> Self {
        MlpRegressor { settings: Settings::new(), outputs: 1, fitted: None }
    }
}

impl MlpRegressor {
    /// With the settings of the [type](Self), for one output.
    pub fn new() -> Self {
        Self::default()
    }

    /// The options of training unless others are given.
    pub fn default_options() -> TrainOptions {
        default_options()
    }

    /// The widths of the hidden layers, each at least 1; none at all makes it a linear regression.
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

    /// How many values are predicted for each row, at least 1.
    #[must_use]
    pub fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = outputs;
        self
    }

    /// Trains from the first weights on the rows `x`, `[rows][inputs]`, and the targets `y`, `[rows][outputs]`.
    ///
    /// # Errors
    /// Those of [`Trainer::fit`] and [`ModelBuilder::build`](crate::ModelBuilder::build), [`Error::ThreadPool`].
    pub fn fit<'a>(&mut self, x: impl Into<Features<'a>>, y: impl Into<WeightedTargets<'a>>) -> Result<TrainReport> {
        let (x, targets) = (x.into(), y.into());
        let mut trainer = self.begin(x, targets)?;
        let report = trainer.fit(Examples { x, targets })?;
        self.fitted = Some((trainer, Passes::default()));
        Ok(report)
    }

    /// One pass over the rows `x`, `[rows][inputs]`, with targets `[rows][outputs]`, in the batches and the order of the
    /// [options](Self::options); returns their mean loss by weight, each row's before the update that it belongs to. It goes
    /// on from what was fitted before; the first call decides on the number of inputs. A schedule of the learning rate by
    /// epochs stays where it is.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit).
    pub fn partial_fit<'a>(&mut self, x: impl Into<Features<'a>>, y: impl Into<WeightedTargets<'a>>) -> Result<f64> {
        let (x, targets) = (x.into(), y.into());
        let rows = self.rows(targets)?;
        if let Some((trainer, passes)) = &mut self.fitted {
            return passes.run(trainer, x, targets, rows);
        }
        let (mut trainer, mut passes) = (self.begin(x, targets)?, Passes::default());
        let loss = passes.run(&mut trainer, x, targets, rows)?;
        self.fitted = Some((trainer, passes));
        Ok(loss)
    }

    /// How many rows the targets are for.
    fn rows(&self, WeightedTargets { targets, .. }: WeightedTargets<'_>) -> Result<usize> {
        match targets {
            Targets::Values(values) => check::rows("the targets", values, self.outputs, None),
            Targets::Labels(_) => {
                Err(Error::TargetKind { loss: Loss::Mse, expected: "values", actual: "class labels" })
            }
        }
    }

    fn begin(&self, x: Features<'_>, targets: WeightedTargets<'_>) -> Result<Trainer> {
        let inputs = x.inputs(self.rows(targets)?)?;
        Trainer::new(self.settings.model(inputs, self.outputs, Loss::Mse)?, self.settings.options)
    }

    /// The predictions, `[rows][outputs]`, for `x`, `[rows][inputs]`.
    ///
    /// # Errors
    /// [`Error::NotFitted`], and those of [`Model::predict`].
    pub fn predict<'a>(&self, x: impl Into<Features<'a>>) -> Result<Vec<f32>> {
        self.fitted_model()?.predict(x)
    }

    /// The coefficient of determination: [`metrics::r2`], the mean over the outputs.
    ///
    /// # Errors
    /// [`Error::NotFitted`], those of [`Model::predict`], and for targets and weights that do not fit.
    pub fn score<'a>(&self, x: impl Into<Features<'a>>, y: impl Into<WeightedTargets<'a>>) -> Result<f64> {
        let WeightedTargets { targets, weights } = y.into();
        let predicted = self.predict(x)?;
        self.rows(WeightedTargets { targets, weights })?;
        let Targets::Values(values) = targets else { unreachable!("the targets were checked to be values") };
        metrics::r2(Values { values, outputs: self.outputs, weights }, &predicted)
    }

    /// What predicts.
    ///
    /// # Errors
    /// [`Error::NotFitted`]
    pub fn fitted_model(&self) -> Result<&Model> {
        self.fitted.as_ref().map(|(trainer, _)| trainer.model()).ok_or(Error::NotFitted)
    }
}
