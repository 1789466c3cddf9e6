//! Moments, normalisation and its gradients: judged against f64, and the same bits on every ISA.

use kernels::testing::for_each_isa;
use kernels::{Axis, KernelSet, Moments, Norm};
use tests::random::Random;

/// The unit roundoff of f32.
const U: f64 = 1.0 / (1u64 << 24) as f64;

const SIZES: [(usize, usize); 10] =
    [(1, 1), (2, 1), (2, 3), (7, 15), (5, 16), (9, 17), (64, 40), (300, 10), (3, 100), (2, 1000)];

/// Everything that the kernels return for one matrix.
#[derive(Debug, Default)]
struct Results {
    mean: Vec<f32>,
    variance: Vec<f32>,
    inv_std: Vec<f32>,
    y: Vec<f32>,
    d_weight: Vec<f32>,
    d_bias: Vec<f32>,
    d_x: Vec<f32>,
}

struct Case {
    axis: Axis,
    cols: usize,
    x: Vec<f32>,
    d_y: Vec<f32>,
    affine: Option<(Vec<f32>, Vec<f32>)>,
}

const EPS: f32 = 1e-5;

impl Case {
    fn new(random: &mut Random, axis: Axis, (rows, cols): (usize, usize), offset: f32, affine: bool) -> Self {
        let x = random.floats(rows * cols, 2.0).iter().map(|x| x + offset).collect();
        let affine = affine.then(|| (random.floats(cols, 1.5), random.floats(cols, 1.0)));
        Case { axis, cols, x, d_y: random.floats(rows * cols, 1.0), affine }
    }

    fn groups(&self) -> usize {
        if self.axis == Axis::Columns { self.cols } else { self.x.len() / self.cols }
    }

    fn run(&self, set: &KernelSet) -> Results {
        let nans = |len: usize| vec![f32::NAN; len];
        let groups = self.groups();
        let (mut mean, mut variance, mut inv_std) = (nans(groups), nans(groups), nans(groups));
        let moments = Moments { mean: &mut mean, variance: &mut variance, inv_std: &mut inv_std };
        set.moments(self.axis, self.cols, &self.x, EPS, moments);
        let norm = Norm {
            axis: self.axis,
            cols: self.cols,
            mean: &mean,
            inv_std: &inv_std,
            weight: self.affine.as_ref().map(|(weight, _)| &weight[..]),
            bias: self.affine.as_ref().map(|(_, bias)| &bias[..]),
        };
        let (mut y, mut d_weight, mut d_bias) = (nans(self.x.len()), nans(self.cols), nans(self.cols));
        set.normalise(&norm, &self.x, &mut y);
        set.normalise_backward_params(&norm, &self.x, &self.d_y, &mut d_weight, &mut d_bias);
        let mut d_x = self.d_y.clone();
        set.normalise_backward_input(&norm, &self.x, &d_weight, &d_bias, &mut d_x);
        Results { y, d_weight, d_bias, d_x, mean, variance, inv_std }
    }

    fn check(&self, place: &str) {
        let mut portable = None;
        for_each_isa(|set| {
            let results = self.run(set);
            let portable = portable.get_or_insert_with(|| bits(&results));
            assert_eq!(*portable, bits(&results), "{place} on {}", set.isa());
            self.judge(&results, &format!("{place} on {}", set.isa()));
        });
    }

    /// Every element in f64, with x̂ from the moments in f64: `cols` and `rows` are those of the matrix, `m` elements are
    /// normalised together.
    fn judge(&self, results: &Results, place: &str) {
        let (cols, groups) = (self.cols, self.groups());
        let m = (self.x.len() / groups) as f64;
        let group = |i: usize| if self.axis == Axis::Columns { i % cols } else { i / cols };
        let x: Vec<f64> = self.x.iter().map(|&x| x.into()).collect();
        let sum = |f: &dyn Fn(usize) -> f64, g: usize| -> f64 { (0..x.len()).filter(|&i| group(i) == g).map(f).sum() };
        let means: Vec<f64> = (0..groups).map(|g| sum(&|i| x[i], g) / m).collect();
        let variances: Vec<f64> = (0..groups).map(|g| sum(&|i| (x[i] - means[g]).powi(2), g) / m).collect();
        for g in 0..groups {
            close(results.mean[g], means[g], U * means[g].abs() + 1e-12, &format!("{place}: mean {g}"));
            close(results.variance[g], variances[g], 2.0 * U * variances[g] + 1e-15, &format!("{place}: variance {g}"));
            let inv_std = 1.0 / (variances[g] + f64::from(EPS)).sqrt();
            close(results.inv_std[g], inv_std, 2.0 * U * inv_std, &format!("{place}: inv_std {g}"));
        }

        let weight = |i: usize| self.affine.as_ref().map_or(1.0, |(weight, _)| f64::from(weight[i % cols]));
        let bias = |i: usize| self.affine.as_ref().map_or(0.0, |(_, bias)| f64::from(bias[i % cols]));
        let inv_std = |i: usize| 1.0 / (variances[group(i)] + f64::from(EPS)).sqrt();
        let x_hat = |i: usize| (x[i] - means[group(i)]) * inv_std(i);
        // The mean, the difference and the product are rounded, inv_std twice.
        let x_hat_error = |i: usize| U * (inv_std(i) * (means[group(i)].abs() + x[i].abs()) + 4.0 * x_hat(i).abs());
        for i in 0..x.len() {
            let expected = x_hat(i) * weight(i) + bias(i);
            let bound = x_hat_error(i) * weight(i).abs() + 2.0 * U * expected.abs();
            close(results.y[i], expected, bound, &format!("{place}: y[{i}]"));
        }

        let d = |i: usize| f64::from(self.d_y[i]);
        for j in 0..cols {
            let column = || (j..x.len()).step_by(cols);
            let bound: f64 = column().map(|i| d(i).abs() * (x_hat_error(i) + U * x_hat(i).abs())).sum();
            let d_weight: f64 = column().map(|i| d(i) * x_hat(i)).sum();
            close(results.d_weight[j], d_weight, bound + U * d_weight.abs(), &format!("{place}: d_weight[{j}]"));
            let d_bias: f64 = column().map(d).sum();
            close(results.d_bias[j], d_bias, U * d_bias.abs() + 1e-13, &format!("{place}: d_bias[{j}]"));
        }

        let g = |i: usize| d(i) * weight(i);
        let sums: Vec<f64> = (0..groups).map(|k| sum(&g, k)).collect();
        let dots: Vec<f64> = (0..groups).map(|k| sum(&|i| g(i) * x_hat(i), k)).collect();
        let dot_errors: Vec<f64> =
            (0..groups).map(|k| sum(&|i| g(i).abs() * (x_hat_error(i) + 4.0 * U * x_hat(i).abs()), k)).collect();
        for i in 0..x.len() {
            let k = group(i);
            let expected = inv_std(i) * (g(i) - (sums[k] + x_hat(i) * dots[k]) / m);
            let terms = g(i).abs() + (sums[k].abs() + (x_hat(i) * dots[k]).abs()) / m;
            let inner = 12.0 * U * terms + (x_hat_error(i) * dots[k].abs() + x_hat(i).abs() * dot_errors[k]) / m;
            close(results.d_x[i], expected, inv_std(i) * inner, &format!("{place}: d_x[{i}]"));
        }
    }
}

fn bits(results: &Results) -> Vec<u32> {
    let Results { mean, variance, inv_std, y, d_weight, d_bias, d_x } = results;
    [mean, variance, inv_std, y, d_weight, d_bias, d_x].into_iter().flatten().map(|x| x.to_bits()).collect()
}

#[track_caller]
fn close(actual: f32, expected: f64, bound: f64, place: &str) {
    assert!((f64::from(actual) - expected).abs() <= bound, "{place} is {actual}, expected {expected} ± {bound}");
}

#[test]
fn every_part_matches_f64_on_every_isa() {
    let mut random = Random::new(20);
    for axis in [Axis::Columns, Axis::Rows] {
        for size in SIZES {
            for (offset, affine) in [(0.0, true), (0.0, false), (1000.0, true)] {
                let place = format!("{axis:?} of {size:?}, offset {offset}, affine {affine}");
                Case::new(&mut random, axis, size, offset, affine).check(&place);
            }
        }
    }
}

/// The gradient of the mean and of the variance take away what is common to all elements and what only scales them.
#[test]
fn the_gradient_is_orthogonal_to_shifts_and_scales() {
    let mut random = Random::new(21);
    let case = Case::new(&mut random, Axis::Columns, (50, 20), 0.0, true);
    for_each_isa(|set| {
        let results = case.run(set);
        for j in 0..20 {
            let column = || (j..case.x.len()).step_by(20);
            let shift: f64 = column().map(|i| f64::from(results.d_x[i])).sum();
            let scale: f64 = column().map(|i| f64::from(results.d_x[i]) * f64::from(case.x[i])).sum();
            assert!(shift.abs() <= 1e-5 && scale.abs() <= 1e-4, "{}, column {j}: {shift}, {scale}", set.isa());
        }
    });
}
