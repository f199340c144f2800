//! Every query parameter, with what lies beyond its limit: 422, the place and words. The source
//! says which there are, so that a new one without a case fails here.

use std::collections::BTreeSet;

use crate::api_fields::{long, relay};
use crate::support::source;

/// Parameters of lists, with wrong values.
fn paging() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("limit", ["0", "251", "-1", "x", "99999999999999999999"].map(str::to_owned).to_vec()),
        ("iterator", vec!["a%20b".to_owned(), "-".to_owned(), long(300)]),
        ("order", vec!["up".to_owned()]),
    ]
}

fn filtering() -> Vec<(&'static str, Vec<String>)> {
    let many = vec!["a"; 501].join(",");
    vec![
        ("channel", vec!["a%20b".to_owned(), long(129)]),
        ("tag", vec![long(129), "a%00".to_owned()]),
        ("event_types", vec!["a.*".to_owned(), "a%20b".to_owned(), long(257), many]),
        ("before", vec!["soon".to_owned(), "2026-11-21".to_owned()]),
        ("after", vec!["soon".to_owned(), "1".to_owned()]),
    ]
}

fn flag(name: &'static str) -> (&'static str, Vec<String>) {
    (name, vec!["yes".to_owned(), "1".to_owned()])
}

/// Of the searches over one application and over all.
fn searches() -> [Parameters; 2] {
    let own: Parameters = vec![
        ("status", vec!["5".to_owned(), "x".to_owned()]),
        ("q", vec![long(201), "a%00".to_owned()]),
        ("in", vec!["event_id".to_owned(), "1".to_owned()]),
        ("source", vec!["a%20b".to_owned(), long(257)]),
    ];
    let own = [paging(), filtering(), own].concat();
    let all = [own.clone(), vec![("app", vec!["nobody".to_owned(), "a%20b".to_owned()])]];
    [own, all.concat()]
}

fn followed() -> Parameters {
    let wrong = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut followed = filtering();
    followed.retain(|(name, _)| *name != "before");
    followed.extend(["original", "follow", "requests", "with_content"].map(flag));
    followed.push(("filter", wrong(&["%7B", "%5B%5D", "%7B%22colour%22:1%7D"])));
    followed.extend(["source", "endpoint"].map(|name| (name, wrong(&["nobody", "a%20b"]))));
    followed
}

fn by_kind() -> Parameters {
    let mut by_kind = filtering();
    by_kind.retain(|(name, _)| ["channel", "after"].contains(name));
    by_kind.push(("event_type", vec!["a.*".to_owned(), "a%20b".to_owned(), long(257)]));
    by_kind
}

fn requests() -> Parameters {
    vec![
        ("verdict", vec!["fine".to_owned(), "1".to_owned()]),
        ("event_id", vec![long(257)]),
        ("event_type", vec!["a%20b".to_owned(), long(257)]),
    ]
}

/// Of the audit log.
fn logged() -> Parameters {
    let mut logged = [paging(), filtering(), vec![("who", vec![long(257)])]].concat();
    logged.retain(|(name, _)| !["channel", "tag", "event_types"].contains(name));
    logged
}

type Parameters = Vec<(&'static str, Vec<String>)>;

fn queries() -> Vec<(&'static str, &'static str, Parameters)> {
    let status = ("status", vec!["5".to_owned(), "x".to_owned()]);
    let class = ("status_code_class", vec!["201".to_owned(), "600".to_owned(), "x".to_owned()]);
    let with = |more: Parameters| [paging(), filtering(), more].concat();
    let content = flag("with_content");
    let tried = with(vec![status.clone(), class.clone(), content.clone(), flag("with_msg")]);
    let counted = [filtering(), vec![status.clone(), class.clone()]].concat();
    let one = ("endpoint_id", vec!["a%20b".to_owned(), long(257)]);
    let listed = [paging(), vec![flag("include_archived"), content.clone()]].concat();
    let window = ["since", "until"].map(|name| (name, vec!["soon".to_owned(), "1".to_owned()]));
    let window = window.to_vec();
    let polled: Parameters = paging().into_iter().filter(|(name, _)| *name != "order").collect();
    let mut leased: Parameters =
        polled.iter().filter(|(name, _)| *name != "iterator").cloned().collect();
    let wrong = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    leased.push(("lease_duration_ms", wrong(&["0", "3600001", "-1", "soon"])));
    leased.push(("starting_position", wrong(&["first", "1"])));
    let requests = requests();
    let by_kind = by_kind();
    let running = ("status", wrong(&["ended", "1"]));
    let task = ("task", vec!["none".to_owned()]);
    let reason = ("reason", wrong(&["blocked", "1"]));
    let one_dead = ("endpoint_id", vec!["a%20b".to_owned(), "nobody".to_owned(), long(257)]);
    let mut dead = with(vec![class.clone(), reason, one_dead]);
    dead.retain(|(name, _)| !["before", "after"].contains(name));
    dead.extend(window.clone());
    let [searched, all] = searches();
    let period = ("period", wrong(&["year", "1", "Hour"]));
    let limit = paging().into_iter().find(|(name, _)| *name == "limit");
    let unwell = [("status", wrong(&["healthy", "idle", "1"]))].into_iter().chain(limit).collect();
    vec![
        ("GET", "/app", paging()),
        ("GET", "/auth/key", paging()),
        ("GET", "/audit-log", logged()),
        ("POST", "/app", vec![flag("get_if_exists")]),
        ("GET", "/app/acme/endpoint", paging()),
        ("GET", "/app/acme/endpoint/e/msg", with(vec![status, content.clone()])),
        ("GET", "/app/acme/msg", with(vec![content.clone()])),
        ("GET", "/app/acme/message-search", searched),
        ("GET", "/message-search", all),
        ("POST", "/app/acme/msg", vec![content.clone()]),
        ("GET", "/app/acme/msg/one", vec![content.clone()]),
        ("GET", "/app/acme/msg/one/explain", paging()),
        ("GET", "/app/acme/msg/one/endpoint", paging()),
        ("GET", "/app/acme/attempt/endpoint/e", tried.clone()),
        ("GET", "/app/acme/attempt/endpoint/e/count", counted),
        ("GET", "/app/acme/attempt/msg/one", [tried, vec![one]].concat()),
        ("GET", "/app/acme/dead-letter", dead.clone()),
        ("GET", "/dead-letter", dead),
        ("GET", "/event-type", listed),
        ("DELETE", "/event-type/a.b", vec![flag("expunge")]),
        ("DELETE", "/source/nobody", vec![flag("discard_held")]),
        ("GET", "/app/acme/endpoint/e/stats", window.clone()),
        ("GET", "/app/acme/endpoint/e/attempt-stats", window),
        ("GET", "/app/acme/endpoint/e/attempt-history", vec![period.clone()]),
        ("GET", "/stats/history", vec![period]),
        ("GET", "/stats/endpoints", unwell),
        ("GET", "/environment/export", vec![flag("with_secrets")]),
        ("POST", "/environment/export", vec![flag("with_secrets")]),
        ("POST", "/environment/import", vec![flag("dry_run"), flag("per_item")]),
        ("GET", "/app/acme/poller/e", [polled.clone(), by_kind].concat()),
        ("GET", "/app/acme/poller/e/consumer/one", polled.clone()),
        ("GET", "/app/acme/polling-endpoint/e/consumer/one", leased),
        ("GET", "/source", [paging(), vec![("application", wrong(&["nobody"]))]].concat()),
        ("GET", "/source/s/request", [paging(), requests].concat()),
        ("GET", "/app/acme/live", followed()),
        ("GET", "/live", [followed(), vec![("application", wrong(&["nobody"]))]].concat()),
        ("GET", "/background-task", [paging(), vec![running, task]].concat()),
    ]
}

#[test]
fn every_query_parameter_beyond_its_limit() {
    let relay = relay();
    for (method, path, parameters) in queries() {
        let body = (method == "POST").then_some(r#"{"name":"x","eventType":"a","payload":{}}"#);
        for (name, wrong) in parameters {
            // An event type may have that name, and a list of them go on behind it; so may a key.
            let named = ["/event-type", "/auth/key"].contains(&path);
            let names = |value: &String| named && name == "iterator" && value == "-";
            for value in wrong.iter().filter(|value| !names(value)) {
                let answer = relay.send(method, &format!("{path}?{name}={value}"), &[], body);
                let what = format!("{method} {path} {name}={value:.40}");
                assert_eq!(answer.status, 422, "{what}: {answer:?}");
                assert_eq!(answer.problem(), format!("query.{name}"), "{what}");
            }
        }
        let many = format!("{path}?{}", "x=1&".repeat(201));
        if method == "GET" {
            assert_eq!(relay.get(&many).problem(), "query", "{path}");
            // What goes on for ever ends at once here.
            relay.get(&format!("{path}?follow=false&{}", "x=1&".repeat(199))).expect(200);
        }
    }
    let covered: BTreeSet<String> = queries()
        .iter()
        .flat_map(|(_, _, parameters)| parameters.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    assert_eq!(source::parameters(), covered, "a parameter without a case, or a case of none");
}
