//! What can go wrong, with the numbers that say where.

use std::io;

use crate::collective::CollectiveError;
use crate::file::FileError;
use crate::losses::Loss;
use kernels::Activation;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What helps when training diverges.
const DIVERGED: &str = "try a lower learning rate or standardised inputs";

fn from_layer(layer: Option<usize>) -> String {
    layer.map_or(String::new(), |layer| format!(", from layer {layer} on"))
}

/// Why a call was refused or a training run was given up. Rows and columns count from 0; epochs and batches from 1;
/// places in files as [`Place`](crate::file::Place) says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes do not fit. A shape of one number is a length that is not a whole number of rows.
    #[error("{what}: shape {actual:?}, expected {expected:?}")]
    ShapeMismatch {
        /// What has the wrong shape.
        what: String,
        /// The shape that would fit.
        expected: Vec<usize>,
        /// The shape that was given.
        actual: Vec<usize>,
    },

    /// There is nothing to learn from or to judge by.
    #[error("the data set has no rows")]
    EmptyData,

    /// A label that names no class.
    #[error("row {row} has label {label}, but there are {classes} classes: 0 to {}", classes.saturating_sub(1))]
    LabelOutOfRange {
        /// The row of the label.
        row: usize,
        /// The label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },

    /// A label that is none of the classes that an estimator knows.
    #[error("{what} have {label} at index {index}, the classes are {classes:?}")]
    UnknownClass {
        /// Which labels.
        what: &'static str,
        /// The index of the label: its row where they are those of rows.
        index: usize,
        /// The label.
        label: i64,
        /// The classes, in ascending order.
        classes: Vec<i64>,
    },

    /// A classifier was to tell one class from nothing.
    #[error("a classifier needs at least two classes, there are {classes:?}")]
    TooFewClasses {
        /// The classes that there are.
        classes: Vec<i64>,
    },

    /// An estimator was asked before it was trained.
    #[error("the estimator has not been fitted yet")]
    NotFitted,

    /// A target of a classification loss that is not a probability.
    #[error("target {value} in row {row}, column {column} is not between 0 and 1")]
    TargetOutOfRange {
        /// The row of the target.
        row: usize,
        /// The column of the target.
        column: usize,
        /// The target.
        value: f32,
    },

    /// The loss cannot be computed from targets of this kind.
    #[error("{loss} takes {expected}, got {actual}")]
    TargetKind {
        /// The loss of the model.
        loss: Loss,
        /// The targets that it takes.
        expected: &'static str,
        /// The targets that were given.
        actual: &'static str,
    },

    /// A weight of a row or a class that is negative, infinite or NaN.
    #[error("{what} have {value} at index {index}, a weight is finite and at least 0")]
    InvalidWeight {
        /// Which weights.
        what: &'static str,
        /// The row or the class.
        index: usize,
        /// The weight.
        value: f32,
    },

    /// Weights that leave nothing to learn from.
    #[error("{what} are all 0")]
    NoWeight {
        /// Which weights.
        what: &'static str,
    },

    /// Weights of positive targets for a loss that has none.
    #[error("{loss} takes no weights of positive targets, only binary cross-entropy does")]
    PositiveWeights {
        /// The loss of the model.
        loss: Loss,
    },

    /// Probabilities or classes were asked of a model that has none.
    #[error("a model trained for {loss} has no classes")]
    NotAClassifier {
        /// The loss of the model.
        loss: Loss,
    },

    /// A feature that was to be kept as a byte.
    #[error("{value} in row {row}, column {column} is not a whole number from 0 to 255")]
    NotAByte {
        /// The row of the value.
        row: usize,
        /// The column of the value.
        column: usize,
        /// The value.
        value: f32,
    },

    /// NaN or an infinity in the data.
    #[error("{value} in {what}, row {row}, column {column}")]
    NonFiniteInput {
        /// Which of the inputs.
        what: &'static str,
        /// The row of the value.
        row: usize,
        /// The column of the value.
        column: usize,
        /// The value.
        value: f32,
    },

    /// The loss became NaN or infinite: the learning rate is too high or the data has a wild scale. The model holds the
    /// parameters with which this batch was computed.
    #[error("the loss is {loss} in epoch {epoch}, batch {batch}{}: {DIVERGED}", from_layer(*layer))]
    NonFiniteLoss {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The batch within the epoch, counted from 1.
        batch: usize,
        /// The first layer whose outputs are not finite, as an index into [`Model::layers`](crate::Model::layers); `None`
        /// where only the loss is not.
        layer: Option<usize>,
        /// The loss.
        loss: f64,
    },

    /// The loss on the rows for validation is NaN or infinite, which no epoch can be compared with. The model holds the
    /// parameters after the epoch.
    #[error("the loss on the rows for validation is {loss} after epoch {epoch}: {DIVERGED}")]
    NonFiniteValidationLoss {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The loss.
        loss: f64,
    },

    /// A step made something NaN or infinite, or would have had to. The model holds the parameters of that moment.
    #[error("{what} {parameter}, in layer {layer}, has {value} in epoch {epoch}, batch {batch}: {DIVERGED}")]
    NonFiniteUpdate {
        /// Which numbers of the parameter, the cause where there are several: its gradient, what the optimiser remembers
        /// of it, or its own new value.
        what: &'static str,
        /// The name of the parameter, such as `2.weight`.
        parameter: String,
        /// Its layer, as an index into [`Model::layers`](crate::Model::layers).
        layer: usize,
        /// The value.
        value: f32,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The batch within the epoch, counted from 1.
        batch: usize,
    },

    /// An epoch was to be gone on with on data of another size.
    #[error("epoch {epoch} was begun with {begun} rows to train on, now there are {rows}")]
    OtherData {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The rows that it was begun with.
        begun: usize,
        /// The rows that there are now.
        rows: usize,
    },

    /// An update made a parameter NaN or infinite.
    #[error("{parameter} has {value} after epoch {epoch}: {DIVERGED}")]
    NonFiniteParameter {
        /// The name of the parameter, such as `0.weight`.
        parameter: String,
        /// The value.
        value: f32,
        /// The epoch after which it was seen, counted from 1.
        epoch: usize,
    },

    /// A setting outside its range.
    #[error("{name} is {value}, it must be {allowed}")]
    InvalidHyperParameter {
        /// The name of the setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        allowed: &'static str,
    },

    /// Batch norm cannot learn from a single row: its variance is 0.
    #[error("layer {layer} is a batch norm, which needs batches of at least 2 rows while training, got {rows}")]
    BatchTooSmall {
        /// The layer, as an index into [`Model::layers`](crate::Model::layers).
        layer: usize,
        /// The rows of the batch.
        rows: usize,
    },

    /// Batch norm cannot learn from a single row of a shard.
    #[error(
        "layer {layer} is a batch norm, which needs no row or at least 2 of each shard in a batch: \
         in a batch of {rows} rows some of the {shards} shards have 1"
    )]
    ShareTooSmall {
        /// The layer, as an index into [`Model::layers`](crate::Model::layers).
        layer: usize,
        /// The rows of the batch.
        rows: usize,
        /// How many shards share them.
        shards: usize,
    },

    /// A number of ranks among which the shards cannot be divided.
    #[error("{shards} shards cannot be given to {ranks} ranks, but to any number of these: {allowed:?}")]
    Ranks {
        /// How many shards there are.
        shards: usize,
        /// How many ranks there are.
        ranks: usize,
        /// How many there may be.
        allowed: Vec<usize>,
    },

    /// A rank would not do as the others that it trains with.
    #[error("rank {rank} has other {what} than rank 0")]
    OtherRankDiffers {
        /// The first such rank.
        rank: usize,
        /// What differs.
        what: &'static str,
    },

    /// Another rank gave up before the training started.
    #[error("rank {rank} gave up: {message}")]
    OtherRank {
        /// The first such rank.
        rank: usize,
        /// The message of its error.
        message: String,
    },

    /// A rank that is gone, or a network that fails.
    #[error(transparent)]
    Collective(#[from] CollectiveError),

    /// A running variance below 0.
    #[error("{name} has {value} at index {index}, a variance is at least 0")]
    NegativeVariance {
        /// The name of the buffer, such as `1.running_var`.
        name: String,
        /// The index of the value.
        index: usize,
        /// The value.
        value: f32,
    },

    /// A loss that applies the last activation itself was given a model that applies one too.
    #[error("{loss} takes logits: the last layer must have no activation, it has {activation:?}")]
    LogitsExpected {
        /// The loss of the model.
        loss: Loss,
        /// The activation of the last layer.
        activation: Activation,
    },

    /// The model has no parameter of this name.
    #[error("the model has no parameter {name:?}, its parameters are {known:?}")]
    UnknownParameter {
        /// The name that was asked for.
        name: String,
        /// The names of the model's parameters.
        known: Vec<String>,
    },

    /// More elements than memory, or than a count can hold.
    #[error("no memory for {what}: {rows} x {cols} values")]
    OutOfMemory {
        /// What was to be stored.
        what: &'static str,
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
    },

    /// The threads could not be started.
    #[error("{threads} threads cannot be started")]
    ThreadPool {
        /// How many were asked for; 0 means one for each core.
        threads: usize,
        /// What the operating system says.
        source: io::Error,
    },

    /// The environment variable `KERNELS_ISA` asks for an instruction set that this CPU does not have.
    #[error(transparent)]
    Isa(#[from] kernels::IsaUnavailable),

    /// A file could not be read or written, or does not hold what it should.
    #[error(transparent)]
    File(#[from] FileError),
}
