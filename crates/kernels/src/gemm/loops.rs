//! The loops around the micro-kernel, and the operands as it reads them.
//!
//! B is cut into blocks that stay in the L2 cache; each row tile of A passes over the whole block from the L1 cache:
//!
//! ```text
//! LOOP 4  columns of C and B, nc at a time
//! LOOP 3    K, kc at a time or a step of that       B block kc x nc: in L2, packed if it pays
//! LOOP 2      rows of C and A, mr at a time         A tile mr x kc: in L1, packed if it pays
//! LOOP 1        columns of the block, nr at a time  the micro-kernel: C tile mr x nr in registers
//! ```
//!
//! Several row tiles pass over a tile of B together, in one call of the micro-kernel, where their A and C are small: what a
//! call costs is half of the time of 256x2x2 and a twentieth of 10000x32x32. So do those whose A has to be packed, for another
//! reason: nothing hides the wait for what is copied, a tenth of the time of 1024 cubed if A is packed for each block of B in
//! the L2 cache. They are a block in the L2 cache themselves, and that of B is as large as the L3 cache allows, as the
//! micro-kernel asks for its lines in time: the order of Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication", 2008.
//!
//! Rows of A that only share few sets of the L1 cache are not copied, but read by tiles of as many rows as stay there, if B is
//! copied to panels: see [`pack::conflicting_rows`].
//!
//! What did not help: tiles asking for the lines of the next block of B on their way, before it is copied (0.98 for
//! 256x1024x1024); the micro-kernel asking for three rows of the next tile of A as it goes along its own, whether they come from
//! the L2 or the L3 cache; more rows of B ahead than 8, where B comes from the L3 cache; K in steps so short that a tile of B stays
//! in the L1 cache while all tiles of a packed A pass, sums waiting in memory (0.97 with AVX2); packing parts of the next panel of a
//! transposed B between the tiles of this one: what waits behind hundreds of multiplications does not start before them, so that
//! 1.01 to 1.02 is all that it gives 64x128x784 with AVX-512, and nothing 64x100x128.

use super::band::{ATile, BBlock, Start, band, mr, nr, streams};
use super::micro::Update;
use super::problem::{BOperand, Order};
use super::scratch::{Buffers, Scratch};
use super::{Arithmetic, MatMut, MatRef, Problem, blocking, copy, direct, dot, narrow, outer, pack, row, scratch};
use crate::simd::{Float, Simd};

/// [`serial`], with what is there for `f32` alone.
pub(crate) fn serial_f32<S: Simd>(problem: &mut Problem<'_, f32>) {
    if let Some(kernels) = narrow::kernels::<S>(problem) {
        // SAFETY: as below.
        narrow::narrow(unsafe { S::assume_available() }, problem, kernels);
    } else {
        serial::<S, f32>(problem);
    }
}

/// Computes a problem on this thread with one instruction set.
pub(crate) fn serial<S: Simd, T: Arithmetic>(problem: &mut Problem<'_, T>) {
    // SAFETY: this function is reached only through the `KernelSet` of S.
    let s = unsafe { S::assume_available() };
    if is_better_transposed::<S, T>(problem) {
        problem.transpose();
    }
    match problem.order {
        Order::Dot => dot::dots(s, problem),
        Order::Chain if row::is_row(problem) => row::row(s, problem),
        Order::Chain if outer::is_outer::<S, T>(problem) => outer::outer(s, problem),
        Order::Chain if direct::is_tile::<S, T>(problem) => direct::tile(s, problem),
        Order::Chain if direct::is_direct::<S, T>(problem) => s.run(
            #[inline(always)]
            |s| direct::direct(s, problem),
        ),
        Order::Chain => scratch::with_buffers(|buffers| {
            s.run(
                #[inline(always)]
                |s| loops(s, problem, buffers),
            );
        }),
    }
}

/// Whether B lies in columns and is so much larger than A and C that to transpose these costs less: A on its way to panels,
/// C on its way to memory. With AVX-512 that makes 64x784x128 NT 1.04 times as fast, 32x784x128 1.1, 64x1024x1024 1.3.
#[inline]
fn is_better_transposed<S: Simd, T: Arithmetic>(problem: &Problem<'_, T>) -> bool {
    let BOperand::View(b) = problem.b else {
        return false;
    };
    let (m, n, k) = problem.shape();
    let lanes = T::Vector::<S>::LANES;
    // Of the lanes, which run along the rows, seven eighths are used. Part of a wide tile takes as long as all of it, and part of
    // any does not go by steps of K.
    let fills_lanes = m.next_multiple_of(lanes) * 7 <= m * 8;
    let fills_tiles = m <= lanes || m.is_multiple_of(nr::<S, T>()) || (S::NV == 1 && k <= blocking::k_block(k));
    problem.order == Order::Chain
        && m * size_of::<T>() <= S::TRANSPOSED_C_BYTES
        && b.row_stride() == 1
        && b.col_stride() != 1
        && problem.a.has_contiguous_rows()
        && problem.c.has_contiguous_rows()
        && fills_lanes
        && fills_tiles
        && m * (k + n) * 3 <= k * n * 2
}

#[inline(always)]
fn loops<S: Simd, T: Arithmetic>(s: S, problem: &mut Problem<'_, T>, buffers: &mut Buffers) {
    let (m, n, k) = problem.shape();
    if m == 0 {
        return; // No B is packed for no rows.
    }
    let lanes = T::Vector::<S>::LANES;
    let nr = nr::<S, T>();
    let kc = blocking::k_block(k);
    // A B that lies in columns is transposed on its way to the panels.
    let transposed = matches!(problem.b, BOperand::View(b) if b.col_stride() != 1 && n > 1);
    // An A that has to be packed, or read by short tiles, is to meet more than one panel each time: 1.3 times as fast for
    // 256x1024x1024. It need not be where an L1 cache holds a line of each row of a tile: read as it lies, it lets 64x512x128 NT
    // be 1.12 times as fast with AVX-512, 256x512x256 1.06 times.
    let large_a = pack::pays_for_large_a::<S, T>(problem.a, n);
    let packs_a = large_a || pack::pays_for_a::<S, T>(problem.a, n.div_ceil(nr));
    let lines_in_l1 = match problem.a.has_contiguous_rows() {
        true => blocking::lines_in_l1(problem.a.row_stride().unsigned_abs() * size_of::<T>()),
        false => blocking::L1_WAYS,
    };
    let conflicts = pack::conflicting_rows::<S, T>(problem.a, n.div_ceil(nr)).is_some();
    let by_panels = kc >= blocking::KC_FOR_SINGLE_PANELS && !((packs_a || conflicts) && S::MR > lines_in_l1);
    let mut most = match (packs_a, conflicts) {
        (true, _) => blocking::B_SHARED,
        (false, true) => blocking::B_BESIDE_ROWS,
        (false, false) => (S::B_BLOCK_BYTES, blocking::NC_MAX),
    };
    // A C without contiguous rows is computed in others, which stay for all blocks of K, in the L2 cache.
    let by_copy = !problem.c.has_contiguous_rows();
    if by_copy {
        most.1 = most.1.min(blocking::L2_BYTES / 2 / (m * size_of::<T>()));
    }
    let nc = if transposed && by_panels {
        2 * lanes
    } else {
        blocking::n_block::<T>(kc, n, nr.max(problem.b.cols_together()), most)
    };
    let k_step = if transposed && by_panels { blocking::k_step(kc, m, nc * size_of::<T>(), lanes) } else { kc };
    let (rows_of_sums, sums) = match k_step < kc {
        true => (m, buffers.sums.elements(m * nc)),
        false => (0, Default::default()),
    };
    let mut sums = MatMut::from_row_major(sums, rows_of_sums, nc);
    // LOOP 4
    let mut jc = 0;
    while jc < n {
        let cols = nc.min(n - jc);
        let step = if cols.is_multiple_of(nr) { k_step } else { kc };
        let mut dense = by_copy.then(|| {
            let mut dense = MatMut::from_row_major(buffers.c.elements(m * cols), m, cols);
            if problem.beta.is_some() {
                copy::copy(s, problem.c.part(0, jc, m, cols).as_ref(), dense.reborrow());
            }
            dense
        });
        let mut finished = 0;
        // LOOP 3, at least once: a K of 0 leaves sums of nothing.
        let (mut pc, mut block) = (0, 0..kc.min(k));
        loop {
            let depth = step.min(block.end - pc);
            let ends_block = pc + depth == block.end;
            let is_last = pc + depth == k;
            let b = match problem.b {
                BOperand::View(b) => {
                    BBlock::new(s, b.row_range(pc, pc + depth).col_range(jc, jc + cols), m, &mut buffers.b)
                }
                BOperand::Packed(panels) => BBlock::packed(panels, pc, jc),
            };
            let a = problem.a.col_range(pc, pc + depth);
            let packs_a = large_a || pack::pays_for_a::<S, T>(a, cols.div_ceil(nr));
            let a = ABlock::new(a, packs_a);
            let streams = !a.packed && n <= nr && streams(a.view);
            let mut update = problem.update::<S>();
            if block.start > 0 {
                update.beta = Some(T::from(1.0));
            }
            // LOOP 2
            let mr = mr(s, a.view, a.packed, &b, cols);
            let tiles = blocking::tiles_at_once::<T>(mr, cols, depth, a.packed);
            for (i, height, count) in blocking::even_runs(m, mr, tiles) {
                let rows = height * count;
                let a = a.tile(s, i, rows, &mut buffers.a);
                let a = if streams { a.fetching_next() } else { a };
                let resumes = pc > block.start;
                if !ends_block {
                    let start = if resumes { Start::C } else { Start::Zeros };
                    band::<S, T>(Update::product(), &a, (height, count), &b, start, sums.part(i, 0, rows, cols));
                    continue;
                }
                let start = match resumes {
                    true => Start::From(sums.as_ref().row_range(i, i + rows).col_range(0, cols)),
                    false => Start::Zeros,
                };
                let c = match &mut dense {
                    Some(dense) => dense.part(i, 0, rows, cols),
                    None => problem.c.part(i, jc, rows, cols),
                };
                band::<S, T>(update, &a, (height, count), &b, start, c);
                match &mut dense {
                    _ if !is_last => {}
                    None => problem.finish_part(s, i, jc, rows, cols),
                    Some(dense) => {
                        // Whole vectors of columns of C while there are more rows to come.
                        let end = if i + rows == m { m } else { (i + rows) / lanes * lanes };
                        let part = dense.part(finished, 0, end - finished, cols);
                        problem.finish_dense(s, finished, jc, part);
                        finished = end;
                    }
                }
            }
            if is_last {
                break;
            }
            pc += depth;
            if ends_block {
                block = pc..k.min(pc + kc);
            }
        }
        jc += cols;
    }
}

/// A block of A, and whether its row tiles are copied.
struct ABlock<'a, T> {
    view: MatRef<'a, T>,
    packed: bool,
}

impl<'a, T: Arithmetic> ABlock<'a, T> {
    /// Packs tiles if that pays, and where neither stride is 1.
    #[inline(always)]
    fn new(view: MatRef<'a, T>, pays: bool) -> Self {
        let scattered = !view.has_contiguous_rows() && view.row_stride() != 1;
        ABlock { view, packed: scattered || pays }
    }

    /// Rows `i` to `i + rows`.
    #[inline(always)]
    fn tile<'t, S: Simd>(&'t self, s: S, i: usize, rows: usize, buffer: &'t mut Scratch) -> ATile<'t, T> {
        let a = self.view.row_range(i, i + rows);
        if !self.packed {
            return ATile::new(a);
        }
        let k = a.cols();
        if a.has_contiguous_rows() {
            let stride = pack::a_row_stride::<T>(k);
            let packed = buffer.elements(rows * stride);
            copy::copy(s, a, MatMut::from_strided(packed, 0, rows, k, stride as isize, 1));
            ATile::new(MatRef::from_strided(packed, 0, rows, k, stride as isize, 1))
        } else {
            let packed = buffer.elements(rows * k);
            copy::copy(s, a.t(), MatMut::from_row_major(packed, k, rows));
            ATile::new(MatRef::from_row_major(packed, k, rows).t())
        }
    }
}
