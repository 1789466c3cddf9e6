//! Optimiser updates and what prepares gradients for them: judged against f64, and the same bits on every ISA.

use std::ops::{Add, Div, Mul, Sub};

use kernels::fused::{Adagrad, Adam, RmsProp, Sgd};
use kernels::testing::for_each_isa;
use kernels::{KernelSet, reference};
use tests::random::Random;

/// The unit roundoff of f32.
const U: f64 = 1.0 / (1u64 << 24) as f64;
/// What a subnormal result may lose.
const TINY: f64 = 1e-44;

const LENS: [usize; 7] = [0, 1, 15, 16, 17, 100, 1003];
const STEPS: [u64; 5] = [1, 2, 10, 1000, 1_000_000];

/// A value in f64 and how far off f32 arithmetic may be, when each operation rounds once.
#[derive(Clone, Copy)]
struct Rounded {
    value: f64,
    error: f64,
}

impl Rounded {
    fn exact(value: f32) -> Self {
        Rounded { value: value.into(), error: 0.0 }
    }

    /// An operation whose operands' errors amount to `error`.
    fn round(value: f64, error: f64) -> Self {
        Rounded { value, error: error + U * (value.abs() + error) + TINY }
    }

    fn constant(value: f64) -> Self {
        Self::round(value, 0.0)
    }

    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        // √(v ± e) is within e / √v, and within √e where that is less.
        let error = (self.error / root).min(self.error.sqrt());
        Self::round(root, error)
    }
}

impl Add for Rounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::round(self.value + other.value, self.error + other.error)
    }
}

impl Sub for Rounded {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::round(self.value - other.value, self.error + other.error)
    }
}

impl Mul for Rounded {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let error = self.value.abs() * other.error + other.value.abs() * self.error + self.error * other.error;
        Self::round(self.value * other.value, error)
    }
}

impl Div for Rounded {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let smallest = other.value.abs() - other.error;
        assert!(smallest > 0.0, "a divisor that may be 0");
        let error = (self.error + (self.value / other.value).abs() * other.error) / smallest;
        Self::round(self.value / other.value, error)
    }
}

/// Parameters, gradients of several sizes, and two arenas of state, the second not negative.
struct Case {
    p: Vec<f32>,
    g: Vec<f32>,
    states: [Vec<f32>; 2],
}

impl Case {
    fn new(len: usize, random: &mut Random) -> Self {
        let g: Vec<f32> = (0..len).map(|_| (random.unit() * random.choose(&[1e-6, 1e-2, 1.0, 300.0])) as f32).collect();
        let like = |random: &mut Random| g.iter().map(|g| g * random.unit() as f32).collect::<Vec<f32>>();
        let first = like(random);
        let second = like(random).iter().map(|x| x * x).collect();
        Case { p: random.floats(len, 2.0), g, states: [first, second] }
    }

    /// Runs `update` with N of the states, the first from `from` on, on every instruction set, and returns what all of them
    /// give for parameters and states; `expected` gives, for each element, its values in f64 and the bounds of their errors.
    fn check<const N: usize>(
        &self,
        what: &str,
        from: usize,
        mut update: impl FnMut(&KernelSet, &mut [f32], &[f32], [&mut [f32]; N]) -> bool,
        expected: impl Fn(f32, f32, [f32; N]) -> (f64, [f64; N], Rounded, [Rounded; N]),
    ) {
        let len = self.p.len();
        let mut first: Option<Vec<Vec<f32>>> = None;
        for_each_isa(|set| {
            let isa = set.isa();
            let mut p = self.p.clone();
            let mut states: [Vec<f32>; N] = std::array::from_fn(|n| self.states[from + n].clone());
            let finite = update(set, &mut p, &self.g, states.each_mut().map(|state| &mut state[..]));
            assert!(finite, "{what} of {len} on {isa}");
            let got: Vec<Vec<f32>> = std::iter::once(p).chain(states).collect();
            for i in 0..len {
                let (p, state, bound, bounds) =
                    expected(self.p[i], self.g[i], std::array::from_fn(|n| self.states[from + n][i]));
                let all = std::iter::once((p, bound)).chain(state.into_iter().zip(bounds));
                for ((got, (exact, bound)), which) in got.iter().zip(all).zip(0..) {
                    let error = (f64::from(got[i]) - exact).abs();
                    assert!(
                        error <= bound.error,
                        "{what}, value {which} at {i} of {len} on {isa}: {} for {exact}, off by {error:e}, bound {:e}",
                        got[i],
                        bound.error
                    );
                }
            }
            let first = first.get_or_insert_with(|| got.clone());
            let bits = |values: &[Vec<f32>]| values.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(first), bits(&got), "{what} of {len} on {isa}");
        });
    }
}

#[test]
fn momentum() {
    let mut random = Random::new(30);
    for len in LENS {
        let case = Case::new(len, &mut random);
        for (nesterov, weight_decay) in [(false, 0.0), (false, 0.1), (true, 0.0), (true, 0.1)] {
            let options = Sgd { learning_rate: 0.05, momentum: 0.9, nesterov, weight_decay };
            case.check(
                &format!("{options:?}"),
                0,
                |set, p, g, [b]| set.sgd_momentum(p, g, b, &options),
                |p, g, [b]| {
                    let (exact_p, exact_b) = reference::sgd_momentum(p.into(), g.into(), b.into(), &options);
                    let [p, g, b] = [p, g, b].map(Rounded::exact);
                    let [rate, momentum, decay] = [0.05, 0.9, weight_decay].map(Rounded::constant);
                    let g = g + decay * p;
                    let b = momentum * b + g;
                    let direction = if nesterov { g + momentum * b } else { b };
                    (exact_p, [exact_b], p - rate * direction, [b])
                },
            );
        }
    }
}

#[test]
fn adam_and_adamw() {
    let mut random = Random::new(31);
    for len in LENS {
        let case = Case::new(len, &mut random);
        for step in STEPS {
            for options in [Adam::default(), Adam { weight_decay: 0.1, ..Adam::default() }, Adam::adamw()] {
                case.check(
                    &format!("step {step} of {options:?}"),
                    0,
                    |set, p, g, moments| set.adam(p, g, moments, step, &options),
                    |p, g, [m, v]| {
                        let (exact_p, exact) =
                            reference::adam(p.into(), g.into(), [m.into(), v.into()], step, &options);
                        let [p, g, m, v] = [p, g, m, v].map(Rounded::exact);
                        let constant = Rounded::constant;
                        let Adam { learning_rate: rate, beta1, beta2, weight_decay, .. } = options;
                        let (g, kept) = if options.decoupled_weight_decay {
                            (g, constant(1.0 - rate * weight_decay) * p)
                        } else {
                            (g + constant(weight_decay) * p, p)
                        };
                        let m = constant(beta1) * m + constant(1.0 - beta1) * g;
                        let v = constant(beta2) * v + constant(1.0 - beta2) * g * g;
                        let scale = |beta: f64| 1.0 - beta.powf(step as f64);
                        let root = v.sqrt() * constant(1.0 / scale(beta2).sqrt()) + constant(options.epsilon);
                        (exact_p, exact, kept - constant(rate / scale(beta1)) * (m / root), [m, v])
                    },
                );
            }
        }
    }
}

#[test]
fn rmsprop() {
    let mut random = Random::new(32);
    for len in LENS {
        let case = Case::new(len, &mut random);
        for weight_decay in [0.0, 0.1] {
            let bounds = |p: f32, g: f32, [v, b]: [f32; 2], options: &RmsProp| {
                let [p, g, v, b] = [p, g, v, b].map(Rounded::exact);
                let constant = Rounded::constant;
                let g = g + constant(weight_decay) * p;
                let v = constant(options.alpha) * v + constant(1.0 - options.alpha) * g * g;
                let scaled = g / (v.sqrt() + constant(options.epsilon));
                let b = if options.momentum == 0.0 { scaled } else { constant(options.momentum) * b + scaled };
                (p - constant(options.learning_rate) * b, [v, b])
            };
            let options = RmsProp { weight_decay, ..RmsProp::default() };
            case.check(
                &format!("{options:?}"),
                1,
                |set, p, g, [v]| set.rmsprop(p, g, v, &mut [], &options),
                |p, g, [v]| {
                    let (exact_p, [exact_v, _]) = reference::rmsprop(p.into(), g.into(), [v.into(), 0.0], &options);
                    let (p, [v, _]) = bounds(p, g, [v, 0.0], &options);
                    (exact_p, [exact_v], p, [v])
                },
            );
            let options = RmsProp { momentum: 0.9, ..options };
            case.check(
                &format!("{options:?}"),
                0,
                |set, p, g, [b, v]| set.rmsprop(p, g, v, b, &options),
                |p, g, [b, v]| {
                    let (exact_p, [exact_v, exact_b]) =
                        reference::rmsprop(p.into(), g.into(), [v.into(), b.into()], &options);
                    let (p, [v, b]) = bounds(p, g, [v, b], &options);
                    (exact_p, [exact_b, exact_v], p, [b, v])
                },
            );
        }
    }
}

#[test]
fn adagrad() {
    let mut random = Random::new(33);
    for len in LENS {
        let case = Case::new(len, &mut random);
        for (step, options) in STEPS.into_iter().flat_map(|step| {
            let default = Adagrad::default();
            [(step, default), (step, Adagrad { weight_decay: 0.1, learning_rate_decay: 0.01, ..default })]
        }) {
            case.check(
                &format!("step {step} of {options:?}"),
                1,
                |set, p, g, [v]| set.adagrad(p, g, v, step, &options),
                |p, g, [v]| {
                    let (exact_p, exact_v) = reference::adagrad(p.into(), g.into(), v.into(), step, &options);
                    let [p, g, v] = [p, g, v].map(Rounded::exact);
                    let constant = Rounded::constant;
                    let g = g + constant(options.weight_decay) * p;
                    let v = v + g * g;
                    let rate = options.learning_rate / (1.0 + (step - 1) as f64 * options.learning_rate_decay);
                    let scaled = g / (v.sqrt() + constant(options.epsilon));
                    (exact_p, [exact_v], p - constant(rate) * scaled, [v])
                },
            );
        }
    }
}

/// Of a parameter and two states.
type Update<'a> = &'a dyn Fn(&mut [f32], &mut [f32], &mut [f32]);

/// All numbers are short in binary, so the results by hand are exact.
#[test]
fn steps_by_hand() {
    for_each_isa(|set| {
        let isa = set.isa();
        let run = |update: Update| {
            let (mut p, mut a, mut b) = ([1.0f32], [0.0f32], [0.0f32]);
            update(&mut p, &mut a, &mut b);
            (p[0], a[0], b[0])
        };

        // g = 1/2 + 1/4, b = 1/2 · 2 + g, p = 1 - b/2; ahead: p = 1 - (g + b/2)/2.
        let sgd = Sgd { learning_rate: 0.5, momentum: 0.5, nesterov: false, weight_decay: 0.25 };
        for (nesterov, expected) in [(false, 0.125), (true, 0.1875)] {
            let result = run(&|p, b, _| {
                b[0] = 2.0;
                set.sgd_momentum(p, &[0.5], b, &Sgd { nesterov, ..sgd });
            });
            assert_eq!(result, (expected, 1.75, 0.0), "nesterov {nesterov} on {isa}");
        }

        // m = 4/2, v = 16/4; m/(1 - 1/2) = 4, √v / √(1 - 3/4) = 4.
        let adam = Adam { learning_rate: 0.5, beta1: 0.5, beta2: 0.75, epsilon: 4.0, ..Adam::default() };
        let result = run(&|p, m, v| {
            set.adam(p, &[4.0], [m, v], 1, &adam);
        });
        assert_eq!(result, (0.75, 2.0, 4.0), "adam on {isa}");
        let result = run(&|p, m, v| {
            set.adam(p, &[4.0], [m, v], 1, &Adam { weight_decay: 0.5, decoupled_weight_decay: true, ..adam });
        });
        assert_eq!(result, (0.5, 2.0, 4.0), "adamw on {isa}: p = 3/4 before its step");
        let result = run(&|p, m, v| {
            set.adam(p, &[3.5], [m, v], 1, &Adam { weight_decay: 0.5, ..adam });
        });
        assert_eq!(result, (0.75, 2.0, 4.0), "adam with a penalty on {isa}: g = 4");
        // In step 2, 1 - 1/4 = 3/4; beta2 = 0 leaves √v = |g|.
        let result = run(&|p, m, v| {
            m[0] = 2.0;
            set.adam(p, &[4.0], [m, v], 2, &Adam { beta2: 0.0, learning_rate: 0.75, ..adam });
        });
        assert_eq!(result, (1.0 - 3.0 / 8.0, 3.0, 16.0), "the second step of adam on {isa}");

        // v = 16/4, g / (2 + 2) = 1.
        let rmsprop = RmsProp { learning_rate: 0.5, alpha: 0.75, epsilon: 2.0, ..RmsProp::default() };
        let result = run(&|p, v, _| {
            set.rmsprop(p, &[4.0], v, &mut [], &rmsprop);
        });
        assert_eq!(result, (0.5, 4.0, 0.0), "rmsprop on {isa}");
        let result = run(&|p, v, b| {
            b[0] = 2.0;
            set.rmsprop(p, &[4.0], v, b, &RmsProp { momentum: 0.5, ..rmsprop });
        });
        assert_eq!(result, (0.0, 4.0, 2.0), "rmsprop with momentum on {isa}");

        // v = 9 + 16, g / (5 + 3) = 1/2, a learning rate of 1/2 / (1 + 2/2).
        let adagrad = Adagrad { learning_rate: 0.5, learning_rate_decay: 0.5, epsilon: 3.0, ..Adagrad::default() };
        let result = run(&|p, v, _| {
            v[0] = 9.0;
            set.adagrad(p, &[4.0], v, 3, &adagrad);
        });
        assert_eq!(result, (0.875, 25.0, 0.0), "adagrad on {isa}");
    });
}

#[test]
fn what_is_not_finite_is_told() {
    type Update = fn(&KernelSet, &mut [f32], &[f32], [&mut [f32]; 2]) -> bool;
    let updates: [(&str, usize, Update); 6] = [
        ("sgd", 0, |set, p, g, _| set.sgd(p, g, 0.1, 0.1)),
        ("sgd_momentum", 1, |set, p, g, [b, _]| set.sgd_momentum(p, g, b, &Sgd { momentum: 0.9, ..Sgd::default() })),
        ("adam", 2, |set, p, g, moments| set.adam(p, g, moments, 1, &Adam::default())),
        ("rmsprop", 1, |set, p, g, [v, _]| set.rmsprop(p, g, v, &mut [], &RmsProp::default())),
        ("rmsprop with momentum", 2, |set, p, g, [v, b]| {
            set.rmsprop(p, g, v, b, &RmsProp { momentum: 0.5, ..RmsProp::default() })
        }),
        ("adagrad", 1, |set, p, g, [v, _]| set.adagrad(p, g, v, 1, &Adagrad::default())),
    ];
    for_each_isa(|set| {
        for (name, states, update) in updates {
            for len in [1, 16, 37] {
                let run = |fault: Option<(usize, usize, f32)>| {
                    let mut arenas = [(); 4].map(|()| vec![0.25f32; len]);
                    if let Some((arena, at, value)) = fault {
                        arenas[arena][at] = value;
                    }
                    let [p, g, a, b] = &mut arenas;
                    update(set, p, g, [a, b])
                };
                assert!(run(None), "{name} of {len} on {}", set.isa());
                for arena in 0..2 + states {
                    for at in 0..len {
                        for value in [f32::NAN, f32::INFINITY] {
                            let told = !run(Some((arena, at, value)));
                            assert!(told, "{name} of {len} on {}: {value} at {at} of arena {arena}", set.isa());
                        }
                    }
                }
            }
            // Squares that overflow would stop all further steps in silence.
            let (mut p, mut a, mut b) = ([0.0], [0.0], [0.0]);
            let finite = update(set, &mut p, &[f32::MAX], [&mut a, &mut b]);
            assert_eq!(finite, name.starts_with("sgd"), "{name} on {}", set.isa());
        }
    });
}

#[test]
fn norms_and_clipping() {
    let mut random = Random::new(34);
    for len in LENS.into_iter().chain([63, 64, 65]) {
        let x = random.floats(len, 3.0);
        let (mut norm, mut changed) = (None, None);
        for_each_isa(|set| {
            let isa = set.isa();
            let sum = set.sum_squares_f64(&x);
            assert_eq!(*norm.get_or_insert(sum), sum, "{len} on {isa}");
            let exact: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            assert!((sum - exact).abs() <= len as f64 * f64::EPSILON * exact, "{len} on {isa}: {sum} for {exact}");

            let (mut scaled, mut clipped) = (x.clone(), x.clone());
            set.scale(&mut scaled, 0.3);
            set.clip(&mut clipped, 0.7);
            assert!(scaled.iter().zip(&x).all(|(y, x)| *y == x * 0.3), "{len} on {isa}");
            assert!(clipped.iter().zip(&x).all(|(y, x)| *y == x.clamp(-0.7, 0.7)), "{len} on {isa}");
            let changed = changed.get_or_insert_with(|| (scaled.clone(), clipped.clone()));
            assert_eq!(*changed, (scaled, clipped), "{len} on {isa}");
        });
    }
    for_each_isa(|set| {
        let isa = set.isa();
        assert_eq!(set.sum_squares_f64(&[f32::MAX; 40]), 40.0 * f64::from(f32::MAX).powi(2), "on {isa}");
        for at in 0..40 {
            let mut x = [0.5; 40];
            x[at] = f32::NAN;
            assert!(set.sum_squares_f64(&x).is_nan(), "{at} on {isa}");
            set.clip(&mut x, 0.25);
            assert!(x[at].is_nan(), "{at} on {isa}");
            x[at] = f32::INFINITY;
            assert_eq!(set.sum_squares_f64(&x), f64::INFINITY, "{at} on {isa}");
            set.clip(&mut x, 0.25);
            assert_eq!(x, [0.25; 40], "{at} on {isa}");
        }
    });
}

#[test]
#[should_panic(expected = "adam: 3 for params, 2 for the second moments")]
fn lengths_that_differ_are_refused() {
    KernelSet::best().adam(&mut [0.0; 3], &[0.0; 3], [&mut [0.0; 3], &mut [0.0; 2]], 1, &Adam::default());
}

#[test]
#[should_panic(expected = "rmsprop: 3 for a velocity of that momentum, 0 for velocity")]
fn a_momentum_needs_a_velocity() {
    let options = RmsProp { momentum: 0.9, ..RmsProp::default() };
    KernelSet::best().rmsprop(&mut [0.0; 3], &[0.0; 3], &mut [0.0; 3], &mut [], &options);
}

#[test]
#[should_panic(expected = "adagrad: step 0")]
fn steps_count_from_one() {
    KernelSet::best().adagrad(&mut [0.0], &[0.0], &mut [0.0], 0, &Adagrad::default());
}
