//! What ranks tell each other before they train, so that none waits for one that does not.

use super::steps::Over;
use crate::checkpoint;
use crate::collective::Collective;
use crate::error::{Error, Result};
use crate::train::Trainer;

/// What must be the same on all ranks, and what one of them needs.
pub(super) struct Standing {
    /// The options that a checkpoint keeps, and the others that weights depend on.
    options: u64,
    /// Model, optimiser and position.
    state: u64,
    rows: u64,
    validation_rows: u64,
    /// Whether there are rows that count, to train on and for validation.
    have_weight: [bool; 2],
    observed: bool,
}

const WORDS: usize = 6;
const MESSAGE: usize = 208;
const RECORD: usize = 8 * WORDS + MESSAGE;

impl Standing {
    pub(super) fn new(trainer: &Trainer, over: &Over<'_>, observed: bool) -> Result<Self> {
        let Trainer { model, options, optimizer, course, .. } = trainer;
        let (settings, state) = checkpoint::digests(model, options, optimizer, course)?;
        let others = format!("{:?} {:?} {}", options.max_epochs, options.tol, options.n_iter_no_change);
        let options = u64::from(settings) << 32 | u64::from(checkpoint::checksum(others.as_bytes()));
        Ok(Standing {
            options,
            state: u64::from(state),
            rows: over.total as u64,
            validation_rows: over.validation_total.map_or(u64::MAX, |rows| rows as u64),
            have_weight: over.have_weight,
            observed,
        })
    }

    fn words(&self) -> [u64; WORDS - 1] {
        let flags = [self.have_weight[0], self.have_weight[1], self.observed];
        let flags = flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u64::from(flag));
        [self.options, self.state, self.rows, self.validation_rows, flags]
    }
}

/// What is there to train with on this rank, and whether rank 0 is observed, if all ranks can start and are alike.
pub(super) fn agree<T>(collective: &mut dyn Collective, standing: Result<(T, Standing)>) -> Result<(T, bool)> {
    let (ready, own) = match standing {
        Ok((ready, standing)) => (Ok(ready), standing.words()),
        Err(error) => (Err(error), [0; WORDS - 1]),
    };
    let (ready, all) = exchange(collective, ready, own)?;
    let names = ["options", "parameters or another position", "numbers of rows", "numbers of rows for validation"];
    for (at, what) in names.into_iter().enumerate() {
        if let Some(rank) = all.iter().position(|words| words[at] != all[0][at]) {
            return Err(Error::OtherRankDiffers { rank, what });
        }
    }
    let flags = |bit: u32| all.iter().map(move |words| words[WORDS - 2] >> bit & 1 == 1);
    for (bit, what) in [(0, "the weights of the rows to train on"), (1, "the weights of the rows for validation")] {
        if !flags(bit).any(|has| has) {
            return Err(Error::NoWeight { what });
        }
    }
    Ok((ready, flags(2).next().unwrap_or(false)))
}

/// The value of this rank, if no rank has an error.
pub(super) fn agree_on_errors<T>(collective: &mut dyn Collective, own: Result<T>) -> Result<T> {
    Ok(exchange(collective, own, [0; WORDS - 1])?.0)
}

/// The value of this rank and the words of all, if no rank has an error.
fn exchange<T>(
    collective: &mut dyn Collective,
    own: Result<T>,
    words: [u64; WORDS - 1],
) -> Result<(T, Vec<[u64; WORDS - 1]>)> {
    let mut record = [0; RECORD];
    let message = own.as_ref().err().map(|error| truncated(error.to_string()));
    let len = message.as_ref().map_or(u64::MAX, |message| message.len() as u64);
    let numbers = words.into_iter().chain([len]).flat_map(u64::to_le_bytes);
    let text = message.iter().flat_map(|message| message.bytes());
    record.iter_mut().zip(numbers.chain(text)).for_each(|(to, byte)| *to = byte);
    let mut all = vec![0; RECORD * collective.size()];
    collective.all_gather(&record, &mut all)?;
    let own = own?;
    let mut read = Vec::new();
    for (rank, record) in all.chunks_exact(RECORD).enumerate() {
        let (numbers, message) = record.split_at(8 * WORDS);
        let (numbers, _) = numbers.as_chunks();
        let numbers: [u64; WORDS] = std::array::from_fn(|at| u64::from_le_bytes(numbers[at]));
        if numbers[WORDS - 1] != u64::MAX {
            let len = message.len().min(numbers[WORDS - 1] as usize);
            let message = String::from_utf8_lossy(&message[..len]).into_owned();
            return Err(Error::OtherRank { rank, message });
        }
        read.push(std::array::from_fn(|at| numbers[at]));
    }
    Ok((own, read))
}

fn truncated(mut message: String) -> String {
    let mut end = message.len().min(MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}
