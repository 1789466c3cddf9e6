//! What is counted of results.

use crate::properties::{is_monotone, is_odd};
use crate::ulp::ulp_error;
use kernels::Function;

/// Results to be judged. The inputs are magnitudes in ascending order, then as many negative ones, `xs[n + i] = -xs[i]`.
pub(super) struct Results<'a> {
    pub(super) function: Function,
    pub(super) xs: &'a [f32],
    /// The exact values.
    pub(super) references: &'a [f64],
    /// The results of the portable path.
    pub(super) portable: &'a [f32],
    pub(super) ys: &'a [f32],
}

/// What was found of a function on an instruction set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many inputs there were.
    pub inputs: u64,
    /// The largest error in ULP, that of wrong special values apart. Where [`Function::max_error_per_argument`] allows more,
    /// a unit is as much more.
    pub worst: f64,
    /// An input that has it.
    pub worst_input: f32,
    /// Errors above ½ ULP: another number is nearer.
    pub above_half: u64,
    /// Zeros, infinities and NaNs that are due and were not returned, or were returned and not due.
    pub wrong_specials: u64,
    /// An input that has one.
    pub wrong_input: Option<f32>,
    /// Results that differ from the portable path's. NaNs do not differ from each other.
    pub different: u64,
    /// Neighbours `x < x'` with `f(x) > f(x')`, where the function is monotone.
    pub falls: u64,
    /// Inputs with `f(-x) != -f(x)`, where the function is odd.
    pub not_odd: u64,
    edges: Option<Edges>,
}

/// `[f(-x), f(x)]` at the ends of a range of magnitudes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edges {
    smallest: [f32; 2],
    largest: [f32; 2],
}

impl Tally {
    pub(super) fn of(results: &Results<'_>) -> Self {
        let &Results { function, xs, references, portable, ys } = results;
        let mut tally = Tally { inputs: xs.len() as u64, ..Tally::default() };
        for ((&x, &y), &reference) in xs.iter().zip(ys).zip(references) {
            tally.add(x, error(function, x, y, reference));
        }
        tally.different = count(ys.iter().zip(portable).map(|(&y, &portable)| !same(y, portable)));

        let pairs = xs.len() / 2;
        let (positive, negative) = ys.split_at(pairs);
        if is_odd(function) {
            // Both of a pair count.
            tally.not_odd = 2 * count(positive.iter().zip(negative).map(|(&y, &mirrored)| !same(y, -mirrored)));
        }
        if is_monotone(function) && pairs > 0 {
            let falls = positive.windows(2).map(|y| y[0] > y[1]).chain(negative.windows(2).map(|y| y[0] < y[1]));
            tally.falls = count(falls.chain([xs[0] == 0.0 && negative[0] > positive[0]]));
            let edge = |i: usize| [negative[i], positive[i]];
            tally.edges = Some(Edges { smallest: edge(0), largest: edge(pairs - 1) });
        }
        tally
    }

    fn add(&mut self, x: f32, error: f64) {
        if !error.is_finite() {
            self.wrong_specials += 1;
            self.wrong_input.get_or_insert(x);
            return;
        }
        self.above_half += u64::from(error > 0.5);
        if error > self.worst {
            (self.worst, self.worst_input) = (error, x);
        }
    }

    /// Takes in what was found of the next larger magnitudes.
    pub(super) fn surround(&mut self, outer: Tally) {
        if let (Some(inner), Some(outer)) = (self.edges, outer.edges) {
            let ([below, above], [outer_below, outer_above]) = (inner.largest, outer.smallest);
            self.falls += u64::from(outer_below > below) + u64::from(above > outer_above);
        }
        self.edges = match (self.edges, outer.edges) {
            (Some(inner), Some(outer)) => Some(Edges { largest: outer.largest, ..inner }),
            (inner, outer) => inner.or(outer),
        };
        if outer.worst > self.worst {
            (self.worst, self.worst_input) = (outer.worst, outer.worst_input);
        }
        self.inputs += outer.inputs;
        self.above_half += outer.above_half;
        self.wrong_specials += outer.wrong_specials;
        self.wrong_input = self.wrong_input.or(outer.wrong_input);
        self.different += outer.different;
        self.falls += outer.falls;
        self.not_odd += outer.not_odd;
    }

    /// Looks at results that must be exact.
    pub(super) fn check_specials(&mut self, due: &[(f32, f32)], f: impl Fn(f32) -> f32) {
        for &(x, _) in due.iter().filter(|(x, due)| !same(f(*x), *due)) {
            self.wrong_specials += 1;
            self.wrong_input.get_or_insert(x);
        }
    }

    /// Whether the function is as it must be: within [`Function::max_ulp`], special values right, the same bits as the
    /// portable path's, odd if it should be. Falls are only counted.
    ///
    /// # Errors
    /// All that is not.
    pub fn verdict(&self, function: Function) -> Result<(), String> {
        let bound = function.max_ulp();
        let wrong_input = self.wrong_input.unwrap_or_default();
        let faults = [
            (
                self.worst > bound,
                format!("off by {} ULP at {:e}, at most {bound} is allowed", self.worst, self.worst_input),
            ),
            (self.wrong_specials > 0, format!("{} special values wrong, one at {wrong_input:e}", self.wrong_specials)),
            (self.different > 0, format!("{} results differ from the portable path's", self.different)),
            (self.not_odd > 0, format!("{} inputs with f(-x) != -f(x)", self.not_odd)),
        ];
        let found: Vec<String> = faults.into_iter().filter(|(is_found, _)| *is_found).map(|(_, text)| text).collect();
        if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
    }
}

/// The error in ULP; where the bound of the function is in the argument, in units of that which give the same bound.
fn error(function: Function, x: f32, y: f32, reference: f64) -> f64 {
    let error = ulp_error(y, reference);
    let allowed = function.max_error_per_argument() * f64::from(x.abs());
    if error.is_finite() && allowed > 0.0 && allowed.is_finite() {
        error.min((f64::from(y) - reference).abs() / allowed * function.max_ulp())
    } else {
        error
    }
}

/// The same bits, or both NaN, whose sign and payload are not promised.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn count(found: impl Iterator<Item = bool>) -> u64 {
    found.map(u64::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGNITUDES: [f32; 6] = [0.0, 0.25, 0.5, 4.0, f32::INFINITY, f32::NAN];
    const POSITIVE: usize = 2;
    const NEGATIVE: usize = MAGNITUDES.len() + POSITIVE;

    /// Tanh at [`MAGNITUDES`] and their negatives, rounded from f64, then changed, judged in two parts.
    fn tally(change: impl Fn(&mut [f32])) -> Tally {
        let [mut right, mut changed] = [[0.0; 2 * MAGNITUDES.len()]; 2];
        let xs: Vec<f32> = MAGNITUDES.into_iter().chain(MAGNITUDES.map(|x| -x)).collect();
        let references: Vec<f64> = xs.iter().map(|&x| f64::from(x).tanh()).collect();
        right.iter_mut().zip(&references).for_each(|(y, reference)| *y = *reference as f32);
        changed.copy_from_slice(&right);
        change(&mut changed);
        let part = |range: std::ops::Range<usize>| {
            let mirrored = MAGNITUDES.len() + range.start..MAGNITUDES.len() + range.end;
            Tally::of(&Results {
                function: Function::Tanh,
                xs: &[&xs[range.clone()], &xs[mirrored.clone()]].concat(),
                references: &[&references[range.clone()], &references[mirrored.clone()]].concat(),
                portable: &[&right[range.clone()], &right[mirrored.clone()]].concat(),
                ys: &[&changed[range], &changed[mirrored]].concat(),
            })
        };
        let mut tally = part(0..3);
        tally.surround(part(3..MAGNITUDES.len()));
        tally
    }

    #[test]
    fn rounded_values_are_right() {
        let tally = tally(|_| ());
        assert_eq!(tally.verdict(Function::Tanh), Ok(()));
        assert!(tally.worst > 0.0 && tally.worst <= 0.5);
        let counts = [tally.above_half, tally.wrong_specials, tally.different, tally.falls, tally.not_odd];
        assert_eq!((tally.inputs, counts), (12, [0; 5]));
    }

    #[test]
    fn a_wrong_value_is_the_worst() {
        let tally = tally(|ys| ys[POSITIVE] = f32::from_bits(ys[POSITIVE].to_bits() + 3));
        assert!(tally.worst > 2.0 && tally.worst_input == MAGNITUDES[POSITIVE]);
        assert_eq!((tally.above_half, tally.different, tally.not_odd, tally.wrong_specials), (1, 1, 2, 0));
        let verdict = tally.verdict(Function::Tanh).unwrap_err();
        assert!(verdict.contains("at 5e-1, at most 0.95") && verdict.contains("f(-x)"), "{verdict}");
    }

    #[test]
    fn a_wrong_special_value_is_counted() {
        let not_due: [fn(&mut [f32]); 6] = [
            |ys| ys[0] = -0.0,
            |ys| ys[MAGNITUDES.len()] = 1e-45,
            |ys| ys[POSITIVE] = f32::NAN,
            |ys| ys[NEGATIVE] = f32::NEG_INFINITY,
            |ys| ys[MAGNITUDES.len() - 1] = 1.0,
            |ys| ys[2 * MAGNITUDES.len() - 1] = f32::INFINITY,
        ];
        for (case, change) in not_due.into_iter().enumerate() {
            let tally = tally(change);
            assert_eq!((tally.wrong_specials, tally.different), (1, 1), "case {case}");
            assert!(tally.wrong_input.is_some() && tally.worst <= 0.5, "case {case}");
            assert!(tally.verdict(Function::Tanh).unwrap_err().contains("1 special values wrong"), "case {case}");
        }
    }

    #[test]
    fn a_fall_is_counted_wherever_it_is() {
        // Inside a part on either side, from one part to the next on either side, and at zero.
        let cases: [(usize, f32); 5] = [(1, -1e-3), (NEGATIVE - 1, 1e-3), (2, 0.9999), (NEGATIVE, -0.9999), (6, 1e-3)];
        for (i, y) in cases {
            // At 4 the value is 0.9993.
            assert_eq!(tally(|ys| ys[i] = y).falls, 1, "{y} as result {i}");
        }
        assert!(tally(|ys| ys[1] = -1e-3).falls == 1);
    }

    #[test]
    fn other_bits_are_counted_but_those_of_nan() {
        let tally = tally(|ys| {
            ys[MAGNITUDES.len() - 1] = f32::from_bits(0xffc0_1234);
            ys[POSITIVE] = f32::from_bits(ys[POSITIVE].to_bits() + 1);
        });
        assert_eq!((tally.different, tally.wrong_specials), (1, 0));
        assert!(tally.verdict(Function::Tanh).unwrap_err().contains("1 results differ"));
    }

    #[test]
    fn special_values_are_checked_by_bits() {
        let mut tally = Tally::default();
        tally.check_specials(&[(-0.0, -0.0), (0.0, 0.0), (f32::INFINITY, f32::INFINITY), (f32::NAN, f32::NAN)], |x| x);
        assert_eq!(tally, Tally::default());
        tally.check_specials(&[(-0.0, 0.0), (1.0, f32::NAN), (f32::NAN, 0.0), (2.0, 2.5)], |x| x);
        assert_eq!((tally.wrong_specials, tally.wrong_input), (4, Some(-0.0)));
    }
}
