//! Parameter updates: the loop that all optimisers share, and what they share beside it.

use crate::simd::{Float, Float32, Int32, Simd};

const LANES: usize = 16;

/// One pass over parameters, gradients and N arenas of state. `f` of their vectors gives the new parameters and states.
/// Returns whether all of those are finite.
#[inline(always)]
pub(super) fn update<S: Simd, const N: usize>(
    s: S,
    params: &mut [f32],
    grads: &[f32],
    states: [&mut [f32]; N],
    f: impl Fn(S::F32, S::F32, [S::F32; N]) -> (S::F32, [S::F32; N]),
) -> bool {
    const { assert!(S::F32::LANES == LANES) };
    let (params, params_rest) = params.as_chunks_mut::<LANES>();
    let (grads, grads_rest) = grads.as_chunks::<LANES>();
    let (vectors, rest) = (params.len(), params_rest.len());
    // Cut to one length here, no index below is checked.
    let grads = &grads[..vectors];
    let states = states.map(
        #[inline(always)]
        |state| {
            let (state, state_rest) = state.as_chunks_mut::<LANES>();
            (&mut state[..vectors], &mut state_rest[..rest])
        },
    );

    let mut faults = Faults::none(s);
    for i in 0..vectors {
        let mut state = [S::F32::splat(s, 0.0); N];
        for n in 0..N {
            state[n] = S::F32::load(s, &states[n].0[i]);
        }
        let (p, state) = f(S::F32::load(s, &params[i]), S::F32::load(s, &grads[i]), state);
        faults.add(p);
        p.store(&mut params[i]);
        for n in 0..N {
            faults.add(state[n]);
            state[n].store(&mut states[n].0[i]);
        }
    }

    if rest > 0 {
        let mut state = [S::F32::splat(s, 0.0); N];
        for n in 0..N {
            state[n] = S::F32::load_partial(s, states[n].1);
        }
        let (p, state) = f(S::F32::load_partial(s, params_rest), S::F32::load_partial(s, grads_rest), state);
        p.store_partial(s, params_rest);
        faults.add(S::F32::load_partial(s, params_rest));
        for n in 0..N {
            state[n].store_partial(s, states[n].1);
            faults.add(S::F32::load_partial(s, states[n].1));
        }
    }
    faults.are_none()
}

/// Whether a NaN or an infinity was seen: `x - x` has no bit set unless x is one of those, then it is NaN.
#[derive(Clone, Copy)]
struct Faults<S: Simd>(<S::F32 as Float32>::Bits);

impl<S: Simd> Faults<S> {
    #[inline(always)]
    fn none(s: S) -> Self {
        Faults(S::F32::splat(s, 0.0).to_bits())
    }

    #[inline(always)]
    #[expect(clippy::eq_op, reason = "of a NaN or an infinity that is NaN")]
    fn add(&mut self, x: S::F32) {
        self.0 = self.0 | (x - x).to_bits();
    }

    #[inline(always)]
    fn are_none(self) -> bool {
        !self.0.bits_to_float().sum_lanes().is_nan()
    }
}

/// `x`, rounded to f32, in every lane.
#[inline(always)]
pub(super) fn constant<S: Simd>(s: S, x: f64) -> S::F32 {
    S::F32::splat(s, x as f32)
}

/// `x^n` by squaring from the lowest bit of n up: a fixed sequence of multiplications, with a relative error of at most
/// about `n 2^-53`.
pub(super) fn power(x: f64, n: u64) -> f64 {
    let (mut result, mut square, mut n) = (1.0, x, n);
    while n > 0 {
        if n % 2 == 1 {
            result *= square;
        }
        square *= square;
        n /= 2;
    }
    result
}

/// `x[i] *= factor`
#[inline(always)]
pub(crate) fn scale<S: Simd>(s: S, x: &mut [f32], factor: f32) {
    let factor = S::F32::splat(s, factor);
    in_place(
        s,
        x,
        #[inline(always)]
        |x| x * factor,
    );
}

/// `x[i] = min(max(x[i], -limit), limit)`; NaN stays.
#[inline(always)]
pub(crate) fn clip<S: Simd>(s: S, x: &mut [f32], limit: f32) {
    let (low, high) = (S::F32::splat(s, -limit), S::F32::splat(s, limit));
    in_place(
        s,
        x,
        #[inline(always)]
        |x| low.max(high.min(x)),
    );
}

#[inline(always)]
fn in_place<S: Simd>(s: S, x: &mut [f32], f: impl Fn(S::F32) -> S::F32) {
    let mut vectors = x.chunks_exact_mut(S::F32::LANES);
    for x in &mut vectors {
        f(S::F32::load(s, x)).store(x);
    }
    let rest = vectors.into_remainder();
    f(S::F32::load_partial(s, rest)).store_partial(s, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        assert_eq!([0, 1, 2, 3, 10].map(|n| power(3.0, n)), [1.0, 3.0, 9.0, 27.0, 59049.0]);
        assert_eq!(power(0.0, 0), 1.0);
        for n in [1, 7, 100, 4095, 1_000_000] {
            let exact = (n as f64 * 0.999f64.ln()).exp();
            assert!((power(0.999, n) - exact).abs() <= n as f64 * f64::EPSILON * exact, "{n}");
        }
        assert_eq!(power(0.9, u64::MAX), 0.0);
    }
}
