//! Bodies that are damaged on disk: which record one belongs to, and giving it up.
//!
//! A start does not read the bodies of what is long synced, so damage within one is found when it
//! is read, or by a check. Giving it up is an expunge: the message, or the request, keeps its place
//! and says that its content is gone.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::domain::id::{AttemptId, MessageId, RequestId};
use crate::store::disk::DiskFile;
use crate::store::journal::record::{self, Change, HEADER};
use crate::store::journal::segment::{Segments, file_name};
use crate::store::journal::walk::{Found, Step, Walk};
use crate::store::keys::Key;
use crate::store::records::{self, AttemptRow, MessageRow, RequestRow};
use crate::store::{
    BodyLocation, ReclaimError, Shared, Store, StoreError, StoredMessage, Transaction,
};

/// A body that was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LostBody {
    /// The segment it stood in.
    pub segment: u32,
    /// The number of its record.
    pub record: u64,
    /// What it was.
    pub content: Content,
}

/// What a body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// The payload of a message; what waited to be sent of it is cancelled.
    Message(MessageId),
    /// The provider's headers of a message; its payload stays and is sent without them.
    Head(MessageId),
    /// A request to a source, which becomes no message any more.
    Request(RequestId),
    /// What was sent and answered in an attempt; its outcome stays.
    Attempt(AttemptId),
}

impl fmt::Display for LostBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, record) = (file_name(self.segment), self.record);
        let what = match self.content {
            Content::Message(_) => "the payload of a message",
            Content::Head(_) => "the provider's headers of a message",
            Content::Request(_) => "a request to a source",
            Content::Attempt(_) => "the headers and answer of an attempt",
        };
        write!(formatter, "journal/{name}, record {record}: {what}")
    }
}

impl Segments {
    /// Says of which record the damaged bytes at a location are; reads the segment up to there.
    pub(super) fn damaged(&self, location: &BodyLocation) -> StoreError {
        let BodyLocation { segment, offset, .. } = *location;
        let record = self.get(segment).and_then(|file| record_at(&*file, offset).ok().flatten());
        StoreError::Damaged { segment, offset, record }
    }
}

/// The number of the record whose bodies hold this place.
fn record_at(file: &dyn DiskFile, offset: u32) -> io::Result<Option<u64>> {
    let mut walk = Walk::new(file)?;
    while let Step::Record(found) = walk.step()? {
        let bodies = found.offset + HEADER as u64;
        if (bodies..bodies + u64::from(found.header.bodies_length)).contains(&u64::from(offset)) {
            return Ok(Some(found.header.sequence));
        }
    }
    Ok(None)
}

impl Store {
    /// Gives up every body that is damaged, so that a check finds the journal sound again. Reads
    /// the whole journal. For a store that nothing is sent from meanwhile.
    pub fn give_up_bodies(&self) -> Result<Vec<LostBody>, ReclaimError> {
        let mut lost = Vec::new();
        for segment in self.shared.segments.numbers() {
            let Some(file) = self.shared.segments.get(segment) else { continue };
            for found in damaged_records(&file)? {
                let record = found.header.sequence;
                for (key, location) in found.changes.iter().flat_map(bodies_of) {
                    // What is in front of a body may be damaged alone: that is written again.
                    if let Ok(body) = self.shared.segments.read(&location) {
                        self.shared.write_body(&location, &body)?;
                        continue;
                    }
                    let given_up = self.on_writer(move |writer| {
                        let mut content = None;
                        let done = writer.transact(|transaction| {
                            content = transaction.give_up(key, location);
                            Ok(())
                        });
                        done.map(|()| content)
                    })??;
                    lost.extend(given_up.map(|content| LostBody { segment, record, content }));
                }
            }
        }
        self.erase()?;
        Ok(lost)
    }
}

fn damaged_records(file: &Arc<dyn DiskFile>) -> io::Result<Vec<Found>> {
    let mut damaged = Vec::new();
    let mut walk = Walk::new(&**file)?;
    while let Step::Record(found) = walk.step()? {
        if !Walk::at(&**file, found.offset)?.bodies_check(found.offset, &found.header)? {
            damaged.push(found);
        }
    }
    Ok(damaged)
}

/// The rows that a record put for its bodies.
fn bodies_of(change: &Change) -> Vec<(Key, BodyLocation)> {
    let (Change::PutNew(key, value) | Change::Put(key, value)) = change else { return Vec::new() };
    let found = match key.prefix() {
        b'm' => decode::<MessageRow>(value).map(|row| vec![Some(row.body), row.head]),
        b's' => decode::<RequestRow>(value).map(|row| vec![Some(row.body), Some(row.head)]),
        b'a' => decode::<AttemptRow>(value).map(|row| vec![Some(row.content)]),
        _ => None,
    };
    let found = found.into_iter().flatten().flatten();
    found.filter(|location| !location.is_gone()).map(|location| (*key, location)).collect()
}

fn decode<T: records::Record>(value: &[u8]) -> Option<T> {
    records::decode(value).ok()
}

impl Transaction<'_> {
    /// Has the bytes at a location overwritten; says whose they were if they still were someone's.
    fn give_up(&mut self, key: Key, location: BodyLocation) -> Option<Content> {
        let content = match key.prefix() {
            b'm' => self.give_up_message(key, location),
            b's' => self.give_up_request(&key, location),
            _ => self.give_up_attempt(&key, location),
        };
        if content.is_none() {
            self.erase_later(location);
        }
        content
    }

    fn give_up_message(&mut self, key: Key, location: BodyLocation) -> Option<Content> {
        let row = self.record::<MessageRow>(&key)?;
        let id = row.message.id;
        if row.head == Some(location) {
            self.erase_later(location);
            self.put_row(key, records::encode(&MessageRow { head: None, ..row }), false);
            return Some(Content::Head(id));
        }
        if row.body != location {
            return None;
        }
        self.expunge_message(&StoredMessage::from(row));
        Some(Content::Message(id))
    }

    fn give_up_request(&mut self, key: &Key, location: BodyLocation) -> Option<Content> {
        let row = self.record::<RequestRow>(key)?;
        if ![row.head, row.body].contains(&location) {
            return None;
        }
        let RequestRow { request, .. } = row;
        self.expunge_request(request.source, request.id).ok()?;
        Some(Content::Request(request.id))
    }

    fn give_up_attempt(&mut self, key: &Key, location: BodyLocation) -> Option<Content> {
        let mut row = self.record::<AttemptRow>(key).filter(|row| row.content == location)?;
        self.erase_later(location);
        row.content = BodyLocation::GONE;
        self.put_row(*key, records::encode(&row), false);
        Some(Content::Attempt(row.attempt.id))
    }
}

impl Shared {
    /// Writes a body with what stands in front of it in its place.
    pub(super) fn write_body(&self, location: &BodyLocation, body: &[u8]) -> io::Result<()> {
        // A segment that is gone took the bytes along.
        let Some(file) = self.segments.get(location.segment) else { return Ok(()) };
        let mut bytes = Vec::with_capacity(record::BODY_HEADER + body.len());
        record::encode_body(body, &mut bytes);
        let begin = u64::from(location.offset) - record::BODY_HEADER as u64;
        file.write_at(&bytes, begin)?;
        file.sync()
    }
}
