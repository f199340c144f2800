//! What is read out of a request by a row: signatures, the time, and the bytes that were signed.

use super::reason::Reason;
use super::request::Request;
use super::row::{Format, Provider, RowError, SignatureRow, TimestampRow, TimestampUnit};
use super::sns;
use super::verify::CANDIDATES_MAX;
use crate::domain::time::Timestamp;

/// The parts that a message may have.
pub const PARTS: &str = "{body} {timestamp} {method} {url} {decoded-url} {secret} {sorted-form} \
                         {crc32} {sns} {header:NAME} {query:NAME} {json:FIELD} {form:FIELD} \
                         {pair:NAME} {listed-headers:NAME}";

/// A part of the message that is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// The body's bytes.
    Body,
    /// The time as it was sent.
    Timestamp,
    /// The method.
    Method,
    /// The URL that the provider was given.
    Url,
    /// The same with the characters decoded that HubSpot decodes.
    DecodedUrl,
    /// The secret itself, where no MAC is made.
    Secret,
    /// The fields of a form by name, each name with its values; nothing when the body is none.
    SortedForm,
    /// A header.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A field of a JSON body.
    Json(String),
    /// A field of a form.
    Form(String),
    /// A pair that stands beside the signature.
    Pair(String),
    /// The headers that a pair names, a space between two, with a point between their values.
    ListedHeaders(String),
    /// The checksum of the body (CRC-32 of IEEE 802.3) as a decimal.
    Crc32,
    /// What AWS SNS signs of a message.
    Sns,
}

/// Reads `{timestamp}.{body}`.
pub fn parse_message(text: &str) -> Result<Vec<Part>, RowError> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find('{') {
        if start > 0 {
            parts.push(Part::Text(rest[..start].to_owned()));
        }
        let end = rest[start..].find('}').ok_or(RowError::Brace)? + start;
        let name = &rest[start + 1..end];
        parts.push(match name.split_once(':') {
            Some(("header", name)) => Part::Header(name.to_owned()),
            Some(("query", name)) => Part::Query(name.to_owned()),
            Some(("json", path)) => Part::Json(path.to_owned()),
            Some(("form", name)) => Part::Form(name.to_owned()),
            Some(("pair", name)) => Part::Pair(name.to_owned()),
            Some(("listed-headers", name)) => Part::ListedHeaders(name.to_owned()),
            _ => match name {
                "body" => Part::Body,
                "timestamp" => Part::Timestamp,
                "method" => Part::Method,
                "url" => Part::Url,
                "decoded-url" => Part::DecodedUrl,
                "secret" => Part::Secret,
                "sorted-form" => Part::SortedForm,
                "crc32" => Part::Crc32,
                "sns" => Part::Sns,
                other => return Err(RowError::Part(other.to_owned())),
            },
        });
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Signatures as they were written, and the pairs that stood beside them.
pub struct Found {
    pub signatures: Vec<String>,
    pub pairs: Vec<(String, String)>,
}

/// Finds the signatures of the version that counts.
pub fn signatures(row: &SignatureRow, request: &Request<'_>) -> Result<Found, Reason> {
    let mut pairs = Vec::new();
    let mut found: Vec<String> = match row.format {
        Format::NumberedHeaders => numbered(row, request)?,
        Format::Plain => vec![place(row, request)?],
        Format::SpaceList => {
            let text = listed(row, request, ' ')?;
            let items = text.split(' ').filter_map(|item| item.split_once(','));
            let items = items.filter(|(version, _)| Some(*version) == row.key.as_deref());
            items.map(|(_, signature)| signature.to_owned()).collect()
        }
        Format::Kv => {
            let (delimiter, separator) =
                (row.delimiter.unwrap_or(','), row.separator.unwrap_or('='));
            let text = listed(row, request, delimiter)?;
            let items = text.split(delimiter).filter_map(|item| item.trim().split_once(separator));
            pairs = items.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            let wanted = |key: &str| row.key.as_deref().is_none_or(|wanted| wanted == key);
            let signed = pairs.iter().filter(|(key, _)| wanted(key));
            signed.map(|(_, value)| value.clone()).collect()
        }
    };
    found = found
        .into_iter()
        .filter_map(|text| text.strip_prefix(row.prefix.as_str()).map(str::to_owned))
        .collect();
    match found.len() {
        0 => Err(Reason::NoSignature { place: name(row) }),
        many if many > CANDIDATES_MAX => Err(Reason::TooMany),
        _ => Ok(Found { signatures: found, pairs }),
    }
}

/// A place that holds a list, which is refused before it is taken apart when it is too long.
fn listed(row: &SignatureRow, request: &Request<'_>, delimiter: char) -> Result<String, Reason> {
    let text = place(row, request)?;
    match text.split(delimiter).nth(CANDIDATES_MAX) {
        Some(_) => Err(Reason::TooMany),
        None => Ok(text),
    }
}

/// What the place is called in a message.
fn name(row: &SignatureRow) -> String {
    match (&row.header, &row.json, &row.form) {
        (Some(header), _, _) => format!("the header {header}"),
        (_, Some(path), _) => format!("the body's {path}"),
        (_, _, form) => format!("the form's {}", form.as_deref().unwrap_or_default()),
    }
}

fn place(row: &SignatureRow, request: &Request<'_>) -> Result<String, Reason> {
    let found = match (&row.header, &row.json, &row.form) {
        (Some(header), _, _) => {
            if request.headers(header).nth(1).is_some() {
                return Err(Reason::Twice { place: format!("the header {header}") });
            }
            request.header(header).map(str::to_owned)
        }
        (_, Some(path), _) => request.field(path)?,
        (_, _, Some(field)) => request.form(field).map(|value| value.into_owned()),
        (None, None, None) => None,
    };
    found.filter(|text| !text.is_empty()).ok_or_else(|| Reason::Missing { place: name(row) })
}

fn numbered(row: &SignatureRow, request: &Request<'_>) -> Result<Vec<String>, Reason> {
    let header = row.header.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for number in 1..=CANDIDATES_MAX + 1 {
        let header = format!("{header}-{number}");
        if request.headers(&header).nth(1).is_some() {
            return Err(Reason::Twice { place: format!("the header {header}") });
        }
        found.extend(request.header(&header).map(str::to_owned));
    }
    if found.is_empty() {
        return Err(Reason::Missing { place: format!("the header {header}-1") });
    }
    Ok(found)
}

/// The time of signing as it was sent, and what it means.
pub fn timestamp(
    row: &TimestampRow,
    request: &Request<'_>,
    pairs: &[(String, String)],
) -> Result<(String, Timestamp), Reason> {
    let (place, text) = match (&row.header, &row.field, &row.json) {
        (Some(header), _, _) => {
            if request.headers(header).nth(1).is_some() {
                return Err(Reason::Twice { place: format!("the header {header}") });
            }
            (format!("the header {header}"), request.header(header).map(str::to_owned))
        }
        (_, Some(field), _) => {
            let mut values = pairs.iter().filter(|(key, _)| key == field);
            let value = values.next().map(|(_, value)| value.clone());
            if values.next().is_some() {
                return Err(Reason::TwoTimes);
            }
            (format!("the signature's {field}"), value)
        }
        (_, _, path) => {
            let path = path.as_deref().unwrap_or_default();
            (format!("the body's {path}"), request.field(path)?)
        }
    };
    let text = text.filter(|text| !text.is_empty()).ok_or(Reason::Missing { place })?;
    let digits = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let time = match row.unit {
        TimestampUnit::S => digits().and_then(|seconds: u64| seconds.checked_mul(1_000)),
        TimestampUnit::Ms => digits(),
        TimestampUnit::Rfc3339 => {
            // The library reads more than the RFC has, such as a zone's name behind.
            let plain = |byte: u8| byte.is_ascii_digit() || b"T:.Z+-".contains(&byte);
            let time = text.bytes().all(plain).then(|| Timestamp::parse_rfc3339(&text));
            time.flatten().map(Timestamp::millis)
        }
    };
    let time = time.map(Timestamp::from_millis).ok_or(Reason::NoTime)?;
    Ok((text, time))
}

/// What a message is made of beside the request.
pub struct Parts<'a> {
    /// The time as it was sent.
    pub timestamp: &'a str,
    /// The secret's text.
    pub secret: &'a str,
    /// The URL to take.
    pub url: &'a str,
    /// What stood beside the signature.
    pub pairs: &'a [(String, String)],
}

/// The bytes that were signed.
pub fn message(
    provider: &Provider,
    request: &Request<'_>,
    parts: &Parts<'_>,
) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::with_capacity(request.body.len() + 64);
    let need = |place: String, found: Option<String>| found.ok_or(Reason::Missing { place });
    for part in &provider.message {
        match part {
            Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Part::Body => bytes.extend_from_slice(request.body),
            Part::Timestamp => bytes.extend_from_slice(parts.timestamp.as_bytes()),
            Part::Method => bytes.extend_from_slice(request.method.as_bytes()),
            Part::Url => bytes.extend_from_slice(parts.url.as_bytes()),
            Part::DecodedUrl => bytes.extend_from_slice(decoded(parts.url).as_bytes()),
            Part::Secret => bytes.extend_from_slice(parts.secret.as_bytes()),
            Part::SortedForm => sorted_form(request, &mut bytes),
            Part::Crc32 => {
                let sum = crc32fast::hash(request.body);
                bytes.extend_from_slice(sum.to_string().as_bytes());
            }
            Part::Sns => bytes.extend_from_slice(&sns::message(request, parts.secret)?),
            Part::Header(name) => bytes.extend_from_slice(header(request, name)?.as_bytes()),
            Part::Query(name) => {
                let value = request.query(name);
                bytes.extend_from_slice(need(format!("the query's {name}"), value)?.as_bytes());
            }
            Part::Json(path) => {
                let value = request.field(path)?;
                bytes.extend_from_slice(need(format!("the body's {path}"), value)?.as_bytes());
            }
            Part::Form(name) => {
                let value = request.form(name).map(|value| value.into_owned());
                bytes.extend_from_slice(need(format!("the form's {name}"), value)?.as_bytes());
            }
            Part::Pair(name) => bytes.extend_from_slice(pair(parts.pairs, name)?.as_bytes()),
            Part::ListedHeaders(name) => {
                let names = pair(parts.pairs, name)?;
                if names.split(' ').nth(CANDIDATES_MAX).is_some() {
                    return Err(Reason::TooMany);
                }
                let values: Result<Vec<&str>, Reason> =
                    names.split(' ').map(|name| header(request, name)).collect();
                bytes.extend_from_slice(values?.join(".").as_bytes());
            }
        }
    }
    Ok(bytes)
}

/// A header that is signed.
fn header<'a>(request: &Request<'a>, name: &str) -> Result<&'a str, Reason> {
    let place = format!("the header {name}");
    match (request.header(name), request.headers(name).next()) {
        (Some(value), _) => Ok(value),
        (None, Some(_)) => Err(Reason::Twice { place }),
        (None, None) => Err(Reason::Missing { place }),
    }
}

/// A pair beside the signature.
fn pair<'a>(pairs: &'a [(String, String)], name: &str) -> Result<&'a str, Reason> {
    let place = || format!("the signature's {name}");
    let mut values = pairs.iter().filter(|(key, _)| key == name);
    let value = values.next().map(|(_, value)| value.as_str());
    match values.next() {
        Some(_) => Err(Reason::Twice { place: place() }),
        None => value.ok_or_else(|| Reason::Missing { place: place() }),
    }
}

/// Each name with its values, both sorted and a value that stands twice taken once (Twilio).
fn sorted_form(request: &Request<'_>, bytes: &mut Vec<u8>) {
    if !request.is_form() {
        return;
    }
    let mut fields: Vec<_> = request.fields().collect();
    fields.sort();
    fields.dedup();
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
}

/// The URL with those characters decoded that HubSpot decodes before it signs.
fn decoded(url: &str) -> String {
    const PAIRS: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    PAIRS.iter().fold(url.to_owned(), |url, (encoded, plain)| {
        url.replace(encoded, plain).replace(&encoded.to_ascii_lowercase(), plain)
    })
}

/// The URLs that may have been signed: as it is, and with and without its default port.
pub fn urls(provider: &Provider, request: &Request<'_>) -> Vec<String> {
    let mut urls = vec![request.url.to_owned()];
    if !provider.ports {
        return urls;
    }
    for (scheme, port) in [("https://", ":443"), ("http://", ":80")] {
        let Some(rest) = request.url.strip_prefix(scheme) else { continue };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // Behind a user's name and password, and behind an address in brackets.
        let host = authority.rsplit(['@', ']']).next().unwrap_or(authority);
        if let Some(host) = authority.strip_suffix(port) {
            urls.push(format!("{scheme}{host}{path}"));
        } else if !host.contains(':') {
            urls.push(format!("{scheme}{authority}{port}{path}"));
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let parts = parse_message("v0:{timestamp}:{body}{header:x-a}").unwrap();
        let text = |text: &str| Part::Text(text.to_owned());
        let header = Part::Header("x-a".to_owned());
        assert_eq!(parts, [text("v0:"), Part::Timestamp, text(":"), Part::Body, header]);
        assert_eq!(parse_message("{a"), Err(RowError::Brace));
        assert_eq!(parse_message("{a:b}"), Err(RowError::Part("a:b".to_owned())));
    }
}
