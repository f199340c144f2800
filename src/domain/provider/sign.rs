//! The inverse of the verification, for providers whose secret both sides hold: a request that
//! passes, for tests of a source and for samples.

use serde_json::Value;
use thiserror::Error;
use url::Url;
use url::form_urlencoded::Serializer;

use super::content::{self, Part, Parts};
use super::encoding::{self, Digest, Encoding};
use super::json;
use super::reason::Reason;
use super::request::Request;
use super::row::{Format, Provider, Scheme, TimestampUnit};
use super::verify::{mac, secret_keys, verify};
use super::{adyen, jwt};
use crate::domain::time::Timestamp;

/// A request to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// `POST`.
    pub method: String,
    /// The URL, with what a provider adds to its query.
    pub url: String,
    /// Its headers, the provider's behind the others.
    pub headers: Vec<(String, String)>,
    /// Its body, with what a provider writes into it.
    pub body: Vec<u8>,
}

/// Why a request can't be signed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum NotSignable {
    /// The provider alone has the key.
    #[error("the provider signs with a key that it alone has")]
    PublicKey,
    /// A signature stands in the body, and this one has no place for it.
    #[error("this provider writes into the body, which has to be {0}")]
    Body(&'static str),
    /// The signature stands in what it signs.
    #[error("the row has its signature in what is signed")]
    Circle,
    /// What was made is not verified: a secret of another form, a body that no event has.
    #[error("what was made is not verified: {0}")]
    Refused(#[from] Reason),
}

impl Outgoing {
    /// What the receiver sees.
    pub fn request(&self) -> Request<'_> {
        let Outgoing { method, url, headers, body } = self;
        Request { method, url, headers, body }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn set_json(&mut self, path: &str, value: Value) -> Result<(), NotSignable> {
        const OBJECT: NotSignable = NotSignable::Body("a JSON object");
        let mut whole: Value = serde_json::from_slice(&self.body).map_err(|_| OBJECT)?;
        json::set(&mut whole, path, value).ok_or(OBJECT)?;
        self.body = whole.to_string().into_bytes();
        Ok(())
    }

    fn set_form(&mut self, name: &str, value: &str) {
        let fields = self.request();
        let kept = fields.fields().filter(|(held, _)| held != name);
        let mut form = Serializer::new(String::new());
        form.extend_pairs(kept);
        self.body = form.append_pair(name, value).finish().into_bytes();
        self.set("content-type", "application/x-www-form-urlencoded");
    }

    fn set_query(&mut self, name: &str, value: &str) {
        if let Ok(mut url) = Url::parse(&self.url) {
            let pairs = url.query_pairs().filter(|(held, _)| held != name);
            let kept: Vec<(String, String)> =
                pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            url.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, value);
            self.url = url.into();
        }
    }

    /// Something that is another for another request, `length` hexadecimal digits.
    fn token(&self, now: Timestamp, length: usize) -> String {
        let seed = [self.body.as_slice(), now.millis().to_string().as_bytes()].concat();
        let digits = encoding::encode(Encoding::Hex, &encoding::digest(Digest::Sha512, &seed));
        digits.chars().cycle().take(length).collect()
    }
}

/// Signs a request as the provider would, at this time. What comes out is verified with the same
/// secret, or is not made. An id or token that the row signs and the request lacks is added.
pub fn sign(
    provider: &Provider,
    secret: &str,
    unsigned: &Request<'_>,
    now: Timestamp,
) -> Result<Outgoing, NotSignable> {
    let mut made = Outgoing {
        method: unsigned.method.to_owned(),
        url: unsigned.url.to_owned(),
        headers: unsigned.headers.to_vec(),
        body: unsigned.body.to_vec(),
    };
    match provider.scheme {
        Scheme::None => return Ok(made),
        Scheme::Ed25519 | Scheme::Ecdsa | Scheme::Rsa | Scheme::Certificate | Scheme::Ebay => {
            return Err(NotSignable::PublicKey);
        }
        Scheme::Jwt => {
            let key = one_key(provider, secret)?;
            let token = jwt::make(provider, &key, &made.request(), now);
            write(provider, &mut made, &[], &token)?;
        }
        Scheme::Adyen => {
            let key = one_key(provider, secret)?;
            made.body = adyen::signed_body(provider, &key, &made.body)
                .ok_or(NotSignable::Body("Adyen's notificationItems"))?;
        }
        Scheme::ClientState => set_client_state(&mut made, secret)?,
        Scheme::Hmac | Scheme::Hash | Scheme::Token => {
            by_message(provider, secret, &mut made, now)?
        }
    }
    verify(provider, &[secret], &made.request(), now)?;
    Ok(made)
}

impl Provider {
    /// Whether who has the secret can sign, and not the provider alone.
    pub fn is_signable(&self) -> bool {
        use Scheme::{Certificate, Ebay, Ecdsa, Ed25519, Rsa};
        !matches!(self.scheme, Ed25519 | Ecdsa | Rsa | Certificate | Ebay)
    }
}

fn one_key(provider: &Provider, secret: &str) -> Result<Vec<u8>, NotSignable> {
    let mut keys = secret_keys(provider, &[secret])?;
    Ok(keys.pop().unwrap_or_default())
}

fn set_client_state(made: &mut Outgoing, secret: &str) -> Result<(), NotSignable> {
    const ITEMS: NotSignable = NotSignable::Body("Microsoft Graph's value, a list of objects");
    let mut whole: Value = serde_json::from_slice(&made.body).map_err(|_| ITEMS)?;
    let items = whole.get_mut("value").and_then(Value::as_array_mut).ok_or(ITEMS)?;
    for item in items {
        json::set(item, "clientState", Value::from(secret)).ok_or(ITEMS)?;
    }
    made.body = whole.to_string().into_bytes();
    Ok(())
}

fn by_message(
    provider: &Provider,
    secret: &str,
    made: &mut Outgoing,
    now: Timestamp,
) -> Result<(), NotSignable> {
    let signs_body = provider.message.contains(&Part::Body);
    if provider.scheme != Scheme::Token && signs_body && provider.signature.header.is_none() {
        return Err(NotSignable::Circle);
    }
    let key = one_key(provider, secret)?;
    for (header, value) in &provider.required {
        made.set(header, value);
    }
    let timestamp = prepare(provider, made, now)?;
    let mut pairs = Vec::new();
    let field = provider.timestamp.as_ref().and_then(|row| row.field.clone());
    pairs.extend(field.map(|field| (field, timestamp.clone())));
    for part in &provider.message {
        if let Part::Pair(name) = part {
            if made.request().header("content-type").is_none() {
                made.set("content-type", "application/json");
            }
            pairs.push((name.clone(), "content-type".to_owned()));
        }
    }
    let url = made.url.clone();
    let parts = Parts { timestamp: &timestamp, secret, url: &url, pairs: &pairs };
    let signature = match provider.scheme {
        Scheme::Token => secret.to_owned(),
        scheme => {
            let message = content::message(provider, &made.request(), &parts)?;
            let bytes = match scheme {
                Scheme::Hash => encoding::digest(provider.digest, &message),
                _ => mac(provider.digest, &key, &message),
            };
            encoding::encode(provider.encoding, &bytes)
        }
    };
    write(provider, made, &pairs, &signature)
}

/// Adds what is signed and not there yet. Gives the time as it is sent.
fn prepare(
    provider: &Provider,
    made: &mut Outgoing,
    now: Timestamp,
) -> Result<String, NotSignable> {
    let mut timestamp = String::new();
    if let Some(row) = &provider.timestamp {
        timestamp = match row.unit {
            TimestampUnit::S => now.seconds().to_string(),
            TimestampUnit::Ms => now.millis().to_string(),
            TimestampUnit::Rfc3339 => now.to_string(),
        };
        if let Some(header) = &row.header {
            made.set(header, &timestamp);
        }
        if let Some(path) = &row.json {
            let number = row.unit == TimestampUnit::Ms;
            let value = if number { now.millis().into() } else { timestamp.as_str().into() };
            made.set_json(path, value)?;
        }
    }
    for part in &provider.message {
        match part {
            Part::Header(name) if made.request().header(name).is_none() => {
                let token = format!("msg_{}", made.token(now, 24));
                made.set(name, &token);
            }
            Part::Query(name) if made.request().query(name).is_none() => {
                let token = made.token(now, 24);
                made.set_query(name, &token);
            }
            Part::Json(path) => {
                let length = provider.lengths.get(path).copied();
                let held = made.request().json(path);
                if held.is_none_or(|held| length.is_some_and(|length| held.len() != length)) {
                    let token = made.token(now, length.unwrap_or(24));
                    made.set_json(path, token.into())?;
                }
            }
            Part::Form(name) if made.request().form(name).is_none() => {
                let text = format!("{}\n", encoding::encode(Encoding::Base64, &made.body));
                made.body.clear();
                made.set_form(name, &text);
            }
            _ => {}
        }
    }
    if let Some(parameter) = &provider.body_digest
        && !made.request().is_form()
        && !made.body.is_empty()
    {
        let digest = encoding::digest(Digest::Sha256, &made.body);
        made.set_query(parameter, &encoding::encode(Encoding::Hex, &digest));
    }
    Ok(timestamp)
}

/// Puts the signature where it stands, in the form that it has there.
fn write(
    provider: &Provider,
    made: &mut Outgoing,
    pairs: &[(String, String)],
    signature: &str,
) -> Result<(), NotSignable> {
    let row = &provider.signature;
    let signature = format!("{}{signature}", row.prefix);
    let key = row.key.as_deref().unwrap_or("public");
    let text = match row.format {
        Format::Plain | Format::NumberedHeaders => signature,
        Format::SpaceList => format!("{key},{signature}"),
        Format::Kv => {
            let separator = row.separator.unwrap_or('=');
            let pair = |(name, value): &(String, String)| format!("{name}{separator}{value}");
            let signed = [(key.to_owned(), signature)];
            let all: Vec<String> = pairs.iter().chain(&signed).map(pair).collect();
            all.join(&row.delimiter.unwrap_or(',').to_string())
        }
    };
    match (&row.header, &row.json, &row.form) {
        (Some(header), _, _) if row.format == Format::NumberedHeaders => {
            made.set(&format!("{header}-1"), &text);
        }
        (Some(header), _, _) => made.set(header, &text),
        (_, Some(path), _) => made.set_json(path, text.into())?,
        (_, _, Some(field)) => made.set_form(field, &text),
        (None, None, None) => {}
    }
    Ok(())
}
