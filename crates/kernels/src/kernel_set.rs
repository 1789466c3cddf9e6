//! The table of kernels of one instruction set: how the rest of the crate, and a caller, reaches them.

use crate::activation::{self, Activation};
use crate::fused::{self, Axis, Descent, Examples, LogisticModel, LogisticSums, Moments, Norm};
use crate::fused::{ClassTargets, DenseNet, Elements, Logits, RankOne, Rows, Weighting};
use crate::gather::{self, ByteScale};
use crate::gemm::{self, MatRef};
use crate::isa::Isa;
use crate::math::map::Elements as Mapped;
use crate::math::map::Factors;
use crate::math::{self, Derivative, Function, Unary};
use crate::reduce;
use crate::simd::Simd;
use std::sync::OnceLock;

/// Every kernel, compiled for one instruction set.
///
/// A set is had by [`best`](Self::best), [`for_isa`](Self::for_isa) or [`available`](Self::available) only, after its
/// CPU features were detected: that is what makes its functions safe to call.
///
/// ```
/// use kernels::{Function, Isa, KernelSet};
/// let mut fast = [0.0; 3];
/// KernelSet::best().map(Function::Exp, &[0.0, 1.0, -1.0], &mut fast);
/// let mut exact = [0.0; 3];
/// KernelSet::for_isa(Isa::Portable).unwrap().map(Function::Exp, &[0.0, 1.0, -1.0], &mut exact);
/// assert_eq!(fast, exact); // The same bits on every instruction set.
/// ```
pub struct KernelSet {
    isa: Isa,
    map: [Map; Function::ALL.len()],
    leaky_relu: fn(f32, Mapped<'_>),
    activation_backward: fn(Activation, &[f32], &mut [f32]),
    sum: fn(&[f32]) -> f32,
    dot: fn(&[f32], &[f32]) -> f32,
    sum_squares_f64: fn(&[f32]) -> f64,
    max: fn(&[f32]) -> f32,
    argmax: fn(usize, &[f32], &mut [u32]),
    pub(crate) column_sums: fn(MatRef<'_, f32>, &mut [f32]),
    pub(crate) gather_bytes: fn(MatRef<'_, u8>, &[usize], ByteScale, &mut [f32]),
    updates: updates::Updates,
    pub(crate) softmax: fn(usize, Rows<'_>),
    pub(crate) log_softmax: fn(usize, Rows<'_>),
    pub(crate) logsumexp: fn(usize, &[f32], &mut [f32]),
    pub(crate) mse: fn(Elements<'_>, &mut Weighting<'_>) -> f64,
    pub(crate) huber: fn(Elements<'_>, f32, &mut Weighting<'_>) -> f64,
    pub(crate) bce: fn(Elements<'_>, &fused::bce::Targets<'_>, &mut Weighting<'_>) -> f64,
    pub(crate) cross_entropy: fn(&mut Logits<'_>, ClassTargets<'_>, f32, &mut Weighting<'_>) -> f64,
    pub(crate) logistic_descent: fn(&Examples<'_>, Descent, LogisticModel<'_>, &mut LogisticSums) -> usize,
    pub(crate) rank_one_descent: fn(RankOne<'_>, &mut [f32]),
    pub(crate) rank_one_descent_then_product: fn(RankOne<'_>, &mut [f32], &[f32], &mut [f32]),
    pub(crate) dense_forward: DenseForward,
    pub(crate) dense_descent: DenseDescent,
    pub(crate) moments: fn(Axis, usize, &[f32], f32, Moments<'_>),
    pub(crate) normalise: fn(&Norm<'_>, &[f32], &mut [f32]),
    pub(crate) normalise_backward_params: NormBackwardParams,
    pub(crate) normalise_backward_input: NormBackwardInput,
    pub(crate) gemm_f32: fn(&mut gemm::Problem<'_, f32>),
    pub(crate) gemm_f64: fn(&mut gemm::Problem<'_, f64>),
    pub(crate) pack_f32: gemm::Prepack<f32>,
    pub(crate) pack_f64: gemm::Prepack<f64>,
}

type DenseForward = fn(&KernelSet, DenseNet<'_>, &[f32], Option<&[f32]>, &mut [f32]);
type DenseDescent =
    fn(&KernelSet, DenseNet<'_>, Descent, &mut [f32], (&[f32], &mut [f32]), Option<(&[f32], &mut [f32])>);
type Map = fn(Mapped<'_>);
type NormBackwardParams = fn(&Norm<'_>, &[f32], &[f32], &mut [f32], &mut [f32]);
type NormBackwardInput = fn(&Norm<'_>, &[f32], &[f32], &[f32], &mut [f32]);

/// Functions of the table, each its generic kernel inside the features of S, and in a module of its own: the compiler's units
/// of work, which it shares among cores, are modules.
macro_rules! entries {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $kernel:path;)*) => {$(
        mod $name {
            use super::*;
            pub(super) fn $name<S: Simd>($($arg: $type),*) $(-> $result)? {
                token::<S>().run(
                    #[inline(always)]
                    |s| $kernel(s, $($arg),*),
                )
            }
        }
        use $name::$name;
    )*};
}

mod updates;

entries! {
    sum(x: &[f32]) -> f32 = reduce::sum;
    dot(x: &[f32], y: &[f32]) -> f32 = reduce::dot;
    sum_squares_f64(x: &[f32]) -> f64 = reduce::sum_squares_f64;
    max(x: &[f32]) -> f32 = reduce::max;
    argmax(cols: usize, x: &[f32], out: &mut [u32]) = reduce::argmax;
    column_sums(x: MatRef<'_, f32>, out: &mut [f32]) = reduce::column_sums;
    gather_bytes(from: MatRef<'_, u8>, rows: &[usize], scale: ByteScale, to: &mut [f32]) = gather::gather;
    softmax(cols: usize, rows: Rows<'_>) = fused::softmax::softmax;
    log_softmax(cols: usize, rows: Rows<'_>) = fused::softmax::log_softmax;
    logsumexp(cols: usize, x: &[f32], out: &mut [f32]) = fused::softmax::logsumexp;
    mse(elements: Elements<'_>, weighting: &mut Weighting<'_>) -> f64 = fused::mse::mse;
    huber(elements: Elements<'_>, delta: f32, weighting: &mut Weighting<'_>) -> f64 = fused::huber::huber;
    bce(elements: Elements<'_>, targets: &fused::bce::Targets<'_>, weighting: &mut Weighting<'_>) -> f64
        = fused::bce::bce;
    cross_entropy(logits: &mut Logits<'_>, targets: ClassTargets<'_>, smoothing: f32, weighting: &mut Weighting<'_>) -> f64
        = fused::cross_entropy::cross_entropy;
    logistic_descent(examples: &Examples<'_>, descent: Descent, model: LogisticModel<'_>, sums: &mut LogisticSums) -> usize
        = fused::logistic::logistic_descent;
    rank_one_descent(step: RankOne<'_>, w: &mut [f32]) = fused::rank_one::rank_one_descent;
    rank_one_descent_then_product(step: RankOne<'_>, w: &mut [f32], next: &[f32], product: &mut [f32])
        = fused::rank_one::rank_one_descent_then_product;
    dense_forward(set: &KernelSet, net: DenseNet<'_>, params: &[f32], product: Option<&[f32]>, values: &mut [f32])
        = fused::dense::forward;
    dense_descent(
        set: &KernelSet, net: DenseNet<'_>, step: Descent, params: &mut [f32], values_and_d: (&[f32], &mut [f32]),
        next: Option<(&[f32], &mut [f32])>
    ) = fused::dense::descent;
    moments(axis: Axis, cols: usize, x: &[f32], eps: f32, moments: Moments<'_>) = fused::norm::moments;
    normalise(norm: &Norm<'_>, x: &[f32], y: &mut [f32]) = fused::norm::normalise;
    normalise_backward_params(norm: &Norm<'_>, x: &[f32], d_y: &[f32], d_weight: &mut [f32], d_bias: &mut [f32])
        = fused::norm::backward_params;
    normalise_backward_input(norm: &Norm<'_>, x: &[f32], d_weight: &[f32], d_bias: &[f32], d: &mut [f32])
        = fused::norm::backward_input;
    leaky_relu(slope: f32, elements: Mapped<'_>) = math::leaky_relu::map;
    activation_backward(activation: Activation, kept: &[f32], d: &mut [f32]) = activation::backward;
}

fn map<S: Simd, F: Unary>(elements: Mapped<'_>) {
    token::<S>().run(
        #[inline(always)]
        |s| F::map(s, elements),
    );
}

/// `x[i] = function(x[i])` by what the table of S has for it.
pub(crate) fn map_in_place<S: Simd>(function: Function, x: &mut [f32]) {
    let functions = const { &table::<S>().map };
    functions[function as usize](Mapped::in_place(x));
}

/// What multiplies vectors by the derivative of an activation, where that is long, from what it [keeps](Activation::keeps).
pub(crate) fn derivative<S: Simd>(activation: Activation) -> Option<fn(Factors<'_>)> {
    match activation {
        Activation::Softplus => Some(multiply::<S, math::SoftplusDerivative>),
        Activation::Gelu => Some(multiply::<S, math::GeluDerivative>),
        Activation::GeluTanh => Some(multiply::<S, math::GeluTanhDerivative>),
        Activation::Silu => Some(multiply::<S, math::SiluDerivative>),
        _ => None,
    }
}

fn multiply<S: Simd, F: Derivative>(factors: Factors<'_>) {
    token::<S>().run(
        #[inline(always)]
        |s| F::multiply(s, factors),
    );
}

fn token<S: Simd>() -> S {
    // SAFETY: the functions above are reached only through the table of S, and that only through `KernelSet::for_isa`,
    // which has detected the features.
    unsafe { S::assume_available() }
}

/// All tables are made here, from the same generic kernels: none can be another ISA's by mistake.
const fn table<S: Simd>() -> KernelSet {
    KernelSet {
        isa: S::ISA,
        map: [
            map::<S, math::Exp>,
            map::<S, math::Expm1>,
            map::<S, math::Ln>,
            map::<S, math::Log1p>,
            map::<S, math::Sigmoid>,
            map::<S, math::Tanh>,
            map::<S, math::Softplus>,
            map::<S, math::Erf>,
            map::<S, math::Gelu>,
            map::<S, math::GeluTanh>,
            map::<S, math::Silu>,
            map::<S, math::Relu>,
        ],
        leaky_relu: leaky_relu::<S>,
        activation_backward: activation_backward::<S>,
        sum: sum::<S>,
        dot: dot::<S>,
        sum_squares_f64: sum_squares_f64::<S>,
        max: max::<S>,
        argmax: argmax::<S>,
        column_sums: column_sums::<S>,
        gather_bytes: gather_bytes::<S>,
        softmax: softmax::<S>,
        log_softmax: log_softmax::<S>,
        logsumexp: logsumexp::<S>,
        mse: mse::<S>,
        huber: huber::<S>,
        bce: bce::<S>,
        cross_entropy: cross_entropy::<S>,
        updates: updates::table::<S>(),
        logistic_descent: logistic_descent::<S>,
        rank_one_descent: rank_one_descent::<S>,
        rank_one_descent_then_product: rank_one_descent_then_product::<S>,
        dense_forward: dense_forward::<S>,
        dense_descent: dense_descent::<S>,
        moments: moments::<S>,
        normalise: normalise::<S>,
        normalise_backward_params: normalise_backward_params::<S>,
        normalise_backward_input: normalise_backward_input::<S>,
        gemm_f32: gemm::serial_f32::<S>,
        gemm_f64: gemm::serial::<S, f64>,
        pack_f32: gemm::prepack::<S, f32>,
        pack_f64: gemm::prepack::<S, f64>,
    }
}

static PORTABLE: KernelSet = table::<crate::simd::portable::Portable>();
#[cfg(target_arch = "aarch64")]
static NEON: KernelSet = table::<crate::simd::neon::Neon>();
#[cfg(target_arch = "x86_64")]
static AVX2: KernelSet = table::<crate::simd::avx2::Avx2>();
#[cfg(target_arch = "x86_64")]
static AVX512: KernelSet = table::<crate::simd::avx512::Avx512>();

impl KernelSet {
    /// The fastest set that this CPU runs; the environment variable `KERNELS_ISA=portable|neon|avx2|avx512`, read once,
    /// chooses another.
    ///
    /// # Panics
    /// If `KERNELS_ISA` names no instruction set, or one that this CPU cannot run.
    pub fn best() -> &'static KernelSet {
        Self::try_best().unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`best`](Self::best), without a panic.
    ///
    /// # Errors
    /// If `KERNELS_ISA` names no instruction set, or one that this CPU cannot run.
    pub fn try_best() -> Result<&'static KernelSet, IsaUnavailable> {
        static BEST: OnceLock<Result<&'static KernelSet, IsaUnavailable>> = OnceLock::new();
        BEST.get_or_init(|| match std::env::var("KERNELS_ISA") {
            Ok(name) if !name.trim().is_empty() => Self::named(&name).map_err(IsaUnavailable),
            _ => Ok(Self::available().last().expect("the portable set is always available")),
        })
        .clone()
    }

    fn named(name: &str) -> Result<&'static KernelSet, String> {
        let isa: Isa = name.parse().map_err(|error| format!("{error}"))?;
        Self::for_isa(isa).ok_or_else(|| format!("{isa} cannot run: {}", isa.missing().unwrap_or_default()))
    }

    /// The set for `isa`, or `None` where this CPU cannot run it.
    pub fn for_isa(isa: Isa) -> Option<&'static KernelSet> {
        if !isa.is_available() {
            return None;
        }
        match isa {
            Isa::Portable => Some(&PORTABLE),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Some(&NEON),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Some(&AVX2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Some(&AVX512),
            #[allow(unreachable_patterns, reason = "which ISAs are foreign depends on the target")]
            _ => None,
        }
    }

    /// The sets that this CPU runs, slowest first.
    pub fn available() -> impl Iterator<Item = &'static KernelSet> {
        Isa::ALL.into_iter().filter_map(Self::for_isa)
    }

    /// Its instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// `out[i] = function(x[i])`; see [`math`] for the accuracy.
    ///
    /// # Panics
    /// Unless `x` and `out` have the same length.
    #[track_caller]
    pub fn map(&self, function: Function, x: &[f32], out: &mut [f32]) {
        same_length(function.name(), ("x", x.len()), ("out", out.len()));
        (self.map[function as usize])(Mapped::apart(x, out));
    }

    /// `x[i] = function(x[i])`.
    pub fn map_in_place(&self, function: Function, x: &mut [f32]) {
        (self.map[function as usize])(Mapped::in_place(x));
    }

    /// `out[i] = x[i]` above 0, else `slope x[i]`.
    ///
    /// # Panics
    /// Unless `x` and `out` have the same length.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f32, x: &[f32], out: &mut [f32]) {
        same_length("leaky_relu", ("x", x.len()), ("out", out.len()));
        (self.leaky_relu)(slope, Mapped::apart(x, out));
    }

    /// `x[i] = slope x[i]` where it is not above 0.
    pub fn leaky_relu_in_place(&self, slope: f32, x: &mut [f32]) {
        (self.leaky_relu)(slope, Mapped::in_place(x));
    }

    /// `out[i] = activation(z[i])`, for a forward pass that keeps the logits z.
    ///
    /// # Panics
    /// Unless `z` and `out` have the same length.
    #[track_caller]
    pub fn activate(&self, activation: Activation, z: &[f32], out: &mut [f32]) {
        same_length("activate", ("z", z.len()), ("out", out.len()));
        if let Activation::LeakyRelu { slope } = activation {
            self.leaky_relu(slope, z, out);
        } else if let Some(function) = activation.function() {
            self.map(function, z, out);
        } else {
            out.copy_from_slice(z);
        }
    }

    /// `z[i] = activation(z[i])`.
    pub fn activate_in_place(&self, activation: Activation, z: &mut [f32]) {
        if let Activation::LeakyRelu { slope } = activation {
            self.leaky_relu_in_place(slope, z);
        } else if let Some(function) = activation.function() {
            self.map_in_place(function, z);
        }
    }

    /// `d[i] *= activation'(z[i])`, from what the activation [keeps](Activation::keeps): its outputs or the logits z.
    ///
    /// # Panics
    /// Unless `kept` and `d` have the same length.
    #[track_caller]
    pub fn activation_backward(&self, activation: Activation, kept: &[f32], d: &mut [f32]) {
        same_length("activation_backward", ("kept", kept.len()), ("d", d.len()));
        (self.activation_backward)(activation, kept, d);
    }

    /// `Σ x`, in the order that [`reduce`](crate::reduce) documents.
    pub fn sum(&self, x: &[f32]) -> f32 {
        (self.sum)(x)
    }

    /// `Σ x y`, in the same order, by fused multiply-adds.
    ///
    /// # Panics
    /// Unless `x` and `y` have the same length.
    #[track_caller]
    pub fn dot(&self, x: &[f32], y: &[f32]) -> f32 {
        same_length("dot", ("x", x.len()), ("y", y.len()));
        (self.dot)(x, y)
    }

    /// `Σ x²`
    pub fn sum_squares(&self, x: &[f32]) -> f32 {
        (self.dot)(x, x)
    }

    /// `Σ x²` in f64, eight lanes of it for each half of a vector, otherwise in the same order: for the norm of a gradient.
    /// It cannot overflow, so it is finite unless an element is not.
    pub fn sum_squares_f64(&self, x: &[f32]) -> f64 {
        (self.sum_squares_f64)(x)
    }

    /// The largest element; NaN if there is one, -infinity for an empty slice.
    pub fn max(&self, x: &[f32]) -> f32 {
        (self.max)(x)
    }

    /// The index of the largest element of each row of `cols` elements, the first of equals; a NaN counts as the largest.
    ///
    /// # Panics
    /// Unless `x` holds whole rows and `out` one value for each; if `cols` is 0.
    #[track_caller]
    pub fn argmax(&self, cols: usize, x: &[f32], out: &mut [u32]) {
        let rows = whole_rows("argmax", cols, x.len());
        same_length("argmax", ("rows", rows), ("out", out.len()));
        (self.argmax)(cols, x, out);
    }

    /// `out[j] = Σ_i x[i][j]` for rows of `cols` elements: the gradient of a bias. Rows are added in their order, in
    /// chunks of 256.
    ///
    /// # Panics
    /// Unless `x` holds whole rows and `out` has `cols` elements; if `cols` is 0.
    #[track_caller]
    pub fn column_sums(&self, cols: usize, x: &[f32], out: &mut [f32]) {
        let rows = whole_rows("column_sums", cols, x.len());
        same_length("column_sums", ("cols", cols), ("out", out.len()));
        (self.column_sums)(MatRef::from_row_major(x, rows, cols), out);
    }
}

/// The environment variable `KERNELS_ISA` asks for what this CPU cannot do; the text says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaUnavailable(String);

impl std::fmt::Display for IsaUnavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let available: Vec<_> = KernelSet::available().map(|set| set.isa.name()).collect();
        write!(f, "KERNELS_ISA: {}; available here: {}", self.0, available.join(", "))
    }
}

impl std::error::Error for IsaUnavailable {}

impl std::fmt::Debug for KernelSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KernelSet({})", self.isa)
    }
}

#[track_caller]
pub(crate) fn same_length(what: &str, (one, len): (&str, usize), (other, other_len): (&str, usize)) {
    assert!(len == other_len, "{what}: {len} for {one}, {other_len} for {other}");
}

/// How many rows of `cols` elements there are.
#[track_caller]
pub(crate) fn whole_rows(what: &str, cols: usize, len: usize) -> usize {
    assert!(cols > 0 && len.is_multiple_of(cols), "{what}: {len} elements are not whole rows of {cols}");
    len / cols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_says_why_and_what_can() {
        let unknown = IsaUnavailable(KernelSet::named("sse9").unwrap_err()).to_string();
        assert!(unknown.contains("sse9") && unknown.contains("available here: portable"), "{unknown}");
        let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
        let foreign = KernelSet::named(foreign).unwrap_err();
        assert!(foreign.contains("cannot run") && foreign.contains(std::env::consts::ARCH), "{foreign}");
        assert_eq!(KernelSet::named(" Portable ").unwrap().isa(), Isa::Portable);
    }
}
