//! The built binary, as people and scripts call it: what it prints and how it exits.

// A helper that fails fails its test.
#![allow(clippy::unwrap_used)]

mod alerts;
mod bench;
mod config;
mod dead_letters;
mod declared;
mod demo;
mod egress;
mod first_steps;
mod import_svix;
mod keys;
mod listen;
mod listen_content;
mod listen_targets;
mod listen_tls;
mod live;
mod log;
mod manage;
mod output;
mod own_way;
mod owner;
mod parked;
mod people;
mod permission;
mod redact;
mod reload;
mod repair;
mod sealing_key;
mod send;
mod signature;
mod source;
mod standing;
mod stats;
mod support;
mod terminal;
mod token_remote;
mod transfer;
mod transform;
