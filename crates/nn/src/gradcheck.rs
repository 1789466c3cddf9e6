//! Checks backpropagation against central differences.

mod forward;
mod loss;

use crate::batches::Batch;
use crate::error::Result;
use crate::losses::{CheckedTargets, WeightedTargets};
use crate::model::Model;
use crate::plan::{Plan, Step, Update};
use forward::cost;

/// What [`GradientReport::error`] stays below for a right gradient of a model whose sums have up to about a thousand terms.
///
/// A sum of k products in f32 is off by about `√k 2^-24` of its largest terms, up to `k 2^-24`; the differences, taken in
/// f64, by about 1e-11 of the cost. A wrong formula is off by more than 1e-2.
pub const BOUND: f64 = 1e-4;

/// How far a parameter is moved in both directions. Differences are off by `h²/6` times the third derivative and by
/// `2^-53 / h` times the cost, both near 1e-11 here.
const STEP: f64 = 1e-5;

/// The place where backpropagation and central differences agree least.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientReport {
    /// The largest difference, relative to the largest gradient of the same parameter or, where that is more, to 1e-5 of
    /// the cost.
    pub error: f64,
    /// The parameter in which it is, such as `0.weight`.
    pub parameter: String,
    /// The index in [`Parameter::as_slice`](crate::Parameter::as_slice).
    pub index: usize,
    /// The gradient that backpropagation gives there.
    pub backpropagated: f64,
    /// The gradient that central differences give there.
    pub differences: f64,
    /// How many gradients were compared.
    pub compared: usize,
    /// How many were not, since a ReLU, leaky or not, has its kink between the two points of the difference.
    pub kinks: usize,
}

/// Compares every gradient of the cost of a batch `x`, `[rows][inputs]`, as training computes it, with the central
/// differences of the cost computed in f64, for every layer, loss, reduction and weighting. That takes two passes for each
/// parameter, so it is for small models. Dropout draws the mask of the first step of a training with seed 0; batch norms
/// normalise by the batch and do not remember it.
///
/// ```
/// use nn::{Activation, Model, gradcheck};
/// # fn main() -> nn::Result<()> {
/// let model = Model::builder(2).linear(3, Activation::Tanh).linear(1, Activation::Identity).build()?;
/// let report = gradcheck::check_gradients(&model, &[0.5, -1.0, 2.0, 0.1], &[1.0f32, -1.0])?;
/// assert!(report.error <= gradcheck::BOUND, "{report:?}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`Model::evaluate`], and [`Error::BatchTooSmall`](crate::Error::BatchTooSmall).
pub fn check_gradients<'t>(
    model: &Model,
    x: &[f32],
    targets: impl Into<WeightedTargets<'t>>,
) -> Result<GradientReport> {
    let rows = model.check_inputs(x)?.count();
    let checked = CheckedTargets::new(&model.objective, targets.into(), rows)?;
    let targets = checked.rows(0, rows, model.outputs());
    let step = Step { seed: 0, number: 0, update: Update::Store };
    let mut plan = Plan::new(model, rows, step.update)?;
    // Batch norms shall not remember the batch.
    plan.step(&mut model.clone(), Batch { x, targets, next: None }, step)?;

    let mut arena: Vec<f64> = model.arena().iter().map(|&p| f64::from(p)).collect();
    let (cost, _) = cost(model, step, &arena, x, targets);
    let mut report = GradientReport {
        error: 0.0,
        parameter: String::new(),
        index: 0,
        backpropagated: 0.0,
        differences: 0.0,
        compared: 0,
        kinks: 0,
    };
    for layout in &model.stages.params.entries {
        let differences: Vec<Option<f64>> =
            layout.range.clone().map(|at| central_difference(model, step, &mut arena, at, x, targets)).collect();
        let largest = differences.iter().flatten().fold(1e-5 * cost, |max, d| max.max(d.abs()));
        for (index, (difference, &gradient)) in
            differences.iter().zip(&plan.gradients()[layout.range.clone()]).enumerate()
        {
            let Some(differences) = *difference else {
                report.kinks += 1;
                continue;
            };
            let backpropagated = f64::from(gradient);
            let distance = (backpropagated - differences).abs();
            let error = if distance == 0.0 { 0.0 } else { distance / largest };
            report.compared += 1;
            if report.parameter.is_empty() || error.is_nan() || error > report.error {
                let parameter = layout.name.clone();
                report = GradientReport { error, parameter, index, backpropagated, differences, ..report };
            }
        }
    }
    Ok(report)
}

/// `(J(p + h) − J(p − h)) / 2h` for parameter `at`, or `None` if a ReLU turns on or off between the two.
fn central_difference(
    model: &Model,
    step: Step,
    arena: &mut [f64],
    at: usize,
    x: &[f32],
    targets: WeightedTargets<'_>,
) -> Option<f64> {
    let p = arena[at];
    let h = STEP * p.abs().max(1.0);
    let mut cost_at = |p| {
        arena[at] = p;
        cost(model, step, arena, x, targets)
    };
    let (above, on_above) = cost_at(p + h);
    let (below, on_below) = cost_at(p - h);
    arena[at] = p;
    // The distance that the additions really made.
    (on_above == on_below).then(|| (above - below) / ((p + h) - (p - h)))
}
