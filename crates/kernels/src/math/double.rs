//! What the epilogue of `gemm` needs in f64: the activations of f32 and their derivatives, to a few ULP, on `exp` as its
//! f32 twin has it, with P of degree 10. A derivative is off by a few units of 2^-53 where its two terms cancel.

use super::relu::relu;
use super::silu::gated_derivative;
use crate::simd::Float;

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// The first 33 bits of ln 2: products with whole numbers below 2^20 are exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// `ln 2 - LN2_HIGH`
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// `(exp(r) - 1 - r) / r²` for `|r| <= ln 2 / 2`, lowest power first.
const P: [f64; 11] = [
    0.5,
    0.166_666_666_666_666_88,
    0.041_666_666_666_666_824,
    0.008_333_333_333_313_89,
    0.001_388_888_888_877_697_8,
    0.000_198_412_699_030_929_8,
    2.480_158_756_145_942_2e-5,
    2.755_722_697_698_092e-6,
    2.755_709_573_717_828_3e-7,
    2.512_022_264_670_524e-8,
    2.108_794_851_597_727_5e-9,
];

/// `(2 artanh(s) - 2 s) / s³` as a polynomial of s² for s from 0 to 1/3, minimax to 2^-59 of the function.
const ARTANH: [f64; 10] = [
    0.666_666_666_666_663_1,
    0.400_000_000_001_572_3,
    0.285_714_285_478_545_27,
    0.222_222_239_697_130_87,
    0.181_817_439_252_177_1,
    0.153_865_599_201_565_5,
    0.133_009_736_045_692_16,
    0.121_060_861_785_407_52,
    0.083_401_017_173_519,
    0.170_185_749_404_335_45,
];
/// `exp(a²/2) Φ(-a)` as a polynomial of `(a - 4) / (a + 4)` for a from 0 to 39, minimax to 2^-56 of its value.
const MILLS: [f64; 24] = [
    0.094_410_641_301_968_94,
    -0.170_397_721_548_455_42,
    0.124_379_255_339_263_6,
    -0.071_707_407_337_736_44,
    0.030_864_804_106_310_338,
    -0.008_492_095_482_116_27,
    0.000_507_562_075_199_706_1,
    0.000_638_813_851_589_192_9,
    -0.000_187_184_271_179_985_7,
    -4.555_489_190_195_131e-5,
    2.864_835_430_528_818_7e-5,
    4.631_540_133_250_892e-6,
    -4.303_586_909_138_434e-6,
    -8.293_282_794_627_059e-7,
    6.615_585_078_817_332e-7,
    2.057_626_968_242_07e-7,
    -9.423_118_209_420_94e-8,
    -5.236_797_184_263_308_4e-8,
    9.421_435_787_171_152e-9,
    1.139_911_236_539_560_5e-8,
    1.156_286_162_800_484_4e-10,
    -1.698_503_489_570_600_7e-9,
    -1.836_553_963_862_906_5e-10,
    1.011_267_997_525_562_3e-10,
];
/// `1 / √(2π)`
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// `2 √(2/π)` and 0.044715 times that.
const LINEAR: f64 = 1.595_769_121_605_731;
const CUBIC: f64 = 0.071_354_816_272_600_25;

/// (n, exp(r) - 1) with `x = n ln 2 + r`, for x from -1400 to 0.
#[inline(always)]
fn exp_parts<V: Float<Scalar = f64>>(x: V) -> (V, V) {
    V::apart(
        #[inline(always)]
        || {
            let n = (x * x.constant(LOG2_E)).round_small();
            let r = n.neg_mul_add(x.constant(LN2_LOW), n.neg_mul_add(x.constant(LN2_HIGH), x));
            (n, super::polynomial(r, &P).mul_add(r * r, r))
        },
    )
}

/// `e^x`, for x from -1400 to 0.
#[inline(always)]
fn exp<V: Float<Scalar = f64>>(x: V) -> V {
    let (n, q) = exp_parts(x);
    (q + x.constant(1.0)).scale_by_pow2(n)
}

/// `σ(-a)` for `a >= 0`.
#[inline(always)]
fn sigmoid_of_negative<V: Float<Scalar = f64>>(a: V) -> V {
    let e = exp(a.constant(-750.0).max(a.constant(0.0) - a));
    e / (a.constant(1.0) + e)
}

/// The logistic function.
#[inline(always)]
pub(crate) fn sigmoid<V: Float<Scalar = f64>>(x: V) -> V {
    let below = sigmoid_of_negative(x.abs());
    V::select(x.lt(x.constant(0.0)), below, x.constant(1.0) - below)
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<V: Float<Scalar = f64>>(x: V) -> V {
    let (n, q) = exp_parts(x.constant(-80.0).max(x.constant(-2.0) * x.abs()));
    let s = n.pow2();
    let t = s.mul_add(q, s - x.constant(1.0));
    (t / (x.constant(2.0) + t)).copysign(x)
}

/// `ln(1 + e^x)`
#[inline(always)]
pub(crate) fn softplus<V: Float<Scalar = f64>>(x: V) -> V {
    let e = exp(x.constant(-750.0).max(x.constant(0.0) - x.abs()));
    // ln(1 + e) = 2 artanh(s)
    let s = e / (x.constant(2.0) + e);
    let square = s * s;
    relu(x) + super::polynomial(square, &ARTANH).mul_add(s * square, s + s)
}

/// `1 - e^-y`
#[inline(always)]
pub(crate) fn softplus_derivative<V: Float<Scalar = f64>>(y: V) -> V {
    let (n, q) = exp_parts(y.constant(-80.0).max(y.constant(0.0) - y));
    let s = n.pow2();
    s.neg_mul_add(q, y.constant(1.0) - s)
}

/// `x σ(v)` from x and, of at most 800, |x| and |v|.
#[inline(always)]
fn gated<V: Float<Scalar = f64>>(x: V, x_abs: V, v_abs: V) -> V {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let (n, q) = exp_parts(zero - v_abs);
    let e = one + q;
    let below = (x_abs / (one + e.scale_by_pow2(n)) * e).scale_by_pow2(n);
    x.constant(-0.0).max(x) - below
}

/// `x σ(x)`
#[inline(always)]
pub(crate) fn silu<V: Float<Scalar = f64>>(x: V) -> V {
    let a = x.constant(760.0).min(x.abs());
    gated(x, a, a)
}

#[inline(always)]
pub(crate) fn silu_derivative<V: Float<Scalar = f64>>(x: V) -> V {
    let x = x.constant(760.0).min(x.constant(-760.0).max(x));
    gated_derivative(x, sigmoid_of_negative(x.abs()), x.constant(1.0))
}

/// `x σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`.
#[inline(always)]
pub(crate) fn gelu_tanh<V: Float<Scalar = f64>>(x: V) -> V {
    let a = x.constant(22.0).min(x.abs());
    gated(x, a, a * (a * a).mul_add(x.constant(CUBIC), x.constant(LINEAR)))
}

#[inline(always)]
pub(crate) fn gelu_tanh_derivative<V: Float<Scalar = f64>>(x: V) -> V {
    let x = x.constant(22.0).min(x.constant(-22.0).max(x));
    let (square, linear) = (x * x, x.constant(LINEAR));
    let v = x * square.mul_add(x.constant(CUBIC), linear);
    gated_derivative(x, sigmoid_of_negative(v.abs()), square.mul_add(x.constant(3.0 * CUBIC), linear))
}

/// `(n, e, ratio)` with `exp(-a²/2) = 2^n e` and `Φ(-a) = 2^n e ratio`, for a from 0 to 40.
#[inline(always)]
fn normal_parts<V: Float<Scalar = f64>>(a: V) -> (V, V, V) {
    let (zero, one, half) = (a.constant(0.0), a.constant(1.0), a.constant(0.5));
    let square = a * a;
    // The rounding error of the square is up to 2^-44, and matters as much relative to the result.
    let square_low = a.mul_add(a, zero - square);
    let (n, q) = exp_parts(zero - half * square);
    let e = one + q;
    let e = e.neg_mul_add(half * square_low, e);
    let four = a.constant(4.0);
    (n, e, super::polynomial((a - four) / (a + four), &MILLS))
}

/// `x Φ(x)`
#[inline(always)]
pub(crate) fn gelu<V: Float<Scalar = f64>>(x: V) -> V {
    let a = x.constant(40.0).min(x.abs());
    let (n, e, ratio) = normal_parts(a);
    x.constant(-0.0).max(x) - (a * e * ratio).scale_by_pow2(n)
}

/// `Φ(x) + x φ(x)`
#[inline(always)]
pub(crate) fn gelu_derivative<V: Float<Scalar = f64>>(x: V) -> V {
    let x = x.constant(40.0).min(x.constant(-40.0).max(x));
    let (n, e, ratio) = normal_parts(x.abs());
    let e = e.scale_by_pow2(n);
    let below = e * ratio;
    let cdf = V::select(x.lt(x.constant(0.0)), below, x.constant(1.0) - below);
    (e * x.constant(FRAC_1_SQRT_2PI)).mul_add(x, cdf)
}
