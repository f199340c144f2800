//! What a running relay would change if it read this configuration now.

use serde_json::{Value, json};

use super::Common;
use super::client::{Client, TokenArgument};
use super::failure::Failure;
use crate::config::declared::DeclaredEndpoint;
use crate::config::load::Loaded;
use crate::config::source::DeclaredSource;
use crate::domain::secret::Secret;
use crate::engine::declare::Declared;

/// What is known of the changes.
pub(super) enum Plan {
    /// The relay there would make these, a line each.
    Changes(Vec<String>),
    /// Nobody could be asked, and why.
    NotAsked(String),
}

/// Asks the relay at `base`. That none answers is no failure: the configuration may be meant for
/// one that is not running, whose folder is not opened to look.
pub(super) fn ask(base: &str, token: &TokenArgument, common: &Common, loaded: &Loaded) -> Plan {
    let client = match Client::new_at(base.to_owned(), token, common) {
        Ok(client) => client.brief(),
        Err(failure) => return Plan::NotAsked(reason(&failure)),
    };
    let body = body(&Declared::of(&loaded.config, &loaded.secrets));
    match client.post_once("/api/v1/config/plan", &body.to_string()) {
        Err(_) => Plan::NotAsked(format!("no relay answers at {base}")),
        Ok(answer) => match (answer.status, answer.body["changes"].as_array()) {
            (200, Some(changes)) => {
                let lines = changes.iter().filter_map(Value::as_str);
                Plan::Changes(lines.map(super::output::plain).collect())
            }
            (401, _) => Plan::NotAsked(format!("the relay at {base} does not know this key")),
            (status, _) => Plan::NotAsked(format!("what answers at {base} said {status}")),
        },
    }
}

fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Told { error, .. } => error.to_string(),
        Failure::OutputClosed => String::new(),
    }
}

/// The keys go apart from their endpoints: where the file has a key is not what the relay has.
fn body(declared: &Declared) -> Value {
    let bare = |endpoint: &DeclaredEndpoint| DeclaredEndpoint {
        secret: None,
        secret_file: None,
        transform: endpoint.transform().ok().flatten(),
        transform_file: None,
        delivery: endpoint.delivery().unwrap_or_default(),
        credentials_file: None,
        ..endpoint.clone()
    };
    let endpoints: Vec<_> = declared.endpoints.iter().map(|(endpoint, _)| bare(endpoint)).collect();
    let keys = declared.endpoints.iter().filter_map(|(endpoint, key)| {
        let key = key.as_ref()?.text();
        Some(json!({
            "application": endpoint.application, "endpoint": endpoint.uid, "key": key,
        }))
    });
    let bare = |source: &DeclaredSource| DeclaredSource {
        secret: None,
        secret_file: None,
        secrets: Vec::new(),
        secret_files: Vec::new(),
        token: None,
        token_file: None,
        verify_token: None,
        ..source.clone()
    };
    let sources: Vec<_> = declared.sources.iter().map(|(source, _)| bare(source)).collect();
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let secrets = declared.sources.iter().map(|(source, given)| {
        json!({
            "source": source.uid, "secrets": given.secrets.iter().map(text).collect::<Vec<_>>(),
            "token": given.token.as_ref().map(text),
            "verify_token": given.verify_token.as_ref().map(text),
        })
    });
    json!({
        "application": declared.applications, "event_type": declared.event_types,
        "endpoint": endpoints, "keys": keys.collect::<Vec<_>>(),
        "source": sources, "secrets": secrets.collect::<Vec<_>>(),
    })
}
