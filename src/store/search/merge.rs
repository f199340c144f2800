//! The messages of many applications in one order: a heap of places, one for each application, of
//! which only those are read that come next.

use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;

use bytes::Bytes;

use super::stamp_of;
use crate::domain::id::{ApplicationId, Stamp};
use crate::store::Shared;
use crate::store::keys::{self, Key};

/// Rows of an application that are read at once at first, each being as dear as the way to it; each
/// time twice as many.
const CHUNK_MIN: usize = 1;
/// At most.
const CHUNK_MAX: usize = 256;

/// Stamps from `low` up to and not including `high`; the newest first when `reverse`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub low: u64,
    pub high: u64,
    pub reverse: bool,
}

impl Range {
    /// What comes first has the highest.
    fn rank(&self, stamp: u64) -> u64 {
        if self.reverse { stamp } else { !stamp }
    }

    fn stamp(&self, rank: u64) -> u64 {
        if self.reverse { rank } else { !rank }
    }

    /// What comes right behind a stamp, while there is any.
    fn behind(&self, stamp: u64) -> Option<u64> {
        match self.reverse {
            true => stamp.checked_sub(1).filter(|next| *next >= self.low),
            false => stamp.checked_add(1).filter(|next| *next < self.high),
        }
    }
}

/// Where the reading of an application is.
struct Place {
    application: ApplicationId,
    /// Read, and not given yet.
    rows: VecDeque<(Key, Bytes)>,
    chunk: usize,
    /// Nothing is behind `rows`.
    ended: bool,
    /// What is read first tells which its newest message is.
    unknown: bool,
}

/// Gives messages one by one.
pub(super) struct Merge<'store> {
    shared: &'store Shared,
    range: Range,
    places: Vec<Place>,
    /// By rank: of a place that has rows the first one's, else where they may begin.
    next: BinaryHeap<(u64, usize)>,
}

impl<'store> Merge<'store> {
    /// Over an application, or all of them but the hidden one.
    pub fn new(
        shared: &'store Shared,
        application: Option<ApplicationId>,
        range: Range,
    ) -> Merge<'store> {
        let all: Vec<ApplicationId> = match application {
            Some(only) => vec![only],
            None => shared.read_catalog().applications().map(|owner| owner.id).collect(),
        };
        if application.is_none() {
            shared.newest.keep(&all);
        }
        let mut merge = Merge { shared, range, places: Vec::new(), next: BinaryHeap::new() };
        let newest = shared.newest.of(&all);
        for (application, newest) in all.into_iter().zip(newest) {
            merge.begin(application, newest);
        }
        merge
    }

    fn begin(&mut self, application: ApplicationId, newest: Option<Stamp>) {
        let Range { low, high, reverse } = self.range;
        // A message is younger than its application, and the newest is the last one.
        let first = low.max(application.stamp().0);
        let end = high.min(newest.map_or(u64::MAX, |newest| newest.0.saturating_add(1)));
        if first >= end {
            return;
        }
        let rank = self.range.rank(if reverse { end - 1 } else { first });
        let unknown = reverse && newest.is_none() && high == u64::MAX;
        let rows = VecDeque::new();
        let place = Place { application, rows, chunk: CHUNK_MIN, ended: false, unknown };
        self.next.push((rank, self.places.len()));
        self.places.push(place);
    }

    /// Reads more of a place, from a stamp on.
    fn read(&mut self, index: usize, from: u64) {
        let place = &mut self.places[index];
        let at = |stamp: u64| keys::message_at(place.application, Stamp(stamp));
        let (begin, end) = match self.range.reverse {
            true => (at(self.range.low), at(from).successor()),
            false => (at(from), at(self.range.high)),
        };
        let (rows, chunk) = (&mut place.rows, place.chunk);
        self.shared.overlay.scan(&begin, &end, self.range.reverse, &mut |key, value| {
            rows.push_back((key, value));
            if rows.len() == chunk { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        place.ended = place.rows.len() < chunk;
        place.chunk = (chunk * 2).min(CHUNK_MAX);
        if std::mem::take(&mut place.unknown) {
            let newest = place.rows.front().map_or(self.range.low, |(key, _)| stamp_of(key));
            self.shared.newest.raise(place.application, Stamp(newest));
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = (Key, Bytes);

    fn next(&mut self) -> Option<(Key, Bytes)> {
        // Each round reads a place or gives a row of it.
        loop {
            let (rank, index) = self.next.pop()?;
            let row = self.places[index].rows.pop_front();
            if row.is_none() {
                self.read(index, self.range.stamp(rank));
            }
            let place = &self.places[index];
            let following = match (place.rows.front(), &row) {
                (Some((key, _)), _) => Some(stamp_of(key)),
                (None, Some((key, _))) if !place.ended => self.range.behind(stamp_of(key)),
                _ => None,
            };
            self.next.extend(following.map(|stamp| (self.range.rank(stamp), index)));
            if row.is_some() {
                return row;
            }
        }
    }
}
