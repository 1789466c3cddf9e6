//! The products: squares, the passes of layers, and ours against ours.

use super::{Case, Gemm, Group, Layout, Precision, Task, Variant, With};
use kernels::Activation;

pub(super) fn push(cases: &mut Vec<Case>) {
    squares(cases);
    for (group, passes) in [(Group::Layer, layers()), (Group::Thin, thin()), (Group::Gemv, gemv())] {
        for (name, gemm) in passes {
            cases.push(Case { name, group, quick: true, task: Task::Gemm(gemm) });
        }
    }
    doubles(cases);
    epilogues(cases);
    packed(cases);
}

fn squares(cases: &mut Vec<Case>) {
    for size in [16, 32, 37, 64, 128, 256, 512, 1024, 2048] {
        let quick = if size <= 256 { &LAYOUTS[..] } else { &LAYOUTS[..usize::from(size <= 1024)] };
        let shape = Gemm { m: size, n: size, k: size, layout: Layout::Nn, precision: Precision::F32 };
        in_layouts(cases, Group::Square, &format!("square {size}"), shape, quick);
    }
    let odd = Gemm { m: 100, n: 103, k: 101, layout: Layout::Nn, precision: Precision::F32 };
    in_layouts(cases, Group::Square, "odd 100x101x103", odd, &LAYOUTS);
}

fn doubles(cases: &mut Vec<Case>) {
    for size in [16, 64, 128, 256, 512, 1024] {
        let quick = &LAYOUTS[..usize::from(size <= 512)];
        let shape = Gemm { m: size, n: size, k: size, layout: Layout::Nn, precision: Precision::F64 };
        in_layouts(cases, Group::Double, &format!("double {size}"), shape, quick);
    }
}

const LAYOUTS: [Layout; 3] = [Layout::Nn, Layout::Nt, Layout::Tn];

fn in_layouts(cases: &mut Vec<Case>, group: Group, name: &str, shape: Gemm, quick: &[Layout]) {
    for (layout, suffix) in LAYOUTS.into_iter().zip(["", " NT", " TN"]) {
        let task = Task::Gemm(Gemm { layout, ..shape });
        cases.push(Case { name: format!("{name}{suffix}"), group, quick: quick.contains(&layout), task });
    }
}

#[derive(Clone, Copy)]
enum Pass {
    Forward,
    DX,
    DW,
}

/// The product of a pass through a layer, by the table of the parent module.
fn layer(pass: Pass, batch: usize, inputs: usize, outputs: usize) -> Gemm {
    let (m, n, k, layout) = match pass {
        Pass::Forward => (batch, outputs, inputs, Layout::Nn),
        Pass::DX => (batch, inputs, outputs, Layout::Nt),
        Pass::DW => (inputs, outputs, batch, Layout::Tn),
    };
    Gemm { m, n, k, layout, precision: Precision::F32 }
}

const FORWARD: (&str, Pass) = ("forward", Pass::Forward);
const D_X: (&str, Pass) = ("dX", Pass::DX);
const D_W: (&str, Pass) = ("dW", Pass::DW);

/// Some passes through a layer, with their names.
fn passes(
    title: &str,
    passes: &[(&str, Pass)],
    (batch, inputs, outputs): (usize, usize, usize),
) -> Vec<(String, Gemm)> {
    let named = |&(name, pass): &(&str, Pass)| {
        (format!("{title}{name} {batch}x{inputs}x{outputs}"), layer(pass, batch, inputs, outputs))
    };
    passes.iter().map(named).collect()
}

fn layers() -> Vec<(String, Gemm)> {
    let sizes = [(64, 784, 128), (64, 128, 10), (256, 1024, 1024), (512, 512, 10)];
    sizes.into_iter().flat_map(|size| passes("", &[FORWARD, D_X, D_W], size)).collect()
}

fn thin() -> Vec<(String, Gemm)> {
    [
        passes("tall ", &[FORWARD, D_X, D_W], (10_000, 32, 32)),
        passes("batch 8 ", &[FORWARD, D_X, D_W], (8, 784, 128)),
        // Of K = 1, 2 and 4.
        passes("batch 1 ", &[D_W], (1, 784, 128)),
        passes("column ", &[D_X], (256, 784, 1)),
        passes("tiny K ", &[FORWARD, D_X], (256, 2, 2)),
        passes("tiny K ", &[FORWARD], (64, 4, 128)),
        passes("tiny K ", &[D_X], (64, 128, 4)),
        passes("four outputs ", &[FORWARD, D_W], (64, 128, 4)),
        passes("tiny K ", &[D_W], (4, 128, 128)),
    ]
    .concat()
}

/// With one row or one column.
fn gemv() -> Vec<(String, Gemm)> {
    [
        passes("batch 1 ", &[FORWARD, D_X], (1, 784, 128)),
        passes("batch 1 ", &[FORWARD, D_X], (1, 1024, 1024)),
        passes("column ", &[FORWARD, D_W], (256, 784, 1)),
    ]
    .concat()
}

fn epilogues(cases: &mut Vec<Case>) {
    let activations = [
        ("identity", Activation::Identity),
        ("relu", Activation::Relu),
        ("leaky relu", Activation::LeakyRelu { slope: 0.01 }),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("softplus", Activation::Softplus),
        ("gelu", Activation::Gelu),
        ("gelu tanh", Activation::GeluTanh),
        ("silu", Activation::Silu),
    ];
    let mut push = |name, (pass_name, pass): (&str, Pass), with| {
        let gemm = layer(pass, 64, 784, 128);
        let name = format!("{name}, {pass_name} 64x784x128");
        cases.push(Case { name, group: Group::Epilogue, quick: true, task: Task::Variant(Variant { gemm, with }) });
    };
    for (name, activation) in activations {
        let name = if activation == Activation::Identity { "bias".to_owned() } else { format!("bias, {name}") };
        push(name, FORWARD, With::Bias(activation));
    }
    for (name, activation) in activations.into_iter().skip(1) {
        push(format!("{name}'"), FORWARD, With::Derivative(activation));
    }
    push("column sums".to_owned(), FORWARD, With::ColumnSums);
    // Where backpropagation has them.
    for (name, activation) in [("relu'", Activation::Relu), ("tanh'", Activation::Tanh), ("gelu'", Activation::Gelu)] {
        push(name.to_owned(), D_X, With::Derivative(activation));
    }
    push("column sums".to_owned(), D_X, With::ColumnSums);
}

fn packed(cases: &mut Vec<Case>) {
    let squares = [64, 128, 256, 512].map(|size| {
        let gemm = Gemm { m: size, n: size, k: size, layout: Layout::Nt, precision: Precision::F32 };
        (format!("square {size} NT"), gemm)
    });
    let all = [layers(), thin(), gemv()].concat();
    for (name, gemm) in squares.into_iter().chain(all.into_iter().filter(|(_, gemm)| gemm.layout == Layout::Nt)) {
        let task = Task::Variant(Variant { gemm, with: With::PackedB });
        cases.push(Case { name: format!("packed {name}"), group: Group::Packed, quick: true, task });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_of_a_layer_multiply_the_same_numbers() {
        for pass in [Pass::Forward, Pass::DX, Pass::DW] {
            assert_eq!(layer(pass, 3, 5, 7).flops(), 2 * 3 * 5 * 7);
        }
        let d_w = layer(Pass::DW, 3, 5, 7);
        assert_eq!((d_w.m, d_w.n, d_w.k, d_w.layout), (5, 7, 3, Layout::Tn));
        let d_x = layer(Pass::DX, 3, 5, 7);
        assert_eq!((d_x.m, d_x.n, d_x.k, d_x.layout), (3, 5, 7, Layout::Nt));
    }

    #[test]
    fn gemv_cases_have_one_row_or_column() {
        assert!(gemv().iter().all(|(_, gemm)| gemm.m == 1 || gemm.n == 1));
        assert!(layers().iter().chain(&thin()).all(|(_, gemm)| gemm.m > 1 && gemm.n > 1));
    }
}
