//! Activations and their derivatives: judged against f64, the same bits on every instruction set, apart and in `gemm`.

use kernels::testing::for_each_isa;
use kernels::{Activation, Epilogue, GemmOptions, Isa, Kept, KernelSet, MatMut, MatRef};
use tests::exact;

const ACTIVATIONS: [Activation; 10] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.01 },
    Activation::LeakyRelu { slope: -0.5 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Softplus,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
];

/// What [`Activation`] promises of its derivative in f32.
const DERIVATIVE_BOUND: f64 = f32::EPSILON as f64;

/// The logits of the tests: both signs, dense where the functions bend, far into the tails, infinities.
fn logits() -> Vec<f32> {
    let near = (-3000..=3000).map(|i| i as f32 * 0.005 + 0.000_123);
    let far = (-120..=120).map(|i| i as f32 * 1.37);
    let tiny = (0..=149).flat_map(|e| [2f32.powi(-e), -(2f32.powi(-e))]);
    let ends = [0.0, -0.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, -0.751_791_5, -1.278_464_5];
    near.chain(far).chain(tiny).chain(ends).collect()
}

/// What `activation` keeps of `z`.
fn kept(set: &KernelSet, activation: Activation, z: &[f32]) -> Vec<f32> {
    let mut kept = z.to_vec();
    if activation.keeps() == Kept::Output {
        set.activate_in_place(activation, &mut kept);
    }
    kept
}

#[test]
fn activations_are_those_functions() {
    let z = logits();
    for_each_isa(|set| {
        for activation in ACTIVATIONS {
            let mut y = vec![f32::NAN; z.len()];
            set.activate(activation, &z, &mut y);
            let mut in_place = z.clone();
            set.activate_in_place(activation, &mut in_place);
            for ((&z, &y), &same) in z.iter().zip(&y).zip(&in_place) {
                let exact = exact::activate(activation, z.into());
                assert_eq!(y.to_bits(), same.to_bits(), "{activation:?}({z:e}) in place on {}", set.isa());
                // Two units in the last place, or of the argument.
                let bound = f64::from(f32::EPSILON) * 2.0 * exact.abs().max(0.5 * f64::from(z.abs())) + 2f64.powi(-149);
                let right =
                    (f64::from(y) - exact).abs() <= bound || f64::from(y) == exact || (y.is_nan() && exact.is_nan());
                assert!(right, "{activation:?}({z:e}) on {}: {y:e}, not {exact:e}", set.isa());
            }
        }
    });
}

#[test]
fn derivatives_are_within_their_bounds() {
    let z = logits();
    let portable = KernelSet::for_isa(Isa::Portable).unwrap();
    for_each_isa(|set| {
        for activation in ACTIVATIONS {
            let kept = kept(set, activation, &z);
            let mut d = vec![1.0; z.len()];
            set.activation_backward(activation, &kept, &mut d);
            let mut expected = vec![1.0; z.len()];
            portable.activation_backward(activation, &kept, &mut expected);
            for ((&z, &d), expected) in z.iter().zip(&d).zip(&expected) {
                assert_eq!(d.to_bits(), expected.to_bits(), "{activation:?}'({z:e}) on {}", set.isa());
                let exact = exact::derivative(activation, z.into());
                let within = (f64::from(d) - exact).abs() <= DERIVATIVE_BOUND;
                assert!(within, "{activation:?}'({z:e}) on {}: {d:e}, not {exact:e}", set.isa());
            }
        }
    });
}

#[test]
fn nan_goes_through() {
    for_each_isa(|set| {
        for activation in ACTIVATIONS {
            let mut y = [f32::NAN, 1.0];
            set.activate_in_place(activation, &mut y);
            let mut d = [1.0, f32::NAN];
            set.activation_backward(activation, &y, &mut d);
            assert!(y[0].is_nan() && !y[1].is_nan(), "{activation:?} on {}: {y:?}", set.isa());
            let identity = activation == Activation::Identity;
            assert!((d[0].is_nan() || identity) && d[1].is_nan(), "{activation:?}' on {}: {d:?}", set.isa());
            // Among vectors of ordinary values, and with low bits that whole numbers in the place of floats would carry on.
            for at in 0..64 {
                let (mut kept, mut d) = ([1.0; 64], [1.0; 64]);
                kept[at] = f32::from_bits(0x7fc0_0100);
                set.activation_backward(activation, &kept, &mut d);
                let right = d.iter().enumerate().all(|(i, d)| d.is_nan() == (i == at && !identity));
                assert!(right, "{activation:?}' with NaN at {at} on {}: {d:?}", set.isa());
            }
        }
    });
}

/// A tile several vectors wide and an odd number of them high, with rows of what is kept further apart than those of C.
#[test]
fn a_derivative_in_an_epilogue_is_that_of_each_element() {
    let (m, n, k, stride) = (37, 83, 3, 96);
    let operand = |len: usize| (0..len).map(|i| (i * 37 % 101) as f32 * 0.03 - 1.5).collect::<Vec<f32>>();
    let (a, b, z) = (operand(m * k), operand(k * n), operand(m * stride));
    for_each_isa(|set| {
        for activation in ACTIVATIONS {
            let kept = kept(set, activation, &z);
            let product = |epilogue| {
                let (a, b) = (MatRef::from_row_major(&a, m, k), MatRef::from_row_major(&b, k, n));
                let mut c = vec![f32::NAN; m * n];
                let options = GemmOptions { epilogue, ..GemmOptions::default() };
                set.gemm(1.0, a, b, 0.0, MatMut::from_row_major(&mut c, m, n), &options);
                c
            };
            let of_tile = MatRef::from_row_major(&kept, m, stride).col_range(0, n);
            let c = product(Epilogue::Derivative { activation, kept: of_tile });
            let mut expected = product(Epilogue::None);
            for (row, kept) in expected.chunks_mut(n).zip(kept.chunks(stride)) {
                for (d, &kept) in row.iter_mut().zip(kept) {
                    set.activation_backward(activation, &[kept], std::slice::from_mut(d));
                }
            }
            let same = c.iter().zip(&expected).all(|(c, expected)| c.to_bits() == expected.to_bits());
            assert!(same, "{activation:?}' on {}", set.isa());
        }
    });
}

/// `epilogue` of the product of `x` as a column with 1.
fn f64_epilogue(set: &KernelSet, x: &[f64], epilogue: Epilogue<'_, f64>) -> Vec<f64> {
    let mut c = vec![f64::NAN; x.len()];
    set.gemm(
        1.0,
        MatRef::from_row_major(x, x.len(), 1),
        MatRef::from_row_major(&[1.0], 1, 1),
        0.0,
        MatMut::from_row_major(&mut c, x.len(), 1),
        &GemmOptions { epilogue, ..GemmOptions::default() },
    );
    c
}

#[test]
fn f64_activations_and_derivatives_are_right() {
    let portable = KernelSet::for_isa(Isa::Portable).unwrap();
    let z: Vec<f64> = logits().into_iter().filter(|z| z.is_finite()).map(f64::from).collect();
    let ones = vec![1.0; z.len()];
    for_each_isa(|set| {
        for activation in ACTIVATIONS {
            let forward = Epilogue::Bias { bias: None, activation };
            let y = f64_epilogue(set, &z, forward);
            let kept = if activation.keeps() == Kept::Output { &y } else { &z };
            let backward = Epilogue::Derivative { activation, kept: MatRef::from_row_major(kept, z.len(), 1) };
            let d = f64_epilogue(set, &ones, backward);
            let (y_portable, d_portable) =
                (f64_epilogue(portable, &z, forward), f64_epilogue(portable, &ones, backward));
            for i in 0..z.len() {
                let place = format!("{activation:?}({:e}) on {}", z[i], set.isa());
                assert_eq!(
                    (y[i].to_bits(), d[i].to_bits()),
                    (y_portable[i].to_bits(), d_portable[i].to_bits()),
                    "{place}"
                );
                // The reference's own error is part of the difference, in the tail of GELU a²/2 units in the last place.
                let (exact, tail) = (exact::activate(activation, z[i]), 1.0 + z[i] * z[i]);
                let bound = 8.0 * f64::EPSILON * exact.abs() * tail.min(1600.0) + 2f64.powi(-1060);
                assert!((y[i] - exact).abs() <= bound, "{place}: {:e}, not {exact:e}", y[i]);
                let exact = exact::derivative(activation, z[i]);
                assert!((d[i] - exact).abs() <= 8.0 * f64::EPSILON, "{place}': {:e}, not {exact:e}", d[i]);
            }
        }
    });
}
