//! Memory between two pages that must not be touched. `mmap-rs` has all of it in safe calls: a map is split, and its ends are
//! closed.

use bytemuck::Pod;
use mmap_rs::{MmapMut, MmapNone, MmapOptions};
use std::marker::PhantomData;

/// Which page the elements lie against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one before the first element.
    Before,
    /// The one after the last element.
    After,
}

/// Elements that are handed out as slices with a closed page directly before or after them.
pub(crate) struct Guarded<T> {
    before: MmapNone,
    memory: MmapMut,
    after: MmapNone,
    side: Side,
    elements: PhantomData<T>,
}

impl<T: Pod> Guarded<T> {
    /// Room for `len` elements.
    pub(crate) fn new(len: usize, side: Side) -> Self {
        let page = MmapOptions::page_size();
        let room = (len * size_of::<T>()).next_multiple_of(page).max(page);
        let mut before = MmapOptions::new(page + room + page).unwrap().map_mut().unwrap();
        let mut memory = before.split_off(page).unwrap();
        let after = memory.split_off(room).unwrap();
        let close = |map: MmapMut| map.make_none().map_err(|(_, error)| error).unwrap();
        Guarded { before: close(before), memory, after: close(after), side, elements: PhantomData }
    }

    /// `len` elements against the page.
    pub(crate) fn of_len(&mut self, len: usize) -> &mut [T] {
        let bytes = len * size_of::<T>();
        let from = if self.side == Side::Before { 0 } else { self.memory.size() - bytes };
        bytemuck::cast_slice_mut(&mut self.memory[from..][..bytes])
    }

    /// Whether the pages lie where they should and, where the operating system tells, cannot be read.
    pub(crate) fn is_closed(&self) -> bool {
        let beside = self.before.end() == self.memory.start() && self.memory.end() == self.after.start();
        let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return beside };
        let closed = |at: usize| maps.lines().any(|line| is_closed_at(line, at).unwrap_or(false));
        beside && closed(self.before.start()) && closed(self.after.start()) && !closed(self.memory.start())
    }
}

/// Whether a line such as `7f12a000-7f12b000 ---p …` has `at` in a range without any right.
fn is_closed_at(line: &str, at: usize) -> Option<bool> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
    Some((from..to).contains(&at) && rest.starts_with("---"))
}
