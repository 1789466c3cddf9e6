//! What ranks say to each other, by MPI.

use mpi::collective::SystemOperation;
use mpi::datatype::{Partition, PartitionMut};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{CommunicatorCollectives, Root};
use nn::collective::{Collective, CollectiveError, tree_sum};

use super::Mpi;

/// The most elements of a call over all ranks: MPI counts them in an `int`.
const MAX_COUNT: usize = 1 << 30;
/// Up to so many values over all ranks, each rank gathers and sums all of them, which is one call and not two.
const FEW: usize = 1 << 13;

/// The memory of sums, kept from call to call.
#[derive(Default)]
pub(super) struct Sums {
    /// What all ranks have, in the order of the ranks.
    parts: Vec<f32>,
    /// Of the values: the slice that each rank sums.
    slices: Cuts,
    /// Of `parts`: what each rank has for the slice of this one.
    received: Cuts,
}

/// Pieces of a buffer, side by side, one for each rank.
#[derive(Default)]
struct Cuts {
    starts: Vec<i32>,
    lens: Vec<i32>,
}

impl Cuts {
    fn set(&mut self, lens: impl Iterator<Item = usize>) {
        self.lens.clear();
        self.lens.extend(lens.map(|len| len as i32));
        self.starts.clear();
        self.starts.extend(self.lens.iter().scan(0, |end, &len| {
            *end += len;
            Some(*end - len)
        }));
    }
}

impl Sums {
    /// At least `len` values to receive into.
    fn reserve(&mut self, len: usize) {
        if self.parts.len() < len {
            self.parts.resize(len, 0.0);
        }
    }

    /// Each rank sums all.
    fn gathered(&mut self, world: &SimpleCommunicator, values: &mut [f32]) {
        let size = world.size() as usize;
        self.reserve(size * values.len());
        let parts = &mut self.parts[..size * values.len()];
        world.all_gather_into(&*values, parts);
        tree_sum(values.len(), parts);
        values.copy_from_slice(&parts[..values.len()]);
    }

    /// Each rank sums a slice, in the order of the ranks, and sends it to the others.
    fn sliced(&mut self, world: &SimpleCommunicator, values: &mut [f32]) {
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        let (each, longer) = (values.len() / size, values.len() % size);
        self.slices.set((0..size).map(|rank| each + usize::from(rank < longer)));
        let len = self.slices.lens[rank] as usize;
        self.received.set((0..size).map(|_| len));
        self.reserve(size * len);
        let parts = &mut self.parts[..size * len];

        let send = Partition::new(&*values, &self.slices.lens[..], &self.slices.starts[..]);
        let mut receive = PartitionMut::new(&mut *parts, &self.received.lens[..], &self.received.starts[..]);
        world.all_to_all_varcount_into(&send, &mut receive);
        tree_sum(len, parts);
        let mut receive = PartitionMut::new(values, &self.slices.lens[..], &self.slices.starts[..]);
        world.all_gather_varcount_into(&parts[..len], &mut receive);
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn broadcast(&mut self, root: usize, bytes: &mut [u8]) -> Result<(), CollectiveError> {
        if root >= self.size {
            let cause = format!("root {root} of {} ranks", self.size);
            return Err(CollectiveError::new(self.rank, "broadcast", cause));
        }
        let sent = if self.rank == root { bytes.len() * (self.size - 1) } else { 0 };
        self.count(sent, |mpi| {
            for bytes in bytes.chunks_mut(MAX_COUNT) {
                mpi.world.process_at_rank(root as i32).broadcast_into(bytes);
            }
        });
        Ok(())
    }

    fn all_gather(&mut self, part: &[u8], all: &mut [u8]) -> Result<(), CollectiveError> {
        if all.len() != part.len() * self.size {
            let cause = format!("{} bytes for {} of each of {} ranks", all.len(), part.len(), self.size);
            return Err(CollectiveError::new(self.rank, "all_gather", cause));
        }
        if part.is_empty() {
            return Ok(());
        }
        if all.len() <= MAX_COUNT {
            let sent = part.len() * (self.size - 1);
            self.count(sent, |mpi| mpi.world.all_gather_into(part, all));
            return Ok(());
        }
        for (root, bytes) in all.chunks_exact_mut(part.len()).enumerate() {
            if root == self.rank {
                bytes.copy_from_slice(part);
            }
            self.broadcast(root, bytes)?;
        }
        Ok(())
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        if self.size == 1 || values.is_empty() {
            return Ok(());
        }
        let (size, few) = (self.size, values.len() * self.size <= FEW);
        // Of slices, all but this rank's own are sent to those who sum them, and its own to all others.
        let sent = if few { values.len() * (size - 1) } else { 2 * (values.len() / size) * (size - 1) };
        self.count(sent * size_of::<f32>(), |mpi| {
            if few {
                return mpi.sums.gathered(&mpi.world, values);
            }
            values.chunks_mut(MAX_COUNT).for_each(|values| mpi.sums.sliced(&mpi.world, values));
        });
        Ok(())
    }

    fn sum_unordered(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        if self.size == 1 || values.is_empty() {
            return Ok(());
        }
        self.count(2 * (values.len() / self.size) * (self.size - 1) * size_of::<f32>(), |mpi| {
            for values in values.chunks_mut(MAX_COUNT) {
                mpi.sums.reserve(values.len());
                let sums = &mut mpi.sums.parts[..values.len()];
                mpi.world.all_reduce_into(&*values, sums, SystemOperation::sum());
                values.copy_from_slice(sums);
            }
        });
        Ok(())
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.count(0, |_| ());
        Ok(())
    }
}
