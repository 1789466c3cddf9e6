//! Right or wrong, judged against `f64`.

use crate::problem::{Problem, Real};
use std::fmt;

/// What an answer must be, and how far from it an element may lie.
#[derive(Clone, Debug)]
pub struct Reference {
    cols: usize,
    expected: Vec<f64>,
    bounds: Vec<f64>,
}

/// The first element that is not within its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wrong {
    /// Its row.
    pub row: usize,
    /// Its column.
    pub col: usize,
    /// What was found.
    pub found: f64,
    /// What `f64` says.
    pub expected: f64,
    /// How far from `expected` it may lie.
    pub bound: f64,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrong { row, col, found, expected, bound } = self;
        write!(f, "element ({row}, {col}) is {found:e}, must be within {bound:.1e} of {expected:e}")
    }
}

impl std::error::Error for Wrong {}

impl Reference {
    /// Each value with its bound, in rows of `cols`.
    pub fn new(cols: usize, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (expected, bounds) = values.into_iter().unzip();
        Reference { cols, expected, bounds }
    }

    /// A product. A sum of k products, rounded at each step in any order, with or without fused steps, is off by at
    /// most about k u Σ|a||b| with u the unit roundoff, and by the smallest number for each product that underflows.
    /// The terms that the first order leaves out and the last rounding are the 4 in
    ///
    /// |c − c₆₄| ≤ (k + 4) u Σ|a||b| + k · smallest.
    ///
    /// Of products of more than 2^35 operations only each sixteenth row is worked out; elsewhere any number will do, but
    /// NaN.
    ///
    /// In `f64` the reference is off as much as the answer may be, so the bound is twice that.
    pub fn product<T: Real>(problem: &Problem<T>) -> Self {
        let (a, b) = (problem.a(), problem.b());
        let (n, k) = (b.cols(), a.cols());
        let tolerance = (k + 4) as f64 * T::UNIT_ROUNDOFF;
        let both = if T::UNIT_ROUNDOFF <= f64::EPSILON { 2.0 } else { 1.0 };
        let floor = k as f64 * T::SMALLEST;
        // By rows of B, so that the inner loop runs along memory.
        let b_rows: Vec<f64> = (0..k).flat_map(|p| (0..n).map(move |j| b.data()[b.index(p, j)].into())).collect();
        let (mut expected, mut bounds) = (vec![0.0; a.rows() * n], vec![0.0; a.rows() * n]);
        let every = if problem.shape().flops() > 1 << 35 { 16 } else { 1 };
        for i in 0..a.rows() {
            if !i.is_multiple_of(every) {
                bounds[i * n..][..n].fill(f64::INFINITY);
                continue;
            }
            let (sums, magnitudes) = (&mut expected[i * n..][..n], &mut bounds[i * n..][..n]);
            for p in 0..k {
                let x: f64 = a.data()[a.index(i, p)].into();
                for ((y, sum), magnitude) in b_rows[p * n..][..n].iter().zip(&mut *sums).zip(&mut *magnitudes) {
                    *sum += x * y;
                    *magnitude += (x * y).abs();
                }
            }
            magnitudes.iter_mut().for_each(|bound| *bound = both * (tolerance * *bound + floor));
        }
        Reference { cols: n, expected, bounds }
    }

    /// Each value with its bound.
    pub fn elements(&self) -> impl Iterator<Item = (f64, f64)> {
        self.expected.iter().copied().zip(self.bounds.iter().copied())
    }

    /// Whether every element lies within its bound; a NaN does not.
    ///
    /// # Errors
    /// The first element that does not.
    ///
    /// # Panics
    /// Unless there are as many elements as the reference has.
    pub fn check<T: Copy + Into<f64>>(&self, found: &[T]) -> Result<(), Wrong> {
        assert_eq!(found.len(), self.expected.len());
        for (i, found) in found.iter().enumerate() {
            let (found, expected, bound): (f64, f64, f64) = ((*found).into(), self.expected[i], self.bounds[i]);
            let within = (found - expected).abs() <= bound;
            if !within {
                return Err(Wrong { row: i / self.cols, col: i % self.cols, found, expected, bound });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Gemm, Layout, Precision};
    use crate::naive;

    fn answer<T: Real>(precision: Precision) -> (Reference, Vec<T>) {
        let problem = Problem::<T>::new(Gemm { m: 5, n: 7, k: 33, layout: Layout::Nt, precision });
        let mut c = vec![T::NAN; 35];
        naive::gemm(&problem.a(), &problem.b(), &mut c);
        (Reference::product(&problem), c)
    }

    #[test]
    fn a_right_product_passes() {
        let (reference, c) = answer::<f32>(Precision::F32);
        assert_eq!(reference.check(&c), Ok(()));
        let (reference, c) = answer::<f64>(Precision::F64);
        assert_eq!(reference.check(&c), Ok(()));
    }

    #[test]
    fn nan_and_wrong_elements_fail() {
        let (reference, mut c) = answer::<f32>(Precision::F32);
        let right = c[23];
        for wrong in [f32::NAN, f32::INFINITY, right + 1e-3, -right] {
            c[23] = wrong;
            let error = reference.check(&c).unwrap_err();
            assert_eq!((error.row, error.col), (3, 2), "{error}");
        }
    }

    #[test]
    fn the_bound_is_that_of_the_arithmetic() {
        let (reference, c) = answer::<f32>(Precision::F32);
        for (c, bound) in c.iter().zip(&reference.bounds) {
            assert!(*bound > 0.0 && *bound <= 37.0 * 2f64.powi(-24) * 33.0, "{bound} for {c}");
        }
    }
}
