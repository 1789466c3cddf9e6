//! The micro-kernel: a tile of C held in registers while K passes by.
//!
//! ```text
//!                b: one row of NV vectors
//!              +--------+--------+
//!              |  b0    |  b1    |
//!              +--------+--------+
//!  a: MR  +--+ +--------+--------+
//!  elements|a0| |acc00   |acc01   |   acc[i][j] = fma(a[i], b[j], acc[i][j]) for k = 0, 1, 2, ...
//!  of one |a1| |acc10   |acc11   |   one chain of fused multiply-adds an element, from 0, in ascending k
//!  column |..| | ...    | ...    |
//!         +--+ +--------+--------+
//! ```

use super::Arithmetic;
use crate::simd::{Float, Simd};

/// What a micro-kernel works on: one tile, or several of the same height below each other, wide ones also next to each other. A
/// and B may be packed panels or lie as the caller's matrices lie.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    /// How many tiles.
    pub(crate) count: usize,
    /// How many [wide](Width::Wide) tiles next to each other, of each of these.
    pub(crate) across: usize,
    /// From the columns of B of one of these to those of the next.
    pub(crate) b_across: usize,
    pub(crate) k: usize,
    pub(crate) a: *const T,
    pub(crate) a_row_stride: isize,
    pub(crate) a_col_stride: isize,
    /// How many lines of each row of A a tile asks for on behalf of the next.
    pub(crate) a_lines_ahead: usize,
    pub(crate) b: *const T,
    pub(crate) b_row_stride: isize,
    pub(crate) c: *mut T,
    pub(crate) c_row_stride: isize,
    /// What the sums of a [`Resumed`](Width::Resumed) tile start from, in rows like those of C, which may be the same.
    pub(crate) start: *const T,
    pub(crate) start_row_stride: isize,
    /// Columns of the tile that exist; read by kernels of one part of a vector only.
    pub(crate) cols: usize,
    pub(crate) update: Update<T>,
}

/// What becomes of C: `C = alpha A B + beta C`.
#[derive(Clone, Copy)]
pub(crate) struct Update<T> {
    pub(crate) alpha: T,
    /// `None`: C is not read.
    pub(crate) beta: Option<T>,
    /// Whether a deep tile asks for its lines of C while it computes.
    pub(crate) fetches_c: bool,
}

impl<T: Arithmetic> Update<T> {
    /// C becomes the product itself.
    pub(super) fn product() -> Self {
        Update { alpha: T::from(1.0), beta: None, fetches_c: false }
    }
}

/// Rows of A that share a pointer: x86 reaches them as pointer, pointer + stride and pointer + 2 stride, so that a tile
/// of 14 rows takes five registers.
const ROW_GROUP: usize = 3;

/// How many rows of B ahead of their use are asked for: B streams from the L2 cache.
pub(super) const PREFETCH_ROWS: isize = 8;

pub(crate) const LINE_BYTES: usize = 64;

/// From this depth on a tile may ask for its lines of C while it computes. A shallower one is done before they come, and its
/// requests keep back the stores of the tile before: without them 784x1x128 is 1.5 times as fast and 10000x32x32 1.07 times.
const K_FOR_FETCHING_C: usize = 48;

/// How many rows of C are asked for at once, evenly over the steps of K: all together take up the core's list of awaited lines,
/// and A and B wait behind them. 1.02 times as fast for 1024 cubed as all before the first step, 0.97 times for 64x64x2048.
const C_ROWS_AT_ONCE: usize = 2;

/// How wide a tile is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// Twice `NV` vectors, for products of so little depth that to write C takes much of the time: rows of C are written from end
    /// to end, a longer part of each at a time, which takes 0.79 of the time of 512x10x512, where full tiles in the same order
    /// would take 0.85; 784x8x128 takes 0.87.
    ///
    /// What did not help: asking for lines of C one tile ahead, 1.2 times the time of 512x10x512 and up to 1.35 times that of 784x8x128,
    /// though 0.92 of 128x4x128; tiles of 3 rows and four times `NV` vectors.
    Wide,
    /// `NV` vectors.
    Full,
    /// As many, and the sums start from what earlier steps in the same block of K have come to.
    Resumed,
    /// One vector, of which `cols` lanes exist.
    Masked,
    /// One vector, of which B has all lanes and C `cols`.
    Padded,
}

/// `C = alpha A B + beta C` on each of the tiles that [`Tile`] describes.
///
/// # Safety
/// - The CPU must have the features of the ISA that the kernel was made for.
/// - With `count` times the rows of the kernel, `k` and `cols` of the tile: every element of A, B and C at the tile's
///   strides must be readable, and those of C writable and used by nothing else. B has whole vectors in each row but
///   where the tile is [`Masked`](Width::Masked). What the sums of a [`Resumed`](Width::Resumed) tile start from must be readable.
pub(crate) type MicroKernel<T> = unsafe fn(&Tile<T>);

/// The tallest tile of any ISA.
pub(crate) const MR_MAX: usize = 16;

/// The kernels of one ISA for every height of a tile: `kernels[rows - 1]`.
pub(crate) fn kernels<S: Simd, T: Arithmetic>(width: Width) -> &'static [MicroKernel<T>; MR_MAX] {
    macro_rules! heights {
        ($width:expr) => { heights!($width, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16) };
        ($width:expr, $($mr:literal)*) => {
            const { &[$(height::<S, T, $mr>($width)),*] }
        };
    }
    match width {
        Width::Wide => heights!(Width::Wide),
        Width::Full => heights!(Width::Full),
        Width::Resumed => heights!(Width::Resumed),
        Width::Masked => heights!(Width::Masked),
        Width::Padded => heights!(Width::Padded),
    }
}

/// The kernel of one height, compiled only for the heights that the ISA uses.
const fn height<S: Simd, T: Arithmetic, const MR: usize>(width: Width) -> MicroKernel<T> {
    match (width, S::NV) {
        (Width::Wide, 2) if MR <= S::MR_WIDE => micro_kernel::<S, T, MR, 4, false, false, false>,
        (Width::Full, 1) if MR <= S::MR => micro_kernel::<S, T, MR, 1, false, false, false>,
        (Width::Full, 2) if MR <= S::MR => micro_kernel::<S, T, MR, 2, false, false, false>,
        (Width::Resumed, 1) if MR <= S::MR => micro_kernel::<S, T, MR, 1, false, false, true>,
        (Width::Resumed, 2) if MR <= S::MR => micro_kernel::<S, T, MR, 2, false, false, true>,
        (Width::Masked, _) if MR <= S::MR_MASKED && masks::<S, T>() => micro_kernel::<S, T, MR, 1, true, true, false>,
        (Width::Padded, _) if MR <= S::MR && pads::<S, T>() => micro_kernel::<S, T, MR, 1, true, false, false>,
        _ => too_tall::<T>,
    }
}

/// Whether there are [`Masked`](Width::Masked) kernels.
pub(crate) const fn masks<S: Simd, T: Arithmetic>() -> bool {
    T::Vector::<S>::M_FOR_PADDING_B > 0
}

/// Whether there are [`Padded`](Width::Padded) kernels.
pub(crate) const fn pads<S: Simd, T: Arithmetic>() -> bool {
    T::Vector::<S>::M_FOR_PADDING_B < usize::MAX
}

/// # Safety
/// None is needed.
unsafe fn too_tall<T>(_: &Tile<T>) {
    unreachable!("a tile taller than the instruction set's")
}

/// Repeats a block for each row of a tile with the row as a constant: the compiler unrolls a loop of this size only when
/// it pleases, and leaves the accumulators in memory when it does not.
macro_rules! for_each_row {
    ($mr:ident, |$i:ident| $body:block) => {
        for_each_row!($mr, $i, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($mr:ident, $i:ident, $body:block, $($row:literal)*) => {$(
        if const { $row < $mr } {
            const $i: usize = $row;
            $body
        }
    )*};
}

/// # Safety
/// - The contract of [`MicroKernel`], for `MR` rows.
unsafe fn micro_kernel<
    S,
    T,
    const MR: usize,
    const NV: usize,
    const PART: bool,
    const MASKED: bool,
    const RESUMED: bool,
>(
    tile: &Tile<T>,
) where
    S: Simd,
    T: Arithmetic,
{
    // SAFETY: the caller promises that the CPU has the features.
    let s = unsafe { S::assume_available() };
    s.run(
        #[inline(always)]
        |s| {
            let across = if NV > S::NV { tile.across } else { 1 };
            let (mut a, mut c, mut start) = (tile.a, tile.c, tile.start);
            for _ in 0..tile.count {
                // SAFETY: the same reference, of which the compiler knows nothing: it would keep what all tiles share in
                // registers that each needs.
                let tile = unsafe { &*opaque(tile) };
                let a_next = a.wrapping_offset(MR as isize * tile.a_row_stride);
                fetch_rows::<S, T, MR>(s, tile, a_next);
                for j in 0..across {
                    // SAFETY: as above, and the caller's promise, passed on.
                    unsafe {
                        let tile = &*opaque(tile);
                        let b = tile.b.wrapping_add(j * tile.b_across);
                        let c = c.wrapping_add(j * NV * T::Vector::<S>::LANES);
                        let product = accumulate::<S, T, MR, NV, PART, MASKED, RESUMED>(s, tile, a, b, c, start);
                        store::<S, T, MR, NV, PART>(s, tile, c, product);
                    }
                }
                a = a_next;
                c = c.wrapping_offset(MR as isize * tile.c_row_stride);
                start = start.wrapping_offset(MR as isize * tile.start_row_stride);
            }
        },
    );
}

/// Asks for the first lines of `MR` rows of A. There may be none: a prefetch does not mind.
#[inline(always)]
fn fetch_rows<S: Simd, T: Arithmetic, const MR: usize>(s: S, tile: &Tile<T>, a: *const T) {
    for line in 0..tile.a_lines_ahead {
        for row in 0..MR {
            let row = a.wrapping_offset(row as isize * tile.a_row_stride);
            T::Vector::<S>::prefetch(s, row.wrapping_byte_add(line * LINE_BYTES));
        }
    }
}

/// Asks for the next [`C_ROWS_AT_ONCE`] rows of C, and returns where those after them are. There may be none, as above.
#[inline(always)]
fn fetch_rows_of_c<S: Simd, T: Arithmetic, const NV: usize>(s: S, tile: &Tile<T>, mut c: *mut T) -> *mut T {
    for _ in 0..C_ROWS_AT_ONCE {
        for j in 0..NV {
            T::Vector::<S>::prefetch_for_writing(s, c.wrapping_add(j * T::Vector::<S>::LANES));
        }
        c = c.wrapping_offset(tile.c_row_stride);
    }
    c
}

/// # Safety
/// - The contract of [`MicroKernel`], for the `MR` rows from `a` on and the columns from `b` on.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators are several times as much to compile, in each of many kernels"
)]
unsafe fn accumulate<
    S: Simd,
    T: Arithmetic,
    const MR: usize,
    const NV: usize,
    const PART: bool,
    const MASKED: bool,
    const RESUMED: bool,
>(
    s: S,
    tile: &Tile<T>,
    a: *const T,
    mut b: *const T,
    mut c: *mut T,
    start: *const T,
) -> [[T::Vector<S>; NV]; MR] {
    let lanes = T::Vector::<S>::LANES;
    let zero = T::Vector::<S>::splat(s, T::default());
    let mut acc = [[zero; NV]; MR];
    if RESUMED {
        for_each_row!(MR, |I| {
            for j in 0..NV {
                // SAFETY: the caller promises that row i of what the sums start from exists.
                acc[I][j] = unsafe {
                    T::Vector::<S>::load_ptr(s, start.offset(I as isize * tile.start_row_stride).add(j * lanes))
                };
            }
        });
    }
    let tail = T::Vector::<S>::tail(s, if MASKED { tile.cols } else { 0 });
    let in_group: [isize; ROW_GROUP] = [0, tile.a_row_stride, 2 * tile.a_row_stride];
    // To rows 0, ROW_GROUP, 2 ROW_GROUP, ...
    let mut a: [_; MR_MAX.div_ceil(ROW_GROUP)] = std::array::from_fn(
        #[inline(always)]
        |group| opaque(a.wrapping_offset((group * ROW_GROUP) as isize * tile.a_row_stride)),
    );
    // In bytes, which the compiler does not know: else each step is a multiplication and an addition in one, which takes longer
    // than an addition.
    let a_col_bytes = opaque_stride(tile.a_col_stride * size_of::<T>() as isize);
    let ahead = PREFETCH_ROWS * tile.b_row_stride;
    let mut until_c = match tile.update.fetches_c && tile.k >= K_FOR_FETCHING_C {
        true => 0,
        false => usize::MAX,
    };
    // One loop: with one for each run of steps between requests, the compiler copies sums in each step with AVX2, 1.15 times the
    // time of 64x64x64; with AVX-512 it does not, and what it no longer counts hides behind the multiplications all the same.
    for _ in 0..tile.k {
        // Not in a wide tile: to count the steps would take a twentieth of the time of 512x10x512.
        if NV <= S::NV && until_c == 0 {
            c = fetch_rows_of_c::<S, T, NV>(s, tile, c);
            until_c = tile.k.div_ceil(MR.div_ceil(C_ROWS_AT_ONCE));
        }
        until_c -= 1;
        // SAFETY: the caller promises that rows i < MR and columns k of A exist, and row k of B, whole or, where
        // masked, its first `cols` lanes. The pointers step past the end only after the last use.
        unsafe {
            let mut b_row = [zero; NV];
            for j in 0..NV {
                b_row[j] = match MASKED {
                    true => T::Vector::<S>::load_tail(s, b, tail),
                    false => T::Vector::<S>::load_ptr(s, b.add(j * lanes)),
                };
                // A wide tile's B is in the L1 cache and ends after few rows: to ask takes 1.06 times as long for 512x10x512.
                if !PART && NV <= S::NV {
                    T::Vector::<S>::prefetch(s, b.wrapping_offset(ahead).wrapping_add(j * lanes));
                }
            }
            for_each_row!(MR, |I| {
                let a_i = T::Vector::<S>::splat(s, *a[I / ROW_GROUP].offset(in_group[I % ROW_GROUP]));
                for j in 0..NV {
                    acc[I][j] = a_i.mul_add(b_row[j], acc[I][j]);
                }
            });
        }
        for_each_row!(MR, |I| {
            if const { I.is_multiple_of(ROW_GROUP) } {
                a[I / ROW_GROUP] = opaque(a[I / ROW_GROUP].wrapping_byte_offset(a_col_bytes));
            }
        });
        b = b.wrapping_offset(tile.b_row_stride);
    }
    acc
}

/// The same pointer, of which the compiler knows nothing: it would otherwise keep one for each row of a tile, more than
/// there are registers, instead of one for [`ROW_GROUP`] of them.
#[inline(always)]
pub(crate) fn opaque<T>(mut pointer: *const T) -> *const T {
    // SAFETY: it has no instruction, so it does nothing.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[allow(clippy::pointers_in_nomem_asm_block, reason = "the memory is not touched")]
    unsafe {
        std::arch::asm!("/* {} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags));
    }
    pointer
}

/// The same distance, of which the compiler knows nothing, such as that it is a multiple of something.
#[inline(always)]
pub(super) fn opaque_stride(stride: isize) -> isize {
    opaque(std::ptr::without_provenance::<u8>(stride as usize)).addr() as isize
}

/// # Safety
/// - The contract of [`MicroKernel`], for the `MR` rows from `c` on.
#[inline(always)]
unsafe fn store<S: Simd, T: Arithmetic, const MR: usize, const NV: usize, const PART: bool>(
    s: S,
    tile: &Tile<T>,
    c: *mut T,
    product: [[T::Vector<S>; NV]; MR],
) {
    let alpha = T::Vector::<S>::splat(s, tile.update.alpha);
    let tail = T::Vector::<S>::tail(s, if PART { tile.cols } else { T::Vector::<S>::LANES });
    // One loop for each kind of C = alpha product + beta C, so that no row has to choose.
    // SAFETY: the caller's promise, passed on; it is about all that is read here, too.
    unsafe {
        match tile.update.beta {
            // A product with 1 is exact: the usual call need not compute it.
            None if tile.update.alpha == T::from(1.0) => store_rows::<S, T, MR, NV, PART>(
                tile,
                c,
                tail,
                product,
                #[inline(always)]
                |product, _| product,
            ),
            None => store_rows::<S, T, MR, NV, PART>(
                tile,
                c,
                tail,
                product,
                #[inline(always)]
                |product, _| alpha * product,
            ),
            Some(beta) => store_rows::<S, T, MR, NV, PART>(
                tile,
                c,
                tail,
                product,
                #[inline(always)]
                |product, c| {
                    let old = match PART {
                        true => T::Vector::<S>::load_tail(s, c, tail),
                        false => T::Vector::<S>::load_ptr(s, c),
                    };
                    alpha.mul_add(product, T::Vector::<S>::splat(s, beta) * old)
                },
            ),
        }
    }
}

/// Puts `value` of the product, and of where it goes, into each vector of C.
///
/// # Safety
/// - The contract of [`MicroKernel`], for the `MR` rows from `c` on.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "iterators are several times as much to compile, in each of many kernels"
)]
unsafe fn store_rows<S: Simd, T: Arithmetic, const MR: usize, const NV: usize, const PART: bool>(
    tile: &Tile<T>,
    c: *mut T,
    tail: <T::Vector<S> as Float>::Tail,
    product: [[T::Vector<S>; NV]; MR],
    value: impl Fn(T::Vector<S>, *mut T) -> T::Vector<S>,
) {
    for_each_row!(MR, |I| {
        for j in 0..NV {
            // SAFETY: the caller promises that row i of C exists and is ours, whole or, where narrow, its first `cols`
            // lanes.
            unsafe {
                let c = c.offset(I as isize * tile.c_row_stride).add(j * T::Vector::<S>::LANES);
                let value = value(product[I][j], c);
                match PART {
                    true => value.store_tail(c, tail),
                    false => value.store_ptr(c),
                }
            }
        }
    });
}
