//! `gemm` on every instruction set: judged against f64, and the same bits as the portable path.

use kernels::testing::for_each_isa;
use kernels::{Activation, Epilogue, GemmOptions, Isa, KernelSet, MatMut, MatRef, ThreadPool, Threads};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tests::gemm_case::{ACTIVATIONS, GemmCase};
use tests::matrix::{Float, Layout, Matrix};
use tests::random::Random;

/// An optimised run is for the whole set, any other for a sample of it.
const CASES: usize = if cfg!(debug_assertions) { 3_000 } else { 100_000 };

/// Generated cases on one ISA.
fn generated_cases<T: Float>(isa: &KernelSet) {
    let mut random = Random::new(1);
    for _ in 0..CASES {
        let shape = GemmCase::<T>::random_shape(&mut random);
        let case = GemmCase::<T>::of_shape(shape, &mut random);
        judge(isa, &case, case.random_epilogue(&mut random));
    }
}

/// A case against f64 where the ISA is the portable one, else against the portable bits.
fn judge<T: Float>(isa: &KernelSet, case: &GemmCase<T>, epilogue: Epilogue<'_, T>) {
    let (plain, finished) = (case.run(isa, Epilogue::None), case.run(isa, epilogue));
    if isa.isa() == Isa::Portable {
        case.check(&plain, &"portable");
        case.check_guards(&finished, &"portable");
    } else {
        let portable = KernelSet::for_isa(Isa::Portable).unwrap();
        let name = isa.isa();
        let expected = case.run(portable, Epilogue::None);
        assert!(plain.bits() == expected.bits(), "{name}: {}", case.description);
        let expected = case.run(portable, epilogue);
        assert!(finished.bits() == expected.bits(), "{name}: {}, {epilogue:?}", case.description);
    }
}

#[test]
fn generated_f32_cases_are_right_and_equal_on_every_isa() {
    for_each_isa(generated_cases::<f32>);
}

#[test]
fn generated_f64_cases_are_right_and_equal_on_every_isa() {
    for_each_isa(generated_cases::<f64>);
}

/// Few columns of C beside more rows than several tiles have, from an A in rows or in columns.
fn few_columns(isa: &KernelSet) {
    let mut random = Random::new(8);
    for (m, k) in [(40, 0), (100, 1), (45, 2), (83, 3), (127, 16), (130, 37), (161, 64), (61, 512)] {
        for n in 2..=13 {
            for a_layout in [Layout::RowMajor, Layout::ColMajor] {
                for b_layout in [Layout::RowMajor, Layout::RowPadded] {
                    for c_layout in [Layout::RowMajor, random.choose(&Layout::WRITABLE)] {
                        let layouts = (a_layout, b_layout, c_layout);
                        let case = GemmCase::<f32>::with_layouts((m, n, k), layouts, &mut random);
                        judge(isa, &case, case.random_epilogue(&mut random));
                    }
                }
            }
        }
    }
}

#[test]
fn few_columns_are_right_and_equal_on_every_isa() {
    for_each_isa(few_columns);
}

/// Little depth beside so many columns that tiles are wide, pass along rows of C in several runs, and leave columns to others.
fn shallow_products<T: Float>(isa: &KernelSet) {
    use Layout::{ColMajor, General, RowMajor, RowPadded};
    let mut random = Random::new(11);
    for (n, k) in [(64, 5), (100, 10), (128, 1), (128, 0), (193, 64), (330, 63), (345, 64), (130, 65), (1100, 9)] {
        for m in [2, 6, 13, 25, 131] {
            for a in [RowMajor, ColMajor] {
                for b in [RowMajor, RowPadded, ColMajor, General] {
                    let layouts = (a, b, random.choose(&[RowMajor, RowPadded, General]));
                    let case = GemmCase::<T>::with_layouts((m, n, k), layouts, &mut random);
                    judge(isa, &case, case.random_epilogue(&mut random));
                }
            }
        }
    }
}

#[test]
fn shallow_products_are_right_and_equal_on_every_isa() {
    for_each_isa(shallow_products::<f32>);
    for_each_isa(shallow_products::<f64>);
}

/// Operands that are packed, A in more than one block of rows, beside more than one of columns and of K.
fn packed_blocks<T: Float>(isa: &KernelSet) {
    use Layout::{ColMajor, General, RowMajor};
    let mut random = Random::new(7);
    for (shape, a, b) in [
        // Rows of A a multiple of 2 KiB apart, those of B more than 1 MiB together.
        ((200, 600, 512), RowMajor, RowMajor),
        ((131, 150, 512), RowMajor, ColMajor),
        ((450, 131, 256), RowMajor, General),
        ((101, 140, 1024), RowMajor, RowMajor),
        // Rows of A as far apart, but read as they lie, by 8, as there are many.
        ((200, 530, 1024), RowMajor, RowMajor),
        ((197, 140, 1024), RowMajor, ColMajor),
        ((15, 2100, 512), RowMajor, RowMajor),
        // More than 2 MiB of A for more than one block of B.
        ((1100, 300, 512), RowMajor, RowMajor),
        ((1031, 301, 520), RowMajor, ColMajor),
        // Columns of A as far apart.
        ((512, 133, 70), ColMajor, RowMajor),
        ((131, 70, 513), General, ColMajor),
    ] {
        // A C that lies in columns would have the two operands change places.
        let layouts = (a, b, random.choose(&[RowMajor, General]));
        let mut case = GemmCase::<T>::with_layouts(shape, layouts, &mut random);
        // With an alpha of 0 no sum would show.
        while case.alpha == T::default() {
            case = GemmCase::with_layouts(shape, layouts, &mut random);
        }
        judge(isa, &case, case.random_epilogue(&mut random));
    }
}

/// A B in columns that is larger than A and C, which may be transposed in its stead.
fn large_transposed_operands<T: Float>(isa: &KernelSet) {
    let mut random = Random::new(8);
    let large = [(16, 200, 100), (14, 65, 49), (31, 333, 200), (62, 301, 129), (64, 270, 512), (64, 300, 513)];
    // Of two vectors in `f32` and in `f64`, beside less than the L1 cache holds, and K of less than a vector.
    let even = [(32, 170, 140), (16, 90, 100)];
    // Of blocks of K in steps.
    let stepped = [(32, 120, 600), (16, 120, 600)];
    for shape in large.into_iter().chain(even).chain(stepped).chain((1..18).map(|k| (19, 37, k))) {
        for c in [Layout::RowMajor, Layout::RowPadded] {
            let case = GemmCase::<T>::with_layouts(shape, (Layout::RowMajor, Layout::ColMajor, c), &mut random);
            for _ in 0..4 {
                judge(isa, &case, case.random_epilogue(&mut random));
            }
        }
    }
}

#[test]
fn transposing_other_operands_does_not_show() {
    for_each_isa(large_transposed_operands::<f32>);
    for_each_isa(large_transposed_operands::<f64>);
}

#[test]
fn packed_blocks_do_not_show() {
    for_each_isa(packed_blocks::<f32>);
    for_each_isa(packed_blocks::<f64>);
}

/// Dot products of as many vectors as kernels tell apart, from each cache and from memory, and outer products, whose rows
/// are written by fours or eights.
fn long_dots_and_outer_products<T: Float>(isa: &KernelSet) {
    use Layout::{ColMajor, RowMajor};
    let mut random = Random::new(10);
    let dots = [(7, 32), (21, 64), (99, 128), (301, 16), (301, 64), (301, 144), (301, 160), (301, 176), (301, 192)];
    let long = [(1, 20_000), (301, 150), (1101, 2000), (2101, 1027), (70_001, 32)];
    for (rows, k) in dots.into_iter().chain(long) {
        let column = GemmCase::<T>::with_layouts((rows, 1, k), (RowMajor, RowMajor, RowMajor), &mut random);
        judge(isa, &column, column.random_epilogue(&mut random));
        let row = GemmCase::<T>::with_layouts((1, rows, k), (RowMajor, ColMajor, RowMajor), &mut random);
        judge(isa, &row, row.random_epilogue(&mut random));
    }
    for (m, n) in [(2, 8), (7, 16), (8, 17), (9, 33), (19, 50), (100, 1100)] {
        for layouts in [(RowMajor, RowMajor, RowMajor), (ColMajor, ColMajor, Layout::RowPadded)] {
            let outer = GemmCase::<T>::with_layouts((m, n, 1), layouts, &mut random);
            judge(isa, &outer, outer.random_epilogue(&mut random));
        }
    }
}

#[test]
fn long_dots_and_outer_products_are_right_and_equal_on_every_isa() {
    for_each_isa(long_dots_and_outer_products::<f32>);
    for_each_isa(long_dots_and_outer_products::<f64>);
}

/// Sums of whole numbers that stay below 2^24 are exact in any order, so a wrong element cannot hide in a bound.
#[test]
fn whole_numbers_are_exact() {
    for_each_isa(|set| {
        let mut random = Random::new(2);
        for _ in 0..300 {
            let (m, n, k) = GemmCase::<f32>::random_shape(&mut random);
            let (a_layout, b_layout) = (random.choose(&Layout::READABLE), random.choose(&Layout::READABLE));
            let c_layout = random.choose(&Layout::WRITABLE);
            let a = Matrix::<f32>::new(m, k, a_layout, |_, _| random.below(33) as f32 - 16.0);
            let b = Matrix::<f32>::new(k, n, b_layout, |_, _| random.below(33) as f32 - 16.0);
            let mut c = Matrix::<f32>::new(m, n, c_layout, |_, _| f32::NAN);
            set.gemm(1.0, a.view(), b.view(), 0.0, c.view_mut(), &GemmOptions::default());
            for i in 0..m {
                for j in 0..n {
                    let sum: i64 = (0..k).map(|p| a.get(i, p) as i64 * b.get(p, j) as i64).sum();
                    assert_eq!(c.get(i, j), sum as f32, "{m}x{n}x{k} on {}: c[{i}][{j}]", set.isa());
                }
            }
        }
    });
}

#[test]
fn threads_do_not_show() {
    // Also a single row or column, where a band must not become a dot product.
    let shapes = [(128, 128, 160), (2, 600, 600), (600, 2, 600), (1, 2000, 700), (2000, 1, 700), (61, 67, 513)];
    for_each_isa(|set| {
        let mut random = Random::new(3);
        for shape in shapes {
            for layouts in [
                (Layout::RowMajor, Layout::RowMajor, Layout::RowMajor),
                (Layout::ColMajor, Layout::RowMajor, Layout::RowPadded),
                (Layout::RowMajor, Layout::ColMajor, Layout::ColMajor),
            ] {
                let case = GemmCase::<f32>::with_layouts(shape, layouts, &mut random);
                let epilogue = Epilogue::Bias { bias: Some(&case.bias), activation: Activation::Tanh };
                let one = case.run(set, epilogue);
                for threads in [2, 3, 4, 8] {
                    let options = GemmOptions { epilogue, threads: Threads::Auto };
                    let pool = ThreadPool::with_work_per_thread(threads, 1).unwrap();
                    let many = pool.install(|| case.run_with(set, &options));
                    assert!(many.bits() == one.bits(), "{threads} threads on {}: {}", set.isa(), case.description);
                }
            }
        }
    });
}

/// A single row is computed apart from tiles, a long one over a large B yet otherwise; two rows are a tile.
#[test]
fn a_single_row_has_the_bits_of_a_row_among_others() {
    for_each_isa(|set| {
        let mut random = Random::new(9);
        // Vectors side by side by any number, and rows of B by a few at a time.
        let widths = (1..=17).map(|vectors| (2, 16 * vectors + vectors % 3, 20 + vectors));
        for shape in [(2, 2100, 131), (2, 333, 1111), (2, 270, 1030), (2, 200, 50)].into_iter().chain(widths) {
            for a_layout in [Layout::RowMajor, Layout::ColMajor] {
                let case =
                    GemmCase::<f32>::with_layouts(shape, (a_layout, Layout::RowPadded, Layout::RowMajor), &mut random);
                for beta in [0.0, 1.3] {
                    let (mut both, mut one) = (case.c.clone(), case.c.clone());
                    let options = GemmOptions::default();
                    set.gemm(case.alpha, case.a.view(), case.b.view(), beta, both.view_mut(), &options);
                    let (first, c) = (case.a.view().row_range(0, 1), one.view_mut().split_rows(1).0);
                    set.gemm(case.alpha, first, case.b.view(), beta, c, &options);
                    let bits = |c: &Matrix<f32>| (0..shape.1).map(|j| c.get(0, j).to_bits()).collect::<Vec<_>>();
                    assert!(bits(&one) == bits(&both), "{}, beta {beta}, on {}", case.description, set.isa());
                }
            }
        }
    });
}

#[test]
fn an_epilogue_is_what_separate_passes_give() {
    for_each_isa(|set| {
        let mut random = Random::new(4);
        for shape in [(5, 7, 3), (14, 32, 20), (37, 41, 29), (3, 1, 100), (1, 50, 600), (33, 10, 64)] {
            for c_layout in [Layout::RowMajor, Layout::ColMajor, Layout::General] {
                let layouts = (Layout::RowMajor, Layout::RowMajor, c_layout);
                let case = GemmCase::<f32>::with_layouts(shape, layouts, &mut random);
                let plain = case.run(set, Epilogue::None);
                for activation in ACTIVATIONS {
                    let bias = Epilogue::Bias { bias: Some(&case.bias), activation };
                    let derivative = Epilogue::Derivative { activation, kept: case.output.view() };
                    let (with_bias, with_derivative) = (case.run(set, bias), case.run(set, derivative));
                    for i in 0..shape.0 {
                        for j in 0..shape.1 {
                            let place = format!("{activation:?} at ({i}, {j}) on {}: {}", set.isa(), case.description);
                            let mut expected = [plain.get(i, j) + case.bias[j]];
                            set.activate_in_place(activation, &mut expected);
                            assert_eq!(with_bias.get(i, j).to_bits(), expected[0].to_bits(), "{place}");
                            let mut expected = [plain.get(i, j)];
                            set.activation_backward(activation, &[case.output.get(i, j)], &mut expected);
                            assert_eq!(with_derivative.get(i, j).to_bits(), expected[0].to_bits(), "{place}");
                        }
                    }
                }
            }
        }
    });
}

/// The bits of a packed B are those of a plain one, whatever its strides and the threads; dot products along K apart,
/// which have another order.
fn packed_operands<T: Float>(set: &KernelSet) {
    let mut random = Random::new(5);
    let pool = ThreadPool::with_work_per_thread(3, 1).unwrap();
    for index in 0..CASES / 10 {
        let shape = GemmCase::<T>::random_shape(&mut random);
        let case = GemmCase::<T>::of_shape((shape.0.max(2), shape.1.max(2), shape.2), &mut random);
        let epilogue = case.random_epilogue(&mut random);
        let expected = case.run(set, epilogue);
        let mut packed = set.pack_b(case.a.view());
        if index % 2 == 0 {
            packed = set.pack_b(case.b.view());
        } else if (packed.rows(), packed.cols()) == (case.b.view().rows(), case.b.view().cols()) {
            packed.repack(case.b.view());
        } else {
            continue;
        }
        for threads in [Threads::AtMost(1), Threads::Auto] {
            let mut c = case.c.clone();
            let options = GemmOptions { epilogue, threads };
            pool.install(|| set.gemm_packed(case.alpha, case.a.view(), &packed, case.beta, c.view_mut(), &options));
            let name = set.isa();
            assert!(c.bits() == expected.bits(), "case {index} on {name}: {}, {threads:?}", case.description);
        }
    }
}

#[test]
fn packed_operands_do_not_show() {
    for_each_isa(|set| {
        packed_operands::<f32>(set);
        packed_operands::<f64>(set);
    });
}

#[test]
fn operands_packed_for_another_isa_or_shape_are_refused() {
    let portable = KernelSet::for_isa(Isa::Portable).unwrap();
    let data = [1.0f32; 6];
    let view = MatRef::from_row_major(&data, 2, 3);
    let mut packed = portable.pack_b(view);
    for set in KernelSet::available().filter(|set| set.isa() != Isa::Portable) {
        let a = MatRef::from_row_major(&data[..2], 1, 2);
        let mut c = [0.0f32; 3];
        let c = MatMut::from_row_major(&mut c, 1, 3);
        let call = AssertUnwindSafe(|| set.gemm_packed(1.0, a, &packed, 0.0, c, &GemmOptions::default()));
        let message = *catch_unwind(call).unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("portable") && message.contains(set.isa().name()), "{message}");
    }
    let message = catch_unwind(AssertUnwindSafe(|| packed.repack(view.t()))).unwrap_err();
    assert!(message.downcast::<String>().unwrap().contains("3x2 in place of 2x3"));
}

#[test]
fn column_sums_are_those_of_the_finished_product() {
    for_each_isa(|set| {
        let mut random = Random::new(6);
        let pool = ThreadPool::with_work_per_thread(3, 1).unwrap();
        for shape in [
            (1, 1, 1),
            (5, 7, 3),
            (64, 128, 10),
            (37, 41, 600),
            (256, 10, 20),
            (10, 100, 20),
            (257, 33, 5),
            (40, 300, 530),
            (131, 140, 512),
            (62, 301, 129),
        ] {
            for c_layout in [Layout::RowMajor, Layout::RowPadded, Layout::ColMajor, Layout::General] {
                for (a_layout, b_layout) in [
                    (Layout::RowMajor, Layout::RowMajor),
                    (Layout::ColMajor, Layout::RowMajor),
                    (Layout::RowMajor, Layout::ColMajor),
                ] {
                    let case = GemmCase::<f32>::with_layouts(shape, (a_layout, b_layout, c_layout), &mut random);
                    let epilogue = case.random_epilogue(&mut random);
                    let product = case.run(set, epilogue);
                    let (m, n, _) = shape;
                    let dense: Vec<f32> = (0..m * n).map(|at| product.get(at / n, at % n)).collect();
                    let mut expected = vec![f32::NAN; n];
                    set.column_sums(n, &dense, &mut expected);
                    for threads in [Threads::AtMost(1), Threads::Auto] {
                        let (mut c, mut sums) = (case.c.clone(), vec![f32::NAN; n]);
                        let options = GemmOptions { epilogue, threads };
                        let (a, b) = (case.a.view(), case.b.view());
                        pool.install(|| {
                            let c = c.view_mut();
                            set.gemm_with_column_sums(case.alpha, a, b, case.beta, c, &mut sums, &options);
                        });
                        let place = format!("{} on {}, {threads:?}", case.description, set.isa());
                        assert!(c.bits() == product.bits(), "{place}");
                        let bits = |sums: &[f32]| sums.iter().map(|sum| sum.to_bits()).collect::<Vec<_>>();
                        assert_eq!(bits(&sums), bits(&expected), "{place}");
                    }
                }
            }
        }
    });
}

#[test]
fn nan_and_infinity_reach_c() {
    for_each_isa(|set| {
        for (m, n, k) in [(1, 1, 1), (20, 20, 20), (1, 40, 70), (40, 1, 70), (15, 10, 530)] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for alpha in [1.0, 0.0] {
                    let a =
                        Matrix::<f32>::new(
                            m,
                            k,
                            Layout::RowMajor,
                            |i, p| {
                                if (i, p) == (m - 1, k - 1) { bad } else { 1.0 }
                            },
                        );
                    let b = Matrix::<f32>::new(k, n, Layout::RowMajor, |_, _| 1.0);
                    let mut c = Matrix::<f32>::new(m, n, Layout::RowMajor, |_, _| 1.0);
                    set.gemm(alpha, a.view(), b.view(), 1.0, c.view_mut(), &GemmOptions::default());
                    let (last, isa) = (c.get(m - 1, n - 1), set.isa());
                    let reached = if alpha == 0.0 || bad.is_nan() { last.is_nan() } else { last == bad };
                    assert!(reached, "{bad} times {alpha} gave {last} on {isa} for {m}x{n}x{k}");
                    assert!(m == 1 || c.get(0, 0) == alpha * k as f32 + 1.0, "another row changed on {isa}");
                }
            }
        }
    });
}

#[test]
fn no_products_leave_beta_c() {
    for_each_isa(|set| {
        for alpha in [1.0, -1.0, f32::NAN] {
            let mut c = [3.0f32, -0.0, 5.0, 7.0];
            let (a, b) = (MatRef::from_row_major(&[], 2, 0), MatRef::from_row_major(&[], 0, 2));
            set.gemm(alpha, a, b, 2.0, MatMut::from_row_major(&mut c, 2, 2), &GemmOptions::default());
            assert_eq!(c, [6.0, 0.0, 10.0, 14.0], "on {}", set.isa());
            set.gemm(alpha, a, b, 0.0, MatMut::from_row_major(&mut c, 2, 2), &GemmOptions::default());
            assert_eq!(c.map(f32::to_bits), [0; 4], "on {}", set.isa());
        }
    });
}

#[test]
fn no_rows_take_no_time_however_large_b_is() {
    for_each_isa(|set| {
        let k = isize::MAX as usize;
        let (a, b) = (MatRef::from_strided(&[], 0, 0, k, 0, 0), MatRef::from_strided(&[1.0f32], 0, k, 5, 0, 0));
        set.gemm(1.0, a, b, 0.0, MatMut::from_row_major(&mut [], 0, 5), &GemmOptions::default());
    });
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_their_sizes() {
    let set = KernelSet::best();
    let (a, b) = ([0.0f32; 6], [0.0f32; 6]);
    let message = |rows: usize, bias: &[f32]| {
        let mut c = [0.0f32; 4];
        let refused = catch_unwind(AssertUnwindSafe(|| {
            let epilogue = Epilogue::Bias { bias: Some(bias), activation: Activation::Identity };
            set.gemm(
                1.0,
                MatRef::from_row_major(&a, 2, 3),
                MatRef::from_row_major(&b, rows, 6 / rows),
                0.0,
                MatMut::from_row_major(&mut c, 2, 2),
                &GemmOptions { epilogue, ..Default::default() },
            );
        }));
        refused.err().map(|panic| *panic.downcast::<String>().unwrap())
    };
    assert_eq!(message(3, &[0.0; 2]), None);
    let wrong_b = message(2, &[0.0; 3]).unwrap();
    assert!(wrong_b.contains("A is 2x3, B is 2x3, C is 2x2"), "{wrong_b}");
    let wrong_bias = message(3, &[0.0; 3]).unwrap();
    assert!(wrong_bias.contains("a bias of 3 values for a C of 2x2"), "{wrong_bias}");
}
