//! Lists: where a page begins, and which rows it shows.

use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;

/// Where a page of a list begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageStart<T> {
    /// At the first item.
    First,
    /// After this one, in the list's order.
    After(T),
    /// The page that ends just before this one, in the list's order.
    Before(T),
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageRequest<T> {
    /// Items at most.
    pub limit: usize,
    /// Where it begins.
    pub start: PageStart<T>,
    /// Newest first.
    pub descending: bool,
}

/// The items of a page, in the list's order whichever way it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T, C> {
    /// At most `limit` items.
    pub items: Vec<T>,
    /// Whether nothing more lies in the direction that was read.
    pub done: bool,
    /// Where to go on when the bound on scanned rows was hit before the page was full.
    pub scanned_to: Option<C>,
}

/// Which messages a list shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    /// In this channel.
    pub channel: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Of one of these types; empty means any.
    pub event_types: Vec<String>,
    /// Accepted before.
    pub before: Option<Timestamp>,
    /// Accepted after.
    pub after: Option<Timestamp>,
}

/// Which attempts a list shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AttemptFilter {
    /// Only successes, or only failures.
    pub delivered: Option<bool>,
    /// 200 means 200 to 299, 0 those without an answer.
    pub status_code_class: Option<u16>,
    /// Of messages that pass.
    pub messages: MessageFilter,
    /// At this endpoint.
    pub endpoint: Option<EndpointId>,
}
