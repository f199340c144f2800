//! How requests to one endpoint leave: what they prove themselves with, over which TLS, through
//! which proxy.
//!
//! Credentials are given and never shown again. One that is left out of a change stands as it was,
//! as long as it would go to the same place.

pub mod proxy;
pub mod tls;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::endpoint_url::parse_endpoint_url;
use crate::domain::headers::{
    AUTHORIZATION, HEADER_VALUE_MAX, check_header_name, check_header_value,
};
use crate::domain::secret::Secret;
use crate::domain::subscription::is_name;

pub use tls::EndpointTls;

/// Bytes of a user name, a client id, a scope or an audience at most.
pub const TEXT_MAX: usize = 1_024;
/// Bytes of a password, a token or a client secret at most.
pub const CREDENTIAL_MAX: usize = 3_000;
/// Bytes of the name of a proxy at most.
pub const PROXY_NAME_MAX: usize = 64;
/// The choice of no proxy.
pub const DIRECT: &str = "direct";

/// A password, a token or a key; `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credential(Option<Secret>);

impl Credential {
    /// One that was given.
    pub fn new(text: String) -> Credential {
        Credential(Some(Secret::new(text.into_bytes())))
    }

    /// The text, for whoever sends it; empty when it was left out.
    pub fn expose(&self) -> &str {
        let bytes = self.0.as_ref().map_or(&b""[..], Secret::expose);
        std::str::from_utf8(bytes).expect("invariant: made from a string")
    }

    /// Whether it was not given: what stands is meant.
    pub fn is_left_out(&self) -> bool {
        self.0.is_none()
    }

    fn keep(&mut self, old: &Credential) {
        if self.is_left_out() {
            self.clone_from(old);
        }
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Credential, D::Error> {
        // The error of the library would quote what was given.
        let text = String::deserialize(deserializer)
            .map_err(|_| serde::de::Error::custom("a credential is text in quotes"))?;
        Ok(Credential::new(text))
    }
}

/// For sealed rows and the relay that a plan is asked of; whoever prints hides it first.
impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// What a request to an endpoint proves itself with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum EndpointAuth {
    /// User name and password (RFC 7617).
    Basic {
        /// Holds no colon.
        username: String,
        /// May be empty.
        #[serde(default, skip_serializing_if = "Credential::is_left_out")]
        password: Credential,
    },
    /// A token that does not change (RFC 6750).
    Bearer {
        /// What stands behind `Bearer`.
        #[serde(default, skip_serializing_if = "Credential::is_left_out")]
        token: Credential,
    },
    /// A header of any name.
    Header {
        /// `x-api-key`.
        name: String,
        /// Its whole value.
        #[serde(default, skip_serializing_if = "Credential::is_left_out")]
        value: Credential,
    },
    /// Access tokens that are asked for (RFC 6749 section 4.4).
    Oauth2(ClientCredentials),
}

/// Who asks for access tokens, where, and for what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// Who gives them, normalised.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// Proves it.
    #[serde(default, skip_serializing_if = "Credential::is_left_out")]
    pub client_secret: Credential,
    /// What the token is to be good for; the server's choice when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whom it is to be shown to, where the server asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// How id and secret are sent.
    #[serde(default)]
    pub credentials_in: CredentialsIn,
}

/// Where a token request has the client's id and secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialsIn {
    /// `Authorization: Basic …`.
    #[default]
    Header,
    /// `client_id` and `client_secret` of the form.
    Body,
}

impl EndpointAuth {
    /// The name of the header that carries it.
    pub fn header_name(&self) -> &str {
        match self {
            EndpointAuth::Header { name, .. } => name,
            _ => AUTHORIZATION,
        }
    }

    /// What is secret of it: the setting's name and the value.
    pub fn credential(&self) -> (&'static str, &Credential) {
        match self {
            EndpointAuth::Basic { password, .. } => ("auth.password", password),
            EndpointAuth::Bearer { token } => ("auth.token", token),
            EndpointAuth::Header { value, .. } => ("auth.value", value),
            EndpointAuth::Oauth2(client) => ("auth.client_secret", &client.client_secret),
        }
    }

    fn credential_mut(&mut self) -> &mut Credential {
        match self {
            EndpointAuth::Basic { password, .. } => password,
            EndpointAuth::Bearer { token } => token,
            EndpointAuth::Header { value, .. } => value,
            EndpointAuth::Oauth2(client) => &mut client.client_secret,
        }
    }

    /// Whether the credential of `old` would be the same kind of thing here and go to the same
    /// place.
    fn continues(&self, old: &EndpointAuth) -> bool {
        match (self, old) {
            (EndpointAuth::Oauth2(new), EndpointAuth::Oauth2(old)) => {
                same_place(&new.token_url, &old.token_url)
            }
            (new, old) => std::mem::discriminant(new) == std::mem::discriminant(old),
        }
    }
}

/// Whether two URLs lead to one scheme, host and port.
pub fn same_place(one: &str, other: &str) -> bool {
    let place = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    matches!((place(one), place(other)), (Some(one), Some(other)) if one == other)
}

/// Takes over what was left out of `new`, where it would go to the same place as before.
pub fn keep_credentials(new: &mut DeliverySettings, old: &DeliverySettings) {
    if let (Some(new), Some(old)) = (&mut new.auth, &old.auth)
        && new.continues(old)
    {
        new.credential_mut().keep(old.credential().1);
    }
    if let (Some(new), Some(old)) = (&mut new.tls, &old.tls) {
        let same = new.client_certificate.is_some();
        if same && new.client_certificate == old.client_certificate {
            new.client_key.keep(&old.client_key);
        }
    }
}

/// The settings whose credentials were left out, `auth.password`.
pub fn left_out(settings: &DeliverySettings) -> Vec<&'static str> {
    let auth = settings.auth.as_ref().map(EndpointAuth::credential);
    let auth = auth.filter(|(_, credential)| credential.is_left_out()).map(|(name, _)| name);
    let tls = settings.tls.as_ref();
    let tls = tls.filter(|tls| tls.client_certificate.is_some() && tls.client_key.is_left_out());
    auth.into_iter().chain(tls.map(|_| "tls.client_key")).collect()
}

/// Whether it holds anything that must not go to another place than it was given for.
pub fn holds_credentials(settings: &DeliverySettings) -> bool {
    let key = settings.tls.as_ref().is_some_and(|tls| !tls.client_key.is_left_out());
    settings.auth.is_some() || key
}

/// Puts `words` in the place of every credential, for printing.
pub fn hide_credentials(settings: &mut DeliverySettings, words: &str) {
    let hidden = || Credential::new(words.to_owned());
    if let Some(auth) = &mut settings.auth {
        *auth.credential_mut() = hidden();
    }
    if let Some(tls) = &mut settings.tls
        && !tls.client_key.is_left_out()
    {
        tls.client_key = hidden();
    }
}

/// What is wrong with a setting: its name, `auth.token_url`, and words.
pub type Wrong = (&'static str, String);

/// Everything that is wrong with what was given; what was left out is not looked at.
pub fn problems(settings: &DeliverySettings) -> Vec<Wrong> {
    let mut found = Vec::new();
    if let Some(auth) = &settings.auth {
        auth_problems(auth, &mut found);
    }
    if let Some(tls) = &settings.tls {
        found.extend(tls.problems());
    }
    if let Some(proxy) = &settings.proxy
        && !is_name(proxy, PROXY_NAME_MAX)
    {
        let words = format!("must be `{DIRECT}` or the name of a proxy of the operator");
        found.push(("proxy", words));
    }
    found
}

fn auth_problems(auth: &EndpointAuth, found: &mut Vec<Wrong>) {
    let (setting, credential) = auth.credential();
    if !credential.is_left_out() {
        let may_be_empty = matches!(auth, EndpointAuth::Basic { .. });
        let checked = match auth {
            EndpointAuth::Header { .. } => header_value(credential.expose()),
            _ => text(credential.expose(), CREDENTIAL_MAX, may_be_empty),
        };
        checked.err().into_iter().for_each(|words| found.push((setting, words)));
    }
    let mut check = |setting, result: Result<(), String>| {
        result.err().into_iter().for_each(|words| found.push((setting, words)));
    };
    match auth {
        EndpointAuth::Basic { username, .. } => {
            let colon = username.contains(':').then(|| "must not hold a colon".to_owned());
            check("auth.username", colon.map_or(text(username, TEXT_MAX, true), Err));
        }
        EndpointAuth::Bearer { .. } => {}
        EndpointAuth::Header { name, .. } => {
            check("auth.name", check_header_name(name).map_err(|error| error.to_string()));
        }
        EndpointAuth::Oauth2(client) => {
            let url = parse_endpoint_url(&client.token_url).map(drop);
            check("auth.token_url", url.map_err(|error| error.to_string()));
            check("auth.client_id", text(&client.client_id, TEXT_MAX, false));
            for (setting, given) in
                [("auth.scope", &client.scope), ("auth.audience", &client.audience)]
            {
                let given = given.as_deref();
                check(setting, given.map_or(Ok(()), |given| text(given, TEXT_MAX, false)));
            }
        }
    }
}

/// Printable ASCII: anything else receivers read in different ways.
fn text(text: &str, most: usize, may_be_empty: bool) -> Result<(), String> {
    let least = usize::from(!may_be_empty);
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && (least..=most).contains(&text.len()) {
        return Ok(());
    }
    Err(format!("must have {least} to {most} printable ASCII characters"))
}

fn header_value(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("must have 1 to {HEADER_VALUE_MAX} bytes"));
    }
    check_header_value(value).map_err(|error| error.to_string())
}

/// Names a kind of authentication as its settings do.
impl fmt::Display for EndpointAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            EndpointAuth::Basic { .. } => "basic",
            EndpointAuth::Bearer { .. } => "bearer",
            EndpointAuth::Header { .. } => "header",
            EndpointAuth::Oauth2(_) => "oauth2",
        })
    }
}

#[cfg(test)]
mod tests;
