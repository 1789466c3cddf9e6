#![forbid(unsafe_code)]
//! Training of dense models on CPUs.
