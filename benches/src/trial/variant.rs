use super::Trial;
use crate::cases::{Gemm, Variant, With};
use crate::check::{Reference, Wrong};
use crate::engines::{Role, Setup, view};
use crate::problem::{Aligned, Problem, Real, uniform};
use kernels::{Activation, Epilogue, GemmOptions, Kept, KernelSet, MatMut, MatRef, PackedB, Threads, reference};
use std::f64::consts::PI;

/// The plain call, then the one that does more.
pub(crate) struct VariantTrial {
    with: With,
    set: &'static KernelSet,
    threads: Threads,
    problem: Problem<f32>,
    packed: Option<PackedB<f32>>,
    bias: Aligned<f32>,
    /// What the derivative is taken from.
    kept: Aligned<f32>,
    plain: Reference,
    judge: Reference,
    judge_sums: Reference,
    c: Aligned<f32>,
    column_sums: Aligned<f32>,
    /// Whether the plain call ran last.
    was_plain: bool,
}

const PLAIN: usize = 0;

impl VariantTrial {
    pub(crate) fn new(Variant { gemm, with }: Variant, setup: Setup) -> Self {
        let Gemm { m, n, .. } = gemm;
        let problem = Problem::new(gemm);
        let packed = (with == With::PackedB).then(|| setup.set.pack_b(view(&problem.b())));
        let bias = uniform(3, n, -1.0, 1.0);
        let mut kept = uniform(4, m * n, -4.0, 4.0);
        if let With::Derivative(activation) = with
            && activation.keeps() == Kept::Output
        {
            setup.set.activate_in_place(activation, &mut kept);
        }
        let plain = Reference::product(&problem);
        VariantTrial {
            with,
            set: setup.set,
            threads: Threads::AtMost(setup.threads),
            problem,
            packed,
            judge: expected(with, &plain, &bias, &kept),
            judge_sums: sums(&plain, n),
            bias,
            kept,
            plain,
            c: Aligned::new(m * n, f32::NAN),
            column_sums: Aligned::new(n, f32::NAN),
            was_plain: true,
        }
    }
}

impl Trial for VariantTrial {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        vec![("plain", Role::Plain), ("ours", Role::Ours)]
    }

    fn run(&mut self, engine: usize) {
        self.was_plain = engine == PLAIN;
        let (a, b) = (view(&self.problem.a()), view(&self.problem.b()));
        let (m, n) = (a.rows(), b.cols());
        let epilogue = match self.with {
            _ if self.was_plain => Epilogue::None,
            With::Bias(activation) => Epilogue::Bias { bias: Some(&self.bias), activation },
            With::Derivative(activation) => {
                Epilogue::Derivative { activation, kept: MatRef::from_row_major(&self.kept, m, n) }
            }
            With::ColumnSums | With::PackedB => Epilogue::None,
        };
        let options = GemmOptions { epilogue, threads: self.threads };
        let c = MatMut::from_row_major(&mut self.c, m, n);
        match (self.with, &self.packed) {
            _ if self.was_plain => self.set.gemm(1.0, a, b, 0.0, c, &options),
            (_, Some(b)) => self.set.gemm_packed(1.0, a, b, 0.0, c, &options),
            (With::ColumnSums, None) => {
                self.set.gemm_with_column_sums(1.0, a, b, 0.0, c, &mut self.column_sums, &options);
            }
            _ => self.set.gemm(1.0, a, b, 0.0, c, &options),
        }
    }

    fn move_to(&mut self, place: usize) {
        self.problem.move_to(place);
        for slice in [&mut self.bias, &mut self.kept, &mut self.c, &mut self.column_sums] {
            slice.move_to(place);
        }
    }

    fn spoil(&mut self) {
        self.c.fill(f32::NAN);
        self.column_sums.fill(f32::NAN);
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.was_plain {
            return self.plain.check(&self.c);
        }
        if self.with == With::ColumnSums {
            self.judge_sums.check(&self.column_sums)?;
        }
        self.judge.check(&self.c)
    }
}

/// What the call must give. No activation is steeper than 1.2, each is within 4 units in the last place of its result or
/// of its argument, and derivatives are within 2^-22.
fn expected(with: With, plain: &Reference, bias: &[f32], kept: &[f32]) -> Reference {
    const DERIVATIVE: f64 = 1.0 / (1 << 22) as f64;
    let (n, u) = (bias.len(), f32::UNIT_ROUNDOFF);
    let elements = plain.elements().enumerate().map(|(i, (c, bound))| match with {
        With::ColumnSums | With::PackedB => (c, bound),
        With::Bias(activation) => {
            let z = c + f64::from(bias[i % n]);
            let y = forward(activation, z);
            (y, 1.2 * (bound + u * z.abs()) + 8.0 * u * (y.abs() + z.abs()))
        }
        With::Derivative(activation) => {
            let d = derivative(activation, kept[i].into());
            (c * d, bound * (d.abs() + DERIVATIVE) + c.abs() * (DERIVATIVE + 2.0 * u * d.abs()))
        }
    });
    Reference::new(n, elements)
}

/// The sums of the columns.
fn sums(plain: &Reference, n: usize) -> Reference {
    let mut sums = vec![(0.0, 0.0, 0.0); n];
    for (i, (c, bound)) in plain.elements().enumerate() {
        let (sum, magnitude, bounds) = &mut sums[i % n];
        (*sum, *magnitude, *bounds) = (*sum + c, *magnitude + c.abs(), *bounds + bound);
    }
    let rows = plain.elements().count() / n;
    let tolerance = rows as f64 * f32::UNIT_ROUNDOFF;
    Reference::new(n, sums.into_iter().map(|(sum, magnitude, bounds)| (sum, bounds + tolerance * (magnitude + bounds))))
}

fn forward(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Relu => z.max(0.0),
        Activation::LeakyRelu { slope } => z.max(0.0) + f64::from(slope) * z.min(0.0),
        Activation::Sigmoid => reference::sigmoid(z),
        Activation::Tanh => z.tanh(),
        Activation::Softplus => reference::softplus(z),
        Activation::Gelu => reference::gelu(z),
        Activation::GeluTanh => reference::gelu_tanh(z),
        Activation::Silu => reference::silu(z),
    }
}

/// From what the activation keeps.
fn derivative(activation: Activation, x: f64) -> f64 {
    let swish = |z: f64, v: f64, dv: f64| {
        let s = reference::sigmoid(v);
        s + z * s * (1.0 - s) * dv
    };
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(x > 0.0),
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                1.0
            } else {
                slope.into()
            }
        }
        Activation::Sigmoid => x * (1.0 - x),
        Activation::Tanh => 1.0 - x * x,
        Activation::Softplus => -(-x).exp_m1(),
        Activation::Gelu => reference::normal_cdf(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
        Activation::GeluTanh => {
            let scale = 2.0 * (2.0 / PI).sqrt();
            swish(x, scale * (x + 0.044715 * x * x * x), scale * (1.0 + 3.0 * 0.044715 * x * x))
        }
        Activation::Silu => swish(x, x, 1.0),
    }
}
