//! An outer product added to a matrix, `W[i][j] = keep W[i][j] - rate x_i d_j`: a step of gradient descent on a weight for
//! one example.
//!
//! Each element is `g = fma(x, d, 0)`, then `fma(-rate, g, keep w)`: the operations of `gemm` with k = 1, alpha = -rate and
//! beta = keep, so the bits are its. Here, while a row of W is there to be updated, it can also be multiplied with the row that
//! comes next.

use crate::gemm::k_block;
use crate::kernel_set::{KernelSet, same_length};
use crate::simd::{Float, Simd};
use std::ops::Range;

/// The step `W[i][j] = keep W[i][j] - rate x[i] d[j]`.
#[derive(Clone, Copy, Debug)]
pub struct RankOne<'a> {
    /// One element for each row of W.
    pub x: &'a [f32],
    /// One element for each column of W.
    pub d: &'a [f32],
    /// How far the step goes.
    pub rate: f32,
    /// What becomes of W before, not 0; 1 without weight decay.
    pub keep: f32,
}

impl KernelSet {
    /// Does `step` to a `w` of `step.x.len()` rows of `step.d.len()` elements, to the bits of [`gemm`](Self::gemm) with
    /// alpha = -rate and beta = keep.
    ///
    /// # Panics
    /// Unless `w` has as many elements as the product of the other lengths; if `step.keep` is 0.
    #[track_caller]
    pub fn rank_one_descent(&self, step: RankOne<'_>, w: &mut [f32]) {
        step.check(w);
        (self.rank_one_descent)(step, w);
    }

    /// [`rank_one_descent`](Self::rank_one_descent) and, in the same pass over `w`, the product of the row that comes next
    /// with the new `w`: `product[j] = Σ_i next[i] w[i][j]`, to the bits of [`gemm`](Self::gemm). Where examples are learnt
    /// from one by one, this spares reading `w` once more.
    ///
    /// # Panics
    /// As `rank_one_descent` does; unless `next` is as long as `step.x` and `product` as `step.d`; for one column, whose
    /// product gemm sums in the order of dot products.
    #[track_caller]
    pub fn rank_one_descent_then_product(&self, step: RankOne<'_>, w: &mut [f32], next: &[f32], product: &mut [f32]) {
        step.check(w);
        same_length("rank_one_descent_then_product", ("next", next.len()), ("x", step.x.len()));
        same_length("rank_one_descent_then_product", ("product", product.len()), ("d", step.d.len()));
        assert!(step.d.len() != 1, "rank_one_descent_then_product: w has one column");
        (self.rank_one_descent_then_product)(step, w, next, product);
    }
}

impl RankOne<'_> {
    #[track_caller]
    fn check(&self, w: &[f32]) {
        same_length("rank_one_descent", ("x times d", self.x.len() * self.d.len()), ("w", w.len()));
        assert!(self.keep != 0.0, "rank_one_descent: keep is 0");
    }
}

/// Vectors of d that stay in registers while the rows pass.
const MANY: usize = 4;

/// Rows of fewer columns than a vector has lanes that are loaded before the first is stored: a load of a whole vector waits
/// long for a store of part of one just before, into which it reaches.
const FEW: usize = 8;

#[inline(always)]
pub(crate) fn rank_one_descent<S: Simd>(s: S, step: RankOne<'_>, w: &mut [f32]) {
    descend(s, step, w, None);
}

#[inline(always)]
pub(crate) fn rank_one_descent_then_product<S: Simd>(
    s: S,
    step: RankOne<'_>,
    w: &mut [f32],
    next: &[f32],
    product: &mut [f32],
) {
    descend(s, step, w, Some((next, product)));
}

/// What comes after, if anything: the next row, and where its product with w goes.
type Next<'a> = Option<(&'a [f32], &'a mut [f32])>;

#[inline(always)]
fn descend<S: Simd>(s: S, step: RankOne<'_>, w: &mut [f32], next: Next<'_>) {
    match step.keep {
        1.0 => descend_keeping::<S, true>(s, step, w, next),
        _ => descend_keeping::<S, false>(s, step, w, next),
    }
}

/// `KEEPS_ALL`: keep is 1, by which nothing needs to be multiplied.
#[inline(always)]
fn descend_keeping<S: Simd, const KEEPS_ALL: bool>(s: S, step: RankOne<'_>, w: &mut [f32], mut next: Next<'_>) {
    let (lanes, cols) = (S::F32::LANES, step.d.len());
    if cols < lanes {
        return columns::<S, KEEPS_ALL, FEW, 1>(s, step, w, 0..cols, &mut next);
    }
    let whole = cols / (MANY * lanes) * (MANY * lanes);
    for from in (0..whole).step_by(MANY * lanes) {
        columns::<S, KEEPS_ALL, 1, MANY>(s, step, w, from..from + MANY * lanes, &mut next);
    }
    for from in (whole..cols).step_by(lanes) {
        columns::<S, KEEPS_ALL, 1, 1>(s, step, w, from..cols.min(from + lanes), &mut next);
    }
}

/// The columns `range`, which fill `VECTORS` vectors, or a part of one; `ROWS` rows at a time.
#[inline(always)]
fn columns<S: Simd, const KEEPS_ALL: bool, const ROWS: usize, const VECTORS: usize>(
    s: S,
    RankOne { x, d, rate, keep }: RankOne<'_>,
    w: &mut [f32],
    range: Range<usize>,
    next: &mut Next<'_>,
) {
    let (lanes, cols, zero) = (S::F32::LANES, d.len(), S::F32::splat(s, 0.0));
    let mut ds = [zero; VECTORS];
    for (v, part) in ds.iter_mut().zip(d[range.clone()].chunks(lanes)) {
        *v = load::<S, VECTORS>(s, part);
    }
    let (rate, keep) = (S::F32::splat(s, rate), (!KEEPS_ALL).then(|| S::F32::splat(s, keep)));
    let tile = Tile::<S, VECTORS> { range: range.clone(), cols, ds, rate, keep, is_multiplied: next.is_some() };
    // The product is summed as gemm sums it: a chain for each block of K.
    let block = k_block(x.len()).max(1);
    for (number, (w, x)) in w.chunks_mut(block * cols).zip(x.chunks(block)).enumerate() {
        let mut sums = [zero; VECTORS];
        // Where nothing comes after, any row will do.
        let next_x = next.as_ref().map_or(x, |(next, _)| &next[number * block..][..x.len()]);
        let whole = x.len() / ROWS * ROWS;
        for row in (0..whole).step_by(ROWS) {
            let rows = row..row + ROWS;
            let w = &mut w[row * cols..][..ROWS * cols];
            tile.descend::<ROWS>(s, w, &x[rows.clone()], &next_x[rows], &mut sums);
        }
        for row in whole..x.len() {
            let w = &mut w[row * cols..][..cols];
            tile.descend::<1>(s, w, &x[row..=row], &next_x[row..=row], &mut sums);
        }
        if let Some((_, product)) = next {
            for (part, &sum) in product[range.clone()].chunks_mut(lanes).zip(&sums) {
                let sum = if number == 0 { sum } else { sum + load::<S, VECTORS>(s, part) };
                store::<S, VECTORS>(s, sum, part);
            }
        }
    }
}

/// What is the same for all rows of some columns.
struct Tile<S: Simd, const VECTORS: usize> {
    range: Range<usize>,
    cols: usize,
    ds: [S::F32; VECTORS],
    rate: S::F32,
    keep: Option<S::F32>,
    is_multiplied: bool,
}

impl<S: Simd, const VECTORS: usize> Tile<S, VECTORS> {
    /// `ROWS` rows of w, all loaded before the first is stored.
    #[inline(always)]
    fn descend<const ROWS: usize>(&self, s: S, w: &mut [f32], x: &[f32], next_x: &[f32], sums: &mut [S::F32; VECTORS]) {
        let mut new = [[self.rate; VECTORS]; ROWS];
        for ((new, row), &x) in new.iter_mut().zip(w.chunks_exact(self.cols)).zip(x) {
            let x = S::F32::splat(s, x);
            for ((new, part), &d) in new.iter_mut().zip(row[self.range.clone()].chunks(S::F32::LANES)).zip(&self.ds) {
                let gradient = x.mul_add(d, x.constant(0.0));
                let old = load::<S, VECTORS>(s, part);
                *new = self.rate.neg_mul_add(gradient, self.keep.map_or(old, |keep| keep * old));
            }
        }
        for (new, row) in new.iter().zip(w.chunks_exact_mut(self.cols)) {
            for (&new, part) in new.iter().zip(row[self.range.clone()].chunks_mut(S::F32::LANES)) {
                store::<S, VECTORS>(s, new, part);
            }
        }
        if self.is_multiplied {
            for (new, &next_x) in new.iter().zip(next_x) {
                for (sum, &new) in sums.iter_mut().zip(new) {
                    *sum = S::F32::splat(s, next_x).mul_add(new, *sum);
                }
            }
        }
    }
}

/// Where there are several vectors, all are whole.
#[inline(always)]
pub(super) fn load<S: Simd, const VECTORS: usize>(s: S, from: &[f32]) -> S::F32 {
    if VECTORS == 1 { S::F32::load_partial(s, from) } else { S::F32::load(s, from) }
}

#[inline(always)]
pub(super) fn store<S: Simd, const VECTORS: usize>(s: S, v: S::F32, to: &mut [f32]) {
    if VECTORS == 1 { v.store_partial(s, to) } else { v.store(to) }
}

#[cfg(test)]
mod tests {
    use super::RankOne;
    use crate::testing::for_each_isa;
    use crate::{GemmOptions, MatMut, MatRef};

    /// Some zeros of either sign among them.
    fn values(len: usize, shift: usize) -> Vec<f32> {
        let value = |i: usize| if i.is_multiple_of(9) { -0.0 } else { (i as f64 * 0.618).fract() as f32 - 0.5 };
        (shift..shift + len).map(value).collect()
    }

    #[test]
    fn the_bits_are_those_of_gemm() {
        for_each_isa(|set| {
            for (rows, cols) in [(1, 1), (6, 64), (64, 8), (8, 4), (5, 17), (3, 100), (20, 130), (784, 128), (1100, 70)]
            {
                for keep in [1.0, 0.75] {
                    let (x, d, w) = (values(rows, 1), values(cols, 2), values(rows * cols, 3));
                    let (mut actual, mut expected) = (w.clone(), w.clone());
                    let step = RankOne { x: &x, d: &d, rate: 0.3, keep };
                    set.rank_one_descent(step, &mut actual);
                    let (x, d) = (MatRef::from_row_major(&x, 1, rows).t(), MatRef::from_row_major(&d, 1, cols));
                    let c = MatMut::from_row_major(&mut expected, rows, cols);
                    set.gemm(-0.3, x, d, keep, c, &GemmOptions::default());
                    let case = format!("{}, {rows}x{cols}, keep {keep}", set.isa());
                    assert_eq!(bits(&actual), bits(&expected), "{case}");
                    if cols == 1 {
                        continue;
                    }

                    let (next, mut product, mut expected_product) =
                        (values(rows, 4), vec![f32::NAN; cols], vec![0.0; cols]);
                    let mut actual = w;
                    set.rank_one_descent_then_product(step, &mut actual, &next, &mut product);
                    let (next, new) =
                        (MatRef::from_row_major(&next, 1, rows), MatRef::from_row_major(&expected, rows, cols));
                    let c = MatMut::from_row_major(&mut expected_product, 1, cols);
                    set.gemm(1.0, next, new, 0.0, c, &GemmOptions::default());
                    assert_eq!(bits(&actual), bits(&expected), "{case}, then a product");
                    assert_eq!(bits(&product), bits(&expected_product), "{case}, the product");
                }
            }
        });
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }
}
