//! matrixmultiply, the library under `ndarray`. It takes its number of threads from the environment once, and at most
//! 4, so it is here for one thread only.

use crate::engines::{Engine, GemmEngine, Role};

macro_rules! engine {
    ($name:ident, $scalar:ident) => {
        pub(super) fn $name(threads: usize) -> Option<GemmEngine<$scalar>> {
            let run: GemmEngine<$scalar> = Engine::new(
                "matrixmultiply",
                Role::Peer,
                Box::new(|a, b, c| {
                    let (m, k, n) = (a.rows(), a.cols(), b.cols());
                    assert!(b.rows() == k && c.len() == m * n);
                    // SAFETY: operands are dense and their strides reach exactly the elements of their slices, by the
                    // check in `Operand::new`; C has m n elements, and is borrowed mutably, so apart from A and B.
                    unsafe {
                        ::matrixmultiply::$name(
                            m,
                            k,
                            n,
                            1.0,
                            a.data().as_ptr(),
                            a.row_stride(),
                            a.col_stride(),
                            b.data().as_ptr(),
                            b.row_stride(),
                            b.col_stride(),
                            0.0,
                            c.as_mut_ptr(),
                            n as isize,
                            1,
                        );
                    }
                }),
            );
            (threads == 1).then_some(run)
        }
    };
}
engine!(sgemm, f32);
engine!(dgemm, f64);
