//! Optimisers: one call updates the whole arena.

mod sgd;

pub(crate) use sgd::Sgd;
