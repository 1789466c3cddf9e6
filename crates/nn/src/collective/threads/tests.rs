use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::random::{Purpose, Stream};

fn uniform(seed: u64, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Split, 0);
    (0..len).map(|_| stream.uniform() - 0.5).collect()
}

fn fault(error: &CollectiveError) -> &Fault {
    error.cause.downcast_ref().expect("a fault")
}

#[test]
fn what_ranks_give_reaches_all_over_and_over() {
    for size in [1, 2, 3, 8] {
        let all_ok = Threads::run(size, |ranks| {
            let rank = ranks.rank();
            assert_eq!(ranks.size(), size);
            for round in 0..200 {
                let len = [0, 1, 17, 5000][round % 4];
                let root = round % size;
                let mut bytes = vec![rank as u8; len];
                ranks.broadcast(root, &mut bytes)?;
                assert!(bytes.iter().all(|&byte| byte == root as u8), "{size} ranks, round {round}");

                let mut all = vec![255; 3 * size];
                ranks.all_gather(&[rank as u8, round as u8, 7], &mut all)?;
                let expected: Vec<u8> = (0..size).flat_map(|rank| [rank as u8, round as u8, 7]).collect();
                assert_eq!(all, expected);
                ranks.all_gather(&[], &mut [])?;

                let given = |rank: usize| uniform((round * size + rank) as u64, len);
                let mut values = given(rank);
                if round % 2 == 0 {
                    ranks.sum(&mut values)?
                } else {
                    ranks.sum_unordered(&mut values)?
                }
                let mut expected: Vec<f32> = (0..size).flat_map(given).collect();
                tree_sum(len, &mut expected);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&values), bits(&expected[..len]), "{size} ranks, {len} values");
                ranks.barrier()?;
            }
            Ok::<_, CollectiveError>(())
        });
        assert_eq!(all_ok.len(), size);
        all_ok.into_iter().for_each(|result| result.unwrap());
    }
    assert!(Threads::run(0, |_| ()).is_empty());
}

#[test]
fn one_rank_that_ends_ends_the_calls_of_the_others() {
    for panics in [false, true] {
        let errors = Threads::run(3, |ranks| {
            ranks.barrier().unwrap();
            if ranks.rank() == 1 && !panics {
                return None;
            }
            let result = catch_unwind(AssertUnwindSafe(|| {
                assert!(ranks.rank() != 1, "this rank panics");
                ranks.sum(&mut [1.0]).unwrap_err()
            }));
            result.ok()
        });
        for (rank, error) in errors.iter().enumerate() {
            match error {
                None => assert_eq!(rank, 1),
                Some(error) => {
                    assert_eq!((fault(error), error.rank, error.call), (&Fault::Gone { rank: 1 }, rank, "sum"));
                    assert_eq!(error.to_string(), format!("rank {rank}, sum: rank 1 is gone"));
                }
            }
        }
    }
}

#[test]
fn a_panic_comes_out_when_all_have_ended() {
    let panic = catch_unwind(|| {
        Threads::run(2, |ranks| {
            assert!(ranks.rank() != 1, "rank 1 panics");
            ranks.barrier()
        })
    });
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "rank 1 panics");
}

#[test]
fn different_calls_are_found_by_all() {
    let errors = Threads::run(2, |ranks| match ranks.rank() {
        0 => ranks.barrier().unwrap_err(),
        _ => ranks.sum(&mut [1.0, 2.0]).unwrap_err(),
    });
    assert!(matches!(fault(&errors[0]), Fault::OtherCall { rank: 1, .. }), "{}", errors[0]);
    assert!(matches!(fault(&errors[1]), Fault::OtherCall { rank: 0, .. }), "{}", errors[1]);
    let errors = Threads::run(2, |ranks| {
        let len = 1 + ranks.rank();
        ranks.sum(&mut vec![1.0; len]).unwrap_err()
    });
    assert!(errors.iter().all(|error| matches!(fault(error), Fault::OtherCall { .. })), "{errors:?}");
}

#[test]
fn wrong_sizes_are_errors() {
    Threads::run(2, |ranks| {
        let error = ranks.broadcast(2, &mut [0]).unwrap_err();
        assert_eq!(fault(&error), &Fault::NoRank { root: 2, size: 2 });
        let error = ranks.all_gather(&[1, 2], &mut [0; 3]).unwrap_err();
        assert_eq!(fault(&error), &Fault::Parts { size: 2, part: 2, all: 3 });
    });
    let mut single = crate::collective::Single;
    assert_eq!(fault(&single.broadcast(1, &mut [0]).unwrap_err()), &Fault::NoRank { root: 1, size: 1 });
    assert_eq!(fault(&single.all_gather(&[1], &mut []).unwrap_err()), &Fault::Parts { size: 1, part: 1, all: 0 });
    let mut all = [0];
    single.all_gather(&[3], &mut all).unwrap();
    assert_eq!(all, [3]);
}
