//! Buffers for packed panels, aligned to cache lines, one set for each thread and kept between calls: a call
//! allocates only when it needs more than any before it on its thread.

use std::cell::RefCell;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory that grows on demand and is never cleared.
#[derive(Default)]
pub(crate) struct Scratch {
    lines: Vec<Line>,
}

impl Scratch {
    const fn new() -> Self {
        Scratch { lines: Vec::new() }
    }

    /// `len` elements, aligned to a cache line, of unspecified value.
    pub(crate) fn elements<T: Pod>(&mut self, len: usize) -> &mut [T] {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 64]));
        }
        // SAFETY: the lines hold at least `len` elements, are aligned to more than an element needs, initialised (to
        // 0, then by whoever used them before), and any bytes are a `T` by the contract of `Pod`.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }
}

impl Scratch {
    /// The first `len` elements, which [`elements`](Self::elements) gave before.
    pub(crate) fn filled<T: Pod>(&self, len: usize) -> &[T] {
        assert!(len * size_of::<T>() <= self.lines.len() * size_of::<Line>());
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), len) }
    }
}

/// Types for which any bytes are a value and that need at most the alignment of a cache line.
///
/// # Safety
/// - Every bit pattern must be valid, and the alignment at most 64.
pub(crate) unsafe trait Pod: Copy {}
// SAFETY: every bit pattern is a float, of alignment 4.
unsafe impl Pod for f32 {}
// SAFETY: every bit pattern is a float, of alignment 8.
unsafe impl Pod for f64 {}

/// The buffers of one thread.
pub(crate) struct Buffers {
    /// A tile of A.
    pub(crate) a: Scratch,
    /// A block of B.
    pub(crate) b: Scratch,
    /// Rows of C whose own do not lie side by side.
    pub(crate) c: Scratch,
    /// Sums between the steps of a block of K.
    pub(crate) sums: Scratch,
}

impl Buffers {
    const fn new() -> Self {
        Buffers { a: Scratch::new(), b: Scratch::new(), c: Scratch::new(), sums: Scratch::new() }
    }
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
}

/// Runs `f` with this thread's buffers.
///
/// # Panics
/// If `f` comes back here.
#[inline]
pub(crate) fn with_buffers<R>(f: impl FnOnce(&mut Buffers) -> R) -> R {
    BUFFERS.with_borrow_mut(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_kept() {
        let first = with_buffers(|buffers| {
            let elements = buffers.a.elements::<f64>(1000);
            assert_eq!((elements.len(), elements.as_ptr() as usize % 64), (1000, 0));
            elements.as_ptr()
        });
        with_buffers(|buffers| assert_eq!(buffers.a.elements::<f64>(999).as_ptr(), first));
    }
}
