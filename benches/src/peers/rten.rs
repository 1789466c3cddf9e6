//! rten-gemm and rten-vecmath. The former uses the threads of the pool that it runs in.

use crate::engines::{Engine, GemmEngine, LossEngine, MapEngine, Role, RunLoss};
use crate::problem::Operand;
use ::kernels::{Function, Isa};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::{ApproxGelu, Erf, Exp, Gelu, Sigmoid, Silu, Softmax, Tanh};
use std::mem::MaybeUninit;

pub(super) fn gemm() -> GemmEngine<f32> {
    let executor: GemmExecutor = GemmExecutor::default();
    Engine::new(
        "rten",
        Role::Peer,
        Box::new(move |a, b, c| {
            executor
                .gemm(c, GemmInputA::Unpacked(view(a)), GemmInputB::Unpacked(view(b)), GemmOptions::default())
                .expect("the shapes fit");
        }),
    )
}

fn view<'a>(x: &Operand<'a, f32>) -> Matrix<'a, f32> {
    if x.is_transposed() {
        NdTensorView::from_data([x.cols(), x.rows()], x.data()).transposed()
    } else {
        NdTensorView::from_data([x.rows(), x.cols()], x.data())
    }
}

pub(super) fn map(function: Function, isa: Isa) -> Option<MapEngine> {
    match function {
        Function::Exp => Some(engine(Exp {}, isa)),
        Function::Sigmoid => Some(engine(Sigmoid {}, isa)),
        Function::Tanh => Some(engine(Tanh {}, isa)),
        Function::Erf => Some(engine(Erf {}, isa)),
        Function::Gelu => Some(engine(Gelu {}, isa)),
        Function::GeluTanh => Some(engine(ApproxGelu {}, isa)),
        Function::Silu => Some(engine(Silu {}, isa)),
        Function::Expm1 | Function::Ln | Function::Log1p | Function::Softplus | Function::Relu => None,
    }
}

fn engine(op: impl SimdUnaryOp<f32> + 'static, isa: Isa) -> MapEngine {
    Engine::new(
        "rten",
        Role::Peer,
        Box::new(move |x, out| {
            // SAFETY: `map` only writes whole values, never leaves any uninitialised.
            let out = unsafe { uninitialised(out) };
            #[cfg(target_arch = "x86_64")]
            if isa == Isa::Avx2 {
                return avx2(&op, x, out);
            }
            let _ = isa;
            op.map(x, out);
        }),
    )
}

/// `op.map`, which takes the best instruction set, with AVX2.
#[cfg(target_arch = "x86_64")]
fn avx2(op: &impl SimdUnaryOp<f32>, x: &[f32], out: &mut [MaybeUninit<f32>]) {
    use rten_simd::{Isa as _, functional::simd_map, isa::Avx2Isa};

    #[target_feature(enable = "avx2,fma,f16c")]
    fn map(isa: Avx2Isa, op: &impl SimdUnaryOp<f32>, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        simd_map(
            isa.f32(),
            (x, out),
            #[inline(always)]
            |x| op.eval(isa, x),
        );
    }

    let isa = Avx2Isa::new().expect("ours runs with AVX2");
    // SAFETY: an `Avx2Isa` is made only where the CPU has these features.
    unsafe { map(isa, op, x, out) };
}

/// The softmax of each row, with no more than `isa`.
pub(super) fn softmax(cols: usize, isa: Isa) -> LossEngine {
    let run = move |x: &[f32], out: &mut [f32]| {
        for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
            // SAFETY: the softmax only writes whole values, never leaves any uninitialised.
            let softmax = Softmax::new(x, unsafe { uninitialised(out) });
            #[cfg(target_arch = "x86_64")]
            if isa == Isa::Avx2 {
                softmax_avx2(softmax);
                continue;
            }
            softmax.dispatch();
        }
    };
    Engine::new("rten softmax", Role::Peer, RunLoss::Softmax(Box::new(run)))
}

/// `softmax.dispatch()`, which takes the best instruction set, with AVX2.
#[cfg(target_arch = "x86_64")]
fn softmax_avx2(softmax: Softmax<'_, '_>) {
    use rten_simd::isa::Avx2Isa;

    #[target_feature(enable = "avx2,fma,f16c")]
    fn eval(isa: Avx2Isa, softmax: Softmax<'_, '_>) {
        softmax.eval(isa);
    }

    let isa = Avx2Isa::new().expect("ours runs with AVX2");
    // SAFETY: an `Avx2Isa` is made only where the CPU has these features.
    unsafe { eval(isa, softmax) };
}

/// # Safety
/// - Nothing uninitialised may be written.
unsafe fn uninitialised(out: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    let out: *mut [f32] = out;
    // SAFETY: the two slices have the same layout, and the caller promises to keep the values initialised.
    unsafe { &mut *(out as *mut [MaybeUninit<f32>]) }
}
