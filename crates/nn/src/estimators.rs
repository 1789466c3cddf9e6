//! Models with the calls of scikit-learn's estimators: `fit`, `partial_fit`, `predict`, `predict_proba`, `score`.
//!
//! An estimator is configured by its methods, each of which returns it; then it is fitted, and fitting it again forgets what
//! was learnt. Data is a slice of `rows * inputs` values, row by row; how many inputs a row has follows from how many labels
//! or targets come with it. Nothing is scaled: do that first, as by [`Scaler`](crate::data::Scaler).
//!
//! Classes are named by any whole numbers ([`Labels`](crate::data::Labels)). They are sorted, and a class's place in
//! `classes()` is its column in `predict_proba`. As everywhere, the same seed gives the same bits, on any number of threads
//! and on every instruction set.
//!
//! ```
//! use nn::estimators::LogisticRegression;
//! use nn::data::Labels;
//! # fn main() -> nn::Result<()> {
//! let (x, y) = ([0.5, 1.0, 2.0, 2.5], [-1, -1, 1, 1]);
//! let mut classifier = LogisticRegression::new().l2(0.1);
//! classifier.fit(&x, &y)?;
//! assert_eq!(classifier.predict(&[0.0, 3.0])?, [-1, 1]);
//! assert_eq!(classifier.score(&x, &y)?, 1.0);
//!
//! // The first row counts twice.
//! classifier.fit(&x, Labels::from(&y).weighted(&[2.0, 1.0, 1.0, 1.0]))?;
//! # Ok(())
//! # }
//! ```

mod classifier;
mod lbfgs;
mod logistic;
mod mlp;
mod passes;
mod weights;

pub use lbfgs::{SolverReport, SolverStop};
pub use logistic::LogisticRegression;
pub use mlp::{MlpClassifier, MlpRegressor};
pub use weights::ClassWeights;
