//! Softmax, its logarithm and logsumexp.

use super::{SIZES, TINY, U};
use crate::fused::{logits, same_everywhere, wide};
use kernels::reference;
use tests::random::Random;

#[test]
fn softmax_rows() {
    let mut random = Random::new(7);
    for (rows, cols) in SIZES {
        for magnitude in [1.0, 20.0, 300.0] {
            let z = logits(&mut random, rows * cols, magnitude);
            let ((), p) = same_everywhere(rows * cols, |set, out| set.softmax(cols, &z, out));
            let ((), log_p) = same_everywhere(rows * cols, |set, out| set.log_softmax(cols, &z, out));
            let ((), sums) = same_everywhere(rows, |set, out| set.logsumexp(cols, &z, out));
            let relative = (6.0 + cols as f64 / 32.0) * U;
            for row in 0..rows {
                let place = format!("row {row} of {rows}x{cols} to {magnitude}");
                let z = wide(&z[row * cols..][..cols]);
                let (softmax, log_softmax, sum) =
                    (reference::softmax(&z), reference::log_softmax(&z), reference::logsumexp(&z));
                for j in 0..cols {
                    let (p, log_p) = (f64::from(p[row * cols + j]), f64::from(log_p[row * cols + j]));
                    assert!((p - softmax[j]).abs() <= relative * softmax[j] + TINY, "{place}: {p}, not {}", softmax[j]);
                    let error = (log_p - log_softmax[j]).abs();
                    assert!(
                        error <= relative * log_softmax[j].abs() + TINY,
                        "{place}: {log_p}, not {}",
                        log_softmax[j]
                    );
                }
                let error = (f64::from(sums[row]) - sum).abs();
                let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                assert!(error <= relative * (max.abs() + (cols as f64).ln()), "{place}: {}, not {sum}", sums[row]);
            }
            let ((), in_place) = same_everywhere(rows * cols, |set, out| {
                out.copy_from_slice(&z);
                set.softmax_in_place(cols, out);
            });
            assert_eq!(in_place, p, "{rows}x{cols} in place");
            let ((), in_place) = same_everywhere(rows * cols, |set, out| {
                out.copy_from_slice(&z);
                set.log_softmax_in_place(cols, out);
            });
            assert_eq!(in_place, log_p, "{rows}x{cols} in place");
        }
    }
}
