//! Nothing outside of what a caller gave is read or written: inputs and outputs lie directly before or after a page whose
//! every access ends the process, on every instruction set.

mod guarded;

use guarded::{Guarded, Side};
use kernels::testing::for_each_isa;
use kernels::{
    ByteScale, ClassTargets, Epilogue, Function, GemmOptions, KernelSet, LossOptions, MatMut, MatRef, Reduction,
};
use tests::gemm_case::ACTIVATIONS;
use tests::matrix::Float;
use tests::random::Random;

/// Around one vector, two, four and a group of four accumulators.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=67).chain([79, 80, 81, 127, 128, 129, 191, 192, 193])
}

fn on_every_isa_and_side(test: impl Fn(&KernelSet, Side)) {
    for_each_isa(|set| [Side::Before, Side::After].into_iter().for_each(|side| test(set, side)));
}

#[test]
fn pages_on_both_sides_are_closed() {
    for side in [Side::Before, Side::After] {
        let mut memory = Guarded::<f32>::new(1000, side);
        memory.of_len(1000).fill(1.0);
        assert!(memory.is_closed(), "{side:?}");
    }
}

#[test]
fn functions() {
    on_every_isa_and_side(|set, side| {
        let (mut x, mut y) = (Guarded::new(200, side), Guarded::new(200, side));
        for len in lengths() {
            let (x, y) = (x.of_len(len), y.of_len(len));
            for function in Function::ALL {
                x.fill(0.5);
                set.map(function, x, y);
                set.map_in_place(function, x);
                assert_eq!(x, y, "{} of {len} on {}", function.name(), set.isa());
            }
            for activation in ACTIVATIONS {
                set.activate(activation, x, y);
                set.activate_in_place(activation, y);
                set.activation_backward(activation, x, y);
            }
            set.sgd(y, x, 0.1, 0.01);
        }
    });
}

#[test]
fn reductions() {
    on_every_isa_and_side(|set, side| {
        let (mut x, mut y) = (Guarded::new(200, side), Guarded::new(200, side));
        for len in lengths() {
            let (x, y) = (x.of_len(len), y.of_len(len));
            x.fill(1.0);
            y.fill(2.0);
            let sums = [set.sum(x), set.dot(x, y) / 2.0, set.sum_squares(x), set.max(x) * len as f32];
            let expected = if len == 0 { [0.0, 0.0, 0.0, f32::NAN] } else { [len as f32; 4] };
            assert!(sums.map(f32::to_bits)[..3] == expected.map(f32::to_bits)[..3], "{sums:?} on {}", set.isa());
        }
    });
}

#[test]
fn gathered_bytes() {
    on_every_isa_and_side(|set, side| {
        let (mut from, mut to) = (Guarded::<u8>::new(600, side), Guarded::new(600, side));
        for cols in lengths() {
            let (from, to) = (from.of_len(3 * cols), to.of_len(2 * cols));
            from.fill(3);
            set.gather_bytes(MatRef::from_row_major(from, 3, cols), &[2, 0], ByteScale::default(), to);
            assert!(to.iter().all(|&x| x == 3.0), "{cols} on {}", set.isa());
        }
    });
}

fn weighted<'a>(losses: &'a mut [f64], of_row: &'a [f32], of_col: &'a [f32]) -> LossOptions<'a> {
    LossOptions {
        reduction: Reduction::None(losses),
        sample_weights: Some(of_row),
        class_weights: Some(of_col),
        ..LossOptions::default()
    }
}

#[test]
fn rows() {
    on_every_isa_and_side(|set, side| {
        let (mut x, mut d, mut t) = (Guarded::new(2000, side), Guarded::new(2000, side), Guarded::new(2000, side));
        let (mut of_col, mut labels) = (Guarded::new(200, side), Guarded::new(10, side));
        let (mut of_row, mut each) = (Guarded::new(10, side), Guarded::new(10, side));
        for cols in lengths().skip(1) {
            for rows in [1, 2, 3, 9] {
                let len = rows * cols;
                let (x, d, t, of_col) = (x.of_len(len), d.of_len(len), t.of_len(len), of_col.of_len(cols));
                let (labels, of_row, each) = (labels.of_len(rows), of_row.of_len(rows), each.of_len(rows));
                x.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32 * 0.01);
                t.fill(0.25);
                set.column_sums(cols, x, of_col);
                set.softmax(cols, x, d);
                set.softmax_in_place(cols, d);
                set.log_softmax(cols, x, d);
                set.log_softmax_in_place(cols, d);
                set.logsumexp(cols, x, of_row);

                labels.fill(0);
                of_col.fill(2.0);
                of_row.fill(0.5);
                let plain = LossOptions::default;
                for targets in [ClassTargets::Indices(labels), ClassTargets::Probabilities(t)] {
                    let costs = [
                        set.mse(cols, x, t, plain(), d) + set.mse(cols, x, t, weighted(each, of_row, of_col), d),
                        set.huber(cols, x, t, 1.0, plain(), d)
                            + set.huber(cols, x, t, 1.0, weighted(each, of_row, of_col), d),
                        set.bce_with_logits(cols, x, t, plain(), d)
                            + set.bce_with_logits(cols, x, t, weighted(each, of_row, of_col), d),
                        set.softmax_cross_entropy(cols, x, targets, plain(), d)
                            + set.softmax_cross_entropy(cols, x, targets, weighted(each, of_row, of_col), d),
                    ];
                    assert!(costs.iter().all(|cost| cost.is_finite()), "{rows}x{cols}: {costs:?} on {}", set.isa());
                    assert!(each.iter().all(|loss| loss.is_finite()), "{rows}x{cols}: {each:?} on {}", set.isa());
                }
                set.argmax(cols, x, labels);
                assert!(labels.iter().all(|&label| label as usize == cols - 1), "{labels:?} on {}", set.isa());
            }
        }
    });
}

/// Where the elements lie that the buffer just holds.
fn strides(rows: usize, cols: usize, random: &mut Random) -> (isize, isize) {
    let (r, c) = (rows as isize, cols as isize);
    random.choose(&[(c, 1), (1, r), (c + 3, 1), (1, r + 5), (-c, 1), (1, -r), (2 * c + 1, 2)])
}

fn products<T: Float + bytemuck::Pod>(set: &KernelSet, side: Side) {
    const LARGEST: usize = 1 << 17;
    const MS: [usize; 18] = [1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 18, 27, 28, 29, 37];
    const NS: [usize; 19] = [1, 2, 3, 4, 6, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 47, 49, 64, 65];
    const KS: [usize; 10] = [0, 1, 2, 7, 8, 16, 17, 63, 65, 130];
    let new = || Guarded::<T>::new(LARGEST, side);
    let (mut a, mut b, mut c, mut bias, mut output) = (new(), new(), new(), new(), new());
    let mut random = Random::new(300);
    for (m, n) in MS.into_iter().flat_map(|m| NS.map(|n| (m, n))) {
        // Rows side by side have kernels of their own.
        for (k, dense) in [(random.choose(&KS), false), (random.below(40), false), (random.choose(&KS), true)] {
            let mut view = |rows: usize, cols: usize| {
                let strides = if dense { (cols as isize, 1) } else { strides(rows, cols, &mut random) };
                Placed::new(rows, cols, strides)
            };
            let (a_at, b_at, c_at, output_at) = (view(m, k), view(k, n), view(m, n), view(m, n));
            let (a, b, c) = (a.of_len(a_at.len), b.of_len(b_at.len), c.of_len(c_at.len));
            let (bias, output) = (bias.of_len(n), output.of_len(output_at.len));
            a.fill(T::from_f64(0.5));
            b.fill(T::from_f64(2.0));
            bias.fill(T::from_f64(1.0));
            output.fill(T::from_f64(0.5));
            let activation = random.choose(&ACTIVATIONS);
            let epilogues = [
                Epilogue::None,
                Epilogue::Bias { bias: Some(bias), activation },
                Epilogue::Derivative { activation, kept: output_at.read(output) },
            ];
            for epilogue in epilogues {
                for beta in [0.0, 1.0] {
                    c.fill(T::from_f64(0.0));
                    let options = GemmOptions { epilogue, ..GemmOptions::default() };
                    let (alpha, beta) = (T::from_f64(1.0), T::from_f64(beta));
                    set.gemm(alpha, a_at.read(a), b_at.read(b), beta, c_at.write(c), &options);
                }
                let packed = set.pack_b(b_at.read(b));
                let options = GemmOptions { epilogue, ..GemmOptions::default() };
                set.gemm_packed(T::from_f64(1.0), a_at.read(a), &packed, T::from_f64(0.0), c_at.write(c), &options);
                if let Epilogue::None = epilogue {
                    let last: f64 = c_at.read(c).get(m - 1, n - 1).into();
                    assert_eq!(last, k as f64, "{m}x{n}x{k} on {}, {side:?}", set.isa());
                }
            }
        }
    }
}

#[test]
fn matrix_products() {
    on_every_isa_and_side(products::<f32>);
    on_every_isa_and_side(products::<f64>);
}

#[test]
fn sums_of_columns_beside_a_product() {
    on_every_isa_and_side(|set, side| {
        let new = || Guarded::new(1 << 14, side);
        let (mut a, mut b, mut c, mut sums) = (new(), new(), new(), new());
        for (m, n, k) in [(1, 1, 1), (7, 10, 33), (14, 32, 8), (15, 33, 9), (29, 65, 17), (61, 49, 5)] {
            let (a, b, c, sums) = (a.of_len(m * k), b.of_len(k * n), c.of_len(m * n), sums.of_len(n));
            a.fill(0.5);
            b.fill(2.0);
            let (a, b) = (MatRef::from_row_major(a, m, k), MatRef::from_row_major(b, k, n));
            let c = MatMut::from_row_major(c, m, n);
            set.gemm_with_column_sums(1.0, a, b, 0.0, c, sums, &GemmOptions::default());
            assert!(sums.iter().all(|&sum| sum == (m * k) as f32), "{m}x{n}x{k} on {}: {sums:?}", set.isa());
        }
    });
}

/// A matrix that takes up a whole buffer, from its first to its last element.
#[derive(Clone, Copy)]
struct Placed {
    rows: usize,
    cols: usize,
    strides: (isize, isize),
    offset: usize,
    len: usize,
}

impl Placed {
    fn new(rows: usize, cols: usize, strides: (isize, isize)) -> Self {
        let reach = |count: usize, stride: isize| count.saturating_sub(1) as isize * stride;
        let (down, right) = (reach(rows, strides.0), reach(cols, strides.1));
        let lowest = down.min(0) + right.min(0);
        let len = if rows == 0 || cols == 0 { 0 } else { (down.max(0) + right.max(0) - lowest) as usize + 1 };
        Placed { rows, cols, strides, offset: (-lowest) as usize, len }
    }

    fn read<T: Float>(self, data: &[T]) -> MatRef<'_, T> {
        MatRef::from_strided(data, self.offset, self.rows, self.cols, self.strides.0, self.strides.1)
    }

    fn write<T: Float>(self, data: &mut [T]) -> MatMut<'_, T> {
        MatMut::from_strided(data, self.offset, self.rows, self.cols, self.strides.0, self.strides.1)
    }
}
