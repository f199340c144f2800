//! `relay import-svix` out of a server that answers as one of the Svix API does, and out of another
//! relay.

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Asked, Ended, Folder, ScriptedRelay};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TIME: &str = "2024-08-24T14:15:22Z";
const APPLICATION: &str = "app_2xXVVVVVVVVVVVVVVVVVVVVVVVV";
const OTHER: &str = "app_2xYVVVVVVVVVVVVVVVVVVVVVVVV";
const ENDPOINT: &str = "ep_2xXVVVVVVVVVVVVVVVVVVVVVVVV";

/// A page of a list: the first of two when `next` names the last item of it.
fn page(data: Value, next: Option<&str>) -> (u16, Value) {
    let prev = data[0]["id"].as_str().map(|id| format!("-{id}"));
    (200, json!({ "data": data, "iterator": next, "prevIterator": prev, "done": next.is_none() }))
}

fn application(id: &str, uid: Option<&str>, name: &str) -> Value {
    json!({ "id": id, "uid": uid, "name": name, "throttleRate": 0, "metadata": { "k": "v" },
            "createdAt": TIME, "updatedAt": TIME })
}

fn endpoint(id: &str, uid: Option<&str>, url: &str) -> Value {
    json!({ "id": id, "uid": uid, "url": url, "description": "of Acme", "version": 1,
            "disabled": false, "filterTypes": ["invoice.paid"], "eventTypes": ["invoice.paid"],
            "channels": null, "rateLimit": null, "throttleRate": 5, "metadata": {},
            "createdAt": TIME, "updatedAt": TIME })
}

/// Two pages of applications, endpoints of every kind, calls that it does not have.
fn answer(asked: &Asked) -> (u16, Value) {
    let path = asked.line.strip_prefix("GET /api/v1").unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let in_first = |rest: &str| path == format!("/app/{APPLICATION}/endpoint{rest}");
    match path {
        "/event-type" => page(
            json!([{ "name": "invoice.paid", "description": "Paid", "archived": false,
                     "deprecated": false, "schemas": { "1": { "type": "object" } },
                     "featureFlag": "beta", "groupName": "invoice", "createdAt": TIME,
                     "updatedAt": TIME }]),
            None,
        ),
        "/app" if query.contains(&format!("iterator={APPLICATION}")) => {
            page(json!([application(OTHER, None, "No uid")]), None)
        }
        "/app" => page(json!([application(APPLICATION, Some("acme"), "Acme")]), Some(APPLICATION)),
        "/operational-webhook/endpoint" => {
            page(json!([{ "id": "ep_op" }, { "id": "ep_oq" }]), None)
        }
        _ if path == format!("/app/{OTHER}/endpoint") => page(json!([]), None),
        _ if path.ends_with("/integration") => (404, json!({ "code": "not_found", "detail": "" })),
        _ if in_first("") => page(
            json!([
                endpoint(ENDPOINT, Some("books"), "https://me:key@h.example/w"),
                endpoint("ep_2", None, "https://h.example/2"),
                endpoint("ep_3", None, "http://10.1.2.3/")
            ]),
            None,
        ),
        _ if in_first(&format!("/{ENDPOINT}/secret")) => (200, json!({ "key": SECRET })),
        _ if in_first("/ep_2/secret") => {
            (200, json!({ "key": "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=" }))
        }
        _ if in_first("/ep_3/secret") => (200, json!({ "key": &SECRET[6..] })),
        _ if in_first(&format!("/{ENDPOINT}/headers")) => (
            200,
            json!({ "headers": { "X-Team": "books" }, "sensitive": ["Authorization", "X-Token"] }),
        ),
        _ if path.ends_with("/headers") => (200, json!({ "headers": {}, "sensitive": [] })),
        _ if in_first("/ep_2/transformation") => (200, json!({ "code": "f", "enabled": true })),
        _ if path.ends_with("/transformation") => (200, json!({ "code": null, "enabled": false })),
        _ => (404, json!({ "code": "not_found", "detail": "Entity not found" })),
    }
}

/// It is busy once, and knows one token.
fn svix() -> ScriptedRelay {
    ScriptedRelay::start(|asked, before| {
        let known = asked.headers.iter().any(|header| header == "authorization: Bearer old.token");
        let (status, body) = match () {
            () if !known => (401, json!({ "code": "authentication_failed", "detail": "" })),
            () if asked.line.contains("/event-type") && before == 0 => (429, json!({})),
            () => answer(asked),
        };
        (status, body.to_string())
    })
}

fn run(folder: &Folder, url: &str, token: &str, relay: &Live, more: &[&str]) -> Ended {
    let source = ["import-svix", "--url", url, "--token", token];
    let target = ["--server", &relay.url, "--relay-token", &relay.key];
    folder.run(&[&source[..], &target, more].concat())
}

fn json_of(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).expect(&ended.out)
}

#[test]
fn everything_that_can_be_taken() {
    let (folder, svix) = (Folder::new(), svix());
    let relay = Live::start(&folder);
    let import = |more: &[&str]| run(&folder, &svix.url, "old.token", &relay, more);
    let dry = json_of(&import(&["--dry-run", "--json"]).expect(1, "", ""));
    assert_eq!((&dry["created"], &dry["refused"]), (&json!(5), &json!(1)), "{dry}");
    assert_eq!(relay.call("GET", "/api/v1/app/acme", None).0, 404);

    let done = import(&[]).expect(1, "created  endpoint acme/books\n", "");
    for words in [
        "lacks the header X-Token, whose value is not in the document",
        "refused  endpoint acme/ep_3",
        "not taken  endpoint acme/ep_2: signs with a key whose private half is not shown",
        "not taken  endpoint acme/ep_2: its transformation",
        "not taken  2 operational webhooks",
        "5 created, 0 updated, 0 left, 1 refused",
    ] {
        assert!(done.out.contains(words), "{words:?} is not in\n{}", done.out);
    }
    let get = |path: &str| relay.call("GET", &format!("/api/v1{path}"), None).1;
    assert_eq!(get("/app/acme/endpoint/books/secret")["key"], SECRET);
    let books = get("/app/acme/endpoint/books");
    assert_eq!((&books["url"], &books["throttleRate"]), (&json!("https://h.example/w"), &json!(5)));
    assert_eq!(books["eventTypes"], json!(["invoice.paid"]));
    let headers = get("/app/acme/endpoint/books/headers");
    assert_eq!(headers["headers"], json!({ "X-Team": "books" }), "as it was written");
    // Old ids go on naming what they named, beside the uid.
    let old = format!("/app/{APPLICATION}/endpoint/{ENDPOINT}");
    assert_eq!(get(&old)["uid"], "books");
    assert_eq!(get(&format!("/app/{OTHER}"))["name"], "No uid", "the id it had goes on naming it");
    assert_eq!(get("/app/acme/endpoint/ep_2")["uid"], "ep_2");
    let event_type = get("/event-type/invoice.paid");
    assert_eq!(event_type["schemas"]["1"]["type"], "object");
    assert_eq!(event_type["featureFlags"], json!(["beta"]));

    // What was set by hand stays, and nothing is there twice.
    let set = r#"{"headers":{"authorization":"Bearer x"}}"#;
    assert_eq!(relay.call("PATCH", "/api/v1/app/acme/endpoint/books/headers", Some(set)).0, 204);
    let again = json_of(&import(&["--json"]).expect(1, "", ""));
    assert_eq!((&again["created"], &again["updated"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!((&again["left"], &again["refused"]), (&json!(5), &json!(1)));
    let sensitive = get("/app/acme/endpoint/books/headers");
    assert_eq!(sensitive["sensitive"], json!(["authorization"]));
    let gone = relay.call("DELETE", &format!("/api/v1{old}"), None).0;
    assert_eq!((gone, relay.call("GET", &format!("/api/v1{old}"), None).0), (204, 404));
    let lists = svix.asked().iter().filter(|asked| asked.line.contains("/integration")).count();
    assert_eq!(lists, 3, "what a server does not have is asked for once in each run");
    relay.stop();
}

#[test]
fn out_of_another_relay() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (source, target) = (Live::start(&folder), Live::start(&other));
    for number in 0..251 {
        let body = json!({ "uid": format!("a{number}"), "name": "A" }).to_string();
        assert_eq!(source.call("POST", "/api/v1/app", Some(&body)).0, 201);
    }
    let body = json!({ "url": "https://h.example/", "secret": SECRET, "eventTypes": ["a.*"] });
    let body = body.to_string();
    assert_eq!(source.call("POST", "/api/v1/app/a250/endpoint", Some(&body)).0, 201);
    let import = || run(&folder, &source.url, &source.key, &target, &["--json"]);
    let done = json_of(&import().expect(0, "", ""));
    let counts = (&done["created"], &done["updated"], &done["left"]);
    assert_eq!(counts, (&json!(252), &json!(1), &json!(0)), "{}", done["items"]);
    let again = json_of(&import().expect(0, "", ""));
    assert_eq!((&again["created"], &again["left"]), (&json!(0), &json!(253)));
    let (_, list) = target.call("GET", "/api/v1/app/a250/endpoint", None);
    let id = list["data"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/app/a250/endpoint/{id}/secret");
    assert_eq!(target.call("GET", &path, None).1["key"], SECRET);
    source.stop();
    target.stop();
}

#[test]
fn servers_that_are_not_there_or_not_what_they_seem() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let import = |url: &str, token: &str| run(&folder, url, token, &relay, &[]);
    let svix = svix();
    import(&svix.url, "wrong").expect(1, "", "--token is not one");
    let page = ScriptedRelay::start(|_, _| (200, "<html>".to_owned()));
    import(&page.url, "x").expect(1, "", "no answer of the Svix API");
    let empty = ScriptedRelay::start(|_, _| (404, String::new()));
    import(&empty.url, "x").expect(1, "", "is --url the address");
    let round = ScriptedRelay::start(|_, _| {
        let data = json!([{ "id": "app_1", "name": "a" }]);
        (200, json!({ "data": data, "iterator": "app_1", "done": false }).to_string())
    });
    import(&round.url, "x").expect(1, "", "does not end");
    import("http://127.0.0.1:1", "x").expect(69, "", "is --url right");
    let busy = ScriptedRelay::start(|_, _| (307, String::new()));
    import(&busy.url, "x").expect(1, "", "the server's own address");
    folder.run(&["import-svix"]).expect(2, "", "--url");
    relay.stop();
}
