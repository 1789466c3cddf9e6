//! Memory whose size follows from what a user gives: where there is not enough of it, an error.

use std::ops::Range;

use crate::error::{Error, Result};

/// Elements of `f32` in a cache line of 64 bytes, which is also one virtual vector of the kernels.
pub(crate) const LINE: usize = 16;

/// An empty vector with room for `rows * cols` elements. `what` names them in the error.
pub(crate) fn reserve<T>(what: &'static str, rows: usize, cols: usize) -> Result<Vec<T>> {
    let reserved = rows.checked_mul(cols).and_then(reserve_exact);
    reserved.ok_or(Error::OutOfMemory { what, rows, cols })
}

fn reserve_exact<T>(len: usize) -> Option<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).ok()?;
    Some(values)
}

/// `rows * cols` zeros. `what` names them in the error.
pub(crate) fn zeros<T: Clone + Default>(what: &'static str, rows: usize, cols: usize) -> Result<Vec<T>> {
    let mut values = reserve(what, rows, cols)?;
    values.resize(rows * cols, T::default());
    Ok(values)
}

/// A fixed number of `f32` that start at the start of a cache line, so that rows of a multiple of 16 are read without
/// touching a line too many.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Vec<f32>,
    used: Range<usize>,
}

impl Buffer {
    /// `rows * cols` zeros. `what` names them in the error.
    pub(crate) fn zeros(what: &'static str, rows: usize, cols: usize) -> Result<Self> {
        let buffer = rows.checked_mul(cols).and_then(Self::with_len);
        buffer.ok_or(Error::OutOfMemory { what, rows, cols })
    }

    fn with_len(len: usize) -> Option<Self> {
        let with_slack = len.checked_add(LINE - 1)?;
        let mut memory = reserve_exact(with_slack)?;
        memory.resize(with_slack, 0.0);
        Some(Self::align(memory, len))
    }

    /// The memory never grows, so it never moves away from the alignment that it has here.
    fn align(memory: Vec<f32>, len: usize) -> Self {
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(memory.len() - len);
        Buffer { memory, used: start..start + len }
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        &self.memory[self.used.clone()]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.memory[self.used.clone()]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::align(vec![0.0; self.memory.len()], self.used.len());
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_at_a_cache_line() {
        for len in [0, 1, 15, 16, 1000] {
            let buffer = Buffer::zeros("test", 1, len).unwrap();
            assert_eq!(buffer.as_slice().len(), len);
            for buffer in [&buffer, &buffer.clone()] {
                assert_eq!(buffer.as_slice().as_ptr().align_offset(64), 0, "{len} elements");
            }
        }
    }

    #[test]
    fn absurd_sizes_are_errors() {
        for (rows, cols) in [(usize::MAX, 2), (usize::MAX, 1), (1 << 40, 1 << 20)] {
            let errors = [
                Buffer::zeros("the activations", rows, cols).unwrap_err(),
                zeros::<f64>("the activations", rows, cols).unwrap_err(),
            ];
            for error in errors.map(|error| error.to_string()) {
                assert!(error.contains("the activations") && error.contains(&rows.to_string()), "{error}");
            }
        }
        assert_eq!(zeros::<f64>("pairs", 2, 3).unwrap(), [0.0; 6]);
    }
}
