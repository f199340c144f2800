//! What it is that a relay has not, of all that a path of its API names.

use url::form_urlencoded;

use super::client::Client;
use super::failure::Failure;
use super::output::plain;

/// The word of a path, what it names, and the command that lists them.
const KINDS: [(&str, &str, &str); 6] = [
    ("app", "application", "relay applications list"),
    ("endpoint", "endpoint", "relay endpoints list"),
    ("msg", "message", "relay messages list"),
    ("source", "source", "relay source list"),
    ("event-type", "event type", "relay event-types list --archived"),
    ("background-task", "task", "relay tasks list"),
];

/// One thing that a path names.
#[derive(PartialEq, Eq, Debug)]
struct Thing {
    noun: &'static str,
    name: String,
    list: String,
    /// Where the API has it.
    path: String,
}

/// The things that a path names, in their order.
fn things(path: &str) -> Vec<Thing> {
    let path = path.split('?').next().unwrap_or_default();
    let mut parts = path.strip_prefix("/api/v1").unwrap_or_default().split('/');
    let (mut found, mut owner, mut of_app) = (Vec::new(), "/api/v1".to_owned(), String::new());
    while let Some(part) = parts.next() {
        let Some((word, noun, list)) = KINDS.iter().find(|(word, _, _)| *word == part) else {
            continue;
        };
        let Some(raw) = parts.next() else { break };
        let name = decoded(raw);
        let path = format!("{owner}/{word}/{raw}");
        found.push(Thing { noun, list: format!("{list}{of_app}"), path: path.clone(), name });
        if *word == "app" {
            of_app = format!(" --app {}", found[0].name);
            owner = path;
        }
    }
    found
}

/// As it was before it was made a part of a path.
fn decoded(part: &str) -> String {
    let mut pairs = form_urlencoded::parse(part.as_bytes());
    plain(&pairs.next().map(|(name, _)| name).unwrap_or_default())
}

/// Says which of the things that a path names is not there; `None` where all of them are.
pub(super) fn named(client: &Client, path: &str) -> Option<Failure> {
    let things = things(path);
    let alone = things.len() == 1;
    for Thing { noun, name, list, path } in &things {
        // Whoever is refused this question too learns no more than before.
        if alone || client.get_once(path).is_ok_and(|answer| answer.status == 404) {
            let words = anyhow::anyhow!("there is no {noun} `{name}`");
            return Some(Failure::failed(words).hint(list));
        }
    }
    let of = |noun| things.iter().find(|thing| thing.noun == noun);
    let (app, message, endpoint) = (of("application")?, of("message")?, of("endpoint")?);
    let words = format!("the message `{}` was not meant for `{}`", message.name, endpoint.name);
    let hint = format!("relay messages show {} {} tells why", app.name, message.name);
    Some(Failure::failed(anyhow::Error::msg(words)).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_of_a_path() {
        let check = |path: &str, expected: &[(&str, &str, &str, &str)]| {
            let found = things(path);
            let found: Vec<_> =
                found.iter().map(|one| (one.noun, &*one.name, &*one.list, &*one.path)).collect();
            assert_eq!(found, expected, "{path}");
        };
        let app = ("application", "a b", "relay applications list", "/api/v1/app/a%20b");
        check("/api/v1/app/a%20b?limit=2", &[app]);
        check("/api/v1/app/a%20b/endpoint", &[app]);
        let endpoint =
            ("endpoint", "app", "relay endpoints list --app a b", "/api/v1/app/a%20b/endpoint/app");
        check("/api/v1/app/a%20b/endpoint/app/recover", &[app, endpoint]);
        let message = ("message", "m", "relay messages list --app a b", "/api/v1/app/a%20b/msg/m");
        check("/api/v1/app/a%20b/attempt/msg/m?order=ascending", &[app, message]);
        check("/api/v1/app/a%20b/msg/m/endpoint/app/resend", &[app, message, endpoint]);
        let source = ("source", "s", "relay source list", "/api/v1/source/s");
        check("/api/v1/source/s/request", &[source]);
        check("/api/v1/stats/endpoints", &[]);
        check("/healthz", &[]);
    }
}
