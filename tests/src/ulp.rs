//! How far a result is from the truth.

/// The error of `y` in units in the last place of the f32 nearest to `reference`, at least 2^-149; infinite where `y` is
/// NaN, infinite, zero or of a sign that it must not be.
pub fn ulp_error(y: f32, reference: f64) -> f64 {
    /// From here on the nearest f32 is infinite.
    const OVERFLOW: f64 = 3.402_823_567_797_337e38;
    if reference.is_nan() || y.is_nan() {
        return if reference.is_nan() && y.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if reference == 0.0 || reference.is_infinite() {
        let same = f64::from(y) == reference && y.is_sign_negative() == reference.is_sign_negative();
        return if same { 0.0 } else { f64::INFINITY };
    }
    if y.is_infinite() {
        let due = reference.abs() >= OVERFLOW && y.is_sign_negative() == reference.is_sign_negative();
        return if due { 0.0 } else { f64::INFINITY };
    }
    // The exponent as f64 has it, with its bias of 1023.
    let exponent = ((reference.to_bits() >> 52) & 0x7ff).clamp(1023 - 126, 1023 + 127);
    // Times the inverse of 2^(exponent - 23), as exact as a division and quicker.
    (f64::from(y) - reference).abs() * f64::from_bits((2 * 1023 + 23 - exponent) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(ulp_error(1.0, 1.0), 0.0);
        assert_eq!(ulp_error(1.0 + f32::EPSILON, 1.0), 1.0);
        assert_eq!(ulp_error(0.0, 2f64.powi(-149)), 1.0);
        assert_eq!(ulp_error(0.0, 2f64.powi(-150)), 0.5);
        assert_eq!(ulp_error(f32::MAX, 3.5e38), ulp_error(-f32::MAX, -3.5e38));
        assert!(ulp_error(f32::MAX, 3.5e38) > 1e5);
    }

    #[test]
    fn what_cannot_be_excused() {
        for (y, reference) in [
            (f32::NAN, 1.0),
            (1.0, f64::NAN),
            (1e-45, 0.0),
            (0.0, -0.0),
            (f32::INFINITY, 3.4e38),
            (f32::MAX, f64::INFINITY),
            (f32::NEG_INFINITY, f64::INFINITY),
        ] {
            assert_eq!(ulp_error(y, reference), f64::INFINITY, "{y} for {reference}");
        }
        assert_eq!(ulp_error(f32::INFINITY, 3.5e38), 0.0);
        assert_eq!(ulp_error(f32::NAN, f64::NAN), 0.0);
    }
}
