//! Keys of the list of dead letters, below the prefix `z`:
//!
//! | kind | fields | row |
//! |---|---|---|
//! | `a` | application, dead letter | the dead letter |
//! | `t` | dead letter | whose it is |
//! | `e` | application, endpoint | deleted endpoint with dead letters, and behind which to go on |
//! | `n` | | how many there are, and whether those of older versions are among them |

use crate::domain::id::{ApplicationId, DeadLetterId, EndpointId, Id, Stamp};
use crate::store::keys::Key;

fn of_kind(kind: u8) -> Key {
    Key::start(b'z').with(&[kind])
}

/// The whole list, with all that goes with it.
pub fn whole() -> Key {
    Key::start(b'z')
}

/// Dead letters of an application.
pub fn of_application(application: ApplicationId) -> Key {
    of_kind(b'a').with_id(application)
}

/// A dead letter.
pub fn one(application: ApplicationId, id: DeadLetterId) -> Key {
    of_application(application).with_id(id)
}

/// The dead letter that a key of `of_application` names, and whose it is.
pub fn parts(key: &Key) -> Option<(ApplicationId, DeadLetterId)> {
    let application = (kind(key) == Some(b'a')).then(|| key.u64_at(2)).flatten()?;
    Some((Id::new(Stamp(application)), Id::new(Stamp(key.u64_at(10)?))))
}

/// Dead letters of all applications.
pub fn by_time() -> Key {
    of_kind(b't')
}

/// A place among them.
pub fn place(id: DeadLetterId) -> Key {
    by_time().with_id(id)
}

/// The dead letter that a key of `by_time` names.
pub fn placed(key: &Key) -> Option<DeadLetterId> {
    key.u64_at(2).map(|stamp| Id::new(Stamp(stamp)))
}

/// Deleted endpoints whose dead letters are still listed.
pub fn all_leavings() -> Key {
    of_kind(b'e')
}

/// One of them.
pub fn leavings(application: ApplicationId, endpoint: EndpointId) -> Key {
    all_leavings().with_id(application).with_id(endpoint)
}

/// The endpoint that a key of `all_leavings` names, and whose it was.
pub fn leavings_of(key: &Key) -> Option<(ApplicationId, EndpointId)> {
    Some((Id::new(Stamp(key.u64_at(2)?)), Id::new(Stamp(key.u64_at(10)?))))
}

/// How many there are.
pub fn state() -> Key {
    of_kind(b'n')
}

/// Which of the kinds above a key is.
pub fn kind(key: &Key) -> Option<u8> {
    key.as_bytes().get(1).copied()
}
