//! The state of a training as tensors and lines, and back.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::str::FromStr;

use safetensors::tensor::Dtype;

use super::container::{Container, Tensor};
use super::{read_model, read_values, state_tensors, tensor_of};
use crate::error::Result;
use crate::file::Problem;
use crate::inference::Evaluation;
use crate::model::Model;
use crate::optim::OptimizerState;
use crate::params::{self, Parameter};
use crate::train::{BatchSize, Course, EpochReport, Position, TrainOptions};

/// What begins the names of tensors that are not the model's.
const OPTIMIZER: &str = "optimizer.";
const BEST: &str = "best.";
/// `[epochs][4]`: loss and accuracy of training and of validation, NaN for what there is not.
const HISTORY: &str = "history";
const COLUMNS: usize = 4;

/// Whether a tensor of a training is none of its model.
pub(super) fn is_beside_the_model(name: &str) -> bool {
    name.starts_with(OPTIMIZER) || name.starts_with(BEST) || name == HISTORY
}

pub(super) fn tensors(model: &Model, options: &TrainOptions, state: &OptimizerState, course: &Course) -> Vec<Tensor> {
    let mut tensors = state_tensors(model, "");
    for (name, arena) in options.optimizer.state_names().iter().zip(&state.arenas) {
        for layout in &model.stages.params.entries {
            tensors.push(tensor_of(Parameter::new(layout, arena.as_slice()), &format!("{OPTIMIZER}{name}.")));
        }
    }
    if let Some(best) = &course.best {
        tensors.extend(state_tensors(best, BEST));
    }
    if !course.history.is_empty() {
        let rows = course.history.iter().flat_map(history_row).flat_map(f64::to_le_bytes);
        let shape = vec![course.history.len(), COLUMNS];
        tensors.push(Tensor { name: HISTORY.to_owned(), dtype: Dtype::F64, shape, bytes: rows.collect() });
    }
    tensors
}

fn history_row(report: &EpochReport) -> [f64; COLUMNS] {
    let nan = f64::NAN;
    let (loss, accuracy) = report.validation.map_or((nan, None), |held_out| (held_out.loss, held_out.accuracy));
    [report.loss, report.accuracy.unwrap_or(nan), loss, accuracy.unwrap_or(nan)]
}

pub(super) fn lines(model: &Model, options: &TrainOptions, course: &Course) -> Vec<(&'static str, String)> {
    let Course { position: Position { step, epoch, batch }, rows, loss_sum, weight_sum, correct, .. } = course;
    let mut lines = settings(model, options);
    lines.extend([
        ("step", step.to_string()),
        ("epoch", epoch.to_string()),
        ("batch", batch.to_string()),
        ("rows", rows.to_string()),
        ("loss_sum", format!("{loss_sum:?}")),
        ("weight_sum", format!("{weight_sum:?}")),
        ("correct", correct.to_string()),
    ]);
    lines
}

/// What must be the same for a training to go on.
pub(super) fn settings(model: &Model, options: &TrainOptions) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("layers", format!("{:?}", model.layers())),
        ("loss", format!("{:?}, {:?}", model.objective.loss, model.objective.options)),
    ];
    settings.extend(options.settings());
    settings
}

/// The state of a training of a model like `model` with options like `options`.
pub(super) fn read(
    file: &Container<'_>,
    model: &Model,
    options: &TrainOptions,
) -> Result<(Model, OptimizerState, Course), super::ReadError> {
    if file.value("step").is_none() {
        return Err(Problem::NoTraining.into());
    }
    for (name, expected) in settings(model, options) {
        // Files from before there were shards say nothing of them.
        let found = file.value(name).unwrap_or(if name == "sharding" { "None" } else { "" });
        if found != expected {
            return Err(Problem::OtherSetting { name, expected, found: found.to_owned() }.into());
        }
    }
    let best = file.tensors.names().iter().any(|name| name.starts_with(BEST));
    let best = best.then(|| read_model(file, model, BEST)).transpose()?;
    let loaded = read_model(file, model, "")?;
    let mut state = OptimizerState::new(&options.optimizer, model.arena_len())?;
    for (name, arena) in options.optimizer.state_names().iter().zip(&mut state.arenas) {
        for layout in &model.stages.params.entries {
            let values = read_values(file, &format!("{OPTIMIZER}{name}.{}", layout.name), &layout.shape)?;
            params::write(layout, &values, arena.as_mut_slice());
        }
    }
    // None of these can be passed by training; beyond them a number could overflow or name a batch that there is not.
    let rows = number(file, "rows", 0..=usize::MAX)?;
    let batches = match options.batch_size {
        BatchSize::Rows(size) => rows.div_ceil(size),
        BatchSize::All => rows.min(1),
    };
    let position = Position {
        step: number(file, "step", 0..=u64::MAX / 2)?,
        epoch: number(file, "epoch", 0..=usize::MAX / 2)?,
        batch: number(file, "batch", 0..=batches)?,
    };
    let course = Course {
        position,
        rows,
        loss_sum: number(file, "loss_sum", 0.0..=f64::MAX)?,
        weight_sum: number(file, "weight_sum", 0.0..=f64::MAX)?,
        correct: number(file, "correct", 0..=rows.saturating_mul(model.objective.judged_per_row()))?,
        history: history(file, position.epoch)?,
        best,
    };
    let expected = tensors(&loaded, options, &state, &course);
    let expected: HashSet<&str> = expected.iter().map(|tensor| tensor.name.as_str()).collect();
    match file.tensors.names().into_iter().find(|name| !expected.contains(name)) {
        Some(name) => Err(Problem::UnknownTensor { name: name.to_owned() }.into()),
        None => Ok((loaded, state, course)),
    }
}

/// The number called `name`, if it is in the range that is `allowed`.
fn number<T: FromStr + PartialOrd>(file: &Container<'_>, name: &str, allowed: RangeInclusive<T>) -> Result<T, Problem> {
    let value = file.value(name).unwrap_or_default();
    let number = value.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| Problem::CheckpointValue { name: name.to_owned(), value: value.to_owned() })
}

fn history(file: &Container<'_>, epochs: usize) -> Result<Vec<EpochReport>, Problem> {
    let rows: Vec<f64> = match file.tensors.tensor(HISTORY) {
        Ok(tensor) if tensor.dtype() == Dtype::F64 && tensor.shape() == [epochs, COLUMNS] => {
            let (words, _) = tensor.data().as_chunks();
            words.iter().copied().map(f64::from_le_bytes).collect()
        }
        Err(_) if epochs == 0 => Vec::new(),
        _ => return Err(Problem::CheckpointValue { name: "epoch".to_owned(), value: epochs.to_string() }),
    };
    let present = |value: f64| Some(value).filter(|value| !value.is_nan());
    let (rows, _) = rows.as_chunks::<COLUMNS>();
    let reports =
        rows.iter().zip(1..).map(|(&[loss, accuracy, held_out_loss, held_out_accuracy], epoch)| EpochReport {
            epoch,
            loss,
            accuracy: present(accuracy),
            validation: present(held_out_loss).map(|loss| Evaluation { loss, accuracy: present(held_out_accuracy) }),
            samples_per_second: 0.0,
        });
    Ok(reports.collect())
}
