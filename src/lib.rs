//! relay receives webhooks and sends them: one process, one data folder, nothing acknowledged lost.
//!
//! Read in this order:
//!
//! - [`domain`]: the words of the field and their rules, pure.
//! - [`store`]: the journal (the truth), the index rebuilt from it, and what both keep in the
//!   domain's words. The only place that names sled, bincode, segments or keys.
//! - [`engine`]: where time passes: the scheduler, its lanes, the sender pool, the guarded
//!   transport, the janitor.
//! - [`http`]: the API, its keys and errors, health and metrics.
//! - [`cli`]: the commands of the binary.
//!
//! [`config`], [`telemetry`] and [`metrics`] are leaves. Dependencies point down:
//! `domain <- store <- engine <- http <- cli`; `tests/tidy.rs` holds the arrows.

pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod http;
pub mod metrics;
pub mod store;
pub mod telemetry;
