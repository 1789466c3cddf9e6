//! wide. It has the instruction set that it was compiled for: at its best with `RUSTFLAGS="-C target-cpu=native"`.

use crate::engines::{Engine, MapEngine, Role};
use kernels::Function;
use wide::f32x16;

pub(super) fn map(function: Function) -> Option<MapEngine> {
    match function {
        Function::Exp => Some(engine(f32x16::exp)),
        Function::Ln => Some(engine(f32x16::ln)),
        Function::Log1p => Some(engine(f32x16::ln_1p)),
        Function::Tanh => Some(engine(f32x16::tanh)),
        _ => None,
    }
}

fn engine(f: impl Fn(f32x16) -> f32x16 + 'static) -> MapEngine {
    Engine::new(
        "wide",
        Role::Peer,
        Box::new(move |x, out| {
            let ((xs, x_rest), (outs, out_rest)) = (x.as_chunks(), out.as_chunks_mut());
            for (x, out) in xs.iter().zip(outs) {
                *out = f(f32x16::new(*x)).to_array();
            }
            let mut rest = [0.0; 16];
            rest[..x_rest.len()].copy_from_slice(x_rest);
            out_rest.copy_from_slice(&f(f32x16::new(rest)).to_array()[..x_rest.len()]);
        }),
    )
}
