//! Waiting without taking the core away from those who compute.

use std::thread;
use std::time::{Duration, Instant};

use mpi::request::{Request, Scope};

/// How long to ask without a pause: many calls are done by then.
const AWAKE: Duration = Duration::from_micros(20);
/// How long to go on asking while others may have the core, before sleeping in between.
const YIELDING: Duration = Duration::from_micros(200);
/// The system makes it some 50 µs more.
const NAP: Duration = Duration::from_micros(10);

/// Waits until the request is done.
pub(super) fn finish<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>) {
    let start = Instant::now();
    while let Err(pending) = request.test() {
        request = pending;
        let waited = start.elapsed();
        if waited > YIELDING {
            thread::sleep(NAP);
        } else if waited > AWAKE {
            thread::yield_now();
        }
    }
}
