//! `/api/v1`: the API that Svix client libraries speak, one file for each resource.
//!
//! [`call`] is a request on its way to a handler, [`body`] its JSON, [`query`] and [`page`] its
//! parameters and lists, [`limits`] every limit of every field, [`shapes`] what is answered.

pub mod accounting;
pub mod application;
pub mod attempt;
mod attempt_history;
mod audit_log;
pub mod body;
pub mod broadcast;
pub mod call;
pub mod config;
pub mod dead_letter;
mod dead_letter_plan;
mod delivery_settings;
mod dry_run;
mod egress;
pub mod endpoint;
pub mod endpoint_headers;
mod endpoint_health;
mod endpoint_patch;
pub mod endpoint_secret;
mod environment;
mod environment_apply;
mod environment_import;
mod environment_match;
pub mod event_type;
pub mod example;
pub mod explain;
pub mod expunge;
mod figures;
mod health_words;
pub mod limits;
mod listener;
mod live;
mod live_event;
mod live_stream;
pub mod message;
mod message_found;
pub mod message_in;
pub mod message_search;
mod openapi_import;
mod overview;
pub mod page;
pub mod poller;
mod poller_lease;
pub mod query;
pub mod replay;
pub mod request;
mod schema;
pub mod sealing_key;
mod session;
pub mod shapes;
pub mod sign_in_link;
pub mod source;
mod source_in;
pub mod stats;
mod table;
pub mod task;
pub mod token_key;
pub mod token_portal;
pub mod token_secret;
pub mod token_session;
pub mod transformation;
mod workers;

pub(in crate::http) use table::{open_routes, routes, sources};
