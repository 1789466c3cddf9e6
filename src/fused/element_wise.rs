//! Losses that are a sum over elements: of predictions and targets, row by row.

use super::options::Weighting;
use crate::reduce::pad;
use crate::simd::{Float, Simd};

/// Elements whose losses are added lane by lane before they meet the others'.
const CHUNK: usize = 1024;

/// Rows of predictions and targets, and where the gradient goes.
pub(crate) struct Elements<'a> {
    pub(crate) cols: usize,
    pub(crate) x: &'a [f32],
    pub(crate) y: &'a [f32],
    pub(crate) d_x: &'a mut [f32],
}

/// The sum of the losses of all elements, their gradients written times the scale. `f` of a vector of x and one of y gives
/// what `loss` takes, and the gradient. `loss` gives the losses in two halves of f64, 0 for 0.
#[inline(always)]
pub(crate) fn plain<S: Simd>(
    s: S,
    elements: Elements<'_>,
    scale: f64,
    f: impl Fn(S::F32, S::F32) -> (S::F32, S::F32),
    loss: impl Fn(S::F32) -> (S::F64, S::F64),
) -> f64 {
    let Elements { x, y, d_x, .. } = elements;
    let lanes = S::F32::LANES;
    let factor = S::F32::splat(s, scale as f32);
    let mut total = 0.0;
    for ((x, y), d_x) in x.chunks(CHUNK).zip(y.chunks(CHUNK)).zip(d_x.chunks_mut(CHUNK)) {
        let (mut low, mut high) = (S::F64::splat(s, 0.0), S::F64::splat(s, 0.0));
        let (mut xs, mut ys, mut ds) = (x.chunks_exact(lanes), y.chunks_exact(lanes), d_x.chunks_exact_mut(lanes));
        for ((x, y), d_x) in (&mut xs).zip(&mut ys).zip(&mut ds) {
            let (term, d) = f(S::F32::load(s, x), S::F32::load(s, y));
            (d * factor).store(d_x);
            let loss = loss(term);
            (low, high) = (low + loss.0, high + loss.1);
        }
        let rest = ds.into_remainder();
        if !rest.is_empty() {
            let (x, y) = (S::F32::load_partial(s, xs.remainder()), S::F32::load_partial(s, ys.remainder()));
            let (term, d) = f(x, y);
            (d * factor).store_partial(s, rest);
            let loss = loss(pad(s, term, rest.len(), 0.0));
            (low, high) = (low + loss.0, high + loss.1);
        }
        total += (low + high).sum_lanes();
    }
    total
}

/// Of each element of a chunk its weight, and its weight times the scale; room for its loss.
struct Buffers {
    weights: [f64; CHUNK],
    factors: [f32; CHUNK],
    positive: [f32; CHUNK],
    losses: [f64; CHUNK],
}

/// [`plain`] with weights: an element's gradient is multiplied by its weight times the scale, its loss by its weight. `f`
/// also takes the vector of `positive`, one number for each column, 1 by default.
#[inline(always)]
pub(crate) fn weighted<S: Simd>(
    s: S,
    elements: Elements<'_>,
    weighting: &mut Weighting<'_>,
    positive: Option<&[f32]>,
    f: impl Fn(S::F32, S::F32, S::F32) -> (S::F32, S::F32),
    loss: impl Fn(S::F32) -> (S::F64, S::F64),
) -> f64 {
    let Elements { cols, x, y, d_x } = elements;
    let lanes = S::F32::LANES;
    let mut buffers =
        Buffers { weights: [0.0; CHUNK], factors: [0.0; CHUNK], positive: [1.0; CHUNK], losses: [0.0; CHUNK] };
    if let Some(losses) = &mut weighting.row_losses {
        losses.fill(0.0);
    }
    let mut total = 0.0;
    for (first, ((x, y), d_x)) in
        (0..).step_by(CHUNK).zip(x.chunks(CHUNK).zip(y.chunks(CHUNK)).zip(d_x.chunks_mut(CHUNK)))
    {
        fill(&mut buffers, (first, x.len(), cols), weighting, positive);
        let Buffers { weights, factors, positive, losses } = &mut buffers;
        let (mut low, mut high) = (S::F64::splat(s, 0.0), S::F64::splat(s, 0.0));
        let vectors = x.chunks(lanes).zip(y.chunks(lanes)).zip(d_x.chunks_mut(lanes));
        let constants = weights.chunks_exact(lanes).zip(factors.chunks_exact(lanes)).zip(positive.chunks_exact(lanes));
        for ((((x, y), d_x), ((weights, factors), positive)), losses) in
            vectors.zip(constants).zip(losses.chunks_exact_mut(lanes))
        {
            let positive = S::F32::load(s, positive);
            let (term, d) = f(S::F32::load_partial(s, x), S::F32::load_partial(s, y), positive);
            (d * S::F32::load(s, factors)).store_partial(s, d_x);
            let loss = loss(pad(s, term, x.len(), 0.0));
            let (weights_low, weights_high) = weights.split_at(S::F64::LANES);
            let loss = (loss.0 * S::F64::load(s, weights_low), loss.1 * S::F64::load(s, weights_high));
            let (losses_low, losses_high) = losses.split_at_mut(S::F64::LANES);
            loss.0.store(losses_low);
            loss.1.store(losses_high);
            (low, high) = (low + loss.0, high + loss.1);
        }
        total += (low + high).sum_lanes();
        if let Some(row_losses) = &mut weighting.row_losses {
            for (row, _, at) in pieces(first, x.len(), cols) {
                row_losses[row] = losses[at].iter().fold(row_losses[row], |sum, loss| sum + loss);
            }
        }
    }
    total
}

/// The weights of `len` elements from the `first` on.
fn fill(
    buffers: &mut Buffers,
    (first, len, cols): (usize, usize, usize),
    weighting: &Weighting<'_>,
    positive: Option<&[f32]>,
) {
    let weights = &mut buffers.weights[..len];
    match (weighting.samples, weighting.classes) {
        (Some(samples), None) if cols == 1 => {
            for (weight, &sample) in weights.iter_mut().zip(&samples[first..]) {
                *weight = sample.into();
            }
        }
        _ => {
            for (row, column, at) in pieces(first, len, cols) {
                let sample = weighting.sample(row);
                match weighting.classes {
                    None => weights[at].fill(sample),
                    Some(classes) => {
                        for (weight, &class) in weights[at].iter_mut().zip(&classes[column..]) {
                            *weight = sample * f64::from(class);
                        }
                    }
                }
            }
        }
    }
    for (factor, weight) in buffers.factors.iter_mut().zip(weights) {
        *factor = (*weight * weighting.scale) as f32;
    }
    if let Some(positive) = positive {
        for (_, column, at) in pieces(first, len, cols) {
            let columns = column..column + at.len();
            buffers.positive[at].copy_from_slice(&positive[columns]);
        }
    }
}

/// `len` elements from the `first` on, cut where rows of `cols` end: the row, the column of the first of the piece, and
/// where it is, counted from `first`.
fn pieces(first: usize, len: usize, cols: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let end = first + len;
    (first / cols..end.div_ceil(cols)).map(move |row| {
        let (from, to) = ((row * cols).max(first), (row * cols + cols).min(end));
        (row, from - row * cols, from - first..to - first)
    })
}
