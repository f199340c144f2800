//! relay from outside: the real store and the real server, on port 0, with real receivers.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod api_broadcast;
mod api_calls;
mod api_connections;
mod api_damage;
mod api_document;
mod api_expunge;
mod api_fields;
mod api_messages;
mod api_operational;
mod api_poller;
mod api_queries;
mod api_refusals;
mod api_replay;
mod api_resources;
mod api_scopes;
mod api_tokens;
mod api_tokens_walk;
mod api_transformation;
mod egress;
mod environment;
mod filters;
mod openapi;
mod providers;
mod providers_handshakes;
mod providers_sign;
mod schemas;
mod sources;
mod sources_handshakes;
mod store;
mod store_age;
mod store_busy;
mod store_checkpoint;
mod store_compaction;
mod store_damage;
mod store_failing;
mod store_idempotency;
mod store_leftovers;
mod store_reads;
mod store_retention;
mod store_time;
mod store_tokens;
mod support;
mod transforms;
