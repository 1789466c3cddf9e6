//! What can be wrong with a file, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file that could not be read or written, or that does not hold what it should.
///
/// The message is complete: it has the file, the place and, where the operating system refused, its words.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {problem}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Where in the file.
    pub place: Place,
    /// What is wrong there.
    pub problem: Problem,
}

impl FileError {
    pub(crate) fn new(path: &Path, place: Place, problem: impl Into<Problem>) -> Self {
        FileError { path: path.to_owned(), place, problem: problem.into() }
    }

    pub(crate) fn whole(path: &Path, problem: impl Into<Problem>) -> Self {
        Self::new(path, Place::Whole, problem)
    }
}

/// A place in a file, after decompression where it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// No place in particular.
    Whole,
    /// A byte, counted from 0.
    Byte(u64),
    /// A line, counted from 1.
    Line(u64),
    /// A field of a line, both counted from 1.
    Field {
        /// The line.
        line: u64,
        /// The column.
        column: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Byte(byte) => write!(f, ", byte {byte}"),
            Place::Line(line) => write!(f, ", line {line}"),
            Place::Field { line, column } => write!(f, ", line {line}, column {column}"),
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The operating system refused, or compressed data is damaged.
    #[error("{0}")]
    Io(#[from] io::Error),

    /// There is nothing to learn from.
    #[error("there are no rows")]
    NoRows,
    /// There are rows, and nothing to learn from in them.
    #[error("the rows have no features")]
    NoFeatures,
    /// A label for which there is no class.
    #[error("label {label} is out of range, there are {classes} classes counted from 0")]
    LabelOutOfRange {
        /// The label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },

    /// The first two bytes of an IDX file are zeros.
    #[error("not an IDX file: it starts with {found:02x?}, expected [00, 00]")]
    Magic {
        /// What the file starts with.
        found: [u8; 2],
    },
    /// An IDX file of something other than unsigned bytes.
    #[error("elements of type {found:#04x}, expected 0x08 (unsigned bytes)")]
    ElementType {
        /// The type in the header.
        found: u8,
    },
    /// An IDX file with another number of dimensions: 3 for images, 1 for labels.
    #[error("{found} dimensions, expected {expected}")]
    Dimensions {
        /// How many it should have.
        expected: u8,
        /// How many the header states.
        found: u8,
    },
    /// An image without pixels, or with more than a file can hold.
    #[error("images of {rows} x {cols} pixels")]
    ImageShape {
        /// Pixels from top to bottom.
        rows: u32,
        /// Pixels from left to right.
        cols: u32,
    },
    /// The file ends before what its header claims.
    #[error("the file ends here, its header claims {expected} bytes")]
    Truncated {
        /// How many bytes the header claims, itself included.
        expected: u64,
    },
    /// The file goes on after what its header claims.
    #[error("the file goes on here, its header claims {expected} bytes")]
    TrailingBytes {
        /// How many bytes the header claims, itself included.
        expected: u64,
    },
    /// There is not one label for each image.
    #[error("{labels} labels for {images} images")]
    LabelCount {
        /// How many images there are.
        images: u32,
        /// How many labels there are.
        labels: u32,
    },

    /// A line with more or fewer fields than the first.
    #[error("{found} fields, expected {expected}")]
    FieldCount {
        /// How many the first line has, or the header states.
        expected: usize,
        /// How many this line has.
        found: usize,
    },
    /// The label column is past the last, or there is no other.
    #[error(
        "no column {column} for the label beside at least one feature: the lines have {columns} columns, separated by commas"
    )]
    LabelColumn {
        /// The column that was asked for, counted from 1.
        column: usize,
        /// How many columns there are.
        columns: usize,
    },
    /// A column that is not in the header, or without a header to look in.
    #[error("no column is called {0:?}")]
    NoColumn(String),
    /// A feature that no row has, so that it has no mean.
    #[error("feature {column} is missing in every row")]
    EmptyColumn {
        /// The feature, counted from 1.
        column: usize,
    },
    /// A field that is not a number.
    #[error("{0:?} is not a number")]
    NotANumber(String),
    /// A field that is NaN, infinite, or too large for `f32`.
    #[error("{0:?} is not finite in single precision")]
    NotFinite(String),
    /// A label that is not a whole number from 0 to [`MAX_LABEL`](crate::data::MAX_LABEL).
    #[error("{0:?} is not a label: expected a whole number from 0 to {max}", max = crate::data::MAX_LABEL)]
    NotALabel(String),
    /// A header that does not state rows, columns and the names of the classes.
    #[error("{0:?} is not a header of the form rows,columns,class,class,...")]
    Header(String),
    /// Another number of rows than the header states.
    #[error("{found} rows, the header states {expected}")]
    RowCount {
        /// How many the header states.
        expected: u64,
        /// How many there are.
        found: u64,
    },

    /// A file that does not start as NumPy's do.
    #[error("not a .npy file: it starts with {found:02x?}")]
    NpyMagic {
        /// What the file starts with.
        found: Vec<u8>,
    },
    /// A version of the format that is not read: 1 to 3 are.
    #[error("a .npy file of version {found}, versions 1 to 3 are read")]
    NpyVersion {
        /// The version.
        found: u8,
    },
    /// A header without element type, order and shape.
    #[error("{0:?} is not the header of a .npy file")]
    NpyHeader(String),
    /// Elements that are no numbers, or of an unusual size.
    #[error("elements of type {0:?}, expected booleans, whole numbers or floating-point numbers of 4 or 8 bytes")]
    NpyType(String),
    /// A shape that has no rows of features, or that is not that of targets.
    #[error("an array of shape {found:?}, expected {expected}")]
    NpyShape {
        /// What it should be.
        expected: &'static str,
        /// The shape.
        found: Vec<u64>,
    },
    /// The format of ZIP is broken, or not one that NumPy writes.
    #[error("not a .npz file: {0}")]
    Zip(&'static str),
    /// The archive has no such array.
    #[error("there is no array {name:?}, there are {known:?}")]
    NoArray {
        /// The array.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },

    /// A field that is not a feature `index:value` with an index above the last one, counted from 1.
    #[error("{0:?} is not of the form index:value with ascending indices from 1")]
    NotAFeature(String),
    /// A feature past the number of features that was given.
    #[error("feature {index}, but there are {columns}")]
    FeatureOutOfRange {
        /// The feature, counted from 1.
        index: u64,
        /// How many there are.
        columns: usize,
    },
    /// So few of the elements are in the file that it may be damaged.
    #[error("{entries} features in a table of {rows} x {columns}: give the number of columns if that is meant")]
    TooSparse {
        /// How many the file has.
        entries: usize,
        /// Lines.
        rows: usize,
        /// The largest index.
        columns: u64,
    },

    /// The safetensors format is broken.
    #[error("not a whole safetensors file: {0}")]
    Safetensors(String),
    /// The file lacks a parameter of the model.
    #[error("there is no tensor {name:?}")]
    MissingTensor {
        /// The parameter.
        name: String,
    },
    /// The file has a tensor that is not a parameter of the model.
    #[error("tensor {name:?} is not a parameter of the model")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor of another element type.
    #[error("tensor {name:?} has elements of type {found}, expected {expected}")]
    TensorType {
        /// The tensor.
        name: String,
        /// The type that it should have.
        expected: &'static str,
        /// Its type.
        found: String,
    },
    /// A tensor whose shape is not that of the model's parameter.
    #[error("tensor {name:?} has shape {found:?}, the model's is {expected:?}")]
    TensorShape {
        /// The tensor.
        name: String,
        /// The shape of the parameter.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor with a NaN or an infinity.
    #[error("tensor {name:?} has {value} at element {index}")]
    TensorNotFinite {
        /// The tensor.
        name: String,
        /// The element, counted row by row from 0.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A running variance below 0.
    #[error("tensor {name:?} has {value} at element {index}, a variance is at least 0")]
    NegativeVariance {
        /// The tensor.
        name: String,
        /// The element, counted from 0.
        index: usize,
        /// Its value.
        value: f32,
    },

    /// The bytes are not those that were written.
    #[error("the file is damaged: its checksum is {stored}, its bytes give {computed}")]
    Checksum {
        /// The CRC-32 in the file.
        stored: String,
        /// That of its bytes.
        computed: String,
    },
    /// A checkpoint of another version of this crate.
    #[error("a checkpoint of format {found:?}, this version reads format {expected:?}")]
    CheckpointFormat {
        /// The format that is read.
        expected: &'static str,
        /// The format of the file.
        found: String,
    },
    /// A file of weights, where a training was to be gone on with.
    #[error("there are weights only, not the state of a training")]
    NoTraining,
    /// The checkpoint is of another model, or of a training with other options.
    #[error("the training was with {name} {found}, now it is {expected}")]
    OtherSetting {
        /// What differs.
        name: &'static str,
        /// What it is now.
        expected: String,
        /// What it was.
        found: String,
    },
    /// A number in a checkpoint that is missing or cannot be.
    #[error("{name} is {value:?}")]
    CheckpointValue {
        /// The number.
        name: String,
        /// What the file has for it.
        value: String,
    },
}
