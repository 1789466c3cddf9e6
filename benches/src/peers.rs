//! Other libraries. Only here does the workspace depend on them.

#[cfg(feature = "peers")]
mod gemm;
#[cfg(feature = "peers")]
mod gemmkit;
mod matrixmultiply;
#[cfg(feature = "peers")]
mod rten;
#[cfg(feature = "peers")]
mod wide;

use crate::engines::{GemmEngine, MapEngine};
use kernels::{Function, Isa};

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

/// Other libraries' versions of a function; those that can be told use no more than `isa`.
pub(crate) fn map(function: Function, isa: Isa) -> Vec<MapEngine> {
    #[cfg(feature = "peers")]
    return rten::map(function, isa).into_iter().chain(wide::map(function)).collect();
    #[cfg(not(feature = "peers"))]
    {
        let _ = (function, isa);
        Vec::new()
    }
}
