//! What a step costs: computation that is divided among the ranks, and sums that are not.

/// Rows of a batch over all ranks.
pub(crate) const BATCH: usize = 4096;
pub(crate) const RANKS: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];

/// The time of a step on one rank: a line over the rows of its batch.
pub(crate) struct Compute {
    pub(crate) name: String,
    /// Bytes of each sum of a step: the gradients of one layer.
    pub(crate) sums: Vec<usize>,
    /// What does not depend on the rows, such as the update.
    pub(crate) seconds_per_step: f64,
    pub(crate) seconds_per_row: f64,
}

/// What connects any two ranks.
pub(crate) struct Network {
    pub(crate) name: String,
    /// Seconds until a message of no length arrives.
    pub(crate) latency: f64,
    /// What each byte adds.
    pub(crate) seconds_per_byte: f64,
}

/// Bytes of the weights and biases of each layer.
pub(crate) fn sums(layers: &[usize]) -> Vec<usize> {
    layers.windows(2).map(|layer| size_of::<f32>() * (layer[0] + 1) * layer[1]).collect()
}

impl Network {
    /// From the time that two ranks took for a sum of nothing and for one of `bytes`.
    pub(crate) fn of_two_ranks(nothing: f64, seconds: f64, bytes: usize) -> Self {
        let name =
            format!("measured: {:.1} µs, {:.0} Gbit/s", 1e6 * nothing / 2.0, 8e-9 * bytes as f64 / (seconds - nothing));
        Network { name, latency: nothing / 2.0, seconds_per_byte: (seconds - nothing) / bytes as f64 }
    }

    /// A sum is p - 1 messages to those who sum the slices, and as many with their sums; `(p - 1) / p` of the bytes go each way.
    pub(crate) fn sum_seconds(&self, ranks: usize, bytes: usize) -> f64 {
        let others = (ranks - 1) as f64;
        2.0 * others * (self.latency + bytes as f64 / ranks as f64 * self.seconds_per_byte)
    }
}

impl Compute {
    /// Of one rank of so many.
    pub(crate) fn compute_seconds(&self, ranks: usize) -> f64 {
        self.seconds_per_step + self.seconds_per_row * BATCH as f64 / ranks as f64
    }

    /// All sums of a step.
    pub(crate) fn sum_seconds(&self, network: &Network, ranks: usize) -> f64 {
        self.sums.iter().map(|&bytes| network.sum_seconds(ranks, bytes)).sum()
    }

    /// How many times faster than one rank: where nothing is computed during sums, and where all sums go on during computation.
    pub(crate) fn speedups(&self, network: &Network, ranks: usize) -> (f64, f64) {
        let (alone, computing) = (self.compute_seconds(1), self.compute_seconds(ranks));
        let summing = self.sum_seconds(network, ranks);
        (alone / (computing + summing), alone / computing.max(summing))
    }
}
