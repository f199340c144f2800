//! What the journal says that the rows are, and whether it holds together.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;

use super::dead_letters::DeadLetters;
use super::{Findings, Remedy};
use crate::domain::alert::Trouble;
use crate::domain::application::Application;
use crate::domain::audit::AuditEntry;
use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::event_type::EventType;
use crate::domain::figures::Counted;
use crate::domain::id::{EndpointId, Ids, MessageId, Stamp};
use crate::domain::lease::Leases;
use crate::domain::session::{Session, SignInLink};
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::domain::token::{ApplicationToken, OperatorKey};
use crate::store::account::{Account, Place};
use crate::store::aliases::AliasRow;
use crate::store::failing::FailingRow;
use crate::store::journal::record::Change;
use crate::store::journal::segment::Segments;
use crate::store::keys::{self, Key};
use crate::store::listeners::ListenerRow;
use crate::store::pollers::PollerRow;
use crate::store::queue::Replays;
use crate::store::records::{
    self, AttemptRow, EndpointRow, MessageRow, ReplyRow, RequestRow, SourceRow,
};
use crate::store::requests::HeldRow;
use crate::store::sealing::SealingRow;
use crate::store::sessions::SessionsRow;
use crate::store::{BodyLocation, Waiting};

/// The record that put a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// In which segment it stands.
    pub segment: u32,
    /// Its number.
    pub sequence: u64,
}

struct Held {
    value: u64,
    prefix: u8,
    origin: Origin,
}

struct MessageState {
    endpoints: Vec<EndpointId>,
    due: Timestamp,
    body: BodyLocation,
    origin: Origin,
}

/// The rows as the records so far leave them, as hashes where only equality counts.
pub struct Rows {
    hasher: RandomState,
    /// The number up to which the index is complete, when it is to be compared.
    applied: Option<u64>,
    held: HashMap<u64, Held>,
    /// Changed by records that the index may or may not know.
    open: HashSet<u64>,
    endpoints: HashSet<EndpointId>,
    messages: BTreeMap<MessageId, MessageState>,
    deliveries: HashMap<DeliveryId, (State, Timestamp)>,
    due: HashMap<(DeliveryId, Timestamp), Origin>,
    dead_letters: DeadLetters,
    undecodable: Vec<(Origin, u8)>,
    salt: Option<[u8; 16]>,
}

impl Rows {
    /// None yet; `applied` as the index to compare with has it.
    pub fn new(applied: Option<u64>) -> Rows {
        Rows {
            hasher: RandomState::new(),
            applied,
            held: HashMap::new(),
            open: HashSet::new(),
            endpoints: HashSet::new(),
            messages: BTreeMap::new(),
            deliveries: HashMap::new(),
            due: HashMap::new(),
            dead_letters: DeadLetters::default(),
            undecodable: Vec::new(),
            salt: None,
        }
    }

    /// Takes in a change, in the order of the records.
    pub fn take(&mut self, change: Change, origin: Origin) {
        let (key, value) = match change {
            Change::PutNew(key, value) | Change::Put(key, value) => (key, Some(value)),
            Change::Delete(key) => (key, None),
        };
        if let Some(applied) = self.applied {
            let hash = self.hasher.hash_one(key);
            if origin.sequence > applied {
                self.open.insert(hash);
            }
            match &value {
                Some(value) => {
                    let value = self.hasher.hash_one(value.as_ref());
                    self.held.insert(hash, Held { value, prefix: key.prefix(), origin });
                }
                None => {
                    self.held.remove(&hash);
                }
            }
        }
        match value {
            Some(value) if self.put(&key, &value, origin).is_none() => {
                self.undecodable.push((origin, key.prefix()));
            }
            Some(_) => {}
            None => self.delete(&key, origin),
        }
    }

    /// `None` when it does not decode.
    fn put(&mut self, key: &Key, value: &[u8], origin: Origin) -> Option<()> {
        match key.prefix() {
            b'm' => {
                let row: MessageRow = decode(value)?;
                let due = row.message.first_due();
                let (endpoints, body) = (row.message.endpoints, row.body);
                let message = MessageState { endpoints, due, body, origin };
                self.messages.insert(row.message.id, message);
            }
            b'd' => {
                let held: Delivery = decode(value)?;
                let id = keys::delivery_of(key)?;
                self.dead_letters.take(id, Some(&held), origin);
                self.deliveries.insert(id, (held.state, held.due));
            }
            b'q' => {
                self.due.insert(keys::due_parts(key)?, origin);
            }
            b'a' => decodes::<AttemptRow>(value)?,
            b'k' => decodes::<ReplyRow>(value)?,
            b'i' => decodes::<MessageId>(value)?,
            b'r' => decodes::<Timestamp>(value)?,
            b'f' => decodes::<Trouble>(value)?,
            b'g' => decodes::<Counted>(value)?,
            b'l' => decodes::<Replays>(value)?,
            b'b' => decodes::<Task>(value)?,
            b'u' => decodes::<PollerRow>(value)?,
            b'v' => decodes::<Leases>(value)?,
            b'y' => decodes::<ListenerRow>(value)?,
            b'x' => decodes::<BodyLocation>(value)?,
            b't' => {
                keys::erasures::expiry_parts(key)?;
            }
            b's' => decodes::<RequestRow>(value)?,
            b'h' => decodes::<HeldRow>(value)?,
            b'w' => decodes::<u64>(value)?,
            b'z' => self.dead_letters.put(key, value, origin)?,
            b'n' => decodes::<Waiting>(value)?,
            b'c' => self.put_catalog(key, value)?,
            b'o' => match key.as_bytes().get(1)? {
                b'h' => decodes::<ApplicationToken>(value)?,
                b'a' => decodes::<Option<String>>(value)?,
                b'n' | b'l' => decodes::<u64>(value)?,
                b's' => decodes::<Session>(value)?,
                b'k' => decodes::<SessionsRow>(value)?,
                b'c' => decodes::<SignInLink>(value)?,
                _ => {
                    keys::tokens::digest_of(key)?;
                }
            },
            b'j' => match key.as_bytes().get(1)? {
                b'e' => decodes::<AuditEntry>(value)?,
                _ => decodes::<u64>(value)?,
            },
            _ => return None,
        }
        Some(())
    }

    /// The same for an entry of the catalog.
    fn put_catalog(&mut self, key: &Key, value: &[u8]) -> Option<()> {
        match key.as_bytes().get(1)? {
            b'a' => decodes::<Application>(value)?,
            b'e' => {
                decodes::<EndpointRow>(value)?;
                self.endpoints.extend(endpoint_of(key));
            }
            b't' => decodes::<EventType>(value)?,
            b'f' => decodes::<FailingRow>(value)?,
            b'n' => decodes::<AliasRow>(value)?,
            b'o' => decodes::<OperatorKey>(value)?,
            b's' => decodes::<SourceRow>(value)?,
            _ if *key == keys::salt() => self.salt = decode(value),
            _ if *key == keys::sealing::sealing() => decodes::<SealingRow>(value)?,
            _ => {}
        }
        Some(())
    }

    fn delete(&mut self, key: &Key, origin: Origin) {
        match key.prefix() {
            b'm' => {
                if let Some(stamp) = key.u64_at(9) {
                    self.messages.remove(&MessageId::new(Stamp(stamp)));
                }
            }
            b'd' => {
                if let Some(id) = keys::delivery_of(key) {
                    self.deliveries.remove(&id);
                    self.dead_letters.take(id, None, origin);
                }
            }
            b'q' => {
                keys::due_parts(key).and_then(|parts| self.due.remove(&parts));
            }
            b'c' => {
                endpoint_of(key).map(|id| self.endpoints.remove(&id));
            }
            b'z' => self.dead_letters.delete(key),
            _ => {}
        }
    }

    /// Counts the deliveries; tells of rows that don't decode, of due rows without a message, of
    /// deliveries that nothing will send and of those whose body can't be read.
    pub fn account(&self, segments: &Segments, findings: &mut Findings) -> Account {
        for (origin, prefix) in &self.undecodable {
            findings.in_record(
                Remedy::Backup,
                *origin,
                format!("{} in it does not decode", word(*prefix)),
            );
        }
        let ids = Ids::new(self.salt.unwrap_or_default());
        self.dead_letters.judge(&self.endpoints, &ids, findings);
        for ((id, due), origin) in &self.due {
            // What waits for an endpoint that is gone is cancelled by and by.
            if !self.endpoints.contains(&id.endpoint) {
                continue;
            }
            let held = self.deliveries.get(id);
            let what = match (self.messages.get(&id.message), held) {
                (None, _) => "and is not there",
                (Some(_), Some((State::Waiting | State::Retrying, at))) if at == due => continue,
                (Some(message), None) if message.due == *due => continue,
                (Some(_), _) => "and its delivery is not",
            };
            let message = ids.text(id.message);
            let what = format!("{message} is due at {due} {what}");
            findings.in_record(Remedy::AcceptLoss, *origin, what);
        }
        let mut account = Account::default();
        for (message, state) in &self.messages {
            account.add_message(state.endpoints.len());
            let mut waits = false;
            for endpoint in &state.endpoints {
                let id = DeliveryId { message: *message, endpoint: *endpoint, replay: 0 };
                let held = self.deliveries.get(&id);
                let due = held.map_or(state.due, |(_, due)| *due);
                let is_due = self.due.contains_key(&(id, due));
                let place = Place::of(held.map(|(state, _)| *state), is_due);
                account.add(place);
                waits |= matches!(place, Place::Waiting | Place::Retrying);
                if place == Place::Nowhere {
                    let (message, endpoint) = (ids.text(*message), ids.text(*endpoint));
                    let what = format!("{message} waits for {endpoint} and nothing will send it");
                    findings.in_record(Remedy::AcceptLoss, state.origin, what);
                }
            }
            if waits && let Err(error) = segments.read(&state.body) {
                let message = ids.text(*message);
                findings.in_record(
                    Remedy::Backup,
                    state.origin,
                    format!("the body of {message} can't be read: {error}"),
                );
            }
        }
        account
    }

    /// Compares a row of the index with what the journal says of it.
    pub fn compare(&mut self, key: Key, value: &[u8], findings: &mut Findings) {
        let hash = self.hasher.hash_one(key);
        let held = self.held.remove(&hash);
        if self.open.contains(&hash) {
            return;
        }
        match held {
            Some(held) if held.value == self.hasher.hash_one(value) => {}
            Some(held) => {
                let word = word(key.prefix());
                let what = format!("{word} is another in the index");
                findings.in_record(Remedy::RebuildIndex, held.origin, what);
            }
            None => {
                let what = format!("holds {} that no record does", word(key.prefix()));
                findings.in_index(what);
            }
        }
    }

    /// Tells of the rows that were not there to compare.
    pub fn missing(&self, findings: &mut Findings) {
        for (hash, held) in &self.held {
            if !self.open.contains(hash) {
                let what = format!("{} of it is not in the index", word(held.prefix));
                findings.in_record(Remedy::RebuildIndex, held.origin, what);
            }
        }
    }
}

pub(super) fn decode<T: records::Record>(value: &[u8]) -> Option<T> {
    records::decode(value).ok()
}

fn decodes<T: records::Record>(value: &[u8]) -> Option<()> {
    decode::<T>(value).map(|_| ())
}

fn endpoint_of(key: &Key) -> Option<EndpointId> {
    let is_endpoint = key.as_bytes().get(1) == Some(&b'e');
    is_endpoint.then(|| key.u64_at(10)).flatten().map(|stamp| EndpointId::new(Stamp(stamp)))
}

/// What a row is, in the domain's words.
fn word(prefix: u8) -> &'static str {
    match prefix {
        b'm' => "a message",
        b'd' => "a delivery",
        b'q' => "a due time",
        b'a' => "an attempt",
        b'k' => "a remembered reply",
        b'i' => "an event id",
        b'r' => "a resend",
        b'o' => "a token or a sign-in",
        b'j' => "an entry of the audit log",
        b'g' => "what was counted in a minute",
        b'u' => "a consumer's position",
        b'v' => "a consumer's leases",
        b'y' => "a listener's position",
        b'z' => "a dead letter",
        b's' | b'h' | b'w' | b'n' => "a request to a source",
        b'c' => "an entry of the catalog",
        _ => "an unknown row",
    }
}
