//! The real binary against hostile senders, byte by byte over TCP: each gets a refusal or an end,
//! the next one is served, and nothing piles up.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod bodies;
mod connections;
mod crowds;
mod framing;
mod heads;
mod keys;
mod support;
mod targets;
