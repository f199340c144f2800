//! `delivery.auth`, `.tls` and `.proxy` of an endpoint: credentials are taken and never shown.

use serde::{Deserialize, Serialize};

use super::limits::Problems;
use crate::config::Config;
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::egress::{
    self, ClientCredentials, Credential, CredentialsIn, EndpointAuth, EndpointTls, Wrong,
};
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::find_header;
use crate::http::state::CheckUrl;
use crate::store::Refusal;

const DELIVERY: &str = "delivery";

/// What a request to the endpoint proves itself with; which fields there are depends on the type.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuthIn {
    r#type: String,
    username: Option<String>,
    password: Option<Credential>,
    token: Option<Credential>,
    name: Option<String>,
    value: Option<Credential>,
    token_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Credential>,
    scope: Option<String>,
    audience: Option<String>,
    credentials_in: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TlsIn {
    client_certificate: Option<String>,
    client_key: Option<Credential>,
    ca: Option<String>,
}

impl TlsIn {
    /// Nothing of it is as none.
    pub fn read(self) -> Option<EndpointTls> {
        let tls = EndpointTls {
            client_certificate: self.client_certificate,
            client_key: self.client_key.unwrap_or_default(),
            ca: self.ca,
        };
        (tls != EndpointTls::default()).then_some(tls)
    }
}

impl AuthIn {
    /// `None` when there is a problem.
    pub fn read(mut self, check_url: &CheckUrl, problems: &mut Problems) -> Option<EndpointAuth> {
        let kind = self.r#type.clone();
        let mut missing = Vec::new();
        let mut text = |field: &'static str, given: Option<String>| {
            given.unwrap_or_else(|| {
                missing.push(field);
                String::new()
            })
        };
        let auth = match kind.as_str() {
            "basic" => EndpointAuth::Basic {
                username: text("username", self.username.take()),
                password: self.password.take().unwrap_or_default(),
            },
            "bearer" => EndpointAuth::Bearer { token: self.token.take().unwrap_or_default() },
            "header" => EndpointAuth::Header {
                name: text("name", self.name.take()),
                value: self.value.take().unwrap_or_default(),
            },
            "oauth2" => EndpointAuth::Oauth2(ClientCredentials {
                token_url: text("tokenUrl", self.token_url.take()),
                client_id: text("clientId", self.client_id.take()),
                client_secret: self.client_secret.take().unwrap_or_default(),
                scope: self.scope.take(),
                audience: self.audience.take(),
                credentials_in: credentials_in(self.credentials_in.take(), problems),
            }),
            _ => {
                let words = "must be basic, bearer, header or oauth2";
                problems.add(&[DELIVERY, "auth", "type"], words);
                return None;
            }
        };
        for field in &missing {
            problems.add(&[DELIVERY, "auth", field], format!("is missing: {kind} needs it"));
        }
        for field in self.left() {
            let words = format!("has no place in an auth of the type {kind}");
            problems.add(&[DELIVERY, "auth", field], words);
        }
        if missing.is_empty() { checked(auth, check_url, problems) } else { None }
    }

    /// What no field of its type has taken.
    fn left(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("token", self.token.is_some()),
            ("name", self.name.is_some()),
            ("value", self.value.is_some()),
            ("tokenUrl", self.token_url.is_some()),
            ("clientId", self.client_id.is_some()),
            ("clientSecret", self.client_secret.is_some()),
            ("scope", self.scope.is_some()),
            ("audience", self.audience.is_some()),
            ("credentialsIn", self.credentials_in.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(field, _)| field)
    }
}

fn credentials_in(text: Option<String>, problems: &mut Problems) -> CredentialsIn {
    match text.as_deref() {
        None | Some("header") => CredentialsIn::Header,
        Some("body") => CredentialsIn::Body,
        Some(_) => {
            problems.add(&[DELIVERY, "auth", "credentialsIn"], "must be header or body");
            CredentialsIn::Header
        }
    }
}

/// The URL of a token endpoint is one that relay posts to, as an endpoint's.
fn checked(
    mut auth: EndpointAuth,
    check_url: &CheckUrl,
    problems: &mut Problems,
) -> Option<EndpointAuth> {
    if let EndpointAuth::Oauth2(client) = &mut auth {
        match check_url(&client.token_url) {
            Ok(url) => client.token_url = url,
            Err(words) => {
                problems.add(&[DELIVERY, "auth", "tokenUrl"], words);
                return None;
            }
        }
    }
    Some(auth)
}

/// What is wrong with what was given.
pub(super) fn check(settings: &DeliverySettings, problems: &mut Problems) {
    for (setting, words) in egress::problems(settings) {
        let place = place(setting);
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        problems.add(&place, words);
    }
}

/// `auth.client_secret` as it is called here: `delivery`, `auth`, `clientSecret`.
fn place(setting: &str) -> Vec<String> {
    let parts = setting.split('.').map(|part| {
        let mut words = part.split('_');
        let mut name = words.next().unwrap_or_default().to_owned();
        for word in words {
            let (first, rest) = word.split_at(word.len().min(1));
            name.push_str(&first.to_ascii_uppercase());
            name.push_str(rest);
        }
        name
    });
    std::iter::once(DELIVERY.to_owned()).chain(parts).collect()
}

fn refusal((setting, message): Wrong) -> Refusal {
    let location = std::iter::once("body".to_owned()).chain(place(setting)).collect();
    Refusal::Invalid { location, message }
}

/// Who changes an endpoint.
pub(super) struct Changer<'a> {
    pub config: &'a Config,
    /// Whether it may choose proxies that are not for tenants.
    pub operator: bool,
}

/// Brings what was given together with what stands, in the transaction that writes it: credentials
/// that were left out stay, as long as they go to the same place. `given` is whether the change
/// has `delivery` at all.
pub(super) fn settle(
    new: &mut Endpoint,
    old: Option<&Endpoint>,
    given: bool,
    changer: &Changer<'_>,
) -> Result<(), Refusal> {
    let moved = old.is_some_and(|old| !egress::same_place(&old.url, &new.url));
    if let Some(old) = old
        && moved
        && !given
        && egress::holds_credentials(&old.delivery)
    {
        let location = vec!["body".to_owned(), DELIVERY.to_owned()];
        let message = "holds credentials that were given for the place that the URL led to: give \
                       it with them, or as null"
            .to_owned();
        return Err(Refusal::Invalid { location, message });
    }
    if let Some(old) = old.filter(|_| given && !moved) {
        egress::keep_credentials(&mut new.delivery, &old.delivery);
    }
    if let Some(setting) = egress::left_out(&new.delivery).first() {
        let why = if moved { ": the URL leads to another place" } else { "" };
        return Err(refusal((setting, format!("is missing{why}"))));
    }
    fits(new, old, changer)
}

/// What holds of an endpoint whose credentials are complete.
pub(super) fn fits(
    new: &Endpoint,
    old: Option<&Endpoint>,
    changer: &Changer<'_>,
) -> Result<(), Refusal> {
    // What was left out was not looked at before.
    if old.is_none_or(|old| old.delivery != new.delivery)
        && let Some(wrong) = egress::problems(&new.delivery).into_iter().next()
    {
        return Err(refusal(wrong));
    }
    if let Some(auth) = &new.delivery.auth
        && find_header(&new.headers, auth.header_name()).is_some()
    {
        let name = auth.header_name();
        let words = format!("sends the header {name}, which is among the endpoint's own already");
        return Err(refusal(("auth", words)));
    }
    let choice = new.delivery.proxy.as_deref();
    let stood = old.and_then(|old| old.delivery.proxy.as_deref());
    match choice.filter(|choice| Some(*choice) != stood) {
        None => Ok(()),
        Some(choice) => match changer.config.proxy_choice(choice) {
            Some(tenants) if tenants || changer.operator => Ok(()),
            // Which others there are is not told.
            _ => Err(refusal(("proxy", format!("`{choice}` is no proxy that may be chosen here")))),
        },
    }
}

/// As it is shown: without what is secret, so that it can be given back as it is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub(super) enum AuthOut {
    Basic {
        username: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
    Bearer {
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    Header {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    Oauth2 {
        token_url: String,
        client_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_secret: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        credentials_in: CredentialsIn,
    },
}

/// As it is shown: the key apart, it is public.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TlsOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

fn shown(credential: &Credential, secrets: bool) -> Option<String> {
    (secrets && !credential.is_left_out()).then(|| credential.expose().to_owned())
}

impl AuthOut {
    /// With what is secret of it only where `secrets` says so.
    pub fn new(auth: &EndpointAuth, secrets: bool) -> AuthOut {
        match auth.clone() {
            EndpointAuth::Basic { username, password } => {
                AuthOut::Basic { username, password: shown(&password, secrets) }
            }
            EndpointAuth::Bearer { token } => AuthOut::Bearer { token: shown(&token, secrets) },
            EndpointAuth::Header { name, value } => {
                AuthOut::Header { name, value: shown(&value, secrets) }
            }
            EndpointAuth::Oauth2(client) => AuthOut::Oauth2 {
                token_url: client.token_url,
                client_id: client.client_id,
                client_secret: shown(&client.client_secret, secrets),
                scope: client.scope,
                audience: client.audience,
                credentials_in: client.credentials_in,
            },
        }
    }
}

impl TlsOut {
    /// With its key only where `secrets` says so.
    pub fn new(tls: &EndpointTls, secrets: bool) -> TlsOut {
        TlsOut {
            client_certificate: tls.client_certificate.clone(),
            client_key: shown(&tls.client_key, secrets),
            ca: tls.ca.clone(),
        }
    }
}
