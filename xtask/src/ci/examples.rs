//! The examples: that they learn, and what they were compiled to.

use super::command::{cargo, output, program, run, succeeds, target};
use super::packages::{install, may_install};
use super::{Outcome, StepResult};
use std::error::Error;
use std::path::Path;

/// The least that the last number of the line `test:` of each example of `nn` may be: an accuracy, or another figure that is
/// better when larger. The bits are the same everywhere, so a floor only leaves room for a deliberate change of the arithmetic.
const FLOORS: [(&str, f64); 7] = [
    ("digits", 0.97),
    ("logistic", 0.95),
    ("regression", 0.98),
    ("training_loop", 0.95),
    ("resume", 0.95),
    ("policy", 150.0),
    ("ndarray --features nn/ndarray", 0.88),
];

pub(super) fn accuracy() -> StepResult {
    for (example, floor) in FLOORS {
        reaches(example, floor)?;
    }
    run(&mut cargo("run --quiet --release -p kernels --example embed"))?;
    Ok(Outcome::Passed)
}

/// Images of another size than the digits', in IDX files, of which there are 70,000.
pub(super) fn fashion_mnist() -> StepResult {
    const FILES: &str = "/usr/share/datasets/fashion-mnist";
    const PACKAGE: &str = "dataset-fashion-mnist";
    if !Path::new(FILES).exists() && may_install() {
        install(PACKAGE);
    }
    if !Path::new(FILES).exists() {
        return Ok(Outcome::Skipped(format!("there is no {FILES}; the package of Debian is {PACKAGE}")));
    }
    reaches(&format!("digits -- --epochs 3 --data {FILES}"), 0.84)?;
    Ok(Outcome::Passed)
}

fn reaches(example: &str, floor: f64) -> Result<(), Box<dyn Error>> {
    let text = output(&mut cargo(&format!("run --quiet --release -p nn --example {example}")))?;
    let figure = test_figure(&text).ok_or_else(|| format!("{example} printed no figure of a test"))?;
    if figure.is_nan() || figure < floor {
        return Err(format!("{example}: {figure} in the test, at least {floor} expected").into());
    }
    Ok(())
}

/// The last number of the line that starts with `test:`.
fn test_figure(output: &str) -> Option<f64> {
    output.lines().find(|line| line.starts_with("test:"))?.split_whitespace().last()?.parse().ok()
}

/// An intrinsic that is not inlined is a call to a function of the standard library, and slow.
pub(super) fn inlined() -> StepResult {
    if !succeeds(&mut program("nm", "--version")) {
        return Ok(Outcome::Skipped("nm is not installed".to_owned()));
    }
    run(&mut cargo("build --quiet --release -p nn --example digits"))?;
    let symbols = program("nm", "--demangle").arg(target().join("release/examples/digits")).output()?;
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    if !symbols.contains("kernels::") {
        return Err("nm shows none of our functions".into());
    }
    let calls: Vec<&str> = symbols.lines().filter(|line| is_intrinsic(line)).collect();
    if calls.is_empty() {
        return Ok(Outcome::Passed);
    }
    Err(format!("the kernel that calls these lacks #[inline(always)]:\n{}", calls.join("\n")).into())
}

/// Whether a symbol is an intrinsic of vectors, such as `core::core_arch::x86::avx::_mm256_add_ps`; `_xgetbv` belongs to the
/// detection of features.
fn is_intrinsic(symbol: &str) -> bool {
    let Some((_, path)) = symbol.split_once("core_arch::") else { return false };
    let name = path.rsplit("::").find(|part| !part.starts_with('h') || part.len() != 17).unwrap_or(path);
    name.starts_with("_mm") || (name.starts_with('v') && name.contains("q_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_found() {
        assert_eq!(test_figure("a\ntest: loss 0.0704, accuracy 0.9805\nb"), Some(0.9805));
        assert_eq!(test_figure("training: loss 0.1, accuracy 0.9"), None);
    }

    #[test]
    fn intrinsics_are_told_from_detection() {
        let symbol = |path: &str| format!("0000000000012340 t core::core_arch::{path}");
        assert!(is_intrinsic(&symbol("x86::fma::_mm256_fmadd_ps")));
        assert!(is_intrinsic(&symbol("x86::avx512f::_mm512_add_ps::h0123456789abcdef")));
        assert!(is_intrinsic(&symbol("arm_shared::neon::generated::vfmaq_f32")));
        assert!(!is_intrinsic(&symbol("x86::xsave::_xgetbv")));
        assert!(!is_intrinsic("0000000000012340 t kernels::gemm::loops::serial"));
    }
}
