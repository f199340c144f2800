//! Where time passes: the scheduler and its driver, senders, transport, guard, janitor.
//!
//! - [`scheduler`] decides what is sent when, as a pure state machine; [`driver`] is the thread
//!   that feeds it and does what it says.
//! - [`sender`] is the blocking pool, [`attempt`] what a sender does with one delivery,
//!   [`transport`] the HTTP request, [`guard`] and [`resolver`] where it may go.
//! - [`janitor`] gives disk back, forgets what has expired, watches the free space and makes the
//!   index smaller.
//! - [`intake`] decides about requests to sources, [`provider_keys`] has what verifies some.
//! - [`tasks`] goes on with background tasks.
//! - [`minutes`] has what was counted by the minute.
//! - [`alert`] tells the operator what is wrong, and when it is well again.
//! - [`script`] runs transforms that are written in JavaScript.
//! - [`declare`] applies what `relay.toml` declares.

pub mod access_token;
pub mod alert;
pub mod answer;
pub mod attempt;
mod batch;
pub mod clock;
mod compactor;
pub mod connection;
pub mod credentials;
pub mod declare;
pub mod driver;
mod fetched;
pub mod guard;
pub mod intake;
pub mod janitor;
pub mod minutes;
mod origin;
pub mod outgoing;
pub mod permission;
pub mod provider_keys;
pub mod proxy;
pub mod resolver;
pub mod scheduler;
pub mod script;
pub mod sender;
pub mod tasks;
pub mod tls;
pub mod tls_failure;
pub mod transformation;
pub mod transport;
pub mod tunnel;
