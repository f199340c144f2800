//! What `relay demo` and `relay bench` share: a folder that goes away, and when to end early.

use anyhow::Context;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::failure::Failure;

/// A folder for the data of a relay that nobody needs afterwards.
pub fn folder(prefix: &str) -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .context("can't make a temporary folder")
        .map_err(Failure::failed)
}

/// Until told to stop, or until whoever watches has seen enough.
pub async fn until_stopped(stopped: oneshot::Receiver<()>) {
    let listen = |kind| signal(kind).expect("a signal handler can be installed");
    let mut interrupt = listen(SignalKind::interrupt());
    let mut terminate = listen(SignalKind::terminate());
    tokio::select! {
        _ = stopped => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
