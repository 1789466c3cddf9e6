//! The calls themselves.

use std::thread::available_parallelism;

use nn::collective::{Collective, CollectiveError};
use nn_mpi::{InitError, Mpi};
use stats_alloc::Region;

use crate::ALLOCATOR;
use crate::job::{job, success};

pub(crate) fn calls() {
    for ranks in 1..=4 {
        assert_eq!(success(&mut job(ranks, "calls")).trim(), format!("{ranks} ranks agree"));
    }
}

pub(crate) fn sums_allocate_nothing() {
    success(&mut job(3, "allocations"));
}

/// Value `i` of `rank`, of any magnitude and sign, so that the order of a sum shows; of some places -0 everywhere, of some NaN on one rank.
fn value(rank: usize, i: usize) -> f32 {
    let mut bits = (rank * 0x9e37_79b9 + i * 0x85eb_ca6b) as u32;
    bits = (bits ^ bits >> 16).wrapping_mul(0x7feb_352d);
    bits = (bits ^ bits >> 15).wrapping_mul(0x846c_a68b);
    bits ^= bits >> 16;
    match i % 97 {
        13 => -0.0,
        31 if rank == i % 3 => f32::NAN,
        _ => f32::from_bits(bits & 0x807f_ffff | (96 + (bits >> 23) % 64) << 23),
    }
}

/// The sum of neighbours, of the sums of neighbours, and so on; what has no neighbour is taken as it is.
fn tree(mut values: Vec<f32>) -> f32 {
    while values.len() > 1 {
        values = values.chunks(2).map(|pair| if let [a, b] = pair { a + b } else { pair[0] }).collect();
    }
    values[0]
}

pub(crate) fn calls_rank(mpi: &mut Mpi) -> Result<(), CollectiveError> {
    let (rank, size) = (mpi.rank(), mpi.size());
    let mut unordered = 0;
    // 8192 values over all ranks are where the way to sum changes.
    let few = 8192 / size;
    for len in [0, 1, 2, 3, 5, 16, 257, few - 1, few, few + 1, 10_007, 300_001, 7] {
        let mut sums: Vec<f32> = (0..len).map(|i| value(rank, i)).collect();
        mpi.sum(&mut sums)?;
        for (i, sum) in sums.into_iter().enumerate() {
            let values: Vec<f32> = (0..size).map(|rank| value(rank, i)).collect();
            let expected = tree(values.clone());
            let same = sum.to_bits() == expected.to_bits() || sum.is_nan() && expected.is_nan();
            assert!(same, "{i} of {len}: {sum:e}, expected {expected:e} of {values:?}");
            unordered +=
                usize::from(values.iter().fold(-0.0, |sum, value| sum + value).to_bits() != expected.to_bits());
        }
    }
    assert!(size < 4 || unordered > 1000, "the values do not tell one order from another");

    for len in [0, 1, 3, 5000, 300_001] {
        let mut sums: Vec<f32> = (0..len).map(|i| value(rank, i)).collect();
        mpi.sum_unordered(&mut sums)?;
        for (i, sum) in sums.into_iter().enumerate() {
            let values = (0..size).map(|rank| f64::from(value(rank, i)));
            let (exact, magnitude) = values.fold((0.0, 0.0), |(sum, of), value| (sum + value, of + value.abs()));
            let bound = size as f64 * magnitude * f64::from(f32::EPSILON);
            let near = (f64::from(sum) - exact).abs() <= bound || sum.is_nan() && exact.is_nan();
            assert!(near, "{i} of {len}: {sum:e}, expected {exact:e}");
        }
    }

    for root in 0..size {
        for len in [0, 1, 5, 100_001] {
            let mut bytes = vec![rank as u8; len];
            mpi.broadcast(root, &mut bytes)?;
            assert_eq!(bytes, vec![root as u8; len]);
        }
    }
    for len in [0, 1, 5, 100_001] {
        let mut all = vec![0xff; len * size];
        mpi.all_gather(&vec![rank as u8; len], &mut all)?;
        assert!(all.iter().enumerate().all(|(i, &byte)| byte as usize == i / len), "{len} bytes of each rank");
    }
    mpi.barrier()?;

    let mut threads = vec![0; size];
    mpi.all_gather(&[mpi.threads() as u8], &mut threads)?;
    let cores = available_parallelism().map_or(1, usize::from);
    let threads = threads.iter().map(|&threads| usize::from(threads));
    assert!(threads.clone().all(|threads| threads >= 1) && threads.sum::<usize>() <= cores.max(size));

    let before = mpi.traffic();
    mpi.sum(&mut vec![1.0; 1000 * size])?;
    let traffic = mpi.traffic();
    if size > 1 {
        assert_eq!(traffic.calls, before.calls + 1);
        // Either all values to all others, or all but a slice to those who sum, and that slice to all others.
        let (sent, others) = ((traffic.bytes - before.bytes) as usize / 4, size - 1);
        assert!([1000 * size * others, 2 * 1000 * others].contains(&sent), "{sent} values sent");
        assert!(traffic.time > before.time);
    }

    assert!(mpi.broadcast(size, &mut [0]).unwrap_err().to_string().contains(&format!("root {size} of {size}")));
    assert!(mpi.all_gather(&[0], &mut vec![0; size + 1]).unwrap_err().to_string().contains("bytes for 1"));
    assert_eq!(Mpi::init().unwrap_err(), InitError::Again);
    if rank == 0 {
        println!("{size} ranks agree");
    }
    Ok(())
}

pub(crate) fn allocations_rank(mpi: &mut Mpi) -> Result<(), CollectiveError> {
    let mut values = vec![1.0; 100_000];
    let calls = |mpi: &mut Mpi, values: &mut [f32]| {
        mpi.sum(values)?;
        mpi.sum(&mut values[..50_001])?;
        mpi.sum(&mut values[..3])?;
        mpi.sum_unordered(values)?;
        mpi.barrier()
    };
    calls(mpi, &mut values)?;
    let region = Region::new(ALLOCATOR);
    calls(mpi, &mut values)?;
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
    Ok(())
}
