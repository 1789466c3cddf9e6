//! Matrix multiplication: C = epilogue(alpha A B + beta C).

mod view;

pub use view::{MatMut, MatRef};

use crate::kernel_set::KernelSet;

/// What is applied to each element of C after the product is complete.
#[derive(Clone, Copy, Debug, Default)]
pub enum Epilogue<'a, T> {
    /// Nothing.
    #[default]
    None,
    /// `c = activation(c + bias[j])`, `bias` with one value for each column of C.
    Bias {
        /// One value for each column of C.
        bias: Option<&'a [T]>,
        /// Applied after the bias.
        activation: Activation,
    },
    /// `c = c * activation'(z)` where `output = activation(z)` has the shape of C: the step of backpropagation from a
    /// layer's output to its logits.
    Derivative {
        /// The activation whose derivative is taken.
        activation: Activation,
        /// What the activation returned in the forward pass.
        output: MatRef<'a, T>,
    },
}

/// An element-wise function whose derivative can be had from its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `max(x, 0)`; its derivative is 1 where the result is above 0, else 0.
    Relu,
    /// `1 / (1 + exp(-x))`; its derivative is `y (1 - y)`.
    Sigmoid,
    /// Its derivative is `1 - y²`.
    Tanh,
}

/// How many threads a call may use. The result does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// As many of the current pool's threads as the work is worth.
    #[default]
    Auto,
    /// At most this many.
    AtMost(usize),
}

/// How `gemm` does its work.
#[derive(Clone, Copy, Debug, Default)]
pub struct GemmOptions<'a, T> {
    /// What is applied to each element of C at the end.
    pub epilogue: Epilogue<'a, T>,
    /// How many threads may work.
    pub threads: Threads,
}

/// The element types of `gemm`: `f32` and `f64`.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + Send + Sync + 'static {
    #[doc(hidden)]
    fn gemm(
        set: &KernelSet,
        alpha: Self,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        beta: Self,
        c: MatMut<'_, Self>,
        options: &GemmOptions<'_, Self>,
    );
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

macro_rules! stub { ($($t:ident)*) => {$(
impl Element for $t {
    fn gemm(
        _set: &KernelSet,
        alpha: Self,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        beta: Self,
        mut c: MatMut<'_, Self>,
        options: &GemmOptions<'_, Self>,
    ) {
        let act = |activation: Activation, x: $t| match activation {
            Activation::Identity => x,
            Activation::Relu => if x < 0.0 { 0.0 } else { x },
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
        };
        let d_act = |activation: Activation, y: $t| match activation {
            Activation::Identity => 1.0,
            Activation::Relu => if y > 0.0 { 1.0 } else { 0.0 },
            Activation::Sigmoid => y * (1.0 - y),
            Activation::Tanh => 1.0 - y * y,
        };
        for i in 0..a.rows() { for j in 0..b.cols() {
            let mut sum = 0.0;
            for p in 0..a.cols() { sum = a.get(i, p).mul_add(b.get(p, j), sum); }
            let (rs, cs) = (c.row_stride(), c.col_stride());
            // SAFETY: the loops stay inside the matrix.
            let at = unsafe { &mut *c.as_mut_ptr().offset(i as isize * rs + j as isize * cs) };
            let mut x = alpha * sum + if beta == 0.0 { 0.0 } else { beta * *at };
            match options.epilogue {
                Epilogue::None => {}
                Epilogue::Bias { bias, activation } => {
                    if let Some(bias) = bias { x += bias[j]; }
                    x = act(activation, x);
                }
                Epilogue::Derivative { activation, output } => x *= d_act(activation, output.get(i, j)),
            }
            *at = x;
        } }
    }
} )*} }
stub!(f32 f64);
