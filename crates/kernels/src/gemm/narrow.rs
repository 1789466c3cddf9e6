//! A C of few columns, such as the outputs of a classifier, from an A that lies in rows: a vector holds a tile of C of four
//! rows and four columns, so that no lane is idle where a tile of one row would leave most of them so.
//!
//! ```text
//!                 b: 4 elements of row k, in each quarter
//!               +---------+---------+---------+---------+
//!               | b0 … b3 | b0 … b3 | b0 … b3 | b0 … b3 |
//!               +---------+---------+---------+---------+
//!  a, of row    |    0    |    1    |    2    |    3    |   acc = fma(a[i][k], b[k][j], acc) in ascending k, as ever
//!               +---------+---------+---------+---------+
//! ```
//!
//! Four k are loaded at once, from each row to its quarter; a shuffle inside the quarters spreads one of them. Against one row a
//! vector, on a Zen 4, 64x128x4 takes 0.43 of the time with AVX-512 and 0.38 with AVX2, 64x128x8 0.65 and 0.5, 512x512x10 0.83
//! with AVX-512; with AVX2 the sums of 9 columns and more would not stay in registers.

use super::problem::{BOperand, Order};
use super::{Problem, blocking};
use crate::simd::{Float, Float32, Simd};

/// Rows of C, and columns, that a vector holds.
const SIDE: usize = 4;

/// The rows that are worth it.
const LEAST_ROWS: usize = 16;

/// The depth that is worth it for up to 4, 8 and 12 columns: a row is stored in as many pieces as it has fours.
const LEAST_K: [usize; 3] = [4, 10, 32];

/// Whether [`narrow`] computes the problem.
pub(crate) fn is_narrow<S: Simd>(problem: &Problem<'_, f32>) -> bool {
    let BOperand::View(b) = problem.b else {
        return false;
    };
    let (m, n, k) = problem.shape();
    let fours = n.div_ceil(SIDE);
    problem.order == Order::Chain
        && m >= LEAST_ROWS
        && n > 1
        && fours <= S::NARROW_FOURS.len()
        && S::NARROW_FOURS[fours - 1] > 0
        && k >= LEAST_K[fours - 1]
        && problem.a.has_contiguous_rows()
        && b.has_contiguous_rows()
        // So that all but the last row can be read by whole quarters: what follows a row is the next one.
        && (n.is_multiple_of(SIDE) || b.row_stride() == n as isize)
        && problem.c.has_contiguous_rows()
}

/// Computes a problem for which [`is_narrow`] holds.
#[inline(never)]
pub(crate) fn narrow<S: Simd>(s: S, problem: &mut Problem<'_, f32>) {
    let kernels = const { kernels::<S>() };
    let (m, n, k) = problem.shape();
    let BOperand::View(b) = problem.b else {
        unreachable!("B was found to be a view");
    };
    let (rows, full, four) = kernels[n.div_ceil(SIDE) - 1];
    let kc = blocking::k_block(k);
    for pc in (0..k).step_by(kc) {
        let depth = kc.min(k - pc);
        let (a, b) = (problem.a.col_range(pc, pc + depth), b.row_range(pc, pc + depth));
        let beta = if pc == 0 { problem.beta } else { Some(1.0) };
        let mut i = 0;
        while i < m {
            // The last rows are computed along with rows above them, which are not written again.
            let (kernel, height) = if m - i > rows / 2 { (full, rows) } else { (four, SIDE) };
            let (from, to) = (i.min(m - height), m.min(i + height));
            let (a, c) = (a.row_range(from, m), problem.c.part(from, 0, m - from, n));
            let tile = Tile {
                k: depth,
                a: a.as_ptr(),
                a_row_stride: a.row_stride(),
                b: b.as_ptr(),
                b_row_stride: b.row_stride(),
                c_row_stride: c.row_stride(),
                c: { c }.as_mut_ptr(),
                skip: i - from,
                cols: n,
                alpha: problem.alpha,
                beta,
            };
            // SAFETY: `s` proves the features; A has the rows of the tile, C the same of `n` columns, which is borrowed mutably,
            // and B `depth` rows of `n`, whole quarters or with the next row right behind them.
            unsafe { kernel(&tile) };
            if pc + depth == k {
                problem.finish_part(s, i, 0, to - i, n);
            }
            i = to;
        }
    }
}

/// What a kernel works on: rows of A and C from `a` and `c` on.
struct Tile {
    k: usize,
    a: *const f32,
    a_row_stride: isize,
    b: *const f32,
    b_row_stride: isize,
    c: *mut f32,
    c_row_stride: isize,
    /// Rows that are not written, from the first one on.
    skip: usize,
    cols: usize,
    alpha: f32,
    /// `None`: C is not read.
    beta: Option<f32>,
}

/// Computes a [`Tile`].
///
/// # Safety
/// - The CPU must have the features of the ISA that the kernel was made for.
/// - A must have as many rows as the kernel, of `k` contiguous elements, at least one, B `k` rows of `cols`, and C the rows of A, of
///   `cols` writable elements that nothing else uses.
/// - Of B as many elements as `cols` rounded up to four must be readable from the start of each row but the last.
type Kernel = unsafe fn(&Tile);

/// How many rows a kernel takes, it, and one for four rows: for up to 4, 8 and 12 columns.
const fn kernels<S: Simd>() -> [(usize, Kernel, Kernel); 3] {
    [of_columns::<S, 1>(), of_columns::<S, 2>(), of_columns::<S, 3>()]
}

const fn of_columns<S: Simd, const Q: usize>() -> (usize, Kernel, Kernel) {
    match S::NARROW_FOURS[Q - 1] {
        0 => (SIDE, none, none),
        1 => (SIDE, kernel::<S, 1, Q>, kernel::<S, 1, Q>),
        2 => (2 * SIDE, kernel::<S, 2, Q>, kernel::<S, 1, Q>),
        _ => (4 * SIDE, kernel::<S, 4, Q>, kernel::<S, 1, Q>),
    }
}

/// # Safety
/// None is needed.
unsafe fn none(_: &Tile) {
    unreachable!("a kernel that the instruction set does without");
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times four rows.
unsafe fn kernel<S: Simd, const R: usize, const Q: usize>(tile: &Tile) {
    // SAFETY: the caller promises that the CPU has the features.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            let mut tails = [S::F32::tail(s, SIDE); Q];
            tails[Q - 1] = S::F32::tail(s, tile.cols - (Q - 1) * SIDE);
            // SAFETY: the caller's promise, passed on.
            unsafe {
                let product = accumulate::<S, R, Q>(s, tile, &tails);
                store::<S, R, Q>(s, tile, &tails, product);
            }
        },
    );
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times four rows.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators are several times as much to compile, in each of many kernels"
)]
unsafe fn accumulate<S: Simd, const R: usize, const Q: usize>(
    s: S,
    tile: &Tile,
    tails: &[<S::F32 as Float>::Tail; Q],
) -> [[S::F32; Q]; R] {
    let zero = S::F32::splat(s, 0.0);
    let mut acc = [[zero; Q]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    // Element J of the four of each row, times row J of B.
    macro_rules! step {
        ($fours:ident, $j:literal, |$from:ident, $q:ident| $load:expr) => {
            let row = b.wrapping_offset($j * tile.b_row_stride);
            let mut b_row = [zero; Q];
            for $q in 0..Q {
                let $from = row.wrapping_add($q * SIDE);
                b_row[$q] = $load;
            }
            for r in 0..R {
                let a = $fours[r].splat_in_quarters::<$j>();
                for q in 0..Q {
                    acc[r][q] = a.mul_add(b_row[q], acc[r][q]);
                }
            }
        };
    }
    let rows = |a: *const f32, r: usize| a.wrapping_offset((r * SIDE) as isize * tile.a_row_stride);
    // SAFETY: the caller promises that `k` elements follow in each row of A, and that from each of B but the last four can be
    // read wherever a column is.
    unsafe {
        let whole = (tile.k - 1) / SIDE;
        for _ in 0..whole {
            let mut fours = [zero; R];
            for r in 0..R {
                fours[r] = S::F32::load_quarters(s, rows(a, r), tile.a_row_stride);
            }
            step!(fours, 0, |from, q| S::F32::repeat_quarter(s, from));
            step!(fours, 1, |from, q| S::F32::repeat_quarter(s, from));
            step!(fours, 2, |from, q| S::F32::repeat_quarter(s, from));
            step!(fours, 3, |from, q| S::F32::repeat_quarter(s, from));
            (a, b) = (a.wrapping_add(SIDE), b.wrapping_offset(SIDE as isize * tile.b_row_stride));
        }
        let left = tile.k - whole * SIDE;
        let tail = S::F32::tail(s, left);
        let mut fours = [zero; R];
        for r in 0..R {
            fours[r] = S::F32::load_quarters_tail(s, rows(a, r), tile.a_row_stride, tail);
        }
        step!(fours, 0, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        if left > 1 {
            step!(fours, 1, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        }
        if left > 2 {
            step!(fours, 2, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        }
        if left > 3 {
            step!(fours, 3, |from, q| S::F32::load_quarters_tail(s, from, 0, tails[q]));
        }
    }
    acc
}

/// # Safety
/// - The contract of [`Kernel`], for `R` times four rows.
#[inline(always)]
unsafe fn store<S: Simd, const R: usize, const Q: usize>(
    s: S,
    tile: &Tile,
    tails: &[<S::F32 as Float>::Tail; Q],
    product: [[S::F32; Q]; R],
) {
    let alpha = S::F32::splat(s, tile.alpha);
    for (r, product) in product.into_iter().enumerate() {
        let c = tile.c.wrapping_offset((r * SIDE) as isize * tile.c_row_stride);
        for (q, (product, &tail)) in product.into_iter().zip(tails).enumerate() {
            let c = c.wrapping_add(q * SIDE);
            // SAFETY: the caller promises that these rows of C are there and ours.
            unsafe {
                let value = match tile.beta {
                    None => alpha * product,
                    Some(beta) => {
                        let old = S::F32::load_quarters_tail(s, c, tile.c_row_stride, tail);
                        alpha.mul_add(product, S::F32::splat(s, beta) * old)
                    }
                };
                let row = |i: usize| c.wrapping_offset(i as isize * tile.c_row_stride);
                let is_new = |i: usize| r * SIDE + i >= tile.skip;
                if is_new(0) {
                    value.store_quarter::<0>(row(0), tail);
                }
                if is_new(1) {
                    value.store_quarter::<1>(row(1), tail);
                }
                if is_new(2) {
                    value.store_quarter::<2>(row(2), tail);
                }
                if is_new(3) {
                    value.store_quarter::<3>(row(3), tail);
                }
            }
        }
    }
}
