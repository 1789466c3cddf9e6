//! `sgemm` and `dgemm` take `matrixmultiply`'s arguments and give its results.

/// The same call on both libraries, with whole numbers so that the results are exact, over layouts of A, B and C.
macro_rules! same_as_matrixmultiply {
    ($name:ident, $scalar:ident, $test:ident) => {
        #[test]
        fn $test() {
            for (m, k, n) in [(1, 1, 1), (7, 9, 5), (15, 33, 17), (64, 20, 10), (3, 600, 40), (0, 3, 2), (2, 0, 3)] {
                let a: Vec<$scalar> = (0..m * k).map(|i| (i * 7 % 13) as $scalar - 6.0).collect();
                let b: Vec<$scalar> = (0..k * n).map(|i| (i * 5 % 11) as $scalar - 5.0).collect();
                let c: Vec<$scalar> = (0..m * n).map(|i| (i * 3 % 7) as $scalar).collect();
                let (m_, k_, n_) = (m as isize, k as isize, n as isize);
                for ((rsa, csa), (rsb, csb), (rsc, csc)) in [
                    ((k_, 1), (n_, 1), (n_, 1)),
                    ((1, m_), (n_, 1), (n_, 1)),
                    ((k_, 1), (1, k_), (n_, 1)),
                    ((1, m_), (1, k_), (1, m_)),
                    ((0, 0), (0, 1), (1, m_)),
                ] {
                    for (alpha, beta) in [(1.0, 0.0), (2.0, 1.0), (-1.0, 3.0)] {
                        let (mut ours, mut theirs) = (c.clone(), c.clone());
                        // SAFETY: the strides are those of dense m x k, k x n and m x n matrices in slices of just
                        // that size, or 0.
                        unsafe {
                            let (a, b) = (a.as_ptr(), b.as_ptr());
                            let to = ours.as_mut_ptr();
                            kernels::$name(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, to, rsc, csc);
                            let to = theirs.as_mut_ptr();
                            matrixmultiply::$name(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, to, rsc, csc);
                        }
                        assert_eq!(
                            ours, theirs,
                            "{m}x{k}x{n}, A {rsa},{csa}, B {rsb},{csb}, C {rsc},{csc}, {alpha}, {beta}"
                        );
                    }
                }
            }
        }
    };
}
same_as_matrixmultiply!(sgemm, f32, single);
same_as_matrixmultiply!(dgemm, f64, double);
