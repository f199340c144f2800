//! The real binary under faults: kills, power cuts, full disks, failed syncs, wrong
//! clocks.
//!
//! Every test has a short form that `cargo test` runs, and a long one behind a variable that its
//! module names. What this machine can't do is told as `SKIPPED: why`.

#![allow(clippy::unwrap_used, reason = "a fault test ends where it can't go on")]

mod clock;
mod disk_full;
mod failed_sync;
mod failing;
mod index_soak;
mod kill;
mod many;
mod notify;
mod power_cut;
mod receive;
mod retention;
mod rotate;
mod second_process;
mod support;
mod terminate;
