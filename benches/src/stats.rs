//! What is reported of repeated measurements.

/// The middle of some durations and where most of them lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Half of the samples are lower.
    pub median: f64,
    /// A tenth of the samples are lower.
    pub p10: f64,
    /// A tenth of the samples are higher.
    pub p90: f64,
    /// How many samples there were.
    pub samples: usize,
}

impl Summary {
    /// The summary of some samples.
    ///
    /// # Panics
    /// If there are none, or one is NaN.
    pub fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(|a, b| a.partial_cmp(b).expect("a duration is a number"));
        Summary {
            median: percentile(&sorted, 0.5),
            p10: percentile(&sorted, 0.1),
            p90: percentile(&sorted, 0.9),
            samples: sorted.len(),
        }
    }

    /// The distance from the 10th to the 90th percentile, as a part of the median.
    pub fn spread(&self) -> f64 {
        (self.p90 - self.p10) / self.median
    }
}

/// The number whose logarithm is the mean of the logarithms; `None` of none.
pub fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let logarithms: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    (!ratios.is_empty()).then(|| (logarithms / ratios.len() as f64).exp())
}

/// The value below which the part `p` of `sorted` lies, linear between neighbours.
fn percentile(sorted: &[f64], p: f64) -> f64 {
    assert!(!sorted.is_empty(), "no samples");
    let position = p * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter() {
        let samples: Vec<f64> = (0..11).map(|i| f64::from(i * 7 % 11)).collect();
        assert_eq!(Summary::of(&samples), Summary { median: 5.0, p10: 1.0, p90: 9.0, samples: 11 });
        assert_eq!(Summary::of(&samples).spread(), 1.6);
    }

    #[test]
    fn a_geometric_mean_is_the_same_for_ratios_turned_over() {
        let mean = geometric_mean(&[1.0, 2.0, 32.0]).unwrap();
        assert!((mean - 4.0).abs() <= 1e-12, "{mean}");
        let turned = geometric_mean(&[1.0, 0.5, 0.03125]).unwrap();
        assert!((turned - 0.25).abs() <= 1e-12, "{turned}");
        assert_eq!(geometric_mean(&[]), None);
    }

    #[test]
    fn percentiles_lie_between_neighbours() {
        assert_eq!(percentile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(percentile(&[1.0, 2.0], 0.0), 1.0);
        assert_eq!(percentile(&[1.0, 2.0], 1.0), 2.0);
        assert_eq!(Summary::of(&[3.0]), Summary { median: 3.0, p10: 3.0, p90: 3.0, samples: 1 });
    }
}
