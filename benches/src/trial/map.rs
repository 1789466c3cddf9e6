use super::{Trial, ids};
use crate::cases::MAP_LEN;
use crate::check::{Reference, Wrong};
use crate::engines::{self, MapEngine, Role, Setup};
use crate::problem::{Aligned, uniform};
use kernels::{Function, reference};

/// What an engine may be off by. Ours has narrower bounds, which are tested over all inputs; other libraries take
/// about 3 units in the last place.
const ULPS: f64 = 4.0;

pub(crate) struct MapTrial {
    x: Aligned<f32>,
    reference: Reference,
    engines: Vec<MapEngine>,
    out: Aligned<f32>,
}

impl MapTrial {
    pub(crate) fn new(function: Function, setup: Setup) -> Self {
        let (x, reference) = operands(function);
        MapTrial { x, reference, engines: engines::map(function, setup), out: Aligned::new(MAP_LEN, f32::NAN) }
    }
}

/// Arguments and what is due for them.
pub(super) fn operands(function: Function) -> (Aligned<f32>, Reference) {
    let (low, high) = match function {
        Function::Ln => (1e-3, 8.0),
        Function::Log1p => (-0.99, 8.0),
        _ => (-8.0, 8.0),
    };
    let x = uniform(1, MAP_LEN, low, high);
    let expected = x.iter().map(|&x| {
        let (x, y) = (f64::from(x), exact(function, f64::from(x)));
        // The negative tail of GELU, and what other libraries take for erf, are off by as much of the argument.
        let scale = match function {
            Function::Gelu | Function::GeluTanh | Function::Erf => x.abs().max(y.abs()),
            _ => y.abs(),
        };
        (y, ULPS * f64::from(f32::EPSILON) * scale)
    });
    let reference = Reference::new(MAP_LEN, expected);
    (x, reference)
}

fn exact(function: Function, x: f64) -> f64 {
    match function {
        Function::Exp => x.exp(),
        Function::Expm1 => x.exp_m1(),
        Function::Ln => x.ln(),
        Function::Log1p => x.ln_1p(),
        Function::Sigmoid => reference::sigmoid(x),
        Function::Tanh => x.tanh(),
        Function::Softplus => reference::softplus(x),
        Function::Erf => libm::erf(x),
        Function::Gelu => reference::gelu(x),
        Function::GeluTanh => reference::gelu_tanh(x),
        Function::Silu => reference::silu(x),
        Function::Relu => x.max(0.0),
    }
}

impl Trial for MapTrial {
    fn engines(&self) -> Vec<(&'static str, Role)> {
        ids(&self.engines)
    }

    fn run(&mut self, engine: usize) {
        (self.engines[engine].run)(&self.x, &mut self.out);
    }

    fn move_to(&mut self, place: usize) {
        self.x.move_to(place);
        self.out.move_to(place);
    }

    fn spoil(&mut self) {
        self.out.fill(f32::NAN);
    }

    fn check(&self) -> Result<(), Wrong> {
        self.reference.check(&self.out)
    }
}
