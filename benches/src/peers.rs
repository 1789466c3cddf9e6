//! Other libraries. Only here does the workspace depend on them.

#[cfg(feature = "peers")]
mod gemm;
#[cfg(feature = "peers")]
mod gemmkit;
mod matrixmultiply;
#[cfg(feature = "peers")]
mod openblas;
#[cfg(feature = "peers")]
mod rten;
mod versions;
#[cfg(feature = "peers")]
mod wide;

use crate::engines::{GemmEngine, LossEngine, MapEngine, Setup};
use kernels::{Function, Isa};

/// The products of other libraries for an element type.
pub trait Peers: Sized {
    /// Those that can use as many threads.
    fn gemm(setup: Setup) -> Vec<GemmEngine<Self>>;
}

impl Peers for f32 {
    fn gemm(setup: Setup) -> Vec<GemmEngine<f32>> {
        let threads = setup.threads;
        let mut engines = Vec::new();
        engines.extend(matrixmultiply::sgemm(threads));
        #[cfg(feature = "peers")]
        {
            engines.extend([gemm::engine(threads), gemmkit::engine(threads), rten::gemm()]);
            engines.extend(openblas::sgemm(setup));
        }
        engines
    }
}

impl Peers for f64 {
    fn gemm(setup: Setup) -> Vec<GemmEngine<f64>> {
        let threads = setup.threads;
        let mut engines = Vec::new();
        engines.extend(matrixmultiply::dgemm(threads));
        #[cfg(feature = "peers")]
        {
            engines.extend([gemm::engine(threads), gemmkit::engine(threads)]);
            engines.extend(openblas::dgemm(setup));
        }
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

/// Other libraries' softmax of rows of `cols` elements, with no more than `isa`.
pub(crate) fn softmax(cols: usize, isa: Isa) -> Option<LossEngine> {
    #[cfg(feature = "peers")]
    return Some(rten::softmax(cols, isa));
    #[cfg(not(feature = "peers"))]
    {
        let _ = (cols, isa);
        None
    }
}

/// The other libraries for products with their versions, and for one that is not installed, that it is not.
pub fn versions() -> Vec<String> {
    let lines = vec![versions::named("matrixmultiply")];
    #[cfg(feature = "peers")]
    let lines = {
        let rust = ["gemm", "gemmkit", "rten-gemm"].map(versions::named);
        lines.into_iter().chain(rust).chain(openblas::versions()).collect()
    };
    lines
}
