//! Sources: the catalog's table of them, and how they are changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::id::{ApplicationId, SourceId, SourceKind};
use crate::domain::source::Source;
use crate::store::catalog::CatalogChange;
use crate::store::keys::received as rows;
use crate::store::pages::page_of;
use crate::store::records::{self, SourceRow};
use crate::store::transaction::{Transaction, may_change, uid_taken};
use crate::store::{
    Author, Page, PageRequest, Reference, Refusal, SourceReference, Store, WriteError,
};

/// Sources that one relay has at most.
pub const SOURCES_MAX: usize = 10_000;
/// Sources that are deleted for their age in one step.
const SWEPT: usize = 64;

/// Every source, by what it is found with.
#[derive(Default)]
pub struct Sources {
    by_id: BTreeMap<SourceId, Arc<Source>>,
    uids: HashMap<String, SourceId>,
    /// By the SHA-256 of each token, so that a look-up takes as long whatever is nearly right.
    tokens: HashMap<[u8; 32], SourceId>,
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl Sources {
    /// Sets or removes one; returns what stood there.
    pub fn set(&mut self, id: SourceId, new: Option<Arc<Source>>) -> Option<Arc<Source>> {
        let old = self.by_id.remove(&id);
        if let Some(old) = &old {
            old.uid.as_ref().map(|uid| self.uids.remove(uid));
            for token in &old.tokens {
                self.tokens.remove(&digest(token.text.expose()));
            }
        }
        if let Some(source) = new {
            if let Some(uid) = &source.uid {
                self.uids.insert(uid.clone(), id);
            }
            for token in &source.tokens {
                self.tokens.insert(digest(token.text.expose()), id);
            }
            self.by_id.insert(id, source);
        }
        old
    }

    /// The source, by id or uid.
    pub fn get(&self, reference: &SourceReference) -> Option<Arc<Source>> {
        let id = match reference {
            Reference::Id(id) => id,
            Reference::Name(name) => self.uids.get(name)?,
        };
        self.by_id.get(id).cloned()
    }

    /// The source that has or had this token, whether it counts or not.
    pub fn by_token(&self, token: &str) -> Option<Arc<Source>> {
        self.by_id.get(self.tokens.get(&digest(token.as_bytes()))?).cloned()
    }

    /// Every source by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.by_id.values()
    }
}

impl Store {
    /// The source, by id or uid.
    pub fn source(&self, reference: &SourceReference) -> Option<Arc<Source>> {
        self.shared.read_catalog().sources().get(reference)
    }

    /// The source whose URL ends in this token; one that was rotated away counts until it expires.
    pub fn source_by_token(&self, token: &str) -> Option<Arc<Source>> {
        let source = self.shared.read_catalog().sources().by_token(token)?;
        let now = self.now();
        let live = source.tokens.iter().any(|held| held.expose() == token && held.is_live(now));
        live.then_some(source)
    }

    /// Sources that pass, by id.
    pub fn list_sources(
        &self,
        page: &PageRequest<SourceId>,
        passes: impl Fn(&Source) -> bool,
    ) -> Page<Arc<Source>, SourceId> {
        let tables = self.shared.read_catalog();
        page_of(&tables.sources().by_id, page, |source| passes(source).then(|| Arc::clone(source)))
    }
}

impl Store {
    /// Deletes the sources whose time is over, with what they hold; returns whether there may be
    /// more.
    pub fn sweep_sources(&self) -> Result<bool, WriteError> {
        let now = self.now();
        let is_over = move |source: &Source| source.expires_at.is_some_and(|end| end <= now);
        let over: Vec<SourceId> = {
            let tables = self.shared.read_catalog();
            let over = tables.sources().all().filter(|source| is_over(source));
            over.map(|source| source.id).take(SWEPT).collect()
        };
        if over.is_empty() {
            return Ok(false);
        }
        let more = over.len() == SWEPT;
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                for id in over {
                    // Somebody may have deleted it meanwhile, or given it more time.
                    if transaction.source(&Reference::Id(id)).is_ok_and(|source| is_over(&source)) {
                        transaction.delete_source(id, Author::Relay, true)?;
                    }
                }
                Ok(())
            })
        })??;
        Ok(more)
    }
}

impl Transaction<'_> {
    /// The source, by id or uid.
    pub fn source(&self, reference: &SourceReference) -> Result<Arc<Source>, Refusal> {
        self.writer.tables.sources().get(reference).ok_or(Refusal::NotFound)
    }

    /// Every source.
    pub fn sources(&self) -> Vec<Arc<Source>> {
        self.writer.tables.sources().all().cloned().collect()
    }

    /// Writes a source; refuses a uid that another has, a token that another has, one source too
    /// many, and what the author may not change.
    pub fn put_source(&mut self, source: Source, author: Author) -> Result<Arc<Source>, Refusal> {
        let id = source.id;
        self.application(&Reference::Id(source.application))?;
        let old = self.source(&Reference::Id(id)).ok();
        match &old {
            Some(old) => may_change(old.managed, author, "source")?,
            None if self.writer.tables.sources().by_id.len() >= SOURCES_MAX => {
                return Err(Refusal::Limit(format!("there are {SOURCES_MAX} sources already")));
            }
            None => {}
        }
        if let Some(uid) = &source.uid
            && let Ok(other) = self.source(&Reference::Name(uid.clone()))
            && other.id != id
        {
            return Err(uid_taken("a source", uid));
        }
        self.refuse_id::<SourceKind>("uid", source.uid.as_deref())?;
        let taken = |other: Arc<Source>| other.id != id;
        let mut tokens = source.tokens.iter();
        if tokens
            .any(|token| self.writer.tables.sources().by_token(token.expose()).is_some_and(taken))
        {
            let words = "another source has this token: take one of its own";
            return Err(Refusal::Conflict(words.to_owned()));
        }
        let key = rows::source(id);
        let row = SourceRow::seal(&source, &key, &self.writer.shared.sealer);
        self.put_row(key, records::encode(&row), old.is_none());
        let source = Arc::new(source);
        self.set(CatalogChange::Source(id, Some(Arc::clone(&source))));
        Ok(source)
    }

    /// Deletes a source: its URL is gone at once. The messages of what it took in stay; what it
    /// holds goes with it, and is refused to go unless the caller says so.
    pub fn delete_source(
        &mut self,
        id: SourceId,
        author: Author,
        discard_held: bool,
    ) -> Result<(), Refusal> {
        let source = self.source(&Reference::Id(id))?;
        may_change(source.managed, author, "source")?;
        let held = self.waiting(id).held.requests;
        if held > 0 && !discard_held {
            return Err(Refusal::Conflict(format!(
                "the source holds {held} requests that are no messages yet: make it active and \
                 wait until it holds none, or delete it with discard_held=true"
            )));
        }
        self.delete_row(rows::source(id));
        self.set(CatalogChange::Source(id, None));
        Ok(())
    }

    /// Deletes the sources of an application that goes.
    pub(super) fn delete_sources_of(
        &mut self,
        application: ApplicationId,
        author: Author,
    ) -> Result<(), Refusal> {
        let mut own = self.sources();
        own.retain(|source| source.application == application);
        own.iter().try_for_each(|source| self.delete_source(source.id, author, true))
    }
}
