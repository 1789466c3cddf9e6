//! Functions of f64 for schedules, solvers and metrics, to a few units of 2^-53, with the same bits on every machine: fixed
//! sequences of additions, multiplications and divisions.

use std::f64::consts::{FRAC_PI_2, LOG2_E, PI, SQRT_2};

/// The first 33 bits of ln 2: products with whole numbers below 2^20 are exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// `ln 2 - LN2_HIGH`
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// The smallest normal number is 2^-1022.
const LEAST_EXPONENT: i64 = -1022;

/// `e^x`
pub(crate) fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    // What is beyond is 0 or infinite.
    let x = x.clamp(-800.0, 800.0);
    let n = (x * LOG2_E).round();
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    // Taylor's series to r^13: |r| is at most ln 2 / 2, so that the rest is below 2^-57.
    let series = (1..=13).rev().fold(1.0, |sum, k| sum * r / f64::from(k) + 1.0);
    // Half of the exponent first, as 2^n need not be a number.
    let half = (0.5 * n).round();
    series * pow2(half as i64) * pow2((n - half) as i64)
}

/// The natural logarithm.
pub(crate) fn ln(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 || x == f64::INFINITY {
        return if x == 0.0 {
            f64::NEG_INFINITY
        } else if x < 0.0 {
            f64::NAN
        } else {
            x
        };
    }
    // x = 2^n m with m from √½ to √2
    let (scaled, shift) = if x < f64::MIN_POSITIVE { (x * pow2(54), 54) } else { (x, 0) };
    let exponent = (scaled.to_bits() >> 52) as i64 - 1023;
    let mantissa = scaled / pow2(exponent);
    let (n, m) = if mantissa > SQRT_2 { (exponent + 1, 0.5 * mantissa) } else { (exponent, mantissa) };
    // ln m = 2 artanh(s); s is at most 0.172, so that the rest of the series is below 2^-60.
    let s = (m - 1.0) / (m + 1.0);
    let series = (1..=12).rev().fold(0.0, |sum, k| (sum + 1.0 / f64::from(2 * k + 1)) * (s * s));
    let n = (n - shift) as f64;
    n * LN2_HIGH + (2.0 * s + (n * LN2_LOW + 2.0 * s * series))
}

/// `ln(1 + x)` for x from 0 to 1. Kahan's correction for the rounding of the sum: Goldberg, "What every computer scientist
/// should know about floating-point arithmetic" (1991), theorem 4.
pub(crate) fn ln_1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    if sum == 1.0 { x } else { ln(sum) * x / (sum - 1.0) }
}

/// `x^n`, by squaring.
pub(crate) fn powi(x: f64, n: u64) -> f64 {
    let (mut power, mut square, mut rest) = (1.0, x, n);
    while rest > 0 {
        if rest % 2 == 1 {
            power *= square;
        }
        square *= square;
        rest /= 2;
    }
    power
}

/// `x^p` for an x above 0, off by up to `|p ln x|` units more.
pub(crate) fn powf(x: f64, p: f64) -> f64 {
    exp(p * ln(x))
}

/// `cos(π x)` for x from 0 to 1, as `sin(π (½ - x))`.
pub(crate) fn cos_pi(x: f64) -> f64 {
    let a = PI * (0.5 - x);
    debug_assert!(a.abs() <= FRAC_PI_2);
    // Taylor's series to a^21, whose rest is below 2^-59.
    a * (1..=10).rev().fold(1.0, |sum, k| 1.0 - sum * (a * a) / f64::from(2 * k * (2 * k + 1)))
}

/// `2^n` for n from -1022 to 1023.
fn pow2(n: i64) -> f64 {
    debug_assert!((LEAST_EXPONENT..=1023).contains(&n));
    f64::from_bits(((n + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference in units of 2^-53 of `expected`, or of the smallest normal number where that is more.
    fn units(actual: f64, expected: f64) -> f64 {
        2.0 * ((actual - expected).abs() / (expected.abs().max(f64::MIN_POSITIVE) * f64::EPSILON))
    }

    fn check(name: &str, bound: f64, points: impl Iterator<Item = f64>, own: fn(f64) -> f64, exact: fn(f64) -> f64) {
        for x in points {
            let (actual, expected) = (own(x), exact(x));
            assert!(units(actual, expected) <= bound, "{name}({x:e}): {actual:e}, expected {expected:e}");
        }
    }

    fn grid(from: f64, to: f64) -> impl Iterator<Item = f64> {
        (0..=20_000).map(move |i| from + (to - from) * f64::from(i) / 20_000.0)
    }

    /// The functions of the standard library are right to a unit in the last place, two of ours.
    #[test]
    fn functions_are_right_to_a_few_units() {
        check("exp", 4.0, grid(-740.0, 709.0).chain(grid(-1.0, 1.0)), exp, f64::exp);
        check(
            "ln",
            4.0,
            grid(0.5, 2.0).chain((-1022..1024).map(|n| 1.7 * 2.0f64.powi(n)).chain([5e-324, 1e-310])),
            ln,
            f64::ln,
        );
        check("ln_1p", 8.0, grid(0.0, 1.0).chain(grid(0.0, 1e-9)), ln_1p, f64::ln_1p);
        check("powf", 100.0, grid(1.0, 1e9), |x| powf(x, -0.5), |x| 1.0 / x.sqrt());
        check("powi", 40.0, grid(0.1, 1.0), |x| powi(x, 20), |x| x.powi(20));
        for x in grid(0.0, 1.0) {
            let error = (cos_pi(x) - (PI * x).cos()).abs();
            assert!(error <= 4.0 * f64::EPSILON, "cos(π {x}) is off by {error:e}");
        }
    }

    #[test]
    fn ends_of_the_range_are_right() {
        assert_eq!([exp(0.0), exp(-1000.0), exp(f64::NEG_INFINITY)], [1.0, 0.0, 0.0]);
        assert_eq!([exp(1000.0), exp(f64::INFINITY), ln(f64::INFINITY)], [f64::INFINITY; 3]);
        assert_eq!([ln(1.0), ln(0.0), ln_1p(0.0)], [0.0, f64::NEG_INFINITY, 0.0]);
        assert!(ln(-1.0).is_nan() && ln(f64::NAN).is_nan() && exp(f64::NAN).is_nan());
        assert_eq!([powi(0.5, 0), powi(0.5, 3), powi(1.0, u64::MAX), powi(0.5, u64::MAX)], [1.0, 0.125, 1.0, 0.0]);
        assert_eq!([cos_pi(0.5), powf(1.0, -0.5)], [0.0, 1.0]);
    }

    /// Computed once: a change would change trainings.
    #[test]
    fn bits_are_the_same_on_every_machine() {
        let bits = [exp(-0.3), ln(0.7), ln_1p(0.2), powf(7.0, -0.5), cos_pi(0.1)].map(f64::to_bits);
        let expected = [
            4_604_847_916_870_499_333,
            13_823_468_941_351_141_200,
            4_595_736_846_652_446_325,
            4_600_480_422_557_120_487,
            4_606_741_575_090_066_688,
        ];
        assert_eq!(bits, expected);
    }
}
