//! rten-gemm and rten-vecmath. The former uses the threads of the pool that it runs in.

use crate::engines::{Engine, GemmEngine, LossEngine, MapEngine, Role, RunLoss};
use crate::problem::Operand;
use ::kernels::Function;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::{Exp, Sigmoid, Softmax, Tanh};
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

fn view(x: Operand<'_, f32>) -> Matrix<'_, f32> {
    if x.is_transposed() {
        NdTensorView::from_data([x.cols(), x.rows()], x.data()).transposed()
    } else {
        NdTensorView::from_data([x.rows(), x.cols()], x.data())
    }
}

pub(super) fn map(function: Function) -> Option<MapEngine> {
    match function {
        Function::Exp => Some(engine(Exp {})),
        Function::Sigmoid => Some(engine(Sigmoid {})),
        Function::Tanh => Some(engine(Tanh {})),
        Function::Ln | Function::Log1p | Function::Relu => None,
    }
}

fn engine(op: impl SimdUnaryOp<f32> + 'static) -> MapEngine {
    Engine::new(
        "rten",
        Role::Peer,
        Box::new(move |x, out| {
            // SAFETY: `map` only writes whole values, never leaves any uninitialised.
            op.map(x, unsafe { uninitialised(out) });
        }),
    )
}

pub(super) fn softmax(cols: usize) -> LossEngine {
    let run = move |x: &[f32], out: &mut [f32]| {
        for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
            // SAFETY: the softmax only writes whole values, never leaves any uninitialised.
            Softmax::new(x, unsafe { uninitialised(out) }).dispatch();
        }
    };
    Engine::new("rten softmax", Role::Peer, RunLoss::Softmax(Box::new(run)))
}

/// # Safety
/// - Nothing uninitialised may be written.
unsafe fn uninitialised(out: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    let out: *mut [f32] = out;
    // SAFETY: the two slices have the same layout, and the caller promises to keep the values initialised.
    unsafe { &mut *(out as *mut [MaybeUninit<f32>]) }
}
