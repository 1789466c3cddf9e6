//! The order of sums over shards and over ranks.

/// The element-wise sum of the `terms`, `terms.len() / len` of `len` values one behind the other; it takes the place of the
/// first, and the others are used up.
///
/// Neighbours are summed, `(0, 1), (2, 3) …`, then neighbours of these sums, to the end; one without a neighbour goes up as it
/// is. So the sums of runs of 2^k terms, from a multiple of 2^k on, sum up to the same bits as the terms themselves.
///
/// ```
/// let mut terms = [1.0, 2.0, 10.0, 20.0, 100.0, 200.0];
/// nn::collective::tree_sum(2, &mut terms);
/// assert_eq!(terms[..2], [111.0, 222.0]);
/// ```
pub fn tree_sum(len: usize, terms: &mut [f32]) {
    let count = terms.len().checked_div(len).unwrap_or(0);
    let mut distance = 1;
    while distance < count {
        for pair in terms.chunks_mut(2 * distance * len) {
            if let Some((left, right)) = pair.split_at_mut_checked(distance * len) {
                add(&mut left[..len], right);
            }
        }
        distance *= 2;
    }
}

/// `to += from`, as far as `to` goes.
fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// The definition, by recursion from the top.
    fn expected(terms: &[f32]) -> f32 {
        match terms.len() {
            1 => terms[0],
            n => {
                let (left, right) = terms.split_at(n.next_power_of_two() / 2);
                expected(left) + expected(right)
            }
        }
    }

    fn uniform(len: usize) -> Vec<f32> {
        let mut stream = Stream::new(len as u64, Purpose::Split, 0);
        (0..len).map(|_| stream.uniform() - 0.5).collect()
    }

    #[test]
    fn neighbours_are_summed_first() {
        for count in 1..40 {
            let terms = uniform(3 * count);
            let mut sums = terms.clone();
            tree_sum(3, &mut sums);
            for (column, sum) in sums[..3].iter().enumerate() {
                let terms: Vec<f32> = terms.iter().skip(column).step_by(3).copied().collect();
                assert_eq!(sum.to_bits(), expected(&terms).to_bits(), "{count} terms");
            }
        }
        tree_sum(0, &mut []);
        tree_sum(4, &mut []);
    }

    #[test]
    fn sums_of_runs_sum_up_to_the_same_bits() {
        for (count, run) in [(16, 1), (16, 2), (16, 4), (16, 8), (16, 16), (12, 4), (20, 4), (24, 8), (5, 1)] {
            let terms = uniform(count);
            let mut runs: Vec<f32> = terms
                .chunks(run)
                .map(|run| {
                    let mut run = run.to_vec();
                    tree_sum(1, &mut run);
                    run[0]
                })
                .collect();
            tree_sum(1, &mut runs);
            assert_eq!(runs[0].to_bits(), expected(&terms).to_bits(), "{count} in runs of {run}");
        }
    }
}
