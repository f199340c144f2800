//! The API, its keys and errors, health and metrics.
//!
//! [`server`] is the way in; [`api`] has one file for each resource; [`auth`] decides who calls;
//! [`error`] is every answer that is not a success; [`ops`] is for whoever runs the relay;
//! `intake` is where providers post to;
//! [`ui`] is what people see in a browser;
//! [`permissions`] says who may make which call, and [`session`] who comes with a cookie;
//! [`routes`] lists every path, and [`docs`] tells of them.

pub mod api;
mod audit;
pub mod auth;
mod connections;
pub mod docs;
pub mod error;
mod failures;
pub mod in_force;
mod intake;
mod linger;
mod observe;
pub mod ops;
mod packed;
pub mod permissions;
mod portal;
pub mod public;
pub mod routes;
mod schemas;
pub mod server;
pub mod session;
pub mod state;
mod token;
pub mod ui;
