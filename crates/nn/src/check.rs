//! Checks of what a user feeds in.

use crate::error::{Error, Result};
use kernels::KernelSet;

/// How many rows of `cols` elements `data` holds, at least one; `expected` where the number is known.
pub(crate) fn rows<T>(what: &str, data: &[T], cols: usize, expected: Option<usize>) -> Result<usize> {
    let rows = data.len().checked_div(cols).unwrap_or(0);
    if rows * cols != data.len() {
        return Err(mismatch(what, &[expected.unwrap_or(rows), cols], &[data.len()]));
    }
    if expected.is_some_and(|expected| expected != rows) {
        return Err(mismatch(what, &[expected.unwrap_or(rows), cols], &[rows, cols]));
    }
    if rows == 0 { Err(Error::EmptyData) } else { Ok(rows) }
}

/// An error unless every element of the rows of `cols` elements is finite.
pub(crate) fn finite(what: &'static str, data: &[f32], cols: usize) -> Result<()> {
    match first_non_finite(data) {
        None => Ok(()),
        Some(at) => Err(Error::NonFiniteInput { what, row: at / cols, column: at % cols, value: data[at] }),
    }
}

/// The index of the first NaN or infinity.
pub(crate) fn first_non_finite(data: &[f32]) -> Option<usize> {
    const CHUNK: usize = 4096;
    let kernels = KernelSet::best();
    let mut chunks = (0..).step_by(CHUNK).zip(data.chunks(CHUNK));
    chunks.find_map(|(start, chunk)| {
        // All terms of a finite sum are finite; one that is not may have overflowed.
        if kernels.sum(chunk).is_finite() {
            return None;
        }
        chunk.iter().position(|value| !value.is_finite()).map(|at| start + at)
    })
}

/// An error unless there is one label for each of `rows` rows, all below `classes`.
pub(crate) fn labels(labels: &[u32], rows: usize, classes: usize) -> Result<()> {
    if labels.len() != rows {
        return Err(mismatch("the labels", &[rows], &[labels.len()]));
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(Error::LabelOutOfRange { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

pub(crate) const SAMPLE_WEIGHTS: &str = "the sample weights";

/// An error unless there are `len` weights, all finite and not negative, one of them above 0.
pub(crate) fn weights(what: &'static str, weights: &[f32], len: usize) -> Result<()> {
    each_weight(what, weights, len)?;
    if weights.iter().all(|&weight| weight == 0.0) {
        return Err(Error::NoWeight { what });
    }
    Ok(())
}

/// An error unless there are `len` weights, all finite and not negative.
pub(crate) fn each_weight(what: &'static str, weights: &[f32], len: usize) -> Result<()> {
    if weights.len() != len {
        return Err(mismatch(what, &[len], &[weights.len()]));
    }
    if let Some(index) = weights.iter().position(|weight| !(0.0..f32::INFINITY).contains(weight)) {
        return Err(Error::InvalidWeight { what, index, value: weights[index] });
    }
    Ok(())
}

pub(crate) fn mismatch(what: &str, expected: &[usize], actual: &[usize]) -> Error {
    Error::ShapeMismatch { what: what.to_owned(), expected: expected.to_vec(), actual: actual.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_non_finite_value_is_found_in_every_place() {
        for len in [1, 4095, 4096, 4097, 10_000] {
            assert_eq!(first_non_finite(&vec![f32::MAX; len]), None);
            for at in [0, len / 2, len - 1] {
                for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut data = vec![1.0; len];
                    data[at] = value;
                    data[len - 1] = value;
                    assert_eq!(first_non_finite(&data), Some(at), "{value} at {at} of {len}");
                }
            }
        }
    }
}
