//! `sigmoid` and `tanh` in f64, for the epilogue of `gemm`: a few ULP, on `exp` as its f32 twin has it, with P of degree
//! 10.

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

/// (n, exp(r) - 1) with `x = n ln 2 + r`, for x from -1400 to 0.
#[inline(always)]
fn exp_parts<V: Float<Scalar = f64>>(x: V) -> (V, V) {
    let n = (x * x.constant(LOG2_E)).round_small();
    let r = n.neg_mul_add(x.constant(LN2_LOW), n.neg_mul_add(x.constant(LN2_HIGH), x));
    (n, super::polynomial(r, &P).mul_add(r * r, r))
}

/// The logistic function.
#[inline(always)]
pub(crate) fn sigmoid<V: Float<Scalar = f64>>(x: V) -> V {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let (n, q) = exp_parts(x.constant(-750.0).max(zero - x.abs()));
    let e = (q + one).scale_by_pow2(n);
    V::select(x.lt(zero), e, one) / (one + e)
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<V: Float<Scalar = f64>>(x: V) -> V {
    let (n, q) = exp_parts(x.constant(-80.0).max(x.constant(-2.0) * x.abs()));
    let s = n.pow2();
    let t = s.mul_add(q, s - x.constant(1.0));
    (t / (x.constant(2.0) + t)).copysign(x)
}
