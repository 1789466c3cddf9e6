//! rten-gemm and rten-vecmath. The former uses the threads of the pool that it runs in.

use crate::engines::{Engine, GemmEngine, MapEngine, Role};
use crate::problem::Operand;
use ::kernels::Function;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::SimdUnaryOp;
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::{Exp, Sigmoid, Tanh};
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
            let out: *mut [f32] = out;
            // SAFETY: the two slices have the same layout, and `map` only writes whole values, never leaves any
            // uninitialised.
            op.map(x, unsafe { &mut *(out as *mut [MaybeUninit<f32>]) });
        }),
    )
}
