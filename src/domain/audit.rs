//! Who changed what: one entry for each change that was asked for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::domain::id::{ApplicationId, AuditId, KeyId};

/// Who did something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Actor {
    /// Whoever has the operator key of the configuration or of the data folder.
    Operator,
    /// Whoever has an operator key that was made through the API.
    Key {
        /// Which.
        id: KeyId,
        /// What it was called then.
        name: Option<String>,
    },
    /// The bearer of an HS256 token.
    Signed {
        /// The `sub` of the token.
        subject: String,
    },
    /// The bearer of a token of one application.
    Application {
        /// Which.
        id: ApplicationId,
        /// The session that the token was made for.
        session: Option<String>,
    },
    /// `relay.toml`, at a start or a reload.
    Configuration,
    /// Somebody who did not say, or was not believed.
    Nobody,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Deed {
    /// Something was changed.
    Change,
    /// A session began.
    SignIn,
    /// A session was ended by whom it was for.
    SignOut,
    /// A key or the code of a link was wrong.
    SignInFailed,
    /// A link made a key and began a session.
    LinkRedeemed,
}

impl Deed {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Deed::Change => "change",
            Deed::SignIn => "sign-in",
            Deed::SignOut => "sign-out",
            Deed::SignInFailed => "failed-sign-in",
            Deed::LinkRedeemed => "link-redeemed",
        }
    }
}

/// The request that asked for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// The route, with the names of its parameters in braces.
    pub route: String,
    /// The path.
    pub path: String,
    /// Where it came from, as far as trusted proxies say.
    pub address: Option<IpAddr>,
    /// The id of its answer.
    pub request_id: String,
    /// Whether it came with the cookie of a session.
    pub by_session: bool,
}

/// An entry before it is written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Who.
    pub actor: Actor,
    /// What.
    pub deed: Deed,
    /// By which request; `None` where it was none.
    pub asked: Option<Asked>,
    /// What else there is to tell, in words.
    pub detail: Option<String>,
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Names it, and tells when it was.
    pub id: AuditId,
    /// The rest.
    pub note: Note,
}
