//! Connections that are open, so that idle ones leave room for new ones.
//!
//! The server stops accepting at `server.max_connections`, and an idle connection would hold its
//! place until its keep-alive is over. So each is closed after an answer while few places are left.
//!
//! One whose other end is gone without a word would hold its place, and that of its live stream,
//! for as long as the kernel goes on sending, which is a quarter of an hour. So it is told when to
//! give up.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::net::sockopt::set_tcp_user_timeout;

/// One part in so many of the places is kept free of idle connections.
const FREE_SHARE: usize = 4;

/// Counts those that are open.
pub struct Connections {
    open: AtomicUsize,
    /// More than this are not kept for another request.
    kept: usize,
    /// How long what is sent may stay untaken, in milliseconds.
    untaken_ms: u32,
}

/// One that is open; dropped when it is closed.
struct Open(Arc<Connections>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    /// Of a server that has at most `most` open at once, and cuts one off that takes nothing of
    /// what it is sent for so long.
    pub fn new(most: usize, untaken: Duration) -> Connections {
        let free = (most / FREE_SHARE).max(1);
        Connections {
            open: AtomicUsize::new(0),
            kept: most.saturating_sub(free),
            untaken_ms: u32::try_from(untaken.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// Counts every connection from its begin to its end: for the server's `on_connect`.
    pub fn counter(self: &Arc<Self>) -> impl Fn(&dyn Any, &mut Extensions) + use<> {
        let connections = Arc::clone(self);
        move |stream, data| {
            if let Some(stream) = stream.downcast_ref::<TcpStream>() {
                // One that is closed already needs none.
                let _ = set_tcp_user_timeout(stream, connections.untaken_ms);
            }
            connections.open.fetch_add(1, Ordering::Relaxed);
            data.insert(Open(Arc::clone(&connections)));
        }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether one that has its answer is to make room.
    pub fn are_many(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_are_kept() {
        let check = |most: usize, kept: usize| {
            let connections = Arc::new(Connections::new(most, Duration::ZERO));
            let counter = connections.counter();
            let mut all: Vec<Extensions> = Vec::new();
            for _ in 0..kept {
                let mut data = Extensions::new();
                counter(&(), &mut data);
                all.push(data);
                assert!(!connections.are_many(), "{} of {most}", all.len());
            }
            let mut one_more = Extensions::new();
            counter(&(), &mut one_more);
            assert!(connections.are_many(), "{} of {most}", all.len() + 1);
            drop(one_more);
            assert!(!connections.are_many(), "one was closed");
        };
        check(1, 0);
        check(2, 1);
        check(20, 15);
        check(2_000, 1_500);
    }
}
