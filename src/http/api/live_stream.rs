//! The sending of a live stream: a page at a time, and the next one when the connection has taken
//! the last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, rt, web};
use bytes::Bytes;
use futures_core::Stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Permit, Receiver, Sender};
use tokio::time;

use super::call::Call;
use super::live_event::{Page, Wanted, event};
use crate::domain::id::MessageId;
use crate::domain::time::Timestamp;
use crate::http::auth;
use crate::http::error::ApiError;
use crate::store::Follower;

/// A caller whose key or application is gone is cut off after about this time.
const LOOKED_AFTER: Duration = Duration::from_secs(10);

/// Begins a stream behind a position.
pub(super) fn start(
    call: Call,
    wanted: Wanted,
    follower: Follower,
    position: MessageId,
    follow: bool,
) -> Result<HttpResponse, ApiError> {
    let slots = Arc::clone(&call.shared.live_streams);
    let slot = slots.try_acquire_owned().map_err(|_| {
        let most = call.shared.state.config.server.live_streams;
        let words = format!("{most} live streams are open already (server.live_streams)");
        ApiError::Busy(words)
    })?;
    // One page: the next is read when the connection has taken it.
    let (sender, receiver) = mpsc::channel(1);
    let streaming = Streaming {
        call,
        wanted: Arc::new(wanted),
        follower,
        position,
        follow,
        gap: None,
        looked: Instant::now(),
        sent: Instant::now(),
        _slot: slot,
    };
    rt::spawn(streaming.run(sender));
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        // Proxies that gather answers pass this one on as it comes.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Pages(receiver)))
}

/// What the connection is given.
struct Pages(Receiver<Bytes>);

impl Stream for Pages {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_recv(context).map(|page| page.map(Ok))
    }
}

struct Streaming {
    call: Call,
    wanted: Arc<Wanted>,
    follower: Follower,
    position: MessageId,
    /// Whether it goes on when everything was sent.
    follow: bool,
    /// From when on all is kept, as it was last told.
    gap: Option<Timestamp>,
    looked: Instant,
    sent: Instant,
    _slot: OwnedSemaphorePermit,
}

/// What a step of waiting ended with.
enum Woken {
    /// Something may have come.
    Look,
    /// Nothing has for a while.
    Quiet,
    /// The server stops.
    Stopping,
    /// Nobody reads any more.
    Gone,
}

impl Streaming {
    async fn run(mut self, sender: Sender<Bytes>) {
        let mut first = Some(self.connected());
        loop {
            let Some(room) = self.room(&sender).await else { return };
            if *self.call.shared.stopping.borrow() {
                return self.end(room, "stopping");
            }
            if let Some(text) = first.take() {
                self.send(room, text);
                continue;
            }
            if let Err(reason) = self.look_after().await {
                return self.end(room, reason);
            }
            let Some(page) = self.page().await else { return };
            let told = self.gap(&page);
            self.position = page.followed.position;
            if !page.text.is_empty() || !told.is_empty() {
                self.send(room, told + &page.text);
            } else if !page.followed.done {
                self.keep_alive(room);
            } else if !self.follow {
                return self.end(room, "done");
            } else {
                match self.wait(&sender).await {
                    Woken::Look => {}
                    Woken::Quiet => self.keep_alive(room),
                    Woken::Stopping => return self.end(room, "stopping"),
                    Woken::Gone => return,
                }
            }
        }
    }

    /// Waits until the connection has taken the last page; `None` when it is of no use any more.
    /// One who takes nothing for long makes room for others, and goes on where it was when it asks
    /// again.
    async fn room<'sender>(
        &self,
        sender: &'sender Sender<Bytes>,
    ) -> Option<Permit<'sender, Bytes>> {
        let mut stopping = self.call.shared.stopping.subscribe();
        let patience = self.call.shared.state.config.server.write_timeout.0;
        tokio::select! {
            room = time::timeout(patience, sender.reserve()) => room.ok()?.ok(),
            _ = stopping.wait_for(|stopping| *stopping) => sender.try_reserve().ok(),
        }
    }

    /// Waits for something to send.
    async fn wait(&mut self, sender: &Sender<Bytes>) -> Woken {
        let alive = self.alive().saturating_sub(self.sent.elapsed());
        let looked = LOOKED_AFTER.saturating_sub(self.looked.elapsed());
        let mut stopping = self.call.shared.stopping.subscribe();
        let woken = tokio::select! {
            () = self.follower.changed() => Woken::Look,
            _ = stopping.wait_for(|stopping| *stopping) => return Woken::Stopping,
            () = sender.closed() => return Woken::Gone,
            () = time::sleep(alive.min(looked)) => Woken::Quiet,
        };
        if matches!(woken, Woken::Look) && !self.wanted.requests {
            // Most of what comes on a large relay is not for this one.
            let (store, whose) = (self.call.store(), self.wanted.whose);
            if let Some(position) = store.nothing_behind(whose, self.position) {
                self.position = position;
                return Woken::Quiet;
            }
        }
        woken
    }

    /// The next events, read away from the threads that serve; `None` when the relay stops.
    async fn page(&self) -> Option<Page> {
        let store = self.call.store().clone();
        let (wanted, after) = (Arc::clone(&self.wanted), self.position);
        web::block(move || wanted.page(&store, after)).await.ok()
    }

    /// Whether the caller may still see this, and all that it named is there; else why not. Asked
    /// now and then.
    async fn look_after(&mut self) -> Result<(), &'static str> {
        if self.looked.elapsed() < LOOKED_AFTER {
            return Ok(());
        }
        self.looked = Instant::now();
        let headers = self.call.request.headers();
        let caller = auth::caller_of(&self.call.shared.state, headers).await;
        if caller.is_none_or(|caller| caller.owner != self.call.caller.owner) {
            return Err("unauthorized");
        }
        let renewed = self.wanted.renewed(self.call.store()).ok_or("gone")?;
        let redaction = self.call.redaction();
        self.wanted = Arc::new(Wanted { redaction, ..renewed });
        Ok(())
    }

    fn alive(&self) -> Duration {
        self.call.shared.state.config.server.live_alive.0
    }

    fn connected(&self) -> String {
        let position = self.call.ids().text(self.position);
        event(&position, "connected", &json!({ "position": position }).to_string())
    }

    /// What is told of messages that went before they could be shown; nothing the second time.
    fn gap(&mut self, page: &Page) -> String {
        let Some(from) = page.followed.gap.filter(|from| self.gap != Some(*from)) else {
            return String::new();
        };
        self.gap = Some(from);
        let position = self.call.ids().text(self.position);
        let data = json!({ "after": position, "completeFrom": from.to_string() });
        event(&position, "gap", &data.to_string())
    }

    fn send(&mut self, room: Permit<'_, Bytes>, text: String) {
        room.send(Bytes::from(text));
        self.sent = Instant::now();
    }

    /// A comment, and how far the stream is: where nothing passes the filter it would else go on
    /// from far behind.
    fn keep_alive(&mut self, room: Permit<'_, Bytes>) {
        if self.sent.elapsed() >= self.alive() {
            let text = format!(": alive\nid: {}\n\n", self.call.ids().text(self.position));
            self.send(room, text);
        }
    }

    fn end(&mut self, room: Permit<'_, Bytes>, reason: &str) {
        let position = self.call.ids().text(self.position);
        let text = event(&position, "end", &json!({ "reason": reason }).to_string());
        self.send(room, text);
    }
}
