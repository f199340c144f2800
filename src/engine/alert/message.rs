//! What is sent: the words for people and the object for programs.

use serde_json::{Map, Value, json};

use super::book::cut;
use crate::config::alert::AlertFormat;
use crate::domain::alert::{Condition, Subject, Trouble};
use crate::domain::application::Application;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::EndpointKind;
use crate::domain::operational::HIDDEN;
use crate::domain::time::Timestamp;
use crate::store::{Reference, Store};

/// Subjects that a message names in its words.
const SHOWN_MAX: usize = 10;
/// Subjects that the object names at most; `count` says how many there are.
const SUBJECTS_MAX: usize = 100;
/// The longest text: Discord takes 2,000 characters.
const TEXT_MAX: usize = 1_900;

/// One message to one destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The name of the `[[alert]]`.
    pub alert: String,
    /// The condition's word; `test` for a test.
    pub condition: &'static str,
    /// `firing` or `recovered`.
    pub state: &'static str,
    /// Which relay: how the outside reaches it.
    pub relay: String,
    /// What it is about, and what to do.
    pub text: String,
    /// Since when, the earliest of all that it is about.
    pub since: Timestamp,
    /// How much it is about.
    pub count: usize,
    /// The ids of it, the first 100.
    pub subjects: Vec<Value>,
}

impl Message {
    /// One that only says that it comes.
    pub fn test(alert: &str, relay: &str, now: Timestamp) -> Message {
        Message {
            alert: alert.to_owned(),
            condition: "test",
            state: "firing",
            relay: relay.to_owned(),
            text: format!("This is a test of the alert {alert}: nothing is wrong."),
            since: now,
            count: 0,
            subjects: Vec::new(),
        }
    }

    /// Of troubles of one condition, at least one, that began or are over.
    pub(super) fn of(store: &Store, relay: &str, troubles: &[Trouble], over: bool) -> Message {
        let first = troubles.first().expect("invariant: a message is about something");
        let condition = first.key.condition;
        let shown = troubles.iter().take(SUBJECTS_MAX);
        let named: Vec<Named> =
            shown.map(|trouble| Named::of(store, trouble.key.subject)).collect();
        let text = match (troubles, named.as_slice()) {
            ([trouble], [named]) if over => ended(trouble, named),
            ([trouble], [named]) => begun(trouble, named),
            _ => many(condition, &named, troubles.len(), over),
        };
        let subjects = named.into_iter().zip(troubles).map(|(mut named, trouble)| {
            named.ids.insert("since".to_owned(), json!(trouble.since.to_string()));
            Value::Object(named.ids)
        });
        Message {
            alert: first.key.alert.clone(),
            condition: condition.name(),
            state: if over { "recovered" } else { "firing" },
            relay: relay.to_owned(),
            text: cut(text, TEXT_MAX),
            since: troubles.iter().map(|trouble| trouble.since).min().unwrap_or_default(),
            count: troubles.len(),
            subjects: subjects.collect(),
        }
    }

    /// The line above the text.
    pub fn title(&self) -> String {
        format!("[relay {}] {} {}: {}", self.relay, self.alert, self.state, self.condition)
    }

    /// The body of a post.
    pub fn body(&self, format: AlertFormat) -> Value {
        let both = || cut(format!("{}\n{}", self.title(), self.text), TEXT_MAX + 90);
        match format {
            AlertFormat::Slack => json!({ "text": escaped(&both()) }),
            // Names that callers choose call nobody.
            AlertFormat::Discord => {
                json!({ "content": both(), "allowed_mentions": { "parse": [] } })
            }
            AlertFormat::Json => json!({
                "alert": self.alert,
                "condition": self.condition,
                "state": self.state,
                "relay": self.relay,
                "text": self.text,
                "since": self.since.to_string(),
                "count": self.count,
                "subjects": self.subjects,
            }),
        }
    }
}

/// As Slack wants what is no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A subject with its names, and where the API has it.
struct Named {
    shown: String,
    path: String,
    /// Its deliveries, for an endpoint.
    attempts: String,
    gone: bool,
    ids: Map<String, Value>,
}

impl Named {
    fn of(store: &Store, subject: Subject) -> Named {
        match subject {
            Subject::Relay => Named {
                shown: "this relay".to_owned(),
                path: String::new(),
                attempts: String::new(),
                gone: false,
                ids: Map::new(),
            },
            Subject::Endpoint(id) => match store.endpoint_by_id(id) {
                Some((application, endpoint)) => Named::endpoint(store, &application, &endpoint),
                None => Named::gone("endpoint", "endpointId", store.ids().text(id)),
            },
            Subject::Source(id) => match store.source(&Reference::Id(id)) {
                None => Named::gone("source", "sourceId", store.ids().text(id)),
                Some(source) => {
                    let id = store.ids().text(id);
                    let uid = source.uid.clone();
                    Named {
                        shown: shown("source", &id, uid.as_deref()),
                        path: id.clone(),
                        attempts: String::new(),
                        gone: false,
                        ids: object([("sourceId", Some(id)), ("sourceUid", uid)]),
                    }
                }
            },
        }
    }

    fn endpoint(store: &Store, application: &Application, endpoint: &Endpoint) -> Named {
        let id = store.ids().text::<EndpointKind>(endpoint.id);
        let (app, uid) = (store.ids().text(application.id), endpoint.uid.clone());
        let short = shown("endpoint", &id, uid.as_deref());
        if application.id == HIDDEN {
            return Named {
                shown: format!("{short} of the operational webhooks"),
                path: format!("/api/v1/operational-webhook/endpoint/{id}"),
                attempts: String::new(),
                gone: false,
                ids: object([("endpointId", Some(id)), ("endpointUid", uid)]),
            };
        }
        let owner = shown("application", &app, application.uid.as_deref());
        Named {
            shown: format!("{short} of {owner}"),
            path: format!("/api/v1/app/{app}/endpoint/{id}"),
            attempts: format!("/api/v1/app/{app}/attempt/endpoint/{id}"),
            gone: false,
            ids: object([
                ("appId", Some(app)),
                ("appUid", application.uid.clone()),
                ("endpointId", Some(id)),
                ("endpointUid", uid),
            ]),
        }
    }

    fn gone(noun: &str, field: &'static str, id: String) -> Named {
        Named {
            shown: format!("{noun} {id}"),
            path: String::new(),
            attempts: String::new(),
            gone: true,
            ids: object([(field, Some(id))]),
        }
    }
}

fn object<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn shown(noun: &str, id: &str, uid: Option<&str>) -> String {
    uid.map_or_else(|| format!("{noun} {id}"), |uid| format!("{noun} {uid} ({id})"))
}

/// What is wrong, and what to do.
fn begun(trouble: &Trouble, named: &Named) -> String {
    let (Named { shown, path, attempts, .. }, since) = (named, trouble.since);
    let detail = &trouble.detail;
    let why = match attempts.as_str() {
        "" => String::new(),
        attempts => format!(" What it answered: GET {attempts}?status=2."),
    };
    match trouble.key.condition {
        Condition::EndpointFailing => format!(
            "No attempt at {shown} has succeeded since {since}.{why} Mend its receiver; what died \
             meanwhile is put back with POST {path}/recover {{\"since\": \"{since}\"}}."
        ),
        Condition::EndpointParked => format!(
            "The deliveries of {shown} are held since {since}: too many failed one after the \
             other.{why} Single ones probe it and nothing is lost; once its receiver is mended the \
             rest follows by itself."
        ),
        Condition::EndpointDisabled => format!(
            "Relay disabled {shown} at {since}: {detail}.{why} Mend its receiver, then enable it \
             with PATCH {path} {{\"disabled\": false}}, and get what it missed with POST \
             {path}/replay-missing {{\"since\": \"{since}\"}}."
        ),
        Condition::DeadLetters => format!(
            "{detail}. They are not tried again by themselves: find them with relay dead-letters \
             list (GET /api/v1/dead-letter), and put them back with relay dead-letters resend \
             --app {{app}} (POST /api/v1/app/{{app}}/dead-letter/resend)."
        ),
        Condition::BacklogAge => format!(
            "What is due for {shown} waits since {since} though it takes deliveries: its receiver \
             is slow, its throttleRate low, or delivery.threads are all in use. See GET {path} and \
             the metric relay_attempt_duration_seconds."
        ),
        Condition::DiskLow => format!(
            "Space is short: {detail}. Free some space on the disk of data.dir, lower \
             retention.max_bytes or retention.max_age, or mend or delete endpoints that are down. \
             Nothing that was accepted is lost."
        ),
        Condition::SourceRefusing => format!(
            "Much of what came to {shown} is refused: {detail}. See why with: relay source \
             requests {path} --verdict refused. If its secret was wrong, give it the right one \
             (relay source secret {path}) and take what was refused with: relay source release \
             {path}."
        ),
    }
}

/// That it is over.
fn ended(trouble: &Trouble, named: &Named) -> String {
    let (shown, since) = (&named.shown, trouble.since);
    if named.gone {
        return format!("{} was deleted; it was in trouble since {since}.", sentence(shown));
    }
    match trouble.key.condition {
        Condition::EndpointFailing => format!(
            "{} does not fail any more: a delivery arrived, or it was changed. It had failed since \
             {since}.",
            sentence(shown)
        ),
        Condition::EndpointParked => format!(
            "{} is not parked any more and takes what was held since {since}.",
            sentence(shown)
        ),
        Condition::EndpointDisabled => {
            format!("{} is enabled again; it was disabled at {since}.", sentence(shown))
        }
        Condition::DeadLetters => format!("Few deliveries die now; many did since {since}."),
        Condition::BacklogAge => format!("{} has caught up with what was due.", sentence(shown)),
        Condition::DiskLow => format!("There is space enough again; it was short since {since}."),
        Condition::SourceRefusing => {
            format!("{} refuses little now; it refused much since {since}.", sentence(shown))
        }
    }
}

/// Many at once, in one message.
fn many(condition: Condition, named: &[Named], count: usize, over: bool) -> String {
    let what = match (condition, over) {
        (Condition::EndpointFailing, false) => "endpoints fail",
        (Condition::EndpointFailing, true) => "endpoints do not fail any more",
        (Condition::EndpointParked, false) => "endpoints are parked",
        (Condition::EndpointParked, true) => "endpoints are not parked any more",
        (Condition::EndpointDisabled, false) => "endpoints were disabled by relay",
        (Condition::EndpointDisabled, true) => "endpoints are enabled again",
        (Condition::BacklogAge, false) => "endpoints take what is due too slowly",
        (Condition::BacklogAge, true) => "endpoints have caught up with what was due",
        (Condition::SourceRefusing, false) => "sources refuse much of what comes",
        (Condition::SourceRefusing, true) => "sources refuse little now",
        // There is one of each at most.
        (Condition::DeadLetters | Condition::DiskLow, _) => "troubles",
    };
    let names: Vec<&str> = named.iter().take(SHOWN_MAX).map(|one| one.shown.as_str()).collect();
    let more = match count.saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let hint = match (condition, over) {
        (_, true) => "",
        (Condition::SourceRefusing, _) => {
            " See why with: relay source requests {source} --verdict refused."
        }
        _ => {
            " So many at once have a common cause, such as the network of this machine. See why \
             with GET /api/v1/app/{app}/attempt/endpoint/{endpoint}?status=2."
        }
    };
    format!("{count} {what}: {}{more}.{hint}", names.join(", "))
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let now = Timestamp::from_millis(1_795_219_200_000);
        Message::test("ops", "https://hooks.example", now)
    }

    #[test]
    fn each_is_written_as_its_reader_takes_it() {
        let mut message = message();
        message.text = "a <!channel> & @everyone".to_owned();
        let title = "[relay https://hooks.example] ops firing: test";
        let slack = json!({ "text": format!("{title}\na &lt;!channel&gt; &amp; @everyone") });
        assert_eq!(message.body(AlertFormat::Slack), slack);
        let discord = message.body(AlertFormat::Discord);
        assert_eq!(discord["content"], format!("{title}\n{}", message.text));
        assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
        let object = json!({
            "alert": "ops", "condition": "test", "state": "firing",
            "relay": "https://hooks.example", "text": message.text,
            "since": "2026-11-21T00:00:00Z", "count": 0, "subjects": [],
        });
        assert_eq!(message.body(AlertFormat::Json), object);
    }

    #[test]
    fn no_text_is_too_long() {
        let mut message = message();
        message.text = "ä".repeat(5_000);
        let content = message.body(AlertFormat::Discord)["content"].to_string();
        assert!(content.len() <= 2_000 && content.ends_with("ä…\""), "{}", content.len());
    }

    #[test]
    fn hosts_say_the_format() {
        let of = |url: &str| AlertFormat::of(&url::Url::parse(url).expect(url));
        assert_eq!(of("https://hooks.slack.com/services/a"), AlertFormat::Slack);
        assert_eq!(of("https://discord.com/api/webhooks/1/a"), AlertFormat::Discord);
        assert_eq!(of("https://ptb.discord.com/api/webhooks/1/a"), AlertFormat::Discord);
        assert_eq!(of("https://nohooks.slack.com.example/"), AlertFormat::Json);
        assert_eq!(of("https://mydiscord.com/"), AlertFormat::Json);
    }
}
