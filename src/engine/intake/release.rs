//! A request that was kept, made a message after all.

use bytes::Bytes;

use super::Intake;
use crate::domain::audit::Note;
use crate::domain::id::RequestId;
use crate::domain::provider::{Fetched, Reason};
use crate::domain::received::{Head, ReceivedRequest, Verdict};
use crate::domain::receiving::{self, Incoming};
use crate::domain::source::{Mode, Source};
use crate::store::{Decision, NewRequest, Refusal, Reply, StoreError, WriteError};

/// Requests that are made messages in one go, when a source is active again.
const STEP: usize = 100;

/// Why a kept request did not become a message.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Its bytes are gone or damaged.
    #[error(transparent)]
    Content(#[from] StoreError),
    /// It is refused still.
    #[error("{0}")]
    Refused(String),
    /// It can't be written now.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Intake {
    /// Makes a message of a request that was kept: verified again by the source as it is now, or,
    /// with `anyway`, taken whether it is refused, a duplicate or neither. The audit log is told
    /// with it, when there is a note. Blocks.
    pub fn release(
        &self,
        source: &Source,
        id: RequestId,
        anyway: bool,
        note: Option<Note>,
    ) -> Result<ReceivedRequest, ReleaseError> {
        let missing = || WriteError::Refused(Refusal::NotFound);
        let stored = self.0.store.request(source.id, id).ok_or_else(missing)?;
        let head = self.0.store.head(&stored.head)?;
        let body = self.0.store.body(&stored.body)?;
        let verified = match self.verified_now(source, id, &head, &body) {
            Ok(verified) => verified,
            // What is held passed when it came: the secret of then may be gone.
            Err(_) if stored.request.verdict == Verdict::Held => {
                self.0.store.held_verified(source.id, id)
            }
            Err(_) if anyway => false,
            Err(reason) => return Err(ReleaseError::Refused(reason)),
        };
        let url = self.full_url(source.token(), &head);
        let incoming = Incoming { head: &head, body: &body, url: &url };
        let mut event = receiving::event(source, &incoming);
        let keys = self.event_keys(&source.dedup, std::mem::take(&mut event.keys));
        let decision = Decision::Take(keys.filter(|_| !anyway));
        let new = NewRequest { verified, ..self.request(source, head, body, event, decision) };
        let filtered = self.0.store.filter_request(source, &new);
        let new = NewRequest { filtered, ..new };
        let written = self.0.store.write_blocking(None, move |transaction| {
            let released = transaction.release(id, new)?;
            note.into_iter().for_each(|note| transaction.note(note));
            Ok(Reply::Received(Box::new(released)))
        })?;
        match written.reply {
            Reply::Received(request) => Ok(*request),
            _ => Err(missing().into()),
        }
    }

    /// Whether a kept request is verified by the secrets that its source has now. Blocks while a
    /// key is fetched.
    fn verified_now(
        &self,
        source: &Source,
        id: RequestId,
        head: &Head,
        body: &Bytes,
    ) -> Result<bool, String> {
        let mut judged = Err("it has no token".to_owned());
        for token in &source.tokens {
            let url = self.full_url(token.expose(), head);
            let incoming = Incoming { head, body, url: &url };
            let verify = || {
                let documents = self.documents(source);
                let documents: Vec<(&str, &str)> =
                    documents.iter().map(|(url, text)| (url.as_str(), text.as_str())).collect();
                let fetched = Fetched { documents: &documents, roots: None };
                // As of when it came: it may have waited long for the right secret.
                receiving::verify(source, &incoming, &fetched, self.0.clock.now(), id.time())
            };
            let verified = match verify() {
                Err(Reason::KeyWanted { url }) if self.fetch(source, &url).is_ok() => verify(),
                verified => verified,
            };
            judged = verified.map_err(|reason| reason.to_string());
            if judged.is_ok() {
                break;
            }
        }
        judged
    }

    /// Makes messages of what came while a source was paused, some of it; returns whether there
    /// may be more. Blocks.
    pub fn release_held(&self, source: &Source) -> Result<bool, WriteError> {
        let held = self.0.store.held_requests(source.id, STEP);
        let mut more = held.len() == STEP;
        for id in held {
            match self.release(source, id, false, None) {
                Ok(_) => {}
                Err(ReleaseError::Write(WriteError::Stopping)) => return Ok(false),
                // Gone, damaged, or a message already: it will be no other next time.
                Err(
                    error @ (ReleaseError::Write(WriteError::Refused(_))
                    | ReleaseError::Content(
                        StoreError::Expunged | StoreError::Damaged { .. },
                    )),
                ) => {
                    let request = self.0.store.ids().text(id);
                    tracing::warn!(request, %error, "what a paused source held is not released");
                    self.0.store.let_go(source.id, id)?;
                }
                Err(ReleaseError::Write(error)) => return Err(error),
                // Its bytes may be readable next time; the others need not wait for it.
                Err(error) => {
                    let request = self.0.store.ids().text(id);
                    tracing::error!(request, %error, "what a paused source held can't be read");
                    more = false;
                }
            }
        }
        Ok(more)
    }

    /// The same for every source that is active again.
    pub fn release_all_held(&self) -> Result<bool, WriteError> {
        let mut more = false;
        for source in self.0.store.sources() {
            if source.mode == Mode::Active {
                more |= self.release_held(&source)?;
            }
        }
        Ok(more)
    }
}
