//! Bounded narrow rows as they lie in memory: no lane is without an element.

use super::{BOUND, GROUP, Magnitude};
use crate::math::exp;
use crate::reduce::lane_numbers;
use crate::simd::{Float, Float32, MAGIC_F32, Simd};

/// Writes the exponentials of rows z to `out`, right if the rows are bounded; returns whether they are.
#[inline(always)]
pub(crate) fn flat_exponentials<S: Simd>(s: S, z: &[f32], out: &mut [f32]) -> bool {
    let (lanes, power) = (S::F32::LANES, S::F32::splat(s, 0.0));
    let mut magnitude = Magnitude::<S::F32>::new(s);
    let (mut pairs, mut outs) = (z.chunks_exact(2 * lanes), out.chunks_exact_mut(2 * lanes));
    for (z, out) in (&mut pairs).zip(&mut outs) {
        let z = [S::F32::load(s, z), S::F32::load(s, &z[lanes..])];
        magnitude.add(z[0]);
        magnitude.add(z[1]);
        let [a, b] = exp::normals_over_power(z, power);
        a.store(out);
        b.store(&mut out[lanes..]);
    }
    for (z, out) in pairs.remainder().chunks(lanes).zip(outs.into_remainder().chunks_mut(lanes)) {
        let z = S::F32::load_partial(s, z);
        magnitude.add(z);
        exp::normal_over_power(z, power).store_partial(s, out);
    }
    magnitude.is_below(BOUND)
}

/// Multiplies each of at most 16 rows of `cols` elements by its factor.
#[inline(always)]
pub(crate) fn scale_rows<S: Simd>(s: S, cols: usize, factors: S::F32, x: &mut [f32]) {
    // Element i is of row floor((i + ½) / cols), which is (i + ½) / cols - ½ rounded: as a sum with 1.5 2^23, the low bits.
    let per_element = S::F32::splat(s, 1.0 / cols as f32);
    let mut elements = lane_numbers(s) + S::F32::splat(s, 0.5 - 0.5 * cols as f32);
    let (magic, group) = (S::F32::splat(s, MAGIC_F32), S::F32::splat(s, GROUP as f32));
    let mut vectors = x.chunks_exact_mut(GROUP);
    for x in &mut vectors {
        let factors = factors.permute(elements.mul_add(per_element, magic).to_bits());
        (S::F32::load(s, x) * factors).store(x);
        elements = elements + group;
    }
    let rest = vectors.into_remainder();
    let factors = factors.permute(elements.mul_add(per_element, magic).to_bits());
    (S::F32::load_partial(s, rest) * factors).store_partial(s, rest);
}
