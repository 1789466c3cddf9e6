//! The table of kernels of one instruction set.

use crate::fused::Reduction;
use crate::gemm::{Activation, Element, GemmOptions, MatMut, MatRef};
use crate::isa::Isa;
use crate::math::Function;

/// Every kernel, compiled for one instruction set.
pub struct KernelSet {
    isa: Isa,
    pub(crate) gemm_f32: fn(crate::gemm::Problem<'_, f32>),
    pub(crate) gemm_f64: fn(crate::gemm::Problem<'_, f64>),
}

const fn table<S: crate::simd::Simd>() -> KernelSet {
    KernelSet { isa: S::ISA, gemm_f32: crate::gemm::serial::<S, f32>, gemm_f64: crate::gemm::serial::<S, f64> }
}

static SETS: &[KernelSet] = &[
    table::<crate::simd::portable::Portable>(),
    #[cfg(target_arch = "aarch64")]
    table::<crate::simd::neon::Neon>(),
    #[cfg(target_arch = "x86_64")]
    table::<crate::simd::avx2::Avx2>(),
    #[cfg(target_arch = "x86_64")]
    table::<crate::simd::avx512::Avx512>(),
];

impl KernelSet {
    /// The fastest set that this CPU runs, capped by the environment variable `KERNELS_ISA`.
    pub fn best() -> &'static KernelSet {
        Self::available().last().unwrap()
    }

    /// The set for `isa`, or `None` where this CPU cannot run it.
    pub fn for_isa(isa: Isa) -> Option<&'static KernelSet> {
        isa.is_available().then(|| SETS.iter().find(|set| set.isa == isa).unwrap())
    }

    /// The sets that this CPU runs, slowest first.
    pub fn available() -> impl Iterator<Item = &'static KernelSet> {
        Isa::ALL.into_iter().filter_map(Self::for_isa)
    }

    /// Its instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// `out[i] = function(x[i])`.
    ///
    /// # Panics
    /// Unless `x` and `out` have the same length.
    #[track_caller]
    pub fn map(&self, function: Function, x: &[f32], out: &mut [f32]) {
        assert_eq!(x.len(), out.len());
        for (x, out) in x.iter().zip(out) {
            *out = crate::math::stub(function, *x);
        }
    }

    /// `x[i] = function(x[i])`.
    pub fn map_in_place(&self, function: Function, x: &mut [f32]) {
        for x in x {
            *x = crate::math::stub(function, *x);
        }
    }

    /// `d[i] *= activation'(z)` where `output[i] = activation(z)`.
    pub fn activation_backward(&self, activation: Activation, output: &[f32], d: &mut [f32]) {
        unimplemented!("{activation:?} {output:?} {d:?}")
    }

    /// Softmax of each row of `cols` elements.
    pub fn softmax(&self, cols: usize, x: &[f32], out: &mut [f32]) {
        unimplemented!("{cols} {x:?} {out:?}")
    }

    /// Squared error `L = ½ Σ_j (y_j − t_j)²` for each row of `cols` elements: returns the reduced loss and writes its
    /// gradient.
    pub fn mse(
        &self,
        cols: usize,
        prediction: &[f32],
        target: &[f32],
        reduction: Reduction,
        d_prediction: &mut [f32],
    ) -> f64 {
        unimplemented!("{cols} {prediction:?} {target:?} {reduction:?} {d_prediction:?}")
    }

    /// Binary cross-entropy `L = Σ_j max(z,0) − z t + ln(1 + e^−|z|)` for each row of `cols` logits.
    pub fn bce_with_logits(
        &self,
        cols: usize,
        logits: &[f32],
        target: &[f32],
        reduction: Reduction,
        d_logits: &mut [f32],
    ) -> f64 {
        unimplemented!("{cols} {logits:?} {target:?} {reduction:?} {d_logits:?}")
    }

    /// `L = logsumexp(z) − z[label]` for each row of `cols` logits; panics for a label that is not below `cols`.
    pub fn softmax_cross_entropy(
        &self,
        cols: usize,
        logits: &[f32],
        labels: &[u32],
        reduction: Reduction,
        d_logits: &mut [f32],
    ) -> f64 {
        unimplemented!("{cols} {logits:?} {labels:?} {reduction:?} {d_logits:?}")
    }

    /// `p = (1 − lr·wd)·p − lr·g`.
    pub fn sgd(&self, params: &mut [f32], grads: &[f32], learning_rate: f32, weight_decay: f32) {
        unimplemented!("{params:?} {grads:?} {learning_rate} {weight_decay}")
    }

    /// `out[j] = Σ_i x[i][j]` for rows of `cols` elements: the gradient of a bias.
    pub fn column_sums(&self, cols: usize, x: &[f32], out: &mut [f32]) {
        unimplemented!("{cols} {x:?} {out:?}")
    }

    /// The index of the largest element of each row of `cols` elements, the first of equals; a NaN counts as largest.
    pub fn argmax(&self, cols: usize, x: &[f32], out: &mut [u32]) {
        unimplemented!("{cols} {x:?} {out:?}")
    }

    /// `C = epilogue(alpha A B + beta C)`; `beta` = 0 never reads C.
    ///
    /// # Panics
    /// Unless A is m×k, B k×n, C m×n, the bias n long, the output of a derivative m×n.
    #[track_caller]
    pub fn gemm<T: Element>(
        &self,
        alpha: T,
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        beta: T,
        c: MatMut<'_, T>,
        options: &GemmOptions<'_, T>,
    ) {
        T::gemm(self, alpha, a, b, beta, c, options);
    }
}
