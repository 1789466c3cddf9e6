//! The arena of all parameters, and the table that says which part of it belongs to whom.

use std::ops::Range;

use crate::error::{Error, Result};

/// Elements of `f32` in a cache line of 64 bytes, which is also one virtual vector of the kernels.
const LINE: usize = 16;

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
        let mut memory = Vec::new();
        memory.try_reserve_exact(with_slack).ok()?;
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

/// Where the parameters of one layer lie in the arena.
#[derive(Clone, Debug)]
pub(crate) struct LayerLayout {
    pub(crate) weight: ParamLayout,
    pub(crate) bias: ParamLayout,
}

/// Where one parameter lies in the arena.
#[derive(Clone, Debug)]
pub(crate) struct ParamLayout {
    pub(crate) name: String,
    /// The shape that files show: `[outputs, inputs]` for a weight, `[outputs]` for a bias.
    pub(crate) shape: Vec<usize>,
    pub(crate) range: Range<usize>,
}

/// The table of an arena: for each layer its weight as `[inputs][outputs]` and its bias. Parameters, gradients and the
/// state of optimisers share it, so an update is one pass over arenas of the same length. The few elements that pad a
/// parameter to whole cache lines are 0 and stay 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) layers: Vec<LayerLayout>,
    pub(crate) len: usize,
}

impl Layout {
    /// Appends a layer whose parameters are called `module.weight` and `module.bias`.
    pub(crate) fn push_layer(&mut self, module: usize, inputs: usize, outputs: usize) -> Result<()> {
        let too_large = || Error::OutOfMemory { what: "the parameters", rows: inputs, cols: outputs };
        let mut place = |name: &str, shape: Vec<usize>, len: usize| {
            let range = self.len..self.len.checked_add(len)?;
            self.len = range.end.checked_next_multiple_of(LINE)?;
            Some(ParamLayout { name: format!("{module}.{name}"), shape, range })
        };
        let weights = inputs.checked_mul(outputs).ok_or_else(too_large)?;
        let weight = place("weight", vec![outputs, inputs], weights).ok_or_else(too_large)?;
        let bias = place("bias", vec![outputs], outputs).ok_or_else(too_large)?;
        self.layers.push(LayerLayout { weight, bias });
        Ok(())
    }

    /// Every parameter in the order of the arena.
    pub(crate) fn params(&self) -> impl Iterator<Item = &ParamLayout> {
        self.layers.iter().flat_map(|layer| [&layer.weight, &layer.bias])
    }
}

/// A named parameter of a model: what a file of weights holds, with the names and shapes that PyTorch gives them.
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
            let error = Buffer::zeros("the activations", rows, cols).unwrap_err().to_string();
            assert!(error.contains("the activations") && error.contains(&rows.to_string()), "{error}");
        }
        let error = Layout::default().push_layer(0, usize::MAX, 3).unwrap_err().to_string();
        assert!(error.contains(&usize::MAX.to_string()), "{error}");
    }

    #[test]
    fn parameters_are_aligned_apart_and_transposed_for_files() {
        let mut layout = Layout::default();
        layout.push_layer(0, 3, 2).unwrap();
        layout.push_layer(2, 2, 1).unwrap();
        let names: Vec<&str> = layout.params().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
        assert!(layout.params().all(|param| param.range.start % LINE == 0 && param.range.end <= layout.len));

        let mut arena = vec![0.0; layout.len];
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        write(&layout.layers[0].weight, &values, &mut arena);
        let weight = Parameter::new(&layout.layers[0].weight, &arena);
        assert_eq!(weight.shape(), [2, 3]);
        assert_eq!(weight.as_slice(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(weight.values().collect::<Vec<_>>(), values);

        write(&layout.layers[0].bias, &[7.0, 8.0], &mut arena);
        let bias = Parameter::new(&layout.layers[0].bias, &arena);
        assert_eq!((bias.shape(), bias.as_slice()), (&[2][..], &[7.0, 8.0][..]));
        assert_eq!(bias.values().collect::<Vec<_>>(), [7.0, 8.0]);
    }
}
