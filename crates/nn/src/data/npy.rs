//! NumPy's format of arrays, `.npy`.
//!
//! Six bytes `\x93NUMPY`, the version, the length of the header (16 bits in version 1, else 32, little-endian), the header, a
//! literal of a Python dictionary, and the elements.

use std::io::Read;
use std::path::{Path, PathBuf};

use kernels::ByteScale;

use super::csv::{MAX_LABEL, excerpt};
use super::features::OwnedFeatures;
use super::{Dataset, OwnedTargets};
use crate::error::Result;
use crate::file::{self, FileError, Place, Problem, Source};

/// No header of numbers is longer, whatever it claims.
const LONGEST_HEADER: usize = 1 << 16;

impl Dataset {
    /// Reads features and targets from two `.npy` files, compressed with gzip or not.
    ///
    /// Features are `[rows][…]` of booleans, whole or floating-point numbers of up to 8 bytes; what is in the further
    /// dimensions becomes one row, as of images. Booleans and bytes stay bytes until a batch is gathered, f32 is read as it is
    /// and all else is rounded to it. Targets of booleans or whole numbers, `[rows]`, are
    /// labels from 0 to [`MAX_LABEL`]; those of floating-point numbers, `[rows]` or `[rows][outputs]`, are values.
    /// `classes` is the number of classes; `None` makes it the largest label plus one. Both byte orders are read, and arrays
    /// in the order of Fortran.
    ///
    /// # Errors
    /// With the file and the byte: if a file cannot be read, is not such an array, is shorter or longer than its header claims,
    /// or holds what is not finite in f32 or no label. [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for another
    /// number of rows. Memory grows with what a file holds, whatever its header claims.
    pub fn from_npy(features: impl AsRef<Path>, targets: impl AsRef<Path>, classes: Option<usize>) -> Result<Self> {
        let read = |path: &Path| Array::read(path.to_owned(), file::open(path)?);
        from_arrays(read(features.as_ref())?, read(targets.as_ref())?, classes)
    }
}

/// A data set from the arrays of features and of targets.
pub(super) fn from_arrays(features: Array, targets: Array, classes: Option<usize>) -> Result<Dataset> {
    let error = |of: &Array, expected| {
        let problem = Problem::NpyShape { expected, found: of.shape.clone() };
        FileError::whole(&of.path, problem)
    };
    let [rows, ..] = features.shape[..] else { return Err(error(&features, "at least one dimension").into()) };
    // Not more than the elements that were read.
    let cols = (features.numbers.len() as u64).checked_div(rows).unwrap_or(0) as usize;
    if cols == 0 {
        return Err(error(&features, "rows of at least one feature").into());
    }
    let outputs = match targets.shape[..] {
        [_] => 1,
        [_, outputs] if matches!(targets.numbers, Numbers::Floats(_)) => outputs as usize,
        _ => return Err(error(&targets, "[rows] of labels, or [rows] or [rows][outputs] of values").into()),
    };
    let targets = match targets.numbers {
        Numbers::Floats(values) => OwnedTargets::Values { values, cols: outputs },
        _ => {
            let labels = targets.into_labels(classes)?;
            let classes = classes.unwrap_or_else(|| labels.iter().max().map_or(0, |&label| label as usize + 1));
            OwnedTargets::of_classes(labels, classes)
        }
    };
    Dataset::new(features.into_features(), cols, targets)
}

/// The elements of an array, no wider in memory than in the file but for whole numbers of more than a byte.
enum Numbers {
    /// Booleans and bytes.
    Bytes(Vec<u8>),
    /// Floating-point numbers, all finite.
    Floats(Vec<f32>),
    /// Other whole numbers.
    Whole(Vec<f64>),
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Numbers::Bytes(numbers) => numbers.len(),
            Numbers::Floats(numbers) => numbers.len(),
            Numbers::Whole(numbers) => numbers.len(),
        }
    }
}

/// An array in C order.
pub(super) struct Array {
    path: PathBuf,
    shape: Vec<u64>,
    numbers: Numbers,
    /// Where they start and how many bytes each has, for errors.
    offset: u64,
    width: usize,
}

impl Array {
    /// Reads all of `source`; `path` is for errors.
    pub(super) fn read(path: PathBuf, source: impl Read) -> Result<Self, FileError> {
        let mut source = Source::new(path, source);
        let header = Header::read(&mut source)?;
        let (offset, width) = (source.offset(), header.kind.width());
        let elements = header.shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
        let bytes = elements.and_then(|elements| elements.checked_mul(width as u64)).filter(|&n| n < u64::MAX / 2);
        let Some(bytes) = bytes else {
            let problem = Problem::NpyShape { expected: "one that fits into a file", found: header.shape };
            return Err(source.error_at(0, problem));
        };
        let mut array =
            Array { path: source.path.clone(), shape: header.shape, numbers: header.kind.numbers(), offset, width };
        let mut piece = vec![0; (1 << 16) / width * width];
        let expected = offset + bytes;
        while source.offset() < expected {
            let wanted = (expected - source.offset()).min(piece.len() as u64) as usize;
            source.fill(&mut piece[..wanted], expected)?;
            array.extend(&header.kind, &piece[..wanted])?;
        }
        source.end(expected)?;
        if header.fortran_order {
            let shape = &array.shape;
            array.numbers = match array.numbers {
                Numbers::Bytes(numbers) => Numbers::Bytes(in_c_order(&numbers, shape)),
                Numbers::Floats(numbers) => Numbers::Floats(in_c_order(&numbers, shape)),
                Numbers::Whole(numbers) => Numbers::Whole(in_c_order(&numbers, shape)),
            };
        }
        Ok(array)
    }

    fn extend(&mut self, kind: &Kind, elements: &[u8]) -> Result<(), FileError> {
        let numbers = elements.chunks_exact(self.width).map(|element| kind.number(element));
        match &mut self.numbers {
            Numbers::Bytes(bytes) => bytes.extend_from_slice(elements),
            Numbers::Whole(whole) => whole.extend(numbers),
            Numbers::Floats(floats) => {
                for number in numbers {
                    let narrow = number as f32;
                    if !narrow.is_finite() {
                        let index = floats.len();
                        return Err(self.error_at(index, Problem::NotFinite(number.to_string())));
                    }
                    floats.push(narrow);
                }
            }
        }
        Ok(())
    }

    fn into_features(self) -> OwnedFeatures {
        match self.numbers {
            Numbers::Bytes(bytes) => OwnedFeatures::Bytes { bytes, scale: ByteScale::default() },
            Numbers::Floats(floats) => OwnedFeatures::Floats(floats),
            Numbers::Whole(whole) => OwnedFeatures::Floats(whole.into_iter().map(|number| number as f32).collect()),
        }
    }

    fn into_labels(self, classes: Option<usize>) -> Result<Vec<u32>, FileError> {
        match &self.numbers {
            Numbers::Bytes(bytes) => self.labels(bytes.iter().map(|&byte| byte.into()), classes),
            Numbers::Floats(floats) => self.labels(floats.iter().map(|&float| float.into()), classes),
            Numbers::Whole(whole) => self.labels(whole.iter().copied(), classes),
        }
    }

    fn labels(&self, numbers: impl Iterator<Item = f64>, classes: Option<usize>) -> Result<Vec<u32>, FileError> {
        let label = |(index, number): (usize, f64)| {
            if !(0.0..=f64::from(MAX_LABEL)).contains(&number) {
                return Err(self.error_at(index, Problem::NotALabel(number.to_string())));
            }
            let label = number as u32;
            match classes {
                Some(classes) if label as usize >= classes => {
                    Err(self.error_at(index, Problem::LabelOutOfRange { label, classes }))
                }
                _ => Ok(label),
            }
        };
        numbers.enumerate().map(label).collect()
    }

    /// An error at an element; of a label in the order of Fortran it is the place that the element has in C order.
    fn error_at(&self, index: usize, problem: Problem) -> FileError {
        FileError::new(&self.path, Place::Byte(self.offset + (index * self.width) as u64), problem)
    }
}

/// The last dimension fastest, from the first one fastest.
fn in_c_order<T: Copy>(numbers: &[T], shape: &[u64]) -> Vec<T> {
    if numbers.is_empty() {
        return Vec::new();
    }
    // Dimensions of one element, of which a header may name thousands, change nothing; the others are few, as their product
    // is the number of elements.
    let (mut dimensions, mut stride) = (Vec::new(), 1);
    for length in shape.iter().map(|&length| length as usize).filter(|&length| length > 1) {
        dimensions.push((length, stride));
        stride *= length;
    }
    dimensions.reverse();
    let place = |index: usize| {
        let (_, place) = dimensions
            .iter()
            .fold((index, 0), |(rest, place), &(length, stride)| (rest / length, place + rest % length * stride));
        place
    };
    (0..numbers.len()).map(|index| numbers[place(index)]).collect()
}

struct Header {
    kind: Kind,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// The type of the elements: `b`, `i`, `u` or `f`, and the order of their bytes.
struct Kind {
    letter: u8,
    width: usize,
    big_endian: bool,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        let big_endian = match text.as_bytes().first()? {
            b'<' | b'|' | b'=' => false,
            b'>' => true,
            _ => return None,
        };
        let letter = *text.as_bytes().get(1)?;
        let width = text.get(2..)?.parse().ok()?;
        let known = matches!((letter, width), (b'b', 1) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'f', 4 | 8));
        known.then_some(Kind { letter, width, big_endian })
    }

    /// None yet, of the type that such elements are kept in.
    fn numbers(&self) -> Numbers {
        match (self.letter, self.width) {
            (b'f', _) => Numbers::Floats(Vec::new()),
            (b'b' | b'u', 1) => Numbers::Bytes(Vec::new()),
            _ => Numbers::Whole(Vec::new()),
        }
    }

    fn width(&self) -> usize {
        self.width
    }

    /// The element as f64, rounded where it is a whole number above 2^53.
    fn number(&self, element: &[u8]) -> f64 {
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(element);
        if self.big_endian {
            bytes[..self.width].reverse();
        }
        let unsigned = u64::from_le_bytes(bytes);
        let shift = 64 - 8 * self.width as u32;
        match (self.letter, self.width) {
            (b'f', 4) => f64::from(f32::from_bits(unsigned as u32)),
            (b'f', _) => f64::from_bits(unsigned),
            // Shifts up and down carry the sign.
            (b'i', _) => ((unsigned << shift) as i64 >> shift) as f64,
            _ => unsigned as f64,
        }
    }
}

impl Header {
    fn read<R: Read>(source: &mut Source<R>) -> Result<Self, FileError> {
        let mut start = [0; 8];
        source.fill(&mut start, 8)?;
        if start[..6] != *b"\x93NUMPY" {
            return Err(source.error_at(0, Problem::NpyMagic { found: start[..6].to_vec() }));
        }
        let mut length = [0; 4];
        match start[6] {
            1 => source.fill(&mut length[..2], 10)?,
            2 | 3 => source.fill(&mut length, 12)?,
            found => return Err(source.error_at(6, Problem::NpyVersion { found })),
        }
        let (offset, length) = (source.offset(), u32::from_le_bytes(length) as usize);
        if length > LONGEST_HEADER {
            return Err(source.error_at(8, Problem::NpyHeader(format!("{length} bytes"))));
        }
        let mut header = vec![0; length];
        source.fill(&mut header, offset + length as u64)?;
        let text = std::str::from_utf8(&header).ok();
        let Some((kind, fortran_order, shape)) = text.and_then(parse) else {
            return Err(source.error_at(offset, Problem::NpyHeader(excerpt(&header))));
        };
        let Some(kind) = Kind::parse(kind) else {
            return Err(source.error_at(offset, Problem::NpyType(excerpt(kind.as_bytes()))));
        };
        Ok(Header { kind, fortran_order, shape })
    }
}

/// The values of the three keys of `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse(header: &str) -> Option<(&str, bool, Vec<u64>)> {
    let after = |key: &str| {
        let value = &header[header.find(&format!("'{key}':"))? + key.len() + 3..];
        Some(value.trim_start())
    };
    let kind = after("descr")?.strip_prefix('\'')?.split('\'').next()?;
    let order = after("fortran_order")?;
    let fortran_order = order.starts_with("True");
    if !fortran_order && !order.starts_with("False") {
        return None;
    }
    let (shape, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
    let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
    Some((kind, fortran_order, lengths.map(|length| length.parse().ok()).collect::<Option<_>>()?))
}
