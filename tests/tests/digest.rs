//! The committed digests, on every instruction set and for several numbers of threads. `cargo xtask digest --write` makes
//! the file anew after a deliberate change of the arithmetic.

use kernels::testing::for_each_isa;
use tests::digest::{Digest, serial, threaded};

const COMMITTED: &str = include_str!("../digests.txt");

fn check(digests: Vec<Digest>, who: &str) {
    for digest in digests {
        let committed = COMMITTED.lines().any(|line| line == digest.to_string());
        assert!(committed, "{who}: the committed digests lack: {digest}");
    }
}

#[test]
fn of_serial_kernels() {
    for_each_isa(|set| check(serial(set), set.isa().name()));
}

#[test]
fn of_products_and_training() {
    for threads in [1, 2, 3, 4, 8] {
        for_each_isa(|set| check(threaded(set, threads).unwrap(), &format!("{}, {threads} threads", set.isa())));
    }
}
