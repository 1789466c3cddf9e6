//! IDX, the format of MNIST and Fashion-MNIST.
//!
//! Big-endian: two zero bytes, the element type, the number of dimensions, the length of each dimension as 32 bits, then
//! the elements with the last dimension fastest.

use std::io::Read;
use std::path::Path;

use kernels::ByteScale;

use super::Dataset;
use crate::error::Result;
use crate::file::{FileError, Problem, Source};

const UNSIGNED_BYTE: u8 = 0x08;
/// 0…255 stands for 0 to 1.
const PIXELS: ByteScale = ByteScale { scale: 1.0 / 255.0, offset: 0.0 };

impl Dataset {
    /// Reads images and their labels from two IDX files of unsigned bytes, compressed with gzip or not. Each image is a
    /// row. Its pixels stay bytes, which stand for 0 to 1, until a batch is gathered.
    ///
    /// `classes` is the number of classes; `None` makes it the largest label plus one.
    ///
    /// # Errors
    /// With the file and the byte: if a file cannot be read, is not IDX of bytes with 3 (images) or 1 (labels)
    /// dimensions, is shorter or longer than its header claims, or is empty; if the number of labels is not that of the
    /// images, or a label is not below `classes`. Memory grows with what a file holds, whatever its header claims.
    pub fn from_idx(images: impl AsRef<Path>, labels: impl AsRef<Path>, classes: Option<usize>) -> Result<Self> {
        let (image_count, cols, pixels) = read_images(images.as_ref())?;
        let labels = read_labels(labels.as_ref(), image_count, classes)?;
        let classes = classes.unwrap_or_else(|| labels.iter().max().map_or(0, |&label| label as usize + 1));
        Dataset::bytes_with_labels(pixels, PIXELS, cols, labels, classes)
    }
}

/// The number of images, the pixels of each, and all pixels.
fn read_images(path: &Path) -> Result<(u32, usize, Vec<u8>), FileError> {
    let mut source = Source::open(path)?;
    let [count, rows, cols] = header(&mut source)?;
    if count == 0 {
        return Err(source.error_at(4, Problem::NoRows));
    }
    let shape = Problem::ImageShape { rows, cols };
    let pixels = u64::from(rows) * u64::from(cols);
    let total = match pixels.checked_mul(count.into()) {
        Some(total) if total > 0 && total < u64::MAX / 2 => total,
        _ => return Err(source.error_at(8, shape)),
    };
    let mut all = Vec::new();
    elements(&mut source, total, |bytes| {
        all.extend_from_slice(bytes);
        Ok(())
    })?;
    // As many elements were read into memory, so the number fits.
    Ok((count, pixels as usize, all))
}

fn read_labels(path: &Path, images: u32, classes: Option<usize>) -> Result<Vec<u32>, FileError> {
    let mut source = Source::open(path)?;
    let [count] = header(&mut source)?;
    if count != images {
        return Err(source.error_at(4, Problem::LabelCount { images, labels: count }));
    }
    let mut labels = Vec::new();
    elements(&mut source, count.into(), |bytes| {
        for &byte in bytes {
            let label = u32::from(byte);
            if let Some(classes) = classes.filter(|&classes| label as usize >= classes) {
                return Err((labels.len(), Problem::LabelOutOfRange { label, classes }));
            }
            labels.push(label);
        }
        Ok(())
    })?;
    Ok(labels)
}

type IdxSource = Source<Box<dyn Read>>;

/// The lengths of the `D` dimensions.
fn header<const D: usize>(source: &mut IdxSource) -> Result<[u32; D], FileError> {
    let header_len = 4 + 4 * D as u64;
    let mut word = [0; 4];
    source.fill(&mut word, header_len)?;
    let [zero, zero_too, element_type, dimensions] = word;
    if [zero, zero_too] != [0, 0] {
        return Err(source.error_at(0, Problem::Magic { found: [zero, zero_too] }));
    }
    if element_type != UNSIGNED_BYTE {
        return Err(source.error_at(2, Problem::ElementType { found: element_type }));
    }
    if usize::from(dimensions) != D {
        return Err(source.error_at(3, Problem::Dimensions { expected: D as u8, found: dimensions }));
    }
    let mut lengths = [0; D];
    for length in &mut lengths {
        source.fill(&mut word, header_len)?;
        *length = u32::from_be_bytes(word);
    }
    Ok(lengths)
}

/// Gives the `total` elements that follow the header to `take` in pieces, and checks that they are the rest of the
/// file. `take` returns the index of an element that it refuses.
fn elements(
    source: &mut IdxSource,
    total: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), (usize, Problem)>,
) -> Result<(), FileError> {
    let header_len = source.offset();
    let expected = header_len + total;
    let mut piece = vec![0; 1 << 16];
    while source.offset() < expected {
        let wanted = (expected - source.offset()).min(piece.len() as u64) as usize;
        let read = source.read(&mut piece[..wanted])?;
        if read == 0 {
            return Err(source.error_at(source.offset(), Problem::Truncated { expected }));
        }
        take(&piece[..read]).map_err(|(index, problem)| source.error_at(header_len + index as u64, problem))?;
    }
    source.end(expected)
}
