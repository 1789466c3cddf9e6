//! Logistic regression, one example after the other: dot product, gradient, update.
//!
//! For example x with target t: `z = Σ w x + b`, summed as [`KernelSet::dot`]; `d = dL/dz` of binary cross-entropy as
//! [`KernelSet::bce_with_logits`] gives it; then `w = (1 - lr wd) w - lr (x d)` and `b = (1 - lr wd) b - lr d`, each by one
//! product and one fused step. These are the operations of a product, a loss and an update called one after the other, so
//! the bits are theirs; only the order of memory accesses is another: the update of one example and the dot product of the
//! next pass over w together, since each element is updated before it is read.

use super::bce::one_sided;
use crate::kernel_set::{KernelSet, same_length, whole_rows};
use crate::reduce::{ACCUMULATORS, combine, dot, first_lane};
use crate::simd::{Float, Simd};

/// Which examples are learnt from, in which order.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// Rows of as many elements as there are weights.
    pub x: &'a [f32],
    /// From 0 to 1, one for each row.
    pub targets: &'a [f32],
    /// The numbers of the rows that are visited.
    pub order: &'a [usize],
}

/// A model with one linear output.
#[derive(Debug)]
pub struct LogisticModel<'a> {
    /// One value for each element of a row.
    pub weight: &'a mut [f32],
    /// Added to the product of a row and the weights.
    pub bias: Option<&'a mut f32>,
}

/// How a step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// The step along the gradient.
    pub learning_rate: f32,
    /// The strength λ of the penalty `λ/2 Σ p²`.
    pub weight_decay: f32,
}

impl Descent {
    /// What becomes of the parameters before, `1 - lr wd`.
    pub(crate) fn keep(self) -> f32 {
        (-self.learning_rate).mul_add(self.weight_decay, 1.0)
    }
}

/// What the examples so far came to; starts at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogisticSums {
    /// The losses, each judged before its update, added one after the other.
    pub loss: f64,
    /// How many logits were on their target's side of 0.
    pub correct: usize,
}

impl KernelSet {
    /// Gradient descent on one example after the other; adds what they came to to `sums` and returns how many there were: all,
    /// or those before the first one whose logit is not finite, and then the model is that before its update.
    ///
    /// ```
    /// use kernels::KernelSet;
    /// use kernels::fused::{Descent, Examples, LogisticModel, LogisticSums};
    /// let examples = Examples { x: &[1.0, 2.0, -1.0, 0.5], targets: &[1.0, 0.0], order: &[1, 0] };
    /// let (mut weight, mut bias, mut sums) = ([0.0; 2], 0.0, LogisticSums::default());
    /// let model = LogisticModel { weight: &mut weight, bias: Some(&mut bias) };
    /// let descent = Descent { learning_rate: 0.5, weight_decay: 0.0 };
    /// assert_eq!(KernelSet::best().logistic_descent(&examples, descent, model, &mut sums), 2);
    /// assert!(weight[0] > 0.0);
    /// ```
    ///
    /// # Panics
    /// Unless `x` holds whole rows of as many elements as there are weights, with a target for each, and `order` names rows;
    /// if there are no weights.
    #[track_caller]
    pub fn logistic_descent(
        &self,
        examples: &Examples<'_>,
        descent: Descent,
        model: LogisticModel<'_>,
        sums: &mut LogisticSums,
    ) -> usize {
        let rows = whole_rows("logistic_descent", model.weight.len(), examples.x.len());
        same_length("logistic_descent", ("rows", rows), ("targets", examples.targets.len()));
        if let Some(row) = examples.order.iter().find(|&&row| row >= rows) {
            panic!("logistic_descent: row {row} of {rows}");
        }
        (self.logistic_descent)(examples, descent, model, sums)
    }
}

/// How many examples before its turn a row is asked for: it may lie anywhere in memory, from where its lines take as long to
/// come as one example takes or two.
const AHEAD: usize = 4;

/// Examples whose losses are computed at once.
const GROUP: usize = 16;

#[inline(always)]
pub(crate) fn logistic_descent<S: Simd>(
    s: S,
    examples: &Examples<'_>,
    descent: Descent,
    model: LogisticModel<'_>,
    sums: &mut LogisticSums,
) -> usize {
    /// Of those that can be spared: with more the constants of the gradient lie in memory.
    const MANY: usize = 8;
    let (rate, keep) = (S::F32::splat(s, descent.learning_rate), descent.keep());
    if keep != 1.0 {
        return descend::<S, 0>(s, examples, Step { rate, keep: Some(S::F32::splat(s, keep)) }, model, sums);
    }
    match S::SPARE_REGISTERS {
        MANY.. if model.weight.len() >= MANY * S::F32::LANES => {
            descend::<S, MANY>(s, examples, Step { rate, keep: None }, model, sums)
        }
        _ => descend::<S, 0>(s, examples, Step { rate, keep: None }, model, sums),
    }
}

/// Of the weights `HELD` vectors stay in registers.
#[inline(always)]
fn descend<S: Simd, const HELD: usize>(
    s: S,
    Examples { x, targets: all_targets, order }: &Examples<'_>,
    step: Step<S::F32>,
    LogisticModel { weight, mut bias }: LogisticModel<'_>,
    sums: &mut LogisticSums,
) -> usize {
    let inputs = weight.len();
    let row = |number: usize| &x[number * inputs..][..inputs];
    let mut product = match order.first() {
        Some(&first) => dot(s, row(first), weight),
        None => 0.0,
    };
    let mut weights = Weights::<S::F32, HELD>::new(s, weight);
    let (mut logits, mut targets) = ([0.0; GROUP], [0.0; GROUP]);
    let mut done = 0;
    while let Some(&number) = order.get(done) {
        let z = bias.as_deref().map_or(product, |bias| product + bias);
        if !z.is_finite() {
            break;
        }
        let (x, t) = (row(number), all_targets[number]);
        (logits[done % GROUP], targets[done % GROUP]) = (z, t);
        done += 1;
        if done.is_multiple_of(GROUP) {
            add_losses(s, &logits, &targets, sums);
        }
        let (_, d) = one_sided(S::F32::splat(s, z), S::F32::splat(s, t));
        if let Some(bias) = &mut bias {
            **bias = first_lane(step.of(S::F32::splat(s, **bias), S::F32::splat(s, 1.0), d));
        }
        match order.get(done) {
            Some(&next) => {
                // Rows that lie behind each other come by themselves.
                let soon = match order.get(done + AHEAD - 1..=done + AHEAD) {
                    Some(&[before, soon]) if soon != before + 1 => row(soon),
                    _ => x,
                };
                product = weights.update_and_dot(s, step, x, d, [row(next), soon]);
            }
            None => weights.update(s, step, x, d),
        }
    }
    weights.store();
    add_losses(s, &logits[..done % GROUP], &targets, sums);
    done
}

/// Adds the losses of `logits`, and how many are right. A function of its own, so that it has registers of its own.
#[inline(never)]
fn add_losses<S: Simd>(s: S, logits: &[f32], targets: &[f32; GROUP], sums: &mut LogisticSums) {
    let mut losses = [0.0; GROUP];
    s.run(
        #[inline(always)]
        |s| {
            let (loss, _) = one_sided(S::F32::load_partial(s, logits), S::F32::load(s, targets));
            loss.store(&mut losses);
        },
    );
    for ((z, t), loss) in logits.iter().zip(targets).zip(losses) {
        sums.loss += f64::from(loss);
        sums.correct += usize::from((*z > 0.0) == (*t > 0.5));
    }
}

/// `p = keep p - rate g`
#[derive(Clone, Copy)]
struct Step<V> {
    rate: V,
    /// `None` for 1.
    keep: Option<V>,
}

impl<V: Float<Scalar = f32>> Step<V> {
    /// The weights w after an example x with gradient d of its logit. A product of gemm is added to 0, which makes -0 a 0.
    #[inline(always)]
    fn of(self, w: V, x: V, d: V) -> V {
        let gradient = x.mul_add(d, x.constant(0.0));
        let kept = match self.keep {
            Some(keep) => keep * w,
            None => w,
        };
        self.rate.neg_mul_add(gradient, kept)
    }
}

/// The weights while examples pass: the first vectors of them in registers, which spares a load and a store for each.
struct Weights<'a, V, const HELD: usize> {
    held: [V; HELD],
    /// All, the first ones as they were.
    memory: &'a mut [f32],
}

impl<'a, V: Float<Scalar = f32>, const HELD: usize> Weights<'a, V, HELD> {
    const HELD_LANES: usize = {
        assert!(HELD.is_multiple_of(ACCUMULATORS), "what follows begins with the first accumulator");
        HELD * V::LANES
    };

    #[inline(always)]
    fn new(s: V::Simd, memory: &'a mut [f32]) -> Self {
        let mut held = [V::splat(s, 0.0); HELD];
        for (held, w) in held.iter_mut().zip(memory.chunks_exact(V::LANES)) {
            *held = V::load(s, w);
        }
        Weights { held, memory }
    }

    /// Leaves all of them in memory.
    #[inline(always)]
    fn store(self) {
        for (held, w) in self.held.iter().zip(self.memory.chunks_exact_mut(V::LANES)) {
            held.store(w);
        }
    }

    #[inline(always)]
    fn update(&mut self, s: V::Simd, step: Step<V>, x: &[f32], d: V) {
        let (x_held, x) = x.split_at(Self::HELD_LANES);
        for (w, x) in self.held.iter_mut().zip(x_held.chunks_exact(V::LANES)) {
            *w = step.of(*w, V::load(s, x), d);
        }
        for (w, x) in self.memory[Self::HELD_LANES..].chunks_mut(V::LANES).zip(x.chunks(V::LANES)) {
            step.of(V::load_partial(s, w), V::load_partial(s, x), d).store_partial(s, w);
        }
    }

    /// [`update`](Self::update), and the dot product of the new weights with `next`, while `soon` is brought near.
    #[inline(always)]
    fn update_and_dot(&mut self, s: V::Simd, step: Step<V>, x: &[f32], d: V, [next, soon]: [&[f32]; 2]) -> f32 {
        let (lanes, block) = (V::LANES, ACCUMULATORS * V::LANES);
        let mut acc = [V::splat(s, 0.0); ACCUMULATORS];
        let [(x_held, x), (next_held, next), (soon_held, soon)] = [x, next, soon].map(
            #[inline(always)]
            |row| row.split_at(Self::HELD_LANES),
        );
        for (i, w) in self.held.iter_mut().enumerate() {
            let at = i * lanes..(i + 1) * lanes;
            V::prefetch_from_afar(s, soon_held[at.clone()].as_ptr());
            *w = step.of(*w, V::load(s, &x_held[at.clone()]), d);
            acc[i % ACCUMULATORS] = V::load(s, &next_held[at]).mul_add(*w, acc[i % ACCUMULATORS]);
        }
        let (mut ws, mut xs, mut nexts) =
            (self.memory[Self::HELD_LANES..].chunks_exact_mut(block), x.chunks_exact(block), next.chunks_exact(block));
        for (((w, x), next), soon) in (&mut ws).zip(&mut xs).zip(&mut nexts).zip(soon.chunks_exact(block)) {
            for (i, acc) in acc.iter_mut().enumerate() {
                let at = i * lanes..(i + 1) * lanes;
                V::prefetch_from_afar(s, soon[at.clone()].as_ptr());
                let updated = step.of(V::load(s, &w[at.clone()]), V::load(s, &x[at.clone()]), d);
                updated.store(&mut w[at.clone()]);
                *acc = V::load(s, &next[at]).mul_add(updated, *acc);
            }
        }
        // A constant number of times, so that the accumulators stay in registers.
        let (w, x, next) = (ws.into_remainder(), xs.remainder(), nexts.remainder());
        for (i, acc) in acc.iter_mut().enumerate() {
            let at = i * lanes..w.len().min((i + 1) * lanes);
            if !at.is_empty() {
                let updated = step.of(V::load_partial(s, &w[at.clone()]), V::load_partial(s, &x[at.clone()]), d);
                updated.store_partial(s, &mut w[at.clone()]);
                *acc = V::load_partial(s, &next[at]).mul_add(updated, *acc);
            }
        }
        combine(acc).sum_lanes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::for_each_isa;
    use crate::{GemmOptions, LossOptions, MatMut, MatRef};

    const ROWS: usize = 37;

    /// Rows, targets, an order with repetitions, weights and a bias.
    fn data(inputs: usize) -> (Vec<f32>, Vec<f32>, Vec<usize>, Vec<f32>, f32) {
        let uniform = |i: usize| (i as f64 * 0.618_033_988_7).fract() as f32 - 0.5;
        let x = (0..ROWS * inputs).map(|i| if i % 11 == 0 { 0.0 } else { 3.0 * uniform(i) }).collect();
        let targets = (0..ROWS).map(|i| [0.0, 1.0, 0.25][i % 3]).collect();
        let order = (0..2 * ROWS + 5).map(|i| i * 10 % ROWS).collect();
        (x, targets, order, (0..inputs).map(|i| uniform(7 * i + 3)).collect(), 0.125)
    }

    /// The definition: a product, a loss and an update, called one after the other.
    fn unfused(set: &KernelSet, examples: &Examples<'_>, descent: Descent, model: LogisticModel<'_>) -> LogisticSums {
        let LogisticModel { weight, mut bias } = model;
        let inputs = weight.len();
        let Descent { learning_rate, weight_decay } = descent;
        let mut sums = LogisticSums::default();
        for &row in examples.order {
            let x = &examples.x[row * inputs..][..inputs];
            let z = bias.as_deref().map_or(set.dot(x, weight), |bias| set.dot(x, weight) + bias);
            let t = examples.targets[row];
            let mut d = [0.0];
            sums.loss += set.bce_with_logits(1, &[z], &[t], LossOptions::default(), &mut d);
            sums.correct += usize::from((z > 0.0) == (t > 0.5));
            let gradient = MatRef::from_row_major(&d, 1, 1);
            let x = MatRef::from_row_major(x, 1, inputs).t();
            let w = MatMut::from_row_major(weight, inputs, 1);
            let keep = (-learning_rate).mul_add(weight_decay, 1.0);
            set.gemm(-learning_rate, x, gradient, keep, w, &GemmOptions::default());
            if let Some(bias) = &mut bias {
                set.sgd(std::slice::from_mut(*bias), &d, learning_rate, weight_decay);
            }
        }
        sums
    }

    #[test]
    fn the_bits_are_those_of_separate_calls() {
        for_each_isa(|set| {
            for inputs in [1, 2, 15, 16, 17, 63, 64, 65, 100, 784] {
                for (with_bias, weight_decay) in [(true, 0.0), (false, 0.01), (true, 0.5)] {
                    let (x, targets, order, weight, bias) = data(inputs);
                    let descent = Descent { learning_rate: 0.1, weight_decay };
                    let examples = Examples { x: &x, targets: &targets, order: &order };
                    let case = format!("{}, {inputs} inputs, bias {with_bias}", set.isa());

                    let (mut w, mut b) = (weight.clone(), bias);
                    let model = LogisticModel { weight: &mut w, bias: with_bias.then_some(&mut b) };
                    let expected = unfused(set, &examples, descent, model);
                    let bits = |w: &[f32], b: f32| -> Vec<u32> { w.iter().chain(&[b]).map(|x| x.to_bits()).collect() };
                    let expected_bits = bits(&w, b);

                    // In one call, and in several of uneven lengths.
                    for cuts in [vec![order.len()], vec![1, 1, 16, 17, order.len() - 35]] {
                        let (mut w, mut b, mut sums) = (weight.clone(), bias, LogisticSums::default());
                        let mut rest = &order[..];
                        for cut in &cuts {
                            let (order, later) = rest.split_at(*cut);
                            rest = later;
                            let examples = Examples { order, ..examples };
                            let model = LogisticModel { weight: &mut w, bias: with_bias.then_some(&mut b) };
                            assert_eq!(set.logistic_descent(&examples, descent, model, &mut sums), *cut, "{case}");
                        }
                        assert_eq!(bits(&w, b), expected_bits, "{case}, {cuts:?}");
                        assert_eq!(sums.loss.to_bits(), expected.loss.to_bits(), "{case}, {cuts:?}");
                        assert_eq!(sums.correct, expected.correct, "{case}, {cuts:?}");
                    }
                }
            }
        });
    }

    #[test]
    fn a_logit_that_is_not_finite_ends_it_before_its_update() {
        for_each_isa(|set| {
            for inputs in [20, 200] {
                let (mut x, targets, order, weight, bias) = data(inputs);
                x[order[20] * inputs] = f32::INFINITY;
                let first = order.iter().position(|&row| row == order[20]).unwrap();
                let descent = Descent { learning_rate: 0.1, weight_decay: 0.0 };
                let run = |order: &[usize]| {
                    let (mut w, mut b, mut sums) = (weight.clone(), bias, LogisticSums::default());
                    let examples = Examples { x: &x, targets: &targets, order };
                    let model = LogisticModel { weight: &mut w, bias: Some(&mut b) };
                    (set.logistic_descent(&examples, descent, model, &mut sums), w, b, sums)
                };
                let (done, w, b, sums) = run(&order);
                assert_eq!(done, first, "{}", set.isa());
                assert_eq!(run(&order[..first]), (first, w, b, sums), "{}", set.isa());
            }
        });
    }
}
