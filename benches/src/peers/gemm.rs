//! gemm, the library under `faer` and `candle`, with its AVX-512 kernels.

use crate::engines::{Engine, GemmEngine, Role};
use crate::problem::Real;
use ::gemm::Parallelism;

pub(super) fn engine<T: Real>(threads: usize) -> GemmEngine<T> {
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    let (zero, one) = (T::from(0.0), T::from(1.0));
    Engine::new(
        "gemm",
        Role::Peer,
        Box::new(move |a, b, c| {
            let (m, k, n) = (a.rows(), a.cols(), b.cols());
            assert!(b.rows() == k && c.len() == m * n);
            // SAFETY: operands are dense and their strides reach exactly the elements of their slices, by the check in
            // `Operand::new`; C has m n elements, and is borrowed mutably, so apart from A and B.
            unsafe {
                ::gemm::gemm(
                    m,
                    n,
                    k,
                    c.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    a.data().as_ptr(),
                    a.col_stride(),
                    a.row_stride(),
                    b.data().as_ptr(),
                    b.col_stride(),
                    b.row_stride(),
                    zero,
                    one,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        }),
    )
}
