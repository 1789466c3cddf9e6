//! The arena of all parameters, and the table that says which part of it belongs to whom.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::memory::LINE;

/// Where one parameter or buffer lies in its arena.
#[derive(Clone, Debug)]
pub(crate) struct ParamLayout {
    pub(crate) name: String,
    /// The shape that files show: `[outputs, inputs]` for a weight, `[outputs]` for a bias.
    pub(crate) shape: Vec<usize>,
    pub(crate) range: Range<usize>,
}

/// The table of an arena. Parameters, gradients and the state of optimisers share one, so an update is one pass over
/// arenas of the same length; running moments of norms have another. The weight of a linear layer lies as
/// `[inputs][outputs]`. The few elements that pad a parameter to whole cache lines are 0 and stay 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) entries: Vec<ParamLayout>,
    pub(crate) len: usize,
}

impl Layout {
    /// Appends the vector `module.name`, or the matrix where there are `cols`, and returns its place.
    pub(crate) fn push(&mut self, module: usize, name: &str, rows: usize, cols: Option<usize>) -> Result<Range<usize>> {
        let too_large = || Error::OutOfMemory { what: "the parameters", rows, cols: cols.unwrap_or(1) };
        let len = rows.checked_mul(cols.unwrap_or(1)).ok_or_else(too_large)?;
        let range = self.len..self.len.checked_add(len).ok_or_else(too_large)?;
        self.len = range.end.checked_next_multiple_of(LINE).ok_or_else(too_large)?;
        let shape = std::iter::once(rows).chain(cols).collect();
        self.entries.push(ParamLayout { name: format!("{module}.{name}"), shape, range: range.clone() });
        Ok(range)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&ParamLayout> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// How many batches a norm has seen: at most [`MAX`](Self::MAX), where it stays.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) value: u64,
}

impl Count {
    /// Files have signed numbers, as PyTorch has no unsigned ones.
    pub(crate) const MAX: u64 = i64::MAX as u64;

    pub(crate) fn increment(&mut self) {
        self.value = Self::MAX.min(self.value + 1);
    }
}

/// A part of what a model has learnt, with the name and shape that PyTorch's `state_dict` gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StateEntry<'a> {
    /// A parameter, or a buffer of 32-bit values such as `1.running_mean`.
    Tensor(Parameter<'a>),
    /// A whole number without dimensions: `1.num_batches_tracked`.
    Count {
        /// Its name.
        name: &'a str,
        /// Its value.
        value: u64,
    },
}

impl<'a> StateEntry<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        match self {
            StateEntry::Tensor(parameter) => parameter.name(),
            StateEntry::Count { name, .. } => name,
        }
    }
}

/// A named parameter or buffer of a model: what a file of weights holds, with the names and shapes that PyTorch gives them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter<'a> {
    name: &'a str,
    shape: &'a [usize],
    memory: &'a [f32],
}

impl<'a> Parameter<'a> {
    /// `layout` must belong to `arena`.
    pub(crate) fn new(layout: &'a ParamLayout, arena: &'a [f32]) -> Self {
        Parameter { name: &layout.name, shape: &layout.shape, memory: &arena[layout.range.clone()] }
    }

    /// `0.weight`, `0.bias` and so on, numbered as the modules of a `torch.nn.Sequential` are: an activation counts as a
    /// module of its own.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// `[outputs, inputs]` for a weight, `[outputs]` for a bias.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The values row by row, in the order of [`shape`](Self::shape).
    pub fn values(&self) -> impl ExactSizeIterator<Item = f32> + use<'a> {
        let memory = self.memory;
        let (rows, cols) = matrix_shape(self.shape);
        // In memory a weight is [cols][rows].
        (0..memory.len()).map(move |i| memory[i % cols * rows + i / cols])
    }

    /// The values as they lie in memory: a weight is `[inputs][outputs]`, the transpose of [`shape`](Self::shape).
    pub fn as_slice(&self) -> &'a [f32] {
        self.memory
    }
}

/// Writes `values`, given row by row in the order of `layout.shape`, into their place in the arena.
pub(crate) fn write(layout: &ParamLayout, values: &[f32], arena: &mut [f32]) {
    let (rows, cols) = matrix_shape(&layout.shape);
    let memory = &mut arena[layout.range.clone()];
    for (i, &value) in values.iter().enumerate() {
        memory[i % cols * rows + i / cols] = value;
    }
}

/// A bias is a matrix of one column.
fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    (shape[0], shape.get(1).copied().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sizes_are_errors() {
        let error = Layout::default().push(0, "weight", 3, Some(usize::MAX)).unwrap_err().to_string();
        assert!(error.contains(&usize::MAX.to_string()), "{error}");
    }

    #[test]
    fn parameters_are_aligned_apart_and_transposed_for_files() {
        let mut layout = Layout::default();
        for (module, name, rows, cols) in
            [(0, "weight", 2, Some(3)), (0, "bias", 2, None), (2, "weight", 1, Some(2)), (2, "bias", 1, None)]
        {
            layout.push(module, name, rows, cols).unwrap();
        }
        let names: Vec<&str> = layout.entries.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
        let mut end = 0;
        for ParamLayout { range, .. } in &layout.entries {
            assert!(range.start % LINE == 0 && range.start >= end && range.end <= layout.len);
            end = range.end;
        }

        let mut arena = vec![0.0; layout.len];
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        write(&layout.entries[0], &values, &mut arena);
        let weight = Parameter::new(&layout.entries[0], &arena);
        assert_eq!(weight.shape(), [2, 3]);
        assert_eq!(weight.as_slice(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(weight.values().collect::<Vec<_>>(), values);

        write(&layout.entries[1], &[7.0, 8.0], &mut arena);
        let bias = Parameter::new(&layout.entries[1], &arena);
        assert_eq!((bias.shape(), bias.as_slice()), (&[2][..], &[7.0, 8.0][..]));
        assert_eq!(bias.values().collect::<Vec<_>>(), [7.0, 8.0]);
    }
}
