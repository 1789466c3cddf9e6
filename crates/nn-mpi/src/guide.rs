#![doc = include_str!("guide/guide.md")]
#![doc = ""]
#![doc = include_str!("guide/scaling.svg")]
#![doc = ""]
//! How many times as fast as one rank, without and with all sums during computation:
//!
#![doc = include_str!("guide/scaling.md")]
//!
//! `cargo xtask scaling` measures and draws all of it anew; `--latency` and `--bandwidth` of the example `scaling` are for your network.
