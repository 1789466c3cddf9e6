//! Linear layers with their activations, one behind the other, for a single row: forward, and gradient descent.
//!
//! In a small net one row is so little work that calls, and the checks in them, would take most of the time. Here all layers
//! are one call. The operations are those of products, epilogues and updates called one after the other, so the bits are
//! theirs.

use super::rank_one::{load, store};
use super::{Descent, RankOne};
use crate::activation::Activation;
use crate::gemm::k_block;
use crate::kernel_set::KernelSet;
use crate::reduce::{dot, lanes_of_dots, nothing_ahead};
use crate::simd::{Float, Simd};
use std::ops::Range;

/// A linear layer with the activation behind it, `y = activation(x W + b)`, and where its numbers lie.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseLayer {
    /// Elements of x.
    pub inputs: usize,
    /// Elements of y.
    pub outputs: usize,
    /// W among the parameters: `inputs` rows of `outputs` elements.
    pub weight: Range<usize>,
    /// b among the parameters.
    pub bias: Option<Range<usize>>,
    /// What comes behind.
    pub activation: Activation,
    /// y among the values of all layers, and its gradient among theirs.
    pub values: Range<usize>,
}

/// Which layers compute, each on the values of the one before, which lie before its own.
#[derive(Clone, Copy, Debug)]
pub struct DenseNet<'a> {
    /// From the first to the last.
    pub layers: &'a [DenseLayer],
    /// The row that the first one reads.
    pub x: &'a [f32],
}

impl KernelSet {
    /// The values of all layers of `net`, to the bits of a [`gemm`](Self::gemm) with its epilogue for each; `product` is x W
    /// of the first layer, where that is known.
    ///
    /// ```
    /// use kernels::fused::{DenseLayer, DenseNet};
    /// use kernels::{Activation, KernelSet};
    /// let activation = Activation::Relu;
    /// let layer = DenseLayer { inputs: 2, outputs: 1, weight: 0..2, bias: Some(2..3), activation, values: 0..1 };
    /// let (net, mut y) = (DenseNet { layers: &[layer], x: &[3.0, 5.0] }, [0.0]);
    /// KernelSet::best().dense_forward(net, &[1.0, -1.0, 2.5], None, &mut y);
    /// assert_eq!(y, [0.5]);
    /// ```
    ///
    /// # Panics
    /// If the lengths do not fit, a place is not within the parameters or the values, or the values of a layer do not lie
    /// behind those of the one before.
    #[track_caller]
    pub fn dense_forward(&self, net: DenseNet<'_>, params: &[f32], product: Option<&[f32]>, values: &mut [f32]) {
        net.check("dense_forward", product);
        (self.dense_forward)(self, net, params, product, values);
    }

    /// From the `values` that [`dense_forward`](Self::dense_forward) left, and the gradient of the last layer's logits in its
    /// place in `d`: writes those of the layers before it, and makes a step of plain descent on all parameters. In the pass
    /// over the first weight it takes the product with the row that comes next, where there is one.
    ///
    /// The bits are those of gemm with [`Epilogue::Derivative`](crate::Epilogue::Derivative),
    /// [`rank_one_descent`](Self::rank_one_descent) and [`sgd`](Self::sgd).
    ///
    /// # Panics
    /// As `dense_forward` does; as [`rank_one_descent_then_product`](Self::rank_one_descent_then_product) does; if an
    /// activation before the last does not [keep](Activation::keeps) its output.
    #[track_caller]
    pub fn dense_descent(
        &self,
        net: DenseNet<'_>,
        step: Descent,
        params: &mut [f32],
        values: &[f32],
        d: &mut [f32],
        next: Option<(&[f32], &mut [f32])>,
    ) {
        const NAME: &str = "dense_descent";
        net.check(NAME, next.as_ref().map(|(_, product)| &**product));
        if let Some((next, _)) = &next {
            assert!(next.len() == net.x.len(), "{NAME}: {} for next, {} for x", next.len(), net.x.len());
            assert!(
                net.layers.first().is_some_and(|first| first.outputs != 1),
                "{NAME}: the first weight has one column"
            );
        }
        let hidden = &net.layers[..net.layers.len().saturating_sub(1)];
        let keeps_output = |layer: &DenseLayer| layer.activation.keeps() == crate::Kept::Output;
        assert!(hidden.iter().all(keeps_output), "{NAME}: an activation keeps its logits");
        (self.dense_descent)(self, net, step, params, (values, d), next);
    }
}

impl DenseNet<'_> {
    #[track_caller]
    fn check(self, what: &str, product: Option<&[f32]>) {
        let mut width = self.x.len();
        for (number, layer) in self.layers.iter().enumerate() {
            let DenseLayer { inputs, outputs, weight, bias, values, .. } = layer;
            let fits = *inputs == width
                && inputs.checked_mul(*outputs) == Some(weight.len())
                && bias.as_ref().is_none_or(|bias| bias.len() == *outputs)
                && values.len() == *outputs
                && *outputs > 0;
            assert!(fits, "{what}: layer {number} reads {width} values: {layer:?}");
            width = *outputs;
        }
        if let (Some(product), Some(first)) = (product, self.layers.first()) {
            let (len, outputs) = (product.len(), first.outputs);
            assert!(len == outputs, "{what}: a product of {len} for a layer of {outputs} outputs");
        }
    }
}

#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    set: &KernelSet,
    DenseNet { layers, x }: DenseNet<'_>,
    params: &[f32],
    mut product: Option<&[f32]>,
    values: &mut [f32],
) {
    let mut before: Option<&DenseLayer> = None;
    for layer in layers {
        let (done, rest) = values.split_at_mut(layer.values.start);
        let x = before.map_or(x, |before| &done[before.values.clone()]);
        let y = &mut rest[..layer.outputs];
        match product.take() {
            Some(product) => y.copy_from_slice(product),
            None => row_product(s, x, &params[layer.weight.clone()], y),
        }
        if let Some(bias) = &layer.bias {
            let lanes = S::F32::LANES;
            for (y, b) in y.chunks_mut(lanes).zip(params[bias.clone()].chunks(lanes)) {
                (S::F32::load_partial(s, y) + S::F32::load_partial(s, b)).store_partial(s, y);
            }
        }
        set.activate_in_place(layer.activation, y);
        before = Some(layer);
    }
}

#[inline(always)]
pub(crate) fn descent<S: Simd>(
    s: S,
    set: &KernelSet,
    DenseNet { layers, x }: DenseNet<'_>,
    step: Descent,
    params: &mut [f32],
    (values, d): (&[f32], &mut [f32]),
    mut next: Option<(&[f32], &mut [f32])>,
) {
    for (number, layer) in layers.iter().enumerate().rev() {
        let (d_before, d) = d.split_at_mut(layer.values.start);
        let d = &d[..layer.outputs];
        let before = number.checked_sub(1).map(|before| &layers[before]);
        let x = before.map_or(x, |before| &values[before.values.clone()]);
        let weight = &mut params[layer.weight.clone()];
        if let Some(before) = before {
            let d_x = &mut d_before[before.values.clone()];
            row_gradient(s, weight, d, d_x);
            if before.activation != Activation::Identity {
                set.activation_backward(before.activation, x, d_x);
            }
        }
        let mut rank_one = RankOne { x, d, rate: step.learning_rate, keep: step.keep() };
        if rank_one.keep == 0.0 {
            // A gemm does not read what is not kept. To add -0 changes nothing.
            weight.fill(-0.0);
            rank_one.keep = 1.0;
        }
        match next.take_if(|_| number == 0) {
            Some((next, product)) => (set.rank_one_descent_then_product)(rank_one, weight, next, product),
            None => (set.rank_one_descent)(rank_one, weight),
        }
        if let Some(bias) = &layer.bias {
            descend_bias(s, step, d, &mut params[bias.clone()]);
        }
    }
}

/// `b = keep b - rate d`, where d is a sum of columns, from 0, as that of several rows is.
#[inline(always)]
fn descend_bias<S: Simd>(s: S, step: Descent, d: &[f32], bias: &mut [f32]) {
    let [rate, keep, zero] = [step.learning_rate, step.keep(), 0.0].map(
        #[inline(always)]
        |x| S::F32::splat(s, x),
    );
    for (b, d) in bias.chunks_mut(S::F32::LANES).zip(d.chunks(S::F32::LANES)) {
        let d = zero + S::F32::load_partial(s, d);
        rate.neg_mul_add(d, keep * S::F32::load_partial(s, b)).store_partial(s, b);
    }
}

/// `y = x w`, in the order of gemm.
#[inline(always)]
fn row_product<S: Simd>(s: S, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (lanes, cols) = (S::F32::LANES, y.len());
    if cols == 1 {
        y[0] = dot(s, x, w);
        return;
    }
    let mut from = 0;
    while cols - from >= 8 * lanes && S::NV_ROW >= 8 {
        columns::<S, 8>(s, x, w, cols, &mut y[from..][..8 * lanes], from);
        from += 8 * lanes;
    }
    while cols - from >= 4 * lanes {
        columns::<S, 4>(s, x, w, cols, &mut y[from..][..4 * lanes], from);
        from += 4 * lanes;
    }
    if cols - from >= 2 * lanes {
        columns::<S, 2>(s, x, w, cols, &mut y[from..][..2 * lanes], from);
        from += 2 * lanes;
    }
    while from < cols {
        let last = lanes.min(cols - from);
        columns::<S, 1>(s, x, w, cols, &mut y[from..][..last], from);
        from += last;
    }
}

/// The columns of the product from `from` on: `VECTORS` whole vectors of them or, if 1, perhaps a part of one.
#[inline(always)]
fn columns<S: Simd, const VECTORS: usize>(s: S, x: &[f32], w: &[f32], cols: usize, y: &mut [f32], from: usize) {
    let (lanes, block) = (S::F32::LANES, k_block(x.len()).max(1));
    let mut sums: Option<[S::F32; VECTORS]> = None;
    for (w, x) in w.chunks(block * cols).zip(x.chunks(block)) {
        let mut acc = [S::F32::splat(s, 0.0); VECTORS];
        for (row, &x) in w.chunks_exact(cols).zip(x) {
            let x = S::F32::splat(s, x);
            for (acc, part) in acc.iter_mut().zip(row[from..][..y.len()].chunks(lanes)) {
                *acc = x.mul_add(load::<S, VECTORS>(s, part), *acc);
            }
        }
        if let Some(sums) = sums {
            for (acc, sum) in acc.iter_mut().zip(sums) {
                *acc = *acc + sum;
            }
        }
        sums = Some(acc);
    }
    for (part, sum) in y.chunks_mut(lanes).zip(sums.into_iter().flatten()) {
        store::<S, VECTORS>(s, sum, part);
    }
}

/// `d_x = w d`: the dot product of each row of w with d, in the order of gemm.
#[inline(always)]
fn row_gradient<S: Simd>(s: S, w: &[f32], d: &[f32], d_x: &mut [f32]) {
    let (lanes, cols, zero) = (S::F32::LANES, d.len(), S::F32::splat(s, 0.0));
    let narrow = (cols <= lanes).then(|| S::F32::load_partial(s, d));
    for (w, d_x) in w.chunks(lanes * cols).zip(d_x.chunks_mut(lanes)) {
        let mut sums = [zero; crate::simd::MAX_LANES];
        for (sums, row) in sums.iter_mut().zip(w.chunks_exact(cols)) {
            *sums = match narrow {
                // To add the zeros of the other accumulators, once is enough.
                Some(d) => S::F32::load_partial(s, row).mul_add(d, zero) + zero,
                None => {
                    // SAFETY: both slices have `cols` elements.
                    let [sums] =
                        unsafe { lanes_of_dots::<S::F32, 1>(s, [row.as_ptr()], d.as_ptr(), cols, nothing_ahead) };
                    sums
                }
            };
        }
        S::F32::sum_lanes_of_each(&sums[..lanes]).store_partial(s, d_x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::for_each_isa;
    use crate::{Epilogue, GemmOptions, MatMut, MatRef};

    /// Some zeros of either sign among them.
    fn values(len: usize, shift: usize) -> Vec<f32> {
        let value = |i: usize| if i.is_multiple_of(9) { -0.0 } else { (i as f64 * 0.618).fract() as f32 - 0.5 };
        (shift..shift + len).map(value).collect()
    }

    /// Layers of these widths, gaps between their places, and how many parameters and values there are.
    fn layers(widths: &[usize], activation: Activation, has_bias: bool) -> (Vec<DenseLayer>, usize, usize) {
        let (mut params, mut values, mut layers) = (3, 2, Vec::new());
        for pair in widths.windows(2) {
            let (inputs, outputs) = (pair[0], pair[1]);
            let weight = params..params + inputs * outputs;
            let bias = has_bias.then_some(weight.end + 1..weight.end + 1 + outputs);
            params = weight.end + outputs + 5;
            layers.push(DenseLayer { inputs, outputs, weight, bias, activation, values: values..values + outputs });
            values += outputs + 3;
        }
        (layers, params, values)
    }

    /// The definition: products, epilogues and updates called one after the other.
    struct Apart<'a> {
        set: &'a KernelSet,
        layers: &'a [DenseLayer],
        params: Vec<f32>,
    }

    impl Apart<'_> {
        fn forward(&self, x: &[f32]) -> Vec<Vec<f32>> {
            let mut all: Vec<Vec<f32>> = vec![x.to_vec()];
            for DenseLayer { inputs, outputs, weight, bias, activation, .. } in self.layers {
                let mut y = vec![f32::NAN; *outputs];
                let bias = bias.clone().map(|bias| &self.params[bias]);
                let epilogue = Epilogue::Bias { bias, activation: *activation };
                let x = MatRef::from_row_major(&all[all.len() - 1], 1, *inputs);
                let w = MatRef::from_row_major(&self.params[weight.clone()], *inputs, *outputs);
                let y_view = MatMut::from_row_major(&mut y, 1, *outputs);
                self.set.gemm(1.0, x, w, 0.0, y_view, &GemmOptions { epilogue, ..GemmOptions::default() });
                all.push(y);
            }
            all
        }

        fn descend(&mut self, all: &[Vec<f32>], d_outputs: &[f32], step: Descent) {
            let mut d = d_outputs.to_vec();
            for (number, layer) in self.layers.iter().enumerate().rev() {
                let DenseLayer { inputs, outputs, weight, bias, .. } = layer;
                let x = &all[number];
                let mut d_x = vec![f32::NAN; *inputs];
                if number > 0 {
                    let (activation, kept) =
                        (self.layers[number - 1].activation, MatRef::from_row_major(x, 1, *inputs));
                    let epilogue = Epilogue::Derivative { activation, kept };
                    let w = MatRef::from_row_major(&self.params[weight.clone()], *inputs, *outputs).t();
                    let (left, to) =
                        (MatRef::from_row_major(&d, 1, *outputs), MatMut::from_row_major(&mut d_x, 1, *inputs));
                    self.set.gemm(1.0, left, w, 0.0, to, &GemmOptions { epilogue, ..GemmOptions::default() });
                }
                let Descent { learning_rate, weight_decay } = step;
                if let Some(bias) = bias {
                    let mut d_bias = vec![0.0; *outputs];
                    self.set.column_sums(*outputs, &d, &mut d_bias);
                    self.set.sgd(&mut self.params[bias.clone()], &d_bias, learning_rate, weight_decay);
                }
                let w = MatMut::from_row_major(&mut self.params[weight.clone()], *inputs, *outputs);
                let (x, right) = (MatRef::from_row_major(x, 1, *inputs).t(), MatRef::from_row_major(&d, 1, *outputs));
                self.set.gemm(-learning_rate, x, right, step.keep(), w, &GemmOptions::default());
                d = d_x;
            }
        }
    }

    #[test]
    fn the_bits_are_those_of_separate_calls() {
        let widths: [&[usize]; 8] = [
            &[6, 64, 8, 4],
            &[1, 2],
            &[5, 3, 1],
            &[2, 1, 3],
            &[784, 128, 10],
            &[17, 33, 100, 7],
            &[1100, 5, 200],
            &[30, 150, 16, 40],
        ];
        for_each_isa(|set| {
            for widths in widths {
                for (activation, has_bias, weight_decay) in
                    [(Activation::Relu, true, 0.0), (Activation::Tanh, false, 0.1), (Activation::Identity, true, 2.0)]
                {
                    let (layers, params, len) = layers(widths, activation, has_bias);
                    let last = layers[layers.len() - 1].clone();
                    let mut apart = Apart { set, layers: &layers, params: values(params, 7) };
                    let (mut params, step) = (apart.params.clone(), Descent { learning_rate: 0.5, weight_decay });
                    let (mut y, mut d, mut product) =
                        (vec![f32::NAN; len], vec![f32::NAN; len], vec![f32::NAN; widths[1]]);
                    let mut product_is_there = false;
                    for row in 0..3 {
                        let case = format!("{}, {widths:?} {activation:?}, row {row}", set.isa());
                        let (x, next, d_outputs) =
                            (values(widths[0], row), values(widths[0], row + 1), values(last.outputs, row + 5));
                        let expected = apart.forward(&x);
                        let net = DenseNet { layers: &layers, x: &x };
                        set.dense_forward(net, &params, product_is_there.then_some(&product), &mut y);
                        for (layer, expected) in layers.iter().zip(&expected[1..]) {
                            assert_eq!(bits(&y[layer.values.clone()]), bits(expected), "{case}");
                        }

                        apart.descend(&expected, &d_outputs, step);
                        d[last.values.clone()].copy_from_slice(&d_outputs);
                        product_is_there = row == 0 && widths[1] > 1;
                        let next = product_is_there.then_some((&next[..], &mut product[..]));
                        set.dense_descent(net, step, &mut params, &y, &mut d, next);
                        assert_eq!(bits(&params), bits(&apart.params), "{case}");
                    }
                }
            }
        });
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    #[should_panic(expected = "layer 1 reads 3 values")]
    fn layers_that_do_not_fit_are_refused() {
        let (mut layers, params, len) = layers(&[2, 3, 1], Activation::Relu, true);
        layers[1].inputs = 2;
        let net = DenseNet { layers: &layers, x: &[0.0; 2] };
        KernelSet::best().dense_forward(net, &vec![0.0; params], None, &mut vec![0.0; len]);
    }
}
