//! Waiting without taking the core from those who compute.

use std::thread;
use std::time::{Duration, Instant};

use mpi::request::{Request, Scope};

/// How long to ask without a pause: ranks that compute alike come soon. To yield instead is no better, as the system then shares
/// the core between who yields and who computes.
const AWAKE: Duration = Duration::from_micros(20);
/// The system makes it some 50 µs more.
const NAP: Duration = Duration::from_micros(10);

/// Waits until the request is done.
pub(super) fn finish<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>) {
    let start = Instant::now();
    while let Err(pending) = request.test() {
        request = pending;
        if start.elapsed() > AWAKE {
            thread::sleep(NAP);
        }
    }
}
