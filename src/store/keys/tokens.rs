//! Keys of operator keys, and of tokens, sessions and sign-in links below the prefix `o`:
//!
//! | kind | fields | row |
//! |---|---|---|
//! | `h` | digest | the token |
//! | `a` | application, digest | the session it was made for |
//! | `n` | application | how many there are |
//! | `s` | digest | a session |
//! | `k` | key | the sessions of an operator key; 0 is the configured one |
//! | `c` | digest | a sign-in link, by its code |
//! | `l` | | how many of those there are |
//! | `e` | ms, digest | a token, session or link that ends then, empty |
//!
//! Of a digest the first 16 bytes.

use super::Key;
use crate::domain::id::{ApplicationId, KeyId};
use crate::domain::session::Holder;
use crate::domain::time::Timestamp;

/// An operator key, in the catalog.
pub fn operator_key(id: KeyId) -> Key {
    Key::start(b'c').with(b"o").with_id(id)
}

/// A token.
pub fn token(digest: [u8; 16]) -> Key {
    Key::start(b'o').with(b"h").with(&digest)
}

/// Every token of an application.
pub fn all_of(application: ApplicationId) -> Key {
    Key::start(b'o').with(b"a").with_id(application)
}

/// A token of an application.
pub fn of(application: ApplicationId, digest: [u8; 16]) -> Key {
    all_of(application).with(&digest)
}

/// A session.
pub fn session(digest: [u8; 16]) -> Key {
    Key::start(b'o').with(b"s").with(&digest)
}

/// The sessions of an operator key.
pub fn sessions_of(holder: Holder) -> Key {
    let key = Key::start(b'o').with(b"k");
    match holder {
        Holder::Configured(_) => key.with_u64(0),
        Holder::Key(id) => key.with_id(id),
    }
}

/// Every sign-in link.
pub fn all_links() -> Key {
    Key::start(b'o').with(b"c")
}

/// A sign-in link.
pub fn link(digest: [u8; 16]) -> Key {
    all_links().with(&digest)
}

/// How many sign-in links there are.
pub fn links() -> Key {
    Key::start(b'o').with(b"l")
}

/// Every token, session and link by the end of its time.
pub fn all_ends() -> Key {
    Key::start(b'o').with(b"e")
}

/// The bound in `all_ends` at a time.
pub fn end_at(time: Timestamp) -> Key {
    all_ends().with_u64(time.millis())
}

/// The end of the time of one of them.
pub fn end(time: Timestamp, digest: [u8; 16]) -> Key {
    end_at(time).with(&digest)
}

/// How many tokens an application has.
pub fn count(application: ApplicationId) -> Key {
    Key::start(b'o').with(b"n").with_id(application)
}

/// The digest that a key of `all_of` or `all_ends` ends with.
pub fn digest_of(key: &Key) -> Option<[u8; 16]> {
    key.as_bytes().get(10..)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;

    #[test]
    fn fields_read_back() {
        let digest = [9; 16];
        let application = ApplicationId::new(Stamp(7));
        assert_eq!(digest_of(&of(application, digest)), Some(digest));
        let time = Timestamp::from_millis(5);
        assert_eq!(digest_of(&end(time, digest)), Some(digest));
        assert!(end(time, digest) < end_at(Timestamp::from_millis(6)));
        assert!(end_at(time) < end(time, [0; 16]), "the bound comes before its own");
        assert_eq!(digest_of(&all_ends()), None);
    }
}
