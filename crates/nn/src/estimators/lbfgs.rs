//! L-BFGS: the minimum of a smooth function from its gradients alone.
//!
//! Nocedal and Wright, "Numerical Optimization" (2006), algorithms 7.4 and 7.5: the direction is `−H g`, where H is made of
//! the last steps `s` and the changes of the gradient `y` over them. The step along it meets the weak Wolfe conditions, found
//! by doubling and halving (Lewis and Overton, "Nonsmooth optimization via quasi-Newton methods", 2013, algorithm 2.6). Near
//! the minimum, where rounding hides the decrease, the slope decides (Hager and Zhang, "A new conjugate gradient method with
//! guaranteed descent and an efficient line search", 2005, condition 4.1).
//!
//! All sums run in the order of the elements in f64, so the bits are the same on every machine if those of the function are.

use std::collections::VecDeque;

/// Steps that are remembered.
const MEMORY: usize = 10;
/// The share of the decrease promised by the slope that a step must bring.
const DECREASE: f64 = 1e-4;
/// The share of the slope that may be left after a step.
const SLOPE_LEFT: f64 = 0.9;
/// A difference of two costs, relative to them, that may be rounding.
const ROUNDING: f64 = 1e-13;
/// 2^-60 of the first step is no step.
const MOST_TRIALS: usize = 60;

/// Why the search for the minimum ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SolverStop {
    /// No element of the gradient is larger than the tolerance.
    Converged,
    /// All iterations that were allowed are done.
    MaxIterations,
    /// No step along the direction lowers the cost any more: the tolerance is below what f64 can tell.
    NoProgress,
}

/// Where the search for the minimum ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SolverReport {
    /// Why.
    pub stop: SolverStop,
    /// How many steps were made.
    pub iterations: usize,
    /// The cost there.
    pub cost: f64,
    /// The largest element of the gradient there, without its sign.
    pub gradient: f64,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) tol: f64,
    pub(super) max_iter: usize,
}

/// A step and the change of the gradient over it.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    s_y: f64,
}

/// Moves `theta` to the minimum of `cost`, which returns the cost at its first argument and writes the gradient to its second.
pub(super) fn minimise(
    theta: &mut [f64],
    limits: Limits,
    mut cost: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> SolverReport {
    let mut gradient = vec![0.0; theta.len()];
    let mut value = cost(theta, &mut gradient);
    let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    let mut iterations = 0;
    let stop = loop {
        if largest(&gradient) <= limits.tol {
            break SolverStop::Converged;
        }
        if iterations >= limits.max_iter {
            break SolverStop::MaxIterations;
        }
        let direction = direction(&gradient, &pairs);
        // The first direction has the length of the gradient, which says nothing about the length of a step.
        let first_step = if pairs.is_empty() { 1.0f64.min(1.0 / dot(&gradient, &gradient).sqrt()) } else { 1.0 };
        let Some(next) = line_search(theta, value, &gradient, &direction, first_step, &mut cost) else {
            if pairs.is_empty() {
                break SolverStop::NoProgress;
            }
            // What is remembered may be more rounding than curvature; the gradient alone has none of it.
            pairs.clear();
            continue;
        };
        let s: Vec<f64> = next.theta.iter().zip(&*theta).map(|(next, now)| next - now).collect();
        let y: Vec<f64> = next.gradient.iter().zip(&gradient).map(|(next, now)| next - now).collect();
        let s_y = dot(&s, &y);
        if s_y > 0.0 {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back(Pair { s, y, s_y });
        }
        theta.copy_from_slice(&next.theta);
        (value, gradient) = (next.value, next.gradient);
        iterations += 1;
    };
    SolverReport { stop, iterations, cost: value, gradient: largest(&gradient) }
}

/// `−H g` by the two loops over the pairs, the newest first and then the oldest first.
fn direction(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for Pair { s, y, s_y } in pairs.iter().rev() {
        let share = dot(s, &d) / s_y;
        add_scaled(&mut d, -share, y);
        shares.push(share);
    }
    if let Some(Pair { y, s_y, .. }) = pairs.back() {
        let scale = s_y / dot(y, y);
        d.iter_mut().for_each(|d| *d *= scale);
    }
    for (Pair { s, y, s_y }, share) in pairs.iter().zip(shares.into_iter().rev()) {
        let correction = share - dot(y, &d) / s_y;
        add_scaled(&mut d, correction, s);
    }
    d
}

struct Next {
    theta: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// The point at the end of a step along `direction`, or `None` where no step is good.
fn line_search(
    theta: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    first_step: f64,
    cost: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Next> {
    let slope = dot(gradient, direction);
    if slope.is_nan() || slope >= 0.0 {
        return None;
    }
    let (mut shortest, mut longest, mut step) = (0.0, f64::INFINITY, first_step);
    let mut next = Next { theta: vec![0.0; theta.len()], value: 0.0, gradient: vec![0.0; theta.len()] };
    for _ in 0..MOST_TRIALS {
        next.theta.copy_from_slice(theta);
        add_scaled(&mut next.theta, step, direction);
        next.value = cost(&next.theta, &mut next.gradient);
        let next_slope = dot(&next.gradient, direction);
        let lower = next.value <= value + DECREASE * step * slope;
        let level = next.value <= value + ROUNDING * value.abs() && next_slope <= (2.0 * DECREASE - 1.0) * slope;
        if !(lower || level) {
            longest = step;
        } else if next_slope < SLOPE_LEFT * slope {
            shortest = step;
        } else {
            return Some(next);
        }
        step = if longest.is_finite() { 0.5 * (shortest + longest) } else { 2.0 * step };
    }
    None
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn add_scaled(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

/// The largest element without its sign, NaN if there is one.
fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |largest: f64, x| if largest.is_nan() || x.abs() <= largest { largest } else { x.abs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_of_bad_condition_is_solved() {
        // ½ Σ c (x - 1)², c from 1 to 1e4.
        let c: Vec<f64> = (0..20).map(|i| 10.0f64.powf(4.0 * f64::from(i) / 19.0)).collect();
        let mut x = vec![0.0; 20];
        let report = minimise(&mut x, Limits { tol: 1e-8, max_iter: 1000 }, |x, d_x| {
            x.iter().zip(&c).zip(d_x).fold(0.0, |sum, ((x, c), d)| {
                *d = c * (x - 1.0);
                sum + 0.5 * c * (x - 1.0) * (x - 1.0)
            })
        });
        assert_eq!(report.stop, SolverStop::Converged, "{report:?}");
        assert!(x.iter().all(|x| (x - 1.0).abs() <= 1e-8), "{x:?}");
    }

    /// Rosenbrock's function: a curved valley, where full steps along the gradient go astray.
    #[test]
    fn a_curved_valley_is_followed() {
        let mut x = [-1.2, 1.0];
        let report = minimise(&mut x, Limits { tol: 1e-10, max_iter: 200 }, |x, d_x| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            d_x.copy_from_slice(&[-2.0 * a - 400.0 * x[0] * b, 200.0 * b]);
            a * a + 100.0 * b * b
        });
        assert_eq!(report.stop, SolverStop::Converged, "{report:?}");
        assert!(report.iterations < 60 && x.iter().all(|x| (x - 1.0).abs() <= 1e-9), "{report:?} {x:?}");
    }

    #[test]
    fn the_reason_to_stop_is_told() {
        let slope = |x: &[f64], d_x: &mut [f64]| {
            d_x[0] = -1.0;
            -x[0]
        };
        let (mut x, limits) = ([0.0], Limits { tol: 1e-3, max_iter: 3 });
        assert_eq!(minimise(&mut x, limits, slope).stop, SolverStop::NoProgress, "there is no minimum");
        let parabola = |x: &[f64], d_x: &mut [f64]| {
            d_x[0] = 4.0 * x[0] * x[0] * x[0];
            x[0].powi(4)
        };
        let report = minimise(&mut [8.0], limits, parabola);
        assert_eq!((report.stop, report.iterations), (SolverStop::MaxIterations, 3));
        let nan = |_: &[f64], d_x: &mut [f64]| {
            d_x[0] = f64::NAN;
            f64::NAN
        };
        assert_eq!(minimise(&mut [1.0], limits, nan).stop, SolverStop::NoProgress);
    }
}
