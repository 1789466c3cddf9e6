//! gemmkit.

use crate::engines::{Engine, GemmEngine, Role};
use crate::problem::{Operand, Real};
use ::gemmkit::{GemmScalar, MatMut, MatRef, Parallelism};

pub(super) fn engine<T: Real + GemmScalar>(threads: usize) -> GemmEngine<T> {
    let parallelism = if threads == 1 { Parallelism::Serial } else { Parallelism::Rayon(threads) };
    Engine::new(
        "gemmkit",
        Role::Peer,
        Box::new(move |a, b, c| {
            let c = MatMut::from_row_major(c, a.rows(), b.cols());
            ::gemmkit::gemm(T::from(1.0), view(a), view(b), T::from(0.0), c, parallelism);
        }),
    )
}

fn view<'a, T: Real>(x: &Operand<'a, T>) -> MatRef<'a, T> {
    MatRef::new(x.data(), x.rows(), x.cols(), x.row_stride(), x.col_stride())
}
