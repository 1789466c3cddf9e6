//! Views of matrices, and products of them on every instruction set.

use crate::bytes::Bytes;
use crate::panics::refused;
use kernels::{Epilogue, GemmOptions, Isa, KernelSet, MatMut, MatRef, ThreadPool};
use std::collections::HashSet;
use std::sync::OnceLock;
use tests::gemm_case::ACTIVATIONS;
use tests::matrix::Float;

/// Elements of a buffer at most.
const LARGEST: i128 = 1 << 16;

/// Shapes, strides, offsets, lengths, scalars, epilogue and values come from the bytes. Views that do not fit their buffers
/// must be refused; all others are multiplied, and every instruction set must give the portable path's bits and leave alone
/// what lies between the elements of C.
pub fn run(data: &[u8]) -> String {
    let mut data = Bytes(data);
    if data.byte().is_multiple_of(4) { product::<f64>(&mut data) } else { product::<f32>(&mut data) }
}

fn product<T: Float>(data: &mut Bytes<'_>) -> String {
    let (m, n, k) = (size(data), size(data), depth(data));
    let (a, b, c) = (Strided::new(data, m, k), Strided::new(data, k, n), Strided::new(data, m, n));
    let output = Strided::new(data, m, n);
    let scalars = [0.0, 1.0, -0.7, 1.3, -1.0, f64::INFINITY, f64::NAN];
    let (alpha, beta) = (T::from_f64(data.choose(&scalars)), T::from_f64(data.choose(&scalars)));
    let activation = data.choose(&ACTIVATIONS);
    let (epilogue, how) = (data.byte() % 4, data.byte());
    let (threaded, packed) = (how.is_multiple_of(8), how % 4 == 1);
    let mut values = Values(data.word() | 1);

    let refused = [("a", a.is_refused::<T>()), ("b", b.is_refused::<T>()), ("output", output.is_refused::<T>())];
    if let Some((name, _)) = refused.into_iter().find(|(_, refused)| *refused) {
        return format!("{name} refused");
    }
    if c.is_refused_for_writing::<T>() {
        return "c refused".to_owned();
    }

    let (a_data, b_data, output_data) = (values.vec(a.len), values.vec(b.len), values.vec(output.len));
    let (c_data, bias): (Vec<T>, Vec<T>) = (values.vec(c.len), values.vec(n));
    let epilogue = match epilogue {
        0 => Epilogue::None,
        1 => Epilogue::Bias { bias: None, activation },
        2 => Epilogue::Bias { bias: Some(&bias), activation },
        _ => Epilogue::Derivative { activation, kept: output.view(&output_data) },
    };
    let options = GemmOptions { epilogue, ..GemmOptions::default() };
    let on = |set: &KernelSet, packed: bool| {
        let mut result = c_data.clone();
        let (a, b, c) = (a.view(&a_data), b.view(&b_data), c.view_mut(&mut result));
        match packed {
            true => set.gemm_packed(alpha, a, &set.pack_b(b), beta, c, &options),
            false => set.gemm(alpha, a, b, beta, c, &options),
        }
        result.into_iter().map(bits).collect::<Vec<u64>>()
    };
    let portable = KernelSet::for_isa(Isa::Portable).expect("it is always there");
    let expected = on(portable, packed);
    let written: HashSet<i128> = c.places().collect();
    for (at, (&new, &old)) in expected.iter().zip(&c_data).enumerate() {
        assert!(written.contains(&(at as i128)) || new == bits(old), "element {at}, not of C, has changed");
    }
    for set in KernelSet::available() {
        let found = if threaded { pool().install(|| on(set, packed)) } else { on(set, packed) };
        assert!(found == expected, "{} differs from the portable path: {m}x{n}x{k}, {a:?}, {b:?}, {c:?}", set.isa());
    }
    let class = |size: usize| size.min(3) + size / 16;
    format!("{} {} {} {} {} {}", class(m), class(n), class(k), a.class(), b.class(), c.class())
}

/// The bits, with one NaN for all.
fn bits<T: Float>(x: T) -> u64 {
    let wide: f64 = x.into();
    if wide.is_nan() { u64::MAX } else { x.bits() }
}

/// Threads that split all that can be split.
fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| ThreadPool::with_work_per_thread(3, 1).expect("threads can be started"))
}

fn size(data: &mut Bytes<'_>) -> usize {
    match data.byte() {
        byte @ 0..=230 => usize::from(byte) % 36,
        byte => usize::from(byte) - 170,
    }
}

/// Now and then of several blocks.
fn depth(data: &mut Bytes<'_>) -> usize {
    match data.byte() {
        byte @ 0..=245 => usize::from(byte) % 36,
        byte => usize::from(byte) * 3 - 240,
    }
}

/// Where the elements of a matrix lie in a buffer.
#[derive(Clone, Copy, Debug)]
struct Strided {
    len: usize,
    offset: usize,
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

impl Strided {
    /// Mostly in a buffer that it just fits into.
    fn new(data: &mut Bytes<'_>, rows: usize, cols: usize) -> Self {
        let (r, c) = (rows as isize, cols as isize);
        let mut small = || isize::from(data.byte() as i8);
        let gap = small().rem_euclid(5);
        let (row_stride, col_stride) = match small().rem_euclid(8) {
            0 | 1 => (c, 1),
            2 => (1, r),
            3 => (c + gap, 1),
            4 => (1, r + gap),
            5 => (-c - gap, 1),
            6 => (small(), small()),
            _ => match gap {
                0 => (data.word() as isize, data.word() as isize),
                1 => (0, 1),
                2 => (0, 0),
                3 => (2 * c + 1, -2),
                _ => (-1, -r),
            },
        };
        let mut view = Strided { len: 0, offset: 0, rows, cols, row_stride, col_stride };
        let (lowest, highest) = view.reach();
        if highest - lowest < LARGEST {
            (view.offset, view.len) = ((-lowest) as usize, (highest - lowest + 1) as usize);
        }
        // Now and then a little off.
        let amount = |byte: u8| if byte < 240 { 0 } else { isize::from(byte) - 247 };
        view.offset = view.offset.wrapping_add_signed(amount(data.byte()));
        view.len = view.len.saturating_add_signed(amount(data.byte()));
        view
    }

    /// The lowest and highest element from the first one.
    fn reach(&self) -> (i128, i128) {
        let along = |count: usize, stride: isize| count.saturating_sub(1) as i128 * stride as i128;
        let (down, right) = (along(self.rows, self.row_stride), along(self.cols, self.col_stride));
        (down.min(0) + right.min(0), down.max(0) + right.max(0))
    }

    fn fits(&self) -> bool {
        let (lowest, highest) = self.reach();
        let offset = self.offset as i128;
        let within = offset + lowest >= 0 && offset + highest < self.len as i128;
        self.rows == 0 || self.cols == 0 || within
    }

    /// The index of each element, row by row.
    fn places(self) -> impl Iterator<Item = i128> {
        let at = move |i, j| self.offset as i128 + i * self.row_stride as i128 + j * self.col_stride as i128;
        (0..self.rows as i128).flat_map(move |i| (0..self.cols as i128).map(move |j| at(i, j)))
    }

    /// Whether it cannot be made; panics if that is not for the reason that an element is outside.
    fn is_refused<T: Float>(&self) -> bool {
        let buffer = vec![T::default(); self.len];
        let refused = refused(|| _ = self.view(&buffer));
        assert_eq!(refused, !self.fits(), "a view was refused, or made, wrongly: {self:?}");
        refused
    }

    /// Whether it cannot be made, which must be so where an element is outside or two are the same.
    fn is_refused_for_writing<T: Float>(&self) -> bool {
        let mut buffer = vec![T::default(); self.len];
        let refused = refused(|| _ = self.view_mut(&mut buffer));
        if !refused {
            let mut seen = HashSet::new();
            assert!(self.fits() && self.places().all(|place| seen.insert(place)), "a view was made wrongly: {self:?}");
        }
        refused
    }

    fn view<'a, T: Float>(&self, data: &'a [T]) -> MatRef<'a, T> {
        MatRef::from_strided(data, self.offset, self.rows, self.cols, self.row_stride, self.col_stride)
    }

    fn view_mut<'a, T: Float>(&self, data: &'a mut [T]) -> MatMut<'a, T> {
        MatMut::from_strided(data, self.offset, self.rows, self.cols, self.row_stride, self.col_stride)
    }

    fn class(&self) -> String {
        let class = |stride: isize| stride.clamp(-2, 2);
        format!("{},{}", class(self.row_stride), class(self.col_stride))
    }
}

/// Finite values, from a seed that is not 0 (xorshift).
struct Values(u64);

impl Values {
    fn vec<T: Float>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| T::from_f64(self.next())).collect()
    }

    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(self.0 as i32) / f64::from(1 << 30)
    }
}
