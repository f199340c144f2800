//! Every limit of every field of the API, and the words for whoever goes beyond one.
//!
//! Event types and channels have theirs in [`crate::domain::subscription`], headers in
//! [`crate::domain::headers`], keys in [`crate::domain::signature`], the body as a whole in
//! `intake.max_body`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::domain::application::Metadata;
use crate::domain::filter::{Filter, FilterError};
use crate::domain::headers::{HEADERS_MAX, check_header_name, check_header_value};
use crate::domain::subscription::{CHANNEL_MAX, CHANNELS_MAX, Subscription, SubscriptionError};
use crate::domain::subscription::{EVENT_TYPE_MAX, SUBSCRIBED_SOURCES_MAX, is_channel, is_name};
use crate::http::error::{ApiError, Problem};

/// Bytes of a uid or event id at most.
pub const UID_MAX: usize = 256;
/// Bytes of an application's name at most.
pub const NAME_MAX: usize = 256;
/// Bytes of a description at most.
pub const DESCRIPTION_MAX: usize = 5_000;
/// Bytes of metadata at most, names and values together.
pub const METADATA_MAX: usize = 4_096;
/// Tags of a message at most.
pub const TAGS_MAX: usize = 5;
/// Bytes of a tag at most.
pub const TAG_MAX: usize = 128;
/// Characters of a key that a caller brings at most.
pub const KEY_TEXT_MAX: usize = 256;
/// Bytes of a content type at most.
pub const CONTENT_TYPE_MAX: usize = 256;
/// Feature flags of an event type at most.
pub const FEATURE_FLAGS_MAX: usize = 10;
/// Bytes of the schemas of an event type at most.
pub const SCHEMAS_MAX: usize = 256 * 1024;
/// How far ahead `deliverAt` may lie.
pub const DELIVER_AT_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Characters of an `Idempotency-Key` at most.
pub const IDEMPOTENCY_KEY_MAX: usize = 256;
/// Items of a page at most.
pub const PAGE_MAX: u64 = 250;
/// Items of a page when nothing is asked for.
pub const PAGE_DEFAULT: u64 = 50;
/// Old keys that may still sign beside the current one.
pub const OLD_KEYS_MAX: usize = 5;
/// How long an old key still signs when nothing is asked for.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// How long an old key may still sign at most.
pub const GRACE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a consumer of a polling endpoint has what it was handed when it says nothing.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30);
/// How long at most.
pub const LEASE_MAX: Duration = Duration::from_secs(3_600);
/// How long the token of an application is good at least.
pub const TOKEN_EXPIRY_MIN: Duration = Duration::from_secs(3_600);
/// How long it is good at most, and when nothing is asked for.
pub const TOKEN_EXPIRY_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Sessions whose tokens are ended in one call at most.
pub const SESSIONS_MAX: usize = 1_000;

/// What is wrong with a request, collected so that all of it is told at once.
#[derive(Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one at a place in the body.
    pub fn add(&mut self, location: &[&str], message: impl Into<String>) {
        let loc = ["body"].iter().chain(location).map(|part| (*part).to_owned()).collect();
        self.0.push(Problem { loc, msg: message.into(), kind: "value_error" });
    }

    /// Adds one when there is one.
    pub fn check(&mut self, location: &[&str], result: Result<(), String>) {
        if let Err(message) = result {
            self.add(location, message);
        }
    }

    /// The answer, when anything is wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.0)) }
    }
}

/// Whether a path parameter can name anything at all.
pub fn is_reference(text: &str) -> bool {
    is_name(text, UID_MAX)
}

/// A uid, event id, event type's name or group.
pub fn name(text: &str) -> Result<(), String> {
    let rule = format!("must be 1 to {UID_MAX} of the characters a-z A-Z 0-9 - _ and .");
    if is_name(text, UID_MAX) { Ok(()) } else { Err(rule) }
}

/// Free text between two lengths, without control characters but tab and line breaks.
pub fn text(text: &str, least: usize, most: usize) -> Result<(), String> {
    if !(least..=most).contains(&text.len()) {
        return Err(format!("must have {least} to {most} bytes"));
    }
    let control = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r');
    if text.contains(control) { Err("must not hold control characters".to_owned()) } else { Ok(()) }
}

/// The session that a token is made for.
pub fn session(id: &str) -> Result<(), String> {
    text(id, 1, UID_MAX)
}

/// Seconds that what is rotated away counts at most: a year.
pub fn overlap(seconds: Option<u64>) -> Result<(), String> {
    const MOST: u64 = 365 * 24 * 3_600;
    match seconds {
        Some(seconds) if seconds > MOST => Err(format!("must be at most {MOST}")),
        _ => Ok(()),
    }
}

/// Messages a second.
pub fn throttle_rate(rate: Option<u16>) -> Result<(), String> {
    if rate == Some(0) { Err("must be at least 1, or null".to_owned()) } else { Ok(()) }
}

/// Free text of the caller's.
pub fn metadata(metadata: &Metadata) -> Result<(), String> {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > METADATA_MAX {
        return Err(format!("must have at most {METADATA_MAX} bytes in all, has {bytes}"));
    }
    Ok(())
}

/// Tags of a message.
pub fn tags(tags: &[String]) -> Result<(), String> {
    if tags.len() > TAGS_MAX {
        return Err(format!("must have at most {TAGS_MAX} items"));
    }
    tags.iter().try_for_each(|tag| text(tag, 1, TAG_MAX))
}

/// One channel.
pub fn channel(channel: &str) -> Result<(), String> {
    let rule = format!("must be 1 to {CHANNEL_MAX} of the characters a-z A-Z 0-9 - _ . : and +");
    if is_channel(channel) { Ok(()) } else { Err(rule) }
}

/// Channels of a message.
pub fn channels(channels: &[String]) -> Result<(), String> {
    if !(1..=CHANNELS_MAX).contains(&channels.len()) {
        return Err(format!("must have 1 to {CHANNELS_MAX} items, or be null"));
    }
    channels.iter().try_for_each(|one| channel(one))
}

/// The event type of a message: a name and not a pattern.
pub fn event_type(name: &str) -> Result<(), String> {
    let rule = format!("must be 1 to {EVENT_TYPE_MAX} of the characters a-z A-Z 0-9 - _ and .");
    if is_name(name, EVENT_TYPE_MAX) { Ok(()) } else { Err(rule) }
}

/// Event types, by the name of the field they came in, and channels of an endpoint; a list that is
/// there must not be empty.
pub fn subscription(
    (event_types_field, event_types): (&str, Option<Vec<String>>),
    channels: Option<Vec<String>>,
    problems: &mut Problems,
) -> Subscription {
    if event_types.as_ref().is_some_and(Vec::is_empty) {
        problems.add(
            &[event_types_field],
            "must have at least 1 item, or be null for every event type",
        );
    }
    if channels.as_ref().is_some_and(Vec::is_empty) {
        problems.add(&["channels"], "must have 1 to 10 items, or be null");
    }
    let parsed = Subscription::parse(event_types.unwrap_or_default(), channels.unwrap_or_default());
    parsed.unwrap_or_else(|error| {
        let (field, index) = match error {
            SubscriptionError::TooManyEventTypes => (event_types_field, None),
            SubscriptionError::EventType { index } => (event_types_field, Some(index)),
            SubscriptionError::TooManyChannels => ("channels", None),
            SubscriptionError::Channel { index } => ("channels", Some(index)),
        };
        match index.map(|index| format!("[{index}]")) {
            Some(index) => problems.add(&[field, &index], error.to_string()),
            None => problems.add(&[field], error.to_string()),
        }
        Subscription::default()
    })
}

/// Sources that an endpoint asks for, by uid or id.
pub fn sources(names: Option<Vec<String>>, problems: &mut Problems) -> Vec<String> {
    let names = match names {
        Some(names) if !(1..=SUBSCRIBED_SOURCES_MAX).contains(&names.len()) => {
            problems.add(
                &["sources"],
                format!("must have 1 to {SUBSCRIBED_SOURCES_MAX} items, or be null"),
            );
            Vec::new()
        }
        names => names.unwrap_or_default(),
    };
    for (index, one) in names.iter().enumerate() {
        problems.check(&["sources", &format!("[{index}]")], name(one));
    }
    names
}

/// A filter on the content.
pub fn filter(text: Option<&RawValue>, problems: &mut Problems) -> Option<Arc<Filter>> {
    match Filter::parse_text(text?.get()) {
        Ok(filter) => Some(Arc::new(filter)),
        Err(FilterError { place, problem }) => {
            let places: Vec<&str> = std::iter::once("filter")
                .chain(place.split('.').filter(|part| !part.is_empty()))
                .collect();
            problems.add(&places, problem.to_string());
            None
        }
    }
}

/// The name of a header an endpoint is to be sent.
pub fn header_name(name: &str) -> Result<(), String> {
    check_header_name(name).map_err(|error| error.to_string())
}

/// The value of a header an endpoint is to be sent.
pub fn header_value(value: &str) -> Result<(), String> {
    check_header_value(value).map_err(|error| error.to_string())
}

/// Headers as they are kept: lower-case names, each there once.
pub fn headers(
    headers: BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let mut seen = BTreeSet::new();
    for (name, value) in &headers {
        problems.check(&["headers", name], header_name(name));
        problems.check(&["headers", name], header_value(value));
        if !seen.insert(name.to_ascii_lowercase()) {
            problems.add(&["headers", name], "is there twice, in another case");
        }
    }
    if headers.len() > HEADERS_MAX {
        problems.add(&["headers"], format!("must have at most {HEADERS_MAX} items"));
    }
    headers
}

/// `text/plain; charset=utf-8`.
pub fn content_type(value: &str) -> Result<(), String> {
    let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let (kind, rest) = value.split_once('/').unwrap_or_default();
    let right = printable && !kind.is_empty() && !rest.is_empty() && value.trim() == value;
    if right && value.len() <= CONTENT_TYPE_MAX {
        return Ok(());
    }
    Err("must be a content type such as text/plain".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("n{number}")).collect()
    }

    fn check(what: &str, results: &[Result<(), String>], right: bool) {
        for (index, result) in results.iter().enumerate() {
            assert_eq!(result.is_ok(), right, "{what} {index}: {result:?}");
        }
    }

    #[test]
    fn plain_fields() {
        let long = |count| "a".repeat(count);
        check("name", &[name("a.b-C_9"), name(&long(256))], true);
        check("name", &[name(""), name("a b"), name("ü"), name(&long(257)), name("a/b")], false);
        check("text", &[text("ü\n", 1, 9), text("", 0, 9)], true);
        check("text", &[text("", 1, 9), text(&long(10), 1, 9), text("a\u{0}", 1, 9)], false);
        check("rate", &[throttle_rate(None), throttle_rate(Some(1))], true);
        check("rate", &[throttle_rate(Some(0))], false);
        let data = |bytes: usize| Metadata::from([("k".to_owned(), long(bytes - 1))]);
        check("metadata", &[metadata(&data(METADATA_MAX))], true);
        check("metadata", &[metadata(&data(METADATA_MAX + 1))], false);
        check("tags", &[tags(&list(5)), tags(&[long(TAG_MAX)])], true);
        check("tags", &[tags(&list(6)), tags(&[long(TAG_MAX + 1)]), tags(&[long(0)])], false);
        check(
            "channels",
            &[channels(&list(10)), channels(&[long(CHANNEL_MAX)]), channels(&["a:b+c".into()])],
            true,
        );
        check("channels", &[channels(&list(0)), channels(&list(11))], false);
        check(
            "channels",
            &[
                channels(&[long(CHANNEL_MAX + 1)]),
                channels(&["*".into()]),
                channels(&["a/b".into()]),
            ],
            false,
        );
        check("event type", &[event_type("a.b")], true);
        check("event type", &[event_type("a.*"), event_type(""), event_type(&long(257))], false);
        check("content type", &[content_type("text/plain; charset=utf-8")], true);
        let wrong = ["", "text", "/plain", "text/", "text/plain\r\nx: y", " text/plain", "téxt/a"];
        check("content type", &wrong.map(content_type), false);
    }

    #[test]
    fn header_fields() {
        let mut problems = Problems::default();
        let pair = |name: &str| (name.to_owned(), String::new());
        headers([pair("X-A"), pair("x-a")].into(), &mut problems);
        headers(list(HEADERS_MAX + 1).into_iter().map(|name| pair(&name)).collect(), &mut problems);
        let Err(ApiError::Invalid(found)) = problems.finish() else { panic!("nothing found") };
        assert_eq!(found[0].loc, ["body", "headers", "x-a"]);
        assert_eq!(found[1].loc, ["body", "headers"]);
    }

    #[test]
    fn subscriptions() {
        let places = |event_types: Option<Vec<String>>, channels: Option<Vec<String>>| {
            let mut problems = Problems::default();
            subscription(("eventTypes", event_types), channels, &mut problems);
            problems.0.iter().map(|problem| problem.loc.join(".")).collect::<Vec<_>>()
        };
        assert!(places(None, None).is_empty());
        assert!(places(Some(list(2)), Some(list(10))).is_empty());
        assert_eq!(places(Some(list(0)), Some(list(0))), ["body.eventTypes", "body.channels"]);
        assert_eq!(places(Some(vec!["a b".into()]), None), ["body.eventTypes.[0]"]);
        assert_eq!(places(None, Some(list(11))), ["body.channels"]);
    }
}
