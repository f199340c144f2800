//! Hostile receivers: each row of the table that the transport must hold against, over sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests, not of the program")]

mod addresses;
mod connections;
mod endless;
mod heads;
mod identity;
mod proxies;
mod support;
mod tls;
mod tls_connections;
mod tls_words;
