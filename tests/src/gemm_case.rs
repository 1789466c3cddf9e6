//! One call of `gemm` with all its inputs.

use crate::matrix::{Float, Layout, Matrix};
use crate::random::Random;
use kernels::{Activation, Epilogue, GemmOptions, KernelSet, Threads, reference};
use std::fmt;

/// Each activation; the output of a case stands for what it keeps.
pub const ACTIVATIONS: [Activation; 9] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Softplus,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
];

/// Shapes, layouts and scalars of a call, and its random inputs.
#[derive(Clone)]
pub struct GemmCase<T> {
    /// What is in the case, for messages.
    pub description: String,
    /// `alpha`
    pub alpha: T,
    /// `beta`
    pub beta: T,
    /// A
    pub a: Matrix<T>,
    /// B
    pub b: Matrix<T>,
    /// C before the call; all NaN where `beta` is 0.
    pub c: Matrix<T>,
    /// One value for each column of C.
    pub bias: Vec<T>,
    /// What a layer returned, for the epilogue with its derivative.
    pub output: Matrix<T>,
}

/// Shapes of a call.
pub type Shape = (usize, usize, usize);

impl<T: Float> GemmCase<T> {
    /// A case of a shape (m, n, k) with random layouts and scalars.
    pub fn of_shape((m, n, k): Shape, random: &mut Random) -> Self {
        let mut layout = || random.choose(&Layout::READABLE);
        let layouts = (layout(), layout(), random.choose(&Layout::WRITABLE));
        Self::with_layouts((m, n, k), layouts, random)
    }

    /// A case of a shape (m, n, k) and layouts of A, B and C.
    pub fn with_layouts((m, n, k): Shape, (a, b, c): (Layout, Layout, Layout), random: &mut Random) -> Self {
        let scalars = [0.0, 1.0, -0.7, 1.3];
        let (alpha, beta) = (random.choose(&scalars), random.choose(&scalars));
        let case = |value: f64| T::from_f64(value);
        GemmCase {
            description: format!("{m}x{n}x{k} (m x n x k), A {a:?}, B {b:?}, C {c:?}, alpha {alpha}, beta {beta}"),
            alpha: case(alpha),
            beta: case(beta),
            a: Matrix::random(m, k, a, random),
            b: Matrix::random(k, n, b, random),
            c: Matrix::new(m, n, c, |_, _| case(if beta == 0.0 { f64::NAN } else { random.unit() })),
            bias: (0..n).map(|_| case(random.unit())).collect(),
            output: Matrix::new(m, n, random.choose(&[Layout::RowMajor, Layout::ColMajor]), |_, _| {
                case(random.unit().abs())
            }),
        }
    }

    /// A random shape around the edges of tiles and blocks.
    pub fn random_shape(random: &mut Random) -> Shape {
        let edges =
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33, 47, 48, 49, 63, 64, 65];
        match random.below(40) {
            // Several blocks of K.
            0 => (random.choose(&edges[..8]), random.choose(&edges), random.choose(&[511, 512, 513, 784, 1024, 1025])),
            // Several blocks of columns.
            1 => (random.choose(&edges[..4]), random.choose(&[255, 256, 257, 300]), random.choose(&[512, 600])),
            2 => (1, random.choose(&[1, 64, 100]), random.choose(&[1, 63, 64, 65, 300])),
            3 => (random.choose(&[1, 64, 100]), 1, random.choose(&[1, 63, 64, 65, 300])),
            4 => (random.choose(&edges), 10, random.choose(&[10, 64, 128])),
            5 => [(0, 5, 3), (5, 0, 3), (5, 3, 0), (0, 0, 0), (1, 1, 0)][random.below(5)],
            // Few columns, also with several blocks of K.
            6 => (random.choose(&edges), 2 + random.below(11), random.choose(&[7, 30, 33, 511, 512, 513, 1025])),
            _ => (random.choose(&edges), random.choose(&edges), random.choose(&edges)),
        }
    }

    /// Runs it on one thread and returns C.
    pub fn run(&self, set: &KernelSet, epilogue: Epilogue<'_, T>) -> Matrix<T> {
        self.run_with(set, &GemmOptions { epilogue, threads: Threads::AtMost(1) })
    }

    /// Runs it and returns C.
    pub fn run_with(&self, set: &KernelSet, options: &GemmOptions<'_, T>) -> Matrix<T> {
        let mut c = self.c.clone();
        set.gemm(self.alpha, self.a.view(), self.b.view(), self.beta, c.view_mut(), options);
        c
    }

    /// A random epilogue on this case's data.
    pub fn random_epilogue(&self, random: &mut Random) -> Epilogue<'_, T> {
        let activation =
            random.choose(&[Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh]);
        match random.below(3) {
            0 => Epilogue::Bias { bias: Some(&self.bias), activation },
            1 => Epilogue::Bias { bias: None, activation },
            _ => Epilogue::Derivative { activation, kept: self.output.view() },
        }
    }

    /// Panics unless `c` is right to within the bound of the arithmetic, judged in `f64`, and its guards untouched.
    ///
    /// Each of the k products and sums rounds once, so an element's error is at most
    /// `(k + 4) u (|alpha| Σ|a||b| + |beta c|)` and what underflows; for `f64` the reference rounds as often itself.
    pub fn check(&self, c: &Matrix<T>, who: &dyn fmt::Display) {
        let view = c.view();
        let (n, k) = (view.cols(), self.a.view().cols());
        let reference = reference::gemm(self.alpha, self.a.view(), self.b.view(), self.beta, self.c.view());
        let reference_error = if T::UNIT_ROUNDOFF < 1e-15 { 2.0 } else { 1.0 };
        for (at, (expected, magnitude)) in reference.values.iter().zip(&reference.magnitudes).enumerate() {
            let (i, j) = (at / n, at % n);
            let bound = (k as f64 + 4.0) * T::UNIT_ROUNDOFF * magnitude * reference_error + k as f64 * T::TINIEST;
            let got: f64 = c.get(i, j).into();
            assert!(
                (got - expected).abs() <= bound,
                "{who}: {}: c[{i}][{j}] is {got}, not {expected} within {bound}",
                self.description
            );
        }
        self.check_guards(c, who);
    }

    /// Panics if an element of the buffer outside of C has changed.
    pub fn check_guards(&self, c: &Matrix<T>, who: &dyn fmt::Display) {
        let mut with_old_elements = c.clone();
        let view = c.view();
        for i in 0..view.rows() {
            for j in 0..view.cols() {
                *with_old_elements.view_mut().get_mut(i, j) = self.c.get(i, j);
            }
        }
        assert_eq!(with_old_elements.bits(), self.c.bits(), "{who}: {}: a guard changed", self.description);
    }
}
