//! What an endpoint wants: event types (exact or by pattern), channels, sources and content.
//!
//! A pattern is a dotted name in which a whole segment may be `*`, any one segment, and the last
//! may be `**`, one segment or more: `invoice.*` wants `invoice.paid`, `invoice.**` wants
//! `invoice.paid.late` too, `**` wants everything. `*` inside a segment is not a pattern.

use std::sync::Arc;

use thiserror::Error;

use crate::domain::filter::Filter;

/// Bytes of an event type name or a pattern at most.
pub const EVENT_TYPE_MAX: usize = 256;
/// Event types and patterns of one subscription at most.
pub const EVENT_TYPES_MAX: usize = 500;
/// Bytes of a channel's name at most.
pub const CHANNEL_MAX: usize = 128;
/// Channels of one subscription or message at most.
pub const CHANNELS_MAX: usize = 10;

/// Sources of one subscription at most.
pub const SUBSCRIBED_SOURCES_MAX: usize = 100;

/// Which messages an endpoint is sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subscription {
    /// Names or patterns; empty means every event type.
    pub event_types: Vec<String>,
    /// Channels; empty means every message, whatever its channels.
    pub channels: Vec<String>,
    /// Sources by id or uid; empty means messages of any, and those that were sent.
    pub sources: Vec<String>,
    /// What must hold of the content; nothing when `None`.
    pub filter: Option<Arc<Filter>>,
}

/// What a subscription looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate<'a> {
    /// Of the message.
    pub event_type: &'a str,
    /// That it carries.
    pub channels: &'a [String],
    /// The names of its source, uid and id; `None` when the application sent it.
    pub source: Option<[&'a str; 2]>,
}

/// A subscription that can't be kept; `index` counts from 0 in the list that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SubscriptionError {
    /// More event types than one subscription may have.
    #[error("more than {EVENT_TYPES_MAX} event types; use a pattern such as invoice.*")]
    TooManyEventTypes,
    /// Not a name and not a pattern.
    #[error(
        "an event type has 1 to {EVENT_TYPE_MAX} of the characters a-z A-Z 0-9 - _ and .; a whole \
         segment may be *, the last one **"
    )]
    EventType {
        /// Which one.
        index: usize,
    },
    /// More channels than one subscription may have.
    #[error("more than {CHANNELS_MAX} channels")]
    TooManyChannels,
    /// Not a channel's name.
    #[error("a channel has 1 to {CHANNEL_MAX} of the characters a-z A-Z 0-9 - _ . : and +")]
    Channel {
        /// Which one.
        index: usize,
    },
}

impl Subscription {
    /// Checks names, patterns and counts; a name that stands twice is kept once.
    pub fn parse(
        event_types: Vec<String>,
        channels: Vec<String>,
    ) -> Result<Subscription, SubscriptionError> {
        if event_types.len() > EVENT_TYPES_MAX {
            return Err(SubscriptionError::TooManyEventTypes);
        }
        if let Some(index) = event_types.iter().position(|text| !is_pattern(text)) {
            return Err(SubscriptionError::EventType { index });
        }
        if channels.len() > CHANNELS_MAX {
            return Err(SubscriptionError::TooManyChannels);
        }
        if let Some(index) = channels.iter().position(|name| !is_channel(name)) {
            return Err(SubscriptionError::Channel { index });
        }
        Ok(Subscription {
            event_types: each_once(event_types),
            channels: each_once(channels),
            ..Subscription::default()
        })
    }

    /// Whether a message is sent, as far as its names tell.
    pub fn wants(&self, message: &Candidate<'_>) -> bool {
        self.wants_event_type(message.event_type)
            && self.wants_channels(message.channels)
            && self.wants_source(message.source)
    }

    /// Whether the event type alone would let a message through.
    pub fn wants_event_type(&self, event_type: &str) -> bool {
        self.event_types.is_empty()
            || self.event_types.iter().any(|pattern| matches(pattern, event_type))
    }

    /// Whether the channels alone would: one in common, or no channels asked for.
    pub fn wants_channels(&self, channels: &[String]) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|wanted| channels.contains(wanted))
    }
}

impl Subscription {
    /// Whether the source alone would: one of its names is asked for, or none is.
    pub fn wants_source(&self, names: Option<[&str; 2]>) -> bool {
        let asked = |names: [&str; 2]| self.sources.iter().any(|wanted| names.contains(&&**wanted));
        self.sources.is_empty() || names.is_some_and(asked)
    }
}

/// Whether this is 1 to `longest` of the characters that names, uids and channels are made of.
pub fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// Whether a text names a channel: such a name, in which `:` and `+` may stand too.
pub fn is_channel(text: &str) -> bool {
    let fits = |byte: u8| is_name_byte(byte) || matches!(byte, b':' | b'+');
    (1..=CHANNEL_MAX).contains(&text.len()) && text.bytes().all(fits)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_pattern(text: &str) -> bool {
    if text.is_empty() || text.len() > EVENT_TYPE_MAX {
        return false;
    }
    let mut segments = text.split('.').peekable();
    while let Some(segment) = segments.next() {
        let allowed = match segment {
            "*" => true,
            "**" => segments.peek().is_none(),
            word => word.bytes().all(is_name_byte),
        };
        if !allowed {
            return false;
        }
    }
    true
}

fn matches(pattern: &str, event_type: &str) -> bool {
    let mut segments = event_type.split('.');
    for wanted in pattern.split('.') {
        match (wanted, segments.next()) {
            (_, None) => return false,
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (word, Some(segment)) if word == segment => {}
            (_, Some(_)) => return false,
        }
    }
    segments.next().is_none()
}

fn each_once(names: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_wanted() {
        let check =
            |event_types: &[&str], channels: &[&str], event_type: &str, carried: &[&str]| {
                let channels = names(channels);
                let wanted = Subscription::parse(names(event_types), channels).unwrap();
                let channels = names(carried);
                wanted.wants(&Candidate { event_type, channels: &channels, source: None })
            };
        for (pattern, event_type, expected) in [
            ("invoice.paid", "invoice.paid", true),
            ("invoice.paid", "invoice.paid.late", false),
            ("invoice.paid", "invoice", false),
            ("invoice.paid", "Invoice.paid", false),
            ("invoice.*", "invoice.paid", true),
            ("invoice.*", "invoice.paid.late", false),
            ("invoice.*", "invoice", false),
            ("invoice.**", "invoice.paid", true),
            ("invoice.**", "invoice.paid.late", true),
            ("invoice.**", "invoice", false),
            ("invoice.**", "invoices.paid", false),
            ("*.paid", "invoice.paid", true),
            ("*.paid", "paid", false),
            ("*.*", "a.b", true),
            ("*", "a.b", false),
            ("**", "a", true),
            ("**", "a.b.c", true),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.d", false),
            ("a-b_c", "a-b_c", true),
        ] {
            assert_eq!(check(&[pattern], &[], event_type, &[]), expected, "{pattern} {event_type}");
        }
        assert!(check(&[], &[], "anything", &["any"]), "nothing asked for is everything");
        assert!(check(&["a", "b.*"], &[], "b.c", &[]), "one of several is enough");
        assert!(check(&[], &["eu"], "a", &["us", "eu"]), "one channel in common is enough");
        assert!(!check(&[], &["eu"], "a", &["us"]), "no channel in common");
        assert!(!check(&[], &["eu"], "a", &[]), "a message without channels, as Svix has it");
        assert!(!check(&["b"], &["eu"], "a", &["eu"]), "both must fit");
        let check = |sources: &[&str], source: Option<[&str; 2]>| {
            let wanted = Subscription { sources: names(sources), ..Subscription::default() };
            wanted.wants(&Candidate { event_type: "a", channels: &[], source })
        };
        assert!(check(&[], None) && check(&[], Some(["shop", "src_1"])), "of any or none");
        assert!(check(&["x", "shop"], Some(["shop", "src_1"])), "by its uid");
        assert!(check(&["src_1"], Some(["shop", "src_1"])), "by its id");
        assert!(!check(&["x"], Some(["shop", "src_1"])) && !check(&["x"], None));
    }

    #[test]
    fn what_is_refused() {
        let long = "a".repeat(EVENT_TYPE_MAX + 1);
        for wrong in ["", " ", "a b", "a*", "*a", "**.a", "a.**.b", "***", "é", "a/b", &long] {
            let refused = Subscription::parse(names(&["fine", wrong]), Vec::new());
            assert_eq!(refused, Err(SubscriptionError::EventType { index: 1 }), "{wrong}");
        }
        let long = "c".repeat(CHANNEL_MAX + 1);
        for wrong in ["", "a b", "*", "a\n", &long] {
            let refused = Subscription::parse(Vec::new(), names(&["fine", wrong]));
            assert_eq!(refused, Err(SubscriptionError::Channel { index: 1 }), "{wrong}");
        }
        let many = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
        assert!(Subscription::parse(many(EVENT_TYPES_MAX), many(CHANNELS_MAX)).is_ok());
        assert_eq!(
            Subscription::parse(many(EVENT_TYPES_MAX + 1), Vec::new()),
            Err(SubscriptionError::TooManyEventTypes)
        );
        assert_eq!(
            Subscription::parse(Vec::new(), many(CHANNELS_MAX + 1)),
            Err(SubscriptionError::TooManyChannels)
        );
        let twice = Subscription::parse(names(&["b", "a", "b"]), Vec::new()).unwrap();
        assert_eq!(twice.event_types, names(&["b", "a"]), "in the order given, each once");
    }

    proptest! {
        #[test]
        fn a_name_wants_itself_alone(name in "[a-zA-Z0-9_.-]{1,40}", other in "[a-z.]{1,6}") {
            let wanted = Subscription::parse(vec![name.clone()], Vec::new()).unwrap();
            prop_assert!(wanted.wants_event_type(&name));
            prop_assert_eq!(wanted.wants_event_type(&other), name == other);
        }

        #[test]
        fn one_star_keeps_the_number_of_segments(
            segments in prop::collection::vec("[a-z]{1,3}", 1..5),
            starred in 0usize..5,
        ) {
            let starred = starred % segments.len();
            let mut pattern = segments.clone();
            pattern[starred] = "*".to_owned();
            let name = segments.join(".");
            let longer = [name.as_str(), "more"].join(".");
            let wanted = Subscription::parse(vec![pattern.join(".")], Vec::new()).unwrap();
            prop_assert!(wanted.wants_event_type(&name));
            prop_assert!(!wanted.wants_event_type(&longer));
            pattern.truncate(starred);
            pattern.push("**".to_owned());
            let rest = Subscription::parse(vec![pattern.join(".")], Vec::new()).unwrap();
            prop_assert!(rest.wants_event_type(&longer));
        }

        #[test]
        fn any_text_is_kept_or_refused(text in "\\PC{0,20}", event_type in "\\PC{0,20}") {
            if let Ok(kept) = Subscription::parse(vec![text], Vec::new()) {
                kept.wants_event_type(&event_type);
            }
        }
    }
}
