//! What `[[application]]`, `[[event_type]]` and `[[endpoint]]` may declare: the same as the API.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::Config;
use super::declared::DeclaredEndpoint;
use super::units::{AllowedNetwork, is_open};
use crate::domain::address::literal;
use crate::domain::egress::{self, DIRECT, EndpointAuth};
use crate::domain::endpoint_url::{parse_endpoint_url, split_user_info};
use crate::domain::headers::{
    AUTHORIZATION, HEADERS_MAX, check_header_name, check_header_value, find_header,
};
use crate::domain::subscription::{
    EVENT_TYPE_MAX, SUBSCRIBED_SOURCES_MAX, Subscription, SubscriptionError, is_name,
};

/// The longest uid or name, in bytes.
pub const NAME_MAX: usize = EVENT_TYPE_MAX;
/// The most bytes of metadata, names and values together.
pub const METADATA_MAX: usize = 4_096;
/// The application that endpoints belong to which name none.
pub const DEFAULT_APPLICATION: &str = "default";

/// Problems as pairs of a setting's path and a message.
pub(super) fn check(config: &Config) -> Vec<(String, String)> {
    let mut found = Vec::new();
    applications(config, &mut found);
    event_types(config, &mut found);
    let mut seen = BTreeSet::new();
    for (index, endpoint) in config.endpoints.iter().enumerate() {
        let mut add = |key: &str, message: String| {
            found.push((format!("endpoint[{index}].{key}"), message));
        };
        if !seen.insert((&endpoint.application, &endpoint.uid)) {
            let message = format!(
                "a second endpoint `{}` of the application `{}`",
                endpoint.uid, endpoint.application
            );
            add("uid", message);
        }
        let declared = config.applications.iter().any(|one| one.uid == endpoint.application);
        if !declared && endpoint.application != DEFAULT_APPLICATION {
            let message = format!("no [[application]] has the uid `{}`", endpoint.application);
            add("application", message);
        }
        self::endpoint(endpoint, &config.guard.allow, &mut add);
        delivery(endpoint, config, &mut add);
    }
    found.extend(super::source::check(config));
    found.extend(super::alert::check(config));
    found
}

fn applications(config: &Config, found: &mut Vec<(String, String)>) {
    let mut seen = BTreeSet::new();
    for (index, application) in config.applications.iter().enumerate() {
        let mut add = |key: &str, message: String| {
            found.push((format!("application[{index}].{key}"), message));
        };
        name_problem(&application.uid).into_iter().for_each(|message| add("uid", message));
        if !seen.insert(&application.uid) {
            add("uid", format!("a second application `{}`", application.uid));
        }
        let name = application.name.as_deref();
        if name.is_some_and(|name| name.trim().is_empty() || name.len() > NAME_MAX) {
            add("name", format!("has 1 to {NAME_MAX} bytes"));
        }
        throttle_problem(application.throttle_rate)
            .into_iter()
            .for_each(|message| add("throttle_rate", message));
        metadata_problem(&application.metadata)
            .into_iter()
            .for_each(|message| add("metadata", message));
    }
}

fn event_types(config: &Config, found: &mut Vec<(String, String)>) {
    let mut seen = BTreeSet::new();
    for (index, event_type) in config.event_types.iter().enumerate() {
        let setting = format!("event_type[{index}].name");
        if let Some(message) = name_problem(&event_type.name) {
            found.push((setting.clone(), message));
        }
        if !seen.insert(&event_type.name) {
            found.push((setting, format!("a second event type `{}`", event_type.name)));
        }
    }
}

fn endpoint(
    endpoint: &DeclaredEndpoint,
    allow: &[AllowedNetwork],
    add: &mut impl FnMut(&str, String),
) {
    name_problem(&endpoint.uid).into_iter().for_each(|message| add("uid", message));
    let split = split_user_info(&endpoint.url);
    if matches!(split, Ok((_, Some(_)))) && find_header(&endpoint.headers, AUTHORIZATION).is_some()
    {
        let words = "holds a user name or password beside an authorization header: leave one out";
        add("url", words.to_owned());
    }
    match split.and_then(|(bare, _)| parse_endpoint_url(&bare)) {
        Err(error) => add("url", format!("`{}`: {error}", without_user(&endpoint.url))),
        Ok(url) => closed(&url, allow).into_iter().for_each(|message| add("url", message)),
    }
    let parsed = Subscription::parse(endpoint.event_types.clone(), endpoint.channels.clone());
    if let Err(error) = parsed {
        subscription(endpoint, error, add);
    }
    if endpoint.sources.len() > SUBSCRIBED_SOURCES_MAX {
        add("sources", format!("more than {SUBSCRIBED_SOURCES_MAX} sources"));
    }
    for (index, name) in endpoint.sources.iter().enumerate() {
        let setting = format!("sources[{index}]");
        name_problem(name).into_iter().for_each(|message| add(&setting, message));
    }
    if let Err(error) = endpoint.filter() {
        add("filter", error.to_string());
    }
    if let Err((setting, message)) = endpoint.transform() {
        add(setting, message);
    }
    for (place, message) in endpoint.delivery.problems() {
        add(&format!("delivery.{}", place.join(".")), message);
    }
    headers(&endpoint.headers, add);
    throttle_problem(endpoint.throttle_rate)
        .into_iter()
        .for_each(|message| add("throttle_rate", message));
    metadata_problem(&endpoint.metadata).into_iter().for_each(|message| add("metadata", message));
}

/// What its requests prove themselves with, and through which proxy they go.
fn delivery(endpoint: &DeclaredEndpoint, config: &Config, add: &mut impl FnMut(&str, String)) {
    let delivery = match endpoint.delivery() {
        Ok(delivery) => delivery,
        Err((setting, message)) => return add(setting, message),
    };
    for setting in egress::left_out(&delivery) {
        add(&format!("delivery.{setting}"), "is missing".to_owned());
    }
    // What is missing need not be looked at.
    for (setting, message) in egress::problems(&delivery) {
        add(&format!("delivery.{setting}"), message);
    }
    if let Some(EndpointAuth::Oauth2(client)) = &delivery.auth
        && let Ok(url) = parse_endpoint_url(&client.token_url)
        && let Some(message) = closed(&url, &config.guard.allow)
    {
        add("delivery.auth.token_url", message);
    }
    if let Some(auth) = &delivery.auth
        && find_header(&endpoint.headers, auth.header_name()).is_some()
    {
        let name = auth.header_name();
        add("delivery.auth", format!("sends the header {name}, which is in headers too"));
    }
    if let Some(name) = &delivery.proxy
        && config.proxy_choice(name).is_none()
    {
        let message = match name == DIRECT {
            true => "egress.direct forbids to go through no proxy".to_owned(),
            false => format!("no [[proxy]] has the name `{name}`"),
        };
        add("delivery.proxy", message);
    }
}

/// An address that nothing would be sent to.
pub(super) fn closed(url: &Url, allow: &[AllowedNetwork]) -> Option<String> {
    let address = literal(url).filter(|address| !is_open(allow, *address))?.ip();
    Some(format!("nothing is sent to {address}, which is not public, unless guard.allow opens it"))
}

/// Names the wrong item by its place in its list.
fn subscription(
    endpoint: &DeclaredEndpoint,
    error: SubscriptionError,
    add: &mut impl FnMut(&str, String),
) {
    let (list, items, index) = match error {
        SubscriptionError::TooManyEventTypes => ("event_types", &endpoint.event_types, None),
        SubscriptionError::EventType { index } => {
            ("event_types", &endpoint.event_types, Some(index))
        }
        SubscriptionError::TooManyChannels => ("channels", &endpoint.channels, None),
        SubscriptionError::Channel { index } => ("channels", &endpoint.channels, Some(index)),
    };
    match index {
        None => add(list, error.to_string()),
        Some(index) => add(&format!("{list}[{index}]"), format!("`{}`: {error}", items[index])),
    }
}

pub(super) fn headers(headers: &BTreeMap<String, String>, add: &mut impl FnMut(&str, String)) {
    if headers.len() > HEADERS_MAX {
        let count = headers.len();
        add("headers", format!("{count} headers, {HEADERS_MAX} at most are right"));
    }
    let mut seen = BTreeSet::new();
    for (name, value) in headers {
        let setting = format!("headers.{name}");
        if let Err(error) = check_header_name(name) {
            add(&setting, format!("`{name}` {error}"));
        }
        if let Err(error) = check_header_value(value) {
            add(&setting, format!("its value {error}"));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            add(&setting, format!("`{name}` is there twice, in another case"));
        }
    }
}

pub(super) fn name_problem(name: &str) -> Option<String> {
    (!is_name(name, NAME_MAX))
        .then(|| format!("`{name}` is no name: 1 to {NAME_MAX} letters, digits, `-`, `_`, `.`"))
}

fn without_user(text: &str) -> String {
    match (text.find("://"), text.find('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}…{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

fn throttle_problem(rate: Option<u16>) -> Option<String> {
    (rate == Some(0)).then(|| "is at least 1; leave it out for no limit".to_owned())
}

pub(super) fn metadata_problem(metadata: &BTreeMap<String, String>) -> Option<String> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    (bytes > METADATA_MAX).then(|| format!("has {bytes} bytes, {METADATA_MAX} at most are right"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_source(source: &str, expected: &[(&str, &str)]) {
        let config: Config = toml::from_str(source).unwrap();
        let found = check(&config);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((setting, message), (expected, part)) in found.iter().zip(expected) {
            assert_eq!(setting, expected);
            assert!(message.contains(part), "{setting}: {message}");
        }
    }

    #[test]
    fn what_may_be_declared() {
        check_source(
            r#"
[guard]
allow = ["127.0.0.0/8:3000"]
[[application]]
uid = "acme"
[[event_type]]
name = "invoice.paid"
[[endpoint]]
uid = "books"
application = "acme"
url = "https://books.example/hooks?a=1"
event_types = ["invoice.paid", "invoice.*", "**", "user.**"]
channels = ["eu-1"]
headers = { X-Team = "books" }
[[endpoint]]
uid = "books"
url = "http://127.0.0.1:3000/"
"#,
            &[],
        );
    }

    #[test]
    fn what_may_not() {
        check_source(
            r#"
[[application]]
uid = "a b"
throttle_rate = 0
[[application]]
uid = "a b"
name = ""
[[event_type]]
name = "x"
[[event_type]]
name = "x"
[[endpoint]]
uid = ""
application = "nobody"
url = "ftp://h.example"
event_types = ["a.*", "in*"]
headers = { Host = "x", "a b" = "x", x = "line\nend", X = "y", "webhook-id" = "z" }
throttle_rate = 0
[[endpoint]]
uid = "e"
url = "https://us:er:hush@h.example"
headers = { Authorization = "Bearer x" }
channels = ["a/b"]
[[endpoint]]
uid = "e"
url = "https://h.example/#top"
[[endpoint]]
uid = "f"
url = "http://[::ffff:10.0.0.1]/"
"#,
            &[
                ("application[0].uid", "no name"),
                ("application[0].throttle_rate", "at least 1"),
                ("application[1].uid", "no name"),
                ("application[1].uid", "second application"),
                ("application[1].name", "1 to 256"),
                ("event_type[1].name", "second event type"),
                ("endpoint[0].application", "no [[application]]"),
                ("endpoint[0].uid", "no name"),
                ("endpoint[0].url", "`ftp://h.example`: the URL must begin with"),
                ("endpoint[0].event_types[1]", "`in*`: an event type has"),
                ("endpoint[0].headers.Host", "relay itself"),
                ("endpoint[0].headers.a b", "no name of an HTTP header"),
                ("endpoint[0].headers.webhook-id", "relay itself"),
                ("endpoint[0].headers.x", "printable"),
                ("endpoint[0].headers.x", "twice"),
                ("endpoint[0].throttle_rate", "at least 1"),
                ("endpoint[1].url", "beside an authorization header"),
                ("endpoint[1].channels[0]", "`a/b`: a channel has"),
                ("endpoint[2].uid", "second endpoint"),
                ("endpoint[2].url", "a fragment"),
                ("endpoint[3].url", "guard.allow"),
            ],
        );
    }
}
