//! The words of the field and their rules: pure values, no I/O, no clock, no randomness.
//!
//! Start with [`message`] (what is accepted), [`endpoint`] (where it goes), [`delivery`] (the
//! state of one on its way to the other) and [`signature`] (what the receiver verifies).

pub mod address;
pub mod alert;
pub mod application;
pub mod audit;
pub mod dead_letter;
pub mod delivery;
pub mod delivery_settings;
pub mod egress;
pub mod endpoint;
pub mod endpoint_url;
pub mod event_type;
pub mod figures;
pub mod filter;
pub mod find;
pub mod headers;
pub mod id;
pub mod lease;
pub mod looked;
pub mod message;
pub mod openapi;
pub mod operational;
pub mod provider;
pub mod received;
pub mod receiving;
pub mod redact;
pub mod retry;
pub mod schema;
pub mod secret;
pub mod session;
pub mod signature;
pub mod source;
pub mod subscription;

pub mod task;
pub mod throttle;
pub mod time;
pub mod token;
pub mod transform;
