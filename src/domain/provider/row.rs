//! A row of the table: what is signed, how, and where its parts stand.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

use super::content::{Part, parse_message};
use super::encoding::{Digest, Encoding, KeyForm};
use super::fetched::FetchRow;
use super::handshake::{HandshakeError, HandshakeRow};
use super::jwt::JwtRow;
use super::reply::Reply;

/// The providers that are known, as they stand in `table.toml`.
static KNOWN: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("table.toml")).expect("invariant: tested");
    let read = |row: Row| Provider::try_from(row).expect("invariant: tested");
    table.provider.into_iter().map(read).collect()
});

/// Every provider that is known, by name.
pub fn known() -> &'static [Provider] {
    &KNOWN
}

/// The known provider of this name.
pub fn find(name: &str) -> Option<&'static Provider> {
    known().iter().find(|provider| provider.name == name)
}

/// Whether this names a place of a request: `header.x-id`, `query.id`, `body.data.id`, one in each
/// item of a batch, `body[].id` or `body.events[].id`, or several of them with `+` between.
pub fn is_place(text: &str) -> bool {
    text.split('+').all(|part| {
        let place = part.split_once('.').map(|(place, rest)| (place, !rest.is_empty()));
        matches!(place, Some(("header" | "query" | "body" | "body[]", true)))
    })
}

/// What makes a signature of content and secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// HMAC (RFC 2104) over the message.
    #[default]
    Hmac,
    /// The bare digest of the message, which holds the secret.
    Hash,
    /// No signature: the secret itself is sent.
    Token,
    /// Ed25519 (RFC 8032) over the message; the secret is the public key.
    Ed25519,
    /// ECDSA over P-256, the signature in DER; the secret is the public key as SPKI.
    Ecdsa,
    /// RSASSA-PKCS1-v1_5 (RFC 8017); the secret is the public key as SPKI.
    Rsa,
    /// The same, by the key of a certificate that is fetched; the secret is a part of the message.
    Certificate,
    /// A JSON Web Token (RFC 7519) with HMAC and SHA-256, which says nothing of the body.
    Jwt,
    /// Adyen's HMAC over some fields of each item.
    Adyen,
    /// The secret itself in each item of Microsoft Graph's.
    ClientState,
    /// eBay's ECDSA over the body, by a key that is fetched.
    Ebay,
    /// Nothing is signed: a token in the URL has to be all.
    None,
}

/// How the header or field that holds signatures is made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One signature and nothing else.
    #[default]
    Plain,
    /// `t=1,v1=…,v1=…`: pairs, of which those of `key` are signatures.
    Kv,
    /// `v1,… v1,…`: versions and signatures, of which those of `key` count.
    SpaceList,
    /// Headers whose names end in `-1`, `-2` and so on.
    NumberedHeaders,
}

/// Where signatures stand.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureRow {
    /// In this header.
    pub header: Option<String>,
    /// In this field of the body, a JSON document: `signature.signature`.
    pub json: Option<String>,
    /// In this field of the body, a form.
    pub form: Option<String>,
    /// How it is made up.
    #[serde(default)]
    pub format: Format,
    /// Between pairs; `,` when unset.
    pub delimiter: Option<char>,
    /// Between the name and the value of a pair; `=` when unset.
    pub separator: Option<char>,
    /// The name or version that counts; any when unset.
    pub key: Option<String>,
    /// What must stand in front of each signature: `sha256=`.
    #[serde(default)]
    pub prefix: String,
}

/// What a timestamp counts in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimestampUnit {
    /// Unix seconds.
    #[default]
    S,
    /// Unix milliseconds.
    Ms,
    /// A date and time (RFC 3339).
    Rfc3339,
}

/// Where the time of signing stands, and how far it may lie from now.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampRow {
    /// In this header.
    pub header: Option<String>,
    /// In this pair of the signature's.
    pub field: Option<String>,
    /// In this field of the body, a JSON document.
    pub json: Option<String>,
    /// What it counts in.
    #[serde(default)]
    pub unit: TimestampUnit,
    /// Seconds, either way; unset where the provider names no limit and none would hold.
    pub tolerance: Option<u64>,
}

/// A row as it is written.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    title: String,
    docs: String,
    secret: Option<String>,
    #[serde(default)]
    signature: SignatureRow,
    #[serde(default)]
    scheme: Scheme,
    #[serde(default)]
    digest: Digest,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default)]
    key: KeyForm,
    timestamp: Option<TimestampRow>,
    jwt: Option<JwtRow>,
    #[serde(default = "body_alone")]
    message: String,
    #[serde(default)]
    ports: bool,
    body_digest: Option<String>,
    #[serde(default)]
    lengths: BTreeMap<String, usize>,
    #[serde(default)]
    required: BTreeMap<String, String>,
    #[serde(default)]
    handshake: Vec<HandshakeRow>,
    #[serde(default)]
    fetch: FetchRow,
    #[serde(default)]
    reply: Reply,
    #[serde(default = "unauthorized")]
    refusal: u16,
    #[serde(default)]
    event_id: Vec<String>,
    #[serde(default)]
    event_type: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    provider: Vec<Row>,
}

fn unauthorized() -> u16 {
    401
}

fn body_alone() -> String {
    "{body}".to_owned()
}

/// How one provider signs, checked.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "Row")]
pub struct Provider {
    /// Its name in configurations, `stripe`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where it says how it signs.
    pub docs: String,
    /// What stands for the secret, where the provider calls it otherwise: `the webhook's id`.
    pub secret: Option<String>,
    /// Where signatures stand.
    pub signature: SignatureRow,
    /// What makes them.
    pub scheme: Scheme,
    /// Of which digest.
    pub digest: Digest,
    /// How they are written.
    pub encoding: Encoding,
    /// How the secret becomes the key.
    pub key: KeyForm,
    /// When it was signed.
    pub timestamp: Option<TimestampRow>,
    /// What a token says of the request.
    pub jwt: JwtRow,
    /// What is signed.
    pub(super) message: Vec<Part>,
    /// Whether the URL may be signed with or without its default port.
    pub ports: bool,
    /// A query parameter that holds the SHA-256 of the body in hexadecimal.
    pub body_digest: Option<String>,
    /// Characters that fields of a JSON body have, where nothing else keeps them apart.
    pub lengths: BTreeMap<String, usize>,
    /// Headers that must have these values.
    pub required: BTreeMap<String, String>,
    /// Its handshakes; the first that a request is, it is.
    pub handshakes: Vec<HandshakeRow>,
    /// Where keys are that have to be fetched.
    pub fetch: FetchRow,
    /// What it wants to hear when an event was taken.
    pub reply: Reply,
    /// The status for what is not verified.
    pub refusal: u16,
    /// Where the event's id stands, the first that is there: `header.x-id`, `body.id`.
    pub event_id: Vec<String>,
    /// Where the event's type stands.
    pub event_type: Vec<String>,
}

/// What is wrong with a row.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RowError {
    /// A signature or timestamp that stands nowhere or in two places.
    #[error("{0} must name one place: header, json or {1}; and none where nothing is signed")]
    Place(&'static str, &'static str),
    /// A list without what tells its items apart.
    #[error("signature.format needs signature.{0}")]
    Format(&'static str),
    /// A part of the message that there is not.
    #[error("message: {{{0}}} is no part; there are {parts}", parts = super::content::PARTS)]
    Part(String),
    /// A brace that does not close.
    #[error("message: a {{ has no }}")]
    Brace,
    /// A place of the event's id or type.
    #[error("{0:?} is no place: write header.NAME, query.NAME or body.FIELD")]
    Origin(String),
    /// A handshake.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// An answer that would say the contrary.
    #[error("{0} = {1}: write one of {2}")]
    Status(&'static str, u16, &'static str),
}

impl TryFrom<Row> for Provider {
    type Error = RowError;

    fn try_from(row: Row) -> Result<Provider, RowError> {
        let SignatureRow { header, json, form, format, key, .. } = &row.signature;
        // What stands in each item has no place of its own.
        let places = match row.scheme {
            Scheme::None | Scheme::Adyen | Scheme::ClientState => 0,
            _ => 1,
        };
        if [header, json, form].into_iter().flatten().count() != places {
            return Err(RowError::Place("signature", "form"));
        }
        match format {
            Format::SpaceList if key.is_none() => return Err(RowError::Format("key")),
            Format::NumberedHeaders if header.is_none() => return Err(RowError::Format("header")),
            _ => {}
        }
        if let Some(TimestampRow { header, field, json, .. }) = &row.timestamp
            && [header, field, json].into_iter().flatten().count() != 1
        {
            return Err(RowError::Place("timestamp", "field"));
        }
        let origins = row.event_id.iter().chain(&row.event_type);
        if let Some(wrong) = origins.clone().find(|origin| !is_place(origin)) {
            return Err(RowError::Origin(wrong.clone()));
        }
        row.handshake.iter().try_for_each(HandshakeRow::check)?;
        if !(200..300).contains(&row.reply.status) {
            return Err(RowError::Status("reply.status", row.reply.status, "200 to 299"));
        }
        if !(400..600).contains(&row.refusal) {
            return Err(RowError::Status("refusal", row.refusal, "400 to 599"));
        }
        Ok(Provider {
            message: parse_message(&row.message)?,
            name: row.name,
            title: row.title,
            docs: row.docs,
            secret: row.secret,
            signature: row.signature,
            scheme: row.scheme,
            digest: row.digest,
            encoding: row.encoding,
            key: row.key,
            timestamp: row.timestamp,
            jwt: row.jwt.unwrap_or_default(),
            ports: row.ports,
            body_digest: row.body_digest,
            lengths: row.lengths,
            required: row.required,
            handshakes: row.handshake,
            fetch: row.fetch,
            reply: row.reply,
            refusal: row.refusal,
            event_id: row.event_id,
            event_type: row.event_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut names: Vec<&str> = known().iter().map(|provider| provider.name.as_str()).collect();
        assert!(names.len() >= 45, "{} providers", names.len());
        assert!(names.is_sorted(), "by name: {names:?}");
        names.dedup();
        assert_eq!(names.len(), known().len(), "each once");
        for provider in known() {
            assert!(provider.docs.starts_with("https://"), "{}", provider.name);
            let lower = |name: &Option<String>| {
                name.as_ref().is_none_or(|name| *name == name.to_ascii_lowercase())
            };
            assert!(lower(&provider.signature.header), "{}", provider.name);
        }
        assert_eq!(find("stripe").map(|provider| provider.title.as_str()), Some("Stripe"));
        assert_eq!(find("Stripe"), None);
    }

    #[test]
    fn every_field_is_explained() {
        let told = include_str!("../../../docs/providers.md");
        let (_, told) = told.split_once("## A row of your own").expect("its chapter");
        for part in ["", "signature.", "timestamp.", "jwt.", "fetch.", "reply."] {
            let error = toml::from_str::<Row>(&format!("{part}x = 1")).expect_err(part);
            let fields = error.message().split('`').skip(3).step_by(2);
            let missing: Vec<&str> =
                fields.filter(|field| !told.contains(&format!("`{field}`"))).collect();
            assert_eq!(missing, [""; 0], "fields of {part}");
            assert!(error.message().contains("expected"), "{error}");
        }
    }

    #[test]
    fn rows_that_are_none() {
        let check = |rest: &str, expected: &str| {
            let text = format!("name = \"a\"\ntitle = \"A\"\ndocs = \"https://a\"\n{rest}");
            let error = toml::from_str::<Provider>(&text).expect_err(rest).to_string();
            assert!(error.contains(expected), "{rest}: {error}");
        };
        check("signature = {}", "signature must name one place");
        check("signature = { header = \"a\", json = \"b\" }", "signature must name one place");
        check("signature = { header = \"a\", format = \"space-list\" }", "needs signature.key");
        check("signature = { json = \"a\", format = \"numbered-headers\" }", "signature.header");
        check("signature = { header = \"a\" }\nmessage = \"{boddy}\"", "{boddy} is no part");
        check("signature = { header = \"a\" }\nmessage = \"{body\"", "has no }");
        check("signature = { header = \"a\" }\nevent_id = [\"id\"]", "header.NAME");
        check("signature = { header = \"a\" }\ntimestamp = {}", "timestamp must name one place");
        check("signature = { header = \"a\" }\nrefusal = 200", "400 to 599");
        check("signature = { header = \"a\" }\nreply = { status = 500 }", "200 to 299");
        check("signature = { header = \"a\" }\nhandshake = [{ what = \"b\" }]", "of no request");
        check("signature = { header = \"a\" }\ncolour = 1", "unknown field");
    }
}
