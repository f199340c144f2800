//! Who may call besides the operator key of the configuration: further operator keys, and tokens
//! of one application with the capabilities they were made with. Only a digest of either is kept.

use serde::{Deserialize, Serialize};

use crate::domain::id::{ApplicationId, KeyId};
use crate::domain::time::Timestamp;

/// What the bearer of an application's token may do there; the names are those of the Svix API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capability {
    /// See everything but secrets.
    ViewBase,
    /// See the key that an endpoint's deliveries are signed with.
    ViewEndpointSecret,
    /// Rotate it, and see it.
    ManageEndpointSecret,
    /// Change an endpoint's transformation.
    ManageTransformations,
    /// Resend, recover, replay, and send examples.
    CreateAttempts,
    /// Make, change and delete endpoints, with all that belongs to them.
    ManageEndpoint,
}

impl Capability {
    /// Every one, in the order of the Svix API.
    pub const ALL: [Capability; 6] = [
        Capability::ViewBase,
        Capability::ViewEndpointSecret,
        Capability::ManageEndpointSecret,
        Capability::ManageTransformations,
        Capability::CreateAttempts,
        Capability::ManageEndpoint,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Capability::ViewBase => "ViewBase",
            Capability::ViewEndpointSecret => "ViewEndpointSecret",
            Capability::ManageEndpointSecret => "ManageEndpointSecret",
            Capability::ManageTransformations => "ManageTransformations",
            Capability::CreateAttempts => "CreateAttempts",
            Capability::ManageEndpoint => "ManageEndpoint",
        }
    }

    /// The one of this name.
    pub fn read(name: &str) -> Option<Capability> {
        Capability::ALL.into_iter().find(|capability| capability.name() == name)
    }

    /// Those that include it, itself first: who may manage something may see it.
    fn given_by(self) -> &'static [Capability] {
        use Capability::{ManageEndpoint, ManageEndpointSecret, ViewEndpointSecret};
        match self {
            Capability::ViewBase => &[Capability::ViewBase],
            ViewEndpointSecret => &[ViewEndpointSecret, ManageEndpointSecret, ManageEndpoint],
            ManageEndpointSecret => &[ManageEndpointSecret, ManageEndpoint],
            Capability::ManageTransformations => &[Capability::ManageTransformations],
            Capability::CreateAttempts => &[Capability::CreateAttempts],
            ManageEndpoint => &[ManageEndpoint],
        }
    }

    /// Its place in a stored set; it never changes.
    fn bit(self) -> u8 {
        match self {
            Capability::ViewBase => 1,
            Capability::ViewEndpointSecret => 1 << 1,
            Capability::ManageEndpointSecret => 1 << 2,
            Capability::ManageTransformations => 1 << 3,
            Capability::CreateAttempts => 1 << 4,
            Capability::ManageEndpoint => 1 << 5,
        }
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Capabilities(u8);

impl Capabilities {
    /// Every one there is.
    pub fn all() -> Capabilities {
        Capability::ALL.into_iter().collect()
    }

    /// Whether one that was given includes it.
    pub fn allow(self, wanted: Capability) -> bool {
        wanted.given_by().iter().any(|given| self.0 & given.bit() != 0)
    }

    /// What is left of them for whoever may look and not change.
    pub fn read_only(self) -> Capabilities {
        let seen = [Capability::ViewBase, Capability::ViewEndpointSecret];
        seen.into_iter().filter(|capability| self.0 & capability.bit() != 0).collect()
    }

    /// Those that were given, by name.
    pub fn names(self) -> Vec<&'static str> {
        let given = Capability::ALL.into_iter().filter(|one| self.0 & one.bit() != 0);
        given.map(Capability::name).collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(given: I) -> Capabilities {
        Capabilities(given.into_iter().fold(0, |set, capability| set | capability.bit()))
    }
}

/// What a person who comes with an operator key may do. The order is the one in which they are
/// stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Role {
    /// Everything.
    #[default]
    Operator,
    /// Look at everything but secrets, and change nothing.
    ReadOnly,
}

impl Role {
    /// Every one.
    pub const ALL: [Role; 2] = [Role::Operator, Role::ReadOnly];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::ReadOnly => "read-only",
        }
    }

    /// The one of this name.
    pub fn read(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// An operator key that was made through the API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OperatorKey {
    /// Its id, which is no secret.
    pub id: KeyId,
    /// What it is for, in its maker's words.
    pub name: Option<String>,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// Good for nothing from then on; `None`: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// What it opens.
    pub role: Role,
}

impl OperatorKey {
    /// Whether it still opens anything.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A token of one application.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApplicationToken {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Where it is good.
    pub application: ApplicationId,
    /// What it may do there.
    pub capabilities: Capabilities,
    /// Event types with a feature flag are seen by those that have one of their flags.
    pub feature_flags: Vec<String>,
    /// The session it was made for.
    pub session: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Good for nothing from then on.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_includes_what() {
        let check = |given: &[Capability], allowed: &[Capability]| {
            let set: Capabilities = given.iter().copied().collect();
            for wanted in Capability::ALL {
                let expected = allowed.contains(&wanted);
                assert_eq!(set.allow(wanted), expected, "{given:?} and {wanted:?}");
            }
        };
        use Capability::{ManageEndpoint, ManageEndpointSecret, ViewBase, ViewEndpointSecret};
        check(&[], &[]);
        check(&[ViewBase], &[ViewBase]);
        check(&[ViewEndpointSecret], &[ViewEndpointSecret]);
        check(&[ManageEndpointSecret], &[ManageEndpointSecret, ViewEndpointSecret]);
        check(&[ManageEndpoint], &[ManageEndpoint, ManageEndpointSecret, ViewEndpointSecret]);
        check(&[Capability::CreateAttempts], &[Capability::CreateAttempts]);
        check(&[Capability::ManageTransformations], &[Capability::ManageTransformations]);
        check(&Capability::ALL, &Capability::ALL);
    }

    #[test]
    fn looking_changes_nothing() {
        let left = Capabilities::all().read_only();
        assert_eq!(left.names(), ["ViewBase", "ViewEndpointSecret"]);
        for name in Capabilities::all().names() {
            assert_eq!(Capability::read(name).map(Capability::name), Some(name));
        }
        assert_eq!(Capability::read("viewbase"), None);
        for role in Role::ALL {
            assert_eq!(Role::read(role.name()), Some(role));
        }
        assert_eq!(Role::read("readonly"), None);
    }
}
