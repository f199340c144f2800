//! Identifiers: a prefix and 27 base62 characters that sort by time, like a KSUID.
//!
//! Inside, an id is a [`Stamp`]: one strictly increasing `u64` per relay. Outside it is the
//! stamp followed by twelve bytes of SHA-256 over a salt of the data folder and the stamp, so that
//! two relays never show the same id and a mistyped id is recognised without a look-up.

use std::marker::PhantomData;
use std::{cmp, fmt, hash};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::domain::time::Timestamp;

const COUNTER_BITS: u32 = 20;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TEXT_LEN: usize = 27;
const TAG_LEN: usize = 12;

/// 44 bits of Unix milliseconds and a 20-bit counter; unique and increasing within a data folder.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The first stamp of a millisecond; of one in the year 2527 or later, the first of the last
    /// that stamps can tell.
    pub const fn first_at(time: Timestamp) -> Stamp {
        const LAST: u64 = u64::MAX >> COUNTER_BITS;
        let millis = if time.millis() < LAST { time.millis() } else { LAST };
        Stamp(millis << COUNTER_BITS)
    }

    /// The millisecond it was minted in.
    pub const fn time(self) -> Timestamp {
        Timestamp::from_millis(self.0 >> COUNTER_BITS)
    }

    /// The next stamp at `now`: after `self` whatever the clock says.
    pub const fn next(self, now: Timestamp) -> Stamp {
        let fresh = Stamp::first_at(now);
        if fresh.0 > self.0 { fresh } else { Stamp(self.0 + 1) }
    }
}

/// What an id names; gives it its prefix.
pub trait Kind {
    /// The letters before the underscore's end, `app_`.
    const PREFIX: &'static str;
}

/// Names an application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApplicationKind {}
/// Names an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointKind {}
/// Names a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {}
/// Names an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptKind {}
/// Names a background task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskKind {}
/// Names an operator key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {}
/// Names a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceKind {}
/// Names a request that came to a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {}
/// Names a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeadLetterKind {}

/// Names an entry of the audit log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuditKind {}

impl Kind for ApplicationKind {
    const PREFIX: &'static str = "app_";
}
impl Kind for EndpointKind {
    const PREFIX: &'static str = "ep_";
}
impl Kind for MessageKind {
    const PREFIX: &'static str = "msg_";
}
impl Kind for AttemptKind {
    const PREFIX: &'static str = "atmpt_";
}
impl Kind for TaskKind {
    const PREFIX: &'static str = "qtask_";
}
impl Kind for KeyKind {
    const PREFIX: &'static str = "key_";
}
impl Kind for SourceKind {
    const PREFIX: &'static str = "src_";
}
impl Kind for RequestKind {
    const PREFIX: &'static str = "in_";
}
impl Kind for DeadLetterKind {
    const PREFIX: &'static str = "dl_";
}

impl Kind for AuditKind {
    const PREFIX: &'static str = "audit_";
}

/// A stamp that names a thing of one kind.
pub struct Id<K> {
    stamp: Stamp,
    kind: PhantomData<fn() -> K>,
}

/// Names an application, `app_…`.
pub type ApplicationId = Id<ApplicationKind>;
/// Names an endpoint, `ep_…`.
pub type EndpointId = Id<EndpointKind>;
/// Names a message, `msg_…`.
pub type MessageId = Id<MessageKind>;
/// Names an attempt, `atmpt_…`.
pub type AttemptId = Id<AttemptKind>;
/// Names a background task, `qtask_…`.
pub type TaskId = Id<TaskKind>;
/// Names an operator key, `key_…`.
pub type KeyId = Id<KeyKind>;
/// Names a source, `src_…`.
pub type SourceId = Id<SourceKind>;
/// Names a request that came to a source, `in_…`.
pub type RequestId = Id<RequestKind>;
/// Names a dead letter, `dl_…`.
pub type DeadLetterId = Id<DeadLetterKind>;
/// Names an entry of the audit log, `audit_…`.
pub type AuditId = Id<AuditKind>;

impl<K> Id<K> {
    /// The id with this stamp.
    pub const fn new(stamp: Stamp) -> Id<K> {
        Id { stamp, kind: PhantomData }
    }

    /// The stamp inside.
    pub const fn stamp(self) -> Stamp {
        self.stamp
    }

    /// When it was minted.
    pub const fn time(self) -> Timestamp {
        self.stamp.time()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Id<K> {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Id<K>) -> bool {
        self.stamp == other.stamp
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Id<K>) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Id<K>) -> cmp::Ordering {
        self.stamp.cmp(&other.stamp)
    }
}
impl<K> hash::Hash for Id<K> {
    fn hash<H: hash::Hasher>(&self, hasher: &mut H) {
        self.stamp.hash(hasher);
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{:016x}", K::PREFIX, self.stamp.0)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stamp.serialize(serializer)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id<K>, D::Error> {
        Stamp::deserialize(deserializer).map(Id::new)
    }
}

/// Turns ids into text and back, with the salt of one data folder.
#[derive(Clone, Debug)]
pub struct Ids {
    salt: [u8; 16],
}

impl Ids {
    /// With the salt that the data folder was created with.
    pub const fn new(salt: [u8; 16]) -> Ids {
        Ids { salt }
    }

    /// The salt, for the store to keep.
    pub const fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// The id as the API shows it.
    pub fn text<K: Kind>(&self, id: Id<K>) -> String {
        let mut text = String::with_capacity(K::PREFIX.len() + TEXT_LEN);
        text.push_str(K::PREFIX);
        push_base62(&mut text, self.bytes(id.stamp));
        text
    }

    /// The id that this text names, `None` for a wrong prefix, length, letter or tag.
    pub fn parse<K: Kind>(&self, text: &str) -> Option<Id<K>> {
        let bytes = from_base62(text.strip_prefix(K::PREFIX)?)?;
        let (head, _) = bytes.split_first_chunk::<8>()?;
        let stamp = Stamp(u64::from_be_bytes(*head));
        (self.bytes(stamp) == bytes).then_some(Id::new(stamp))
    }

    fn bytes(&self, stamp: Stamp) -> [u8; 8 + TAG_LEN] {
        let mut bytes = [0; 8 + TAG_LEN];
        bytes[..8].copy_from_slice(&stamp.0.to_be_bytes());
        let digest = Sha256::new().chain_update(self.salt).chain_update(&bytes[..8]).finalize();
        bytes[8..].copy_from_slice(&digest[..TAG_LEN]);
        bytes
    }
}

/// 160 bits as 27 digits, most significant first, so that text sorts as the bytes do.
fn push_base62(text: &mut String, bytes: [u8; 20]) {
    let mut words = [0u32; 5];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    let mut digits = [0u8; TEXT_LEN];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u64;
        for word in &mut words {
            let value = rest << 32 | u64::from(*word);
            *word = (value / 62) as u32;
            rest = value % 62;
        }
        *digit = ALPHABET[rest as usize];
    }
    text.extend(digits.iter().map(|digit| char::from(*digit)));
}

fn from_base62(text: &str) -> Option<[u8; 20]> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut words = [0u32; 5];
    for letter in text.bytes() {
        let mut carry = match letter {
            b'0'..=b'9' => letter - b'0',
            b'A'..=b'Z' => letter - b'A' + 10,
            b'a'..=b'z' => letter - b'a' + 36,
            _ => return None,
        } as u64;
        for word in words.iter_mut().rev() {
            let value = u64::from(*word) * 62 + carry;
            *word = value as u32;
            carry = value >> 32;
        }
        if carry != 0 {
            return None;
        }
    }
    let mut bytes = [0; 20];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_time_is_before_an_earlier_one() {
        let times = [0, 1, 1 << 43, (1 << 44) - 1, 1 << 44, 1 << 46, u64::MAX];
        let stamps = times.map(|millis| Stamp::first_at(Timestamp::from_millis(millis)));
        assert!(stamps.is_sorted(), "{stamps:?}");
    }

    proptest! {
        #[test]
        fn text_reads_back_and_sorts(salt: [u8; 16], left: u64, right: u64) {
            let ids = Ids::new(salt);
            let (left, right) = (MessageId::new(Stamp(left)), MessageId::new(Stamp(right)));
            let (left_text, right_text) = (ids.text(left), ids.text(right));
            prop_assert_eq!(left_text.len(), 31);
            prop_assert_eq!(ids.parse(&left_text), Some(left));
            prop_assert_eq!(left.cmp(&right), left_text.cmp(&right_text));
            prop_assert_eq!(ids.parse::<EndpointKind>(&left_text), None);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let ids = Ids::new([7; 16]);
            prop_assert_eq!(ids.parse::<MessageKind>(&text), None);
            prop_assert_eq!(ids.parse::<MessageKind>(&format!("msg_{text}")), None);
        }

        #[test]
        fn stamps_only_grow(last: u32, now: u32) {
            let last = Stamp(u64::from(last) << COUNTER_BITS | 17);
            prop_assert!(last.next(Timestamp::from_millis(u64::from(now))) > last);
        }
    }

    #[test]
    fn another_folder_shows_another_id() {
        let id = MessageId::new(Stamp(99));
        let text = Ids::new([1; 16]).text(id);
        assert_ne!(text, Ids::new([2; 16]).text(id));
        assert_eq!(Ids::new([2; 16]).parse::<MessageKind>(&text), None);
    }
}
