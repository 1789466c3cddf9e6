//! Other libraries. Only here does the workspace depend on them.

#[cfg(feature = "peers")]
mod gemm;
#[cfg(feature = "peers")]
mod gemmkit;
mod matrixmultiply;
#[cfg(feature = "peers")]
mod rten;

use crate::engines::{GemmEngine, LossEngine, MapEngine};
use kernels::Function;

/// The products of other libraries for an element type.
pub trait Peers: Sized {
    /// Those that can use as many threads.
    fn gemm(threads: usize) -> Vec<GemmEngine<Self>>;
}

impl Peers for f32 {
    fn gemm(threads: usize) -> Vec<GemmEngine<f32>> {
        let mut engines = Vec::new();
        engines.extend(matrixmultiply::sgemm(threads));
        #[cfg(feature = "peers")]
        engines.extend([gemm::engine(threads), gemmkit::engine(threads), rten::gemm()]);
        engines
    }
}

impl Peers for f64 {
    fn gemm(threads: usize) -> Vec<GemmEngine<f64>> {
        let mut engines = Vec::new();
        engines.extend(matrixmultiply::dgemm(threads));
        #[cfg(feature = "peers")]
        engines.extend([gemm::engine(threads), gemmkit::engine(threads)]);
        engines
    }
}

/// Other libraries' versions of a function.
pub(crate) fn map(function: Function) -> Option<MapEngine> {
    #[cfg(feature = "peers")]
    return rten::map(function);
    #[cfg(not(feature = "peers"))]
    {
        let _ = function;
        None
    }
}

/// Other libraries' softmax of rows of `cols` elements.
pub(crate) fn softmax(cols: usize) -> Option<LossEngine> {
    #[cfg(feature = "peers")]
    return Some(rten::softmax(cols));
    #[cfg(not(feature = "peers"))]
    {
        let _ = cols;
        None
    }
}
