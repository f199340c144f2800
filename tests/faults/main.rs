//! The real binary under faults: kills, power cuts, full disks, failed syncs, wrong
//! clocks.
//!
//! Every test has a short form that `cargo test` runs, and a long one behind a variable that its
//! module names. What this machine can't do is told as `SKIPPED: why`.

#![allow(clippy::unwrap_used, reason = "a fault test ends where it can't go on")]

mod backlog;
mod clock;
mod damage;
mod descriptors;
mod disk_full;
mod dns;
mod failed_sync;
mod failing;
mod failing_calls;
mod frozen;
mod image;
mod index_soak;
mod kill;
mod listen;
mod lying;
mod many;
mod memory;
mod network;
mod notify;
mod panics;
mod power_cut;
mod receive;
mod retention;
mod rotate;
mod second_process;
mod slow_disk;
mod support;
mod terminate;
mod threads;
