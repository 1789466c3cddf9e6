//! `sgemm` and `dgemm` as `matrixmultiply` has them, so that a caller switches by changing one line.

use super::{GemmOptions, MatMut, MatRef};
use crate::kernel_set::KernelSet;

macro_rules! blas {
    ($name:ident, $scalar:ident) => {
        /// `C = alpha A B + beta C` on raw pointers: A is m×k, B k×n, C m×n, `rs` and `cs` the distances in elements
        /// between rows and between columns. The parameters are those of `matrixmultiply`'s function of this name.
        ///
        /// Strides of A and B may be anything, zero and negative too; where `beta` is 0, C is never read. The arithmetic
        /// is that of [`gemm`](crate::gemm()); one to all threads of the current pool work.
        ///
        /// # Safety
        /// - Every element of A and B, `a + i*rsa + j*csa` and `b + i*rsb + j*csb`, must be readable and initialised.
        /// - Every element of C, `c + i*rsc + j*csc`, must be writable, and initialised too unless `beta` is 0.
        /// - No two elements of C may share memory, and none may be an element of A or B.
        #[allow(clippy::too_many_arguments, reason = "the parameters are another library's")]
        pub unsafe fn $name(
            m: usize,
            k: usize,
            n: usize,
            alpha: $scalar,
            a: *const $scalar,
            rsa: isize,
            csa: isize,
            b: *const $scalar,
            rsb: isize,
            csb: isize,
            beta: $scalar,
            c: *mut $scalar,
            rsc: isize,
            csc: isize,
        ) {
            // SAFETY: the caller's promise covers every element of the three views, and that C's are its own.
            let (a, b, c) = unsafe {
                (
                    MatRef::from_raw_parts(a, m, k, rsa, csa),
                    MatRef::from_raw_parts(b, k, n, rsb, csb),
                    MatMut::from_raw_parts(c, m, n, rsc, csc),
                )
            };
            KernelSet::best().gemm(alpha, a, b, beta, c, &GemmOptions::default());
        }
    };
}
blas!(sgemm, f32);
blas!(dgemm, f64);
