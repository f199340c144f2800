//! Every call of the API once, as client libraries make it.

use relay::store::Reference;
use serde_json::{Value, json};

use crate::api_refusals::token;
use crate::support::server::Relay;

#[test]
fn applications() {
    let relay = Relay::start();
    let made = relay
        .post("/app", json!({"name": "Acme", "uid": "acme", "metadata": {"a": "b"}}))
        .expect(201);
    let id = made.text("id");
    assert!(id.starts_with("app_") && id.len() == 31, "{id}");
    assert_eq!(made.text("createdAt"), "2026-11-21T00:00:00Z");
    assert_eq!(made.json["metadata"], json!({"a": "b"}));
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(409);
    let found = relay.post("/app?get_if_exists=true", json!({"name": "B", "uid": "acme"}));
    assert_eq!(found.expect(200).text("name"), "Acme");
    for path in ["/app/acme", "/app/acme/", &format!("/app/{id}"), &format!("/app/{id}?x=y")] {
        assert_eq!(relay.get(path).expect(200).json["id"], made.json["id"], "{path}");
    }
    let body = json!({"name": "New", "uid": "acme", "throttleRate": 5});
    let put = relay.put("/app/acme", body).expect(200);
    assert_eq!((&put.json["throttleRate"], &put.json["rateLimit"]), (&json!(5), &json!(5)));
    assert_eq!(put.json["metadata"], json!({}), "PUT sets all");
    let patched = relay.patch("/app/acme", json!({"metadata": {"c": "d"}})).expect(200);
    assert_eq!(patched.json["throttleRate"], 5, "what is absent stays");
    let patched = relay.patch("/app/acme", json!({"throttleRate": null})).expect(200);
    assert_eq!(patched.json.get("throttleRate"), None, "null takes it away");
    assert_eq!(relay.patch("/app/acme", json!({"name": null})).problem(), "body.name");
    relay.put("/app/fresh", json!({"name": "Fresh", "uid": "fresh"})).expect(201);
    let list = relay.get("/app").expect(200);
    assert_eq!(list.json["data"][0]["uid"], "acme", "oldest first");
    assert_eq!(list.json["data"].as_array().unwrap().len(), 2);
    assert_eq!(list.json["done"], true);
    relay.delete("/app/acme").expect(204);
    let gone = relay.get("/app/acme").expect(404);
    assert_eq!(gone.json, json!({"code": "not_found", "detail": "Entity not found"}));
}

/// Ends with this key.
fn rotations(relay: &Relay, path: &str, key: &str) {
    let body = json!({"key": key, "gracePeriodSeconds": 0});
    assert_eq!(relay.post(&format!("{path}/secret/rotate"), body).expect(200).text("key"), key);
    assert_eq!(relay.get(&format!("{path}/secret")).text("key"), key);
    let pair = concat!(
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfV",
        "KIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    );
    let rotated = relay.post(&format!("{path}/secret/rotate"), json!({"key": pair})).expect(200);
    let fresh = relay.post(&format!("{path}/secret/rotate"), json!({})).expect(200);
    assert!(fresh.text("key").starts_with("whpk_"), "a new key is of the same kind");
    assert_ne!(fresh.text("key"), rotated.text("key"));
    relay.post(&format!("{path}/secret/rotate"), json!({"key": key})).expect(200);
}

#[test]
fn endpoints() {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let body = json!({
        "url": "https://h.example/w", "uid": "books", "filterTypes": ["user.signup", "invoice.*"],
        "channels": ["eu"], "version": 1, "rateLimit": 9,
        "headers": {"X-Team": "a", "Authorization": "Basic x"},
    });
    let made = relay.post("/app/acme/endpoint", body).expect(201);
    assert_eq!(made.json["eventTypes"], json!(["user.signup", "invoice.*"]));
    assert_eq!(made.json["filterTypes"], made.json["eventTypes"]);
    assert_eq!((&made.json["version"], &made.json["rateLimit"]), (&json!(1), &json!(9)));
    assert_eq!(made.json["disabled"], false);
    assert_eq!(made.json.get("secret"), None);
    let path = "/app/acme/endpoint/books";
    let secret = relay.get(&format!("{path}/secret")).expect(200);
    assert!(secret.text("key").starts_with("whsec_"));
    let fresh = relay.post(&format!("{path}/secret/rotate"), json!({})).expect(200);
    assert_ne!(fresh.text("key"), secret.text("key"));
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    rotations(&relay, path, key);

    let headers = relay.get(&format!("{path}/headers")).expect(200);
    let expected = json!({"headers": {"X-Team": "a"}, "sensitive": ["Authorization"]});
    assert_eq!(headers.json, expected);
    let patch =
        json!({"headers": {"x-team": null, "X-New": "1"}, "deleteHeaders": ["Authorization"]});
    relay.patch(&format!("{path}/headers"), patch).expect(204);
    let headers = relay.get(&format!("{path}/headers")).expect(200);
    assert_eq!(headers.json, json!({"headers": {"X-New": "1"}, "sensitive": []}), "as written");
    relay.patch(&format!("{path}/headers"), json!({"headers": {"x-NEW": "2"}})).expect(204);
    let headers = relay.get(&format!("{path}/headers")).expect(200);
    assert_eq!(headers.json["headers"], json!({"x-NEW": "2"}), "one header, in whatever case");
    relay.put(&format!("{path}/headers"), json!({"headers": {"x-only": "2"}})).expect(204);

    let put = relay.put(path, json!({"url": "https://h.example/2", "uid": "books"})).expect(200);
    assert_eq!((&put.json["eventTypes"], &put.json["channels"]), (&Value::Null, &Value::Null));
    assert_eq!(relay.get(&format!("{path}/secret")).text("key"), key, "PUT keeps the key");
    let headers = relay.get(&format!("{path}/headers")).expect(200);
    assert_eq!(headers.json["headers"], json!({"x-only": "2"}), "and the headers");
    let other =
        json!({"url": "https://h.example/2", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"});
    assert_eq!(relay.put(path, other).problem(), "body.secret", "a key is rotated, not set");
    let patched = relay.patch(path, json!({"disabled": true, "channels": ["us"]})).expect(200);
    assert_eq!(patched.text("disabledReason"), "by_caller");
    let patched = relay.patch(path, json!({"disabled": false, "channels": null})).expect(200);
    assert_eq!(
        (&patched.json["disabled"], &patched.json["channels"]),
        (&json!(false), &Value::Null)
    );
    relay
        .put("/app/acme/endpoint/other", json!({"url": "https://o.example", "uid": "other"}))
        .expect(201);
    let list = relay.get("/app/acme/endpoint").expect(200);
    assert_eq!(list.json["data"][0]["uid"], "other", "newest first");
    relay
        .post("/app/acme/endpoint", json!({"url": "https://o.example", "uid": "other"}))
        .expect(409);
    relay.delete(path).expect(204);
    relay.get(path).expect(404);
}

#[test]
fn credentials_in_a_url_become_a_header() {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let url = "https://Aladdin:open%20sesame@h.example/x";
    let made = relay.post("/app/acme/endpoint", json!({"url": url, "uid": "e"})).expect(201);
    assert_eq!(made.text("url"), "https://h.example/x");
    let path = "/app/acme/endpoint/e";
    let headers = relay.get(&format!("{path}/headers")).json;
    assert_eq!(headers, json!({"headers": {}, "sensitive": ["authorization"]}));
    let owner = relay.state.store.application(&Reference::Name("acme".to_owned())).unwrap();
    let value = || {
        let endpoint = relay.state.store.endpoint(owner.id, &Reference::Name("e".to_owned()));
        endpoint.unwrap().headers["authorization"].clone()
    };
    assert_eq!(value(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    relay.patch(path, json!({"url": "https://user@h.example/x"})).expect(200);
    assert_eq!(value(), "Basic dXNlcjo=");
    relay.put(path, json!({"url": url, "uid": "e"})).expect(200);
    assert_eq!(value(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let both = json!({"url": url, "headers": {"Authorization": "Bearer x"}});
    assert_eq!(relay.post("/app/acme/endpoint", both).problem(), "body.url");
    // It counts as one of the headers, and its length as that of the URL.
    let full: serde_json::Map<_, _> = (0..50).map(|at| (format!("x-{at}"), json!("v"))).collect();
    let full = json!({"url": url, "headers": full});
    assert_eq!(relay.post("/app/acme/endpoint", full).problem(), "body.headers");
    let long = json!({"url": format!("https://{}@h.example/", "a".repeat(2_048))});
    assert_eq!(relay.post("/app/acme/endpoint", long).problem(), "body.url");
    let odd = json!({"url": "https://a%3Ab:c@h.example/"});
    assert_eq!(relay.post("/app/acme/endpoint", odd).problem(), "body.url");
}

#[test]
fn names_that_would_hide_something() {
    let relay = Relay::start();
    let made = relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let id = made.text("id");
    assert_eq!(relay.post("/app", json!({"name": "B", "uid": id})).problem(), "body.uid");
    assert_eq!(relay.patch("/app/acme", json!({"uid": id})).problem(), "body.uid");
    let endpoint = relay.post("/app/acme/endpoint", json!({"url": "https://h.example"}));
    let taken = json!({"url": "https://h.example", "uid": endpoint.expect(201).text("id")});
    assert_eq!(relay.post("/app/acme/endpoint", taken).problem(), "body.uid");
    let body = json!({"eventType": "a.b", "payload": {}});
    let message = relay.post("/app/acme/msg", body).expect(202);
    let body = json!({"eventType": "a.b", "payload": {}, "eventId": message.text("id")});
    assert_eq!(relay.post("/app/acme/msg", body).problem(), "body.eventId");
    // What is an id elsewhere is a name like any other here.
    let elsewhere = "app_2xXVVVVVVVVVVVVVVVVVVVVVVVV";
    relay.post("/app", json!({"name": "B", "uid": elsewhere})).expect(201);
}

/// A PUT by a name that is not there yet makes one of that name, however often it is sent.
#[test]
fn a_put_by_name_can_be_repeated() {
    let relay = Relay::start();
    for expected in [201, 200, 200] {
        relay.put("/app/acme", json!({"name": "Acme"})).expect(expected);
        let url = json!({"url": "https://h.example/"});
        relay.put("/app/acme/endpoint/e", url).expect(expected);
    }
    assert_eq!(relay.get("/app/acme").text("uid"), "acme");
    assert_eq!(relay.get("/app/acme/endpoint").json["data"].as_array().unwrap().len(), 1);
    relay.put("/app/acme", json!({"name": "Acme", "uid": "other"})).expect(200);
    assert_eq!(relay.get("/app/other").expect(200).text("uid"), "other");
}

/// What was renamed where it comes from gives up its uid before another takes it, and no two
/// entries of a document become one.
#[test]
fn entries_that_could_be_mistaken() {
    let relay = Relay::start();
    let entry = |id: &str, uid: &str, url: &str| {
        let endpoint = json!({"id": format!("ep_{id}"), "uid": "h", "url": url});
        json!({"id": format!("app_{id}"), "uid": uid, "name": id, "endpoints": [endpoint]})
    };
    let import = |entries: Value| {
        relay
            .post("/environment/import?per_item=true", json!({"applications": entries}))
            .expect(200)
    };
    import(json!([entry("X", "acme", "https://x.example/")]));
    let renamed = json!([
        entry("Y", "acme", "https://y.example/"),
        entry("X", "acme-old", "https://x.example/"),
    ]);
    for again in [false, true] {
        let done = import(renamed.clone()).json;
        let actions = done["items"].as_array().unwrap().iter().map(|item| item["action"].clone());
        let expected = if again { ["left"; 4] } else { ["created", "created", "updated", "left"] };
        assert_eq!(actions.collect::<Vec<_>>(), expected.map(Value::from), "{done}");
        for (name, of) in [("acme", "Y"), ("app_Y", "Y"), ("acme-old", "X"), ("app_X", "X")] {
            assert_eq!(relay.get(&format!("/app/{name}")).text("name"), of, "{name}");
        }
        let url = relay.get("/app/app_X/endpoint/ep_X").text("url").to_owned();
        assert_eq!(url, "https://x.example/");
    }
    let twice = import(json!([
        entry("Z", "z", "https://z.example/"),
        entry("Z", "z2", "https://z.example/")
    ]));
    let second = &twice.json["items"][2];
    assert_eq!(second["action"], "refused", "{}", twice.json);
    let swapped = import(json!([entry("X", "acme", "https://x.example/")]));
    assert_eq!(swapped.json["items"][0]["action"], "refused", "{}", swapped.json);
}

/// Ids of another server are further names, for tokens too; names of this relay go before them.
#[test]
fn ids_of_before() {
    let relay = Relay::start();
    let old = |number: usize| format!("app_2xXVVVVVVVVVVVVVVVVVVVVVV{number:02}");
    let entry =
        |id: &str, uid: &str| json!({"applications": [{"id": id, "uid": uid, "name": "A"}]});
    let import = |document: Value| relay.post("/environment/import?per_item=true", document);
    let done = import(entry(&old(0), "acme")).expect(200).json;
    assert_eq!(done["items"][0]["action"], "created", "{done}");
    let own = token(&old(0));
    let headers = [("authorization", format!("Bearer {own}"))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for name in [old(0), "acme".to_owned()] {
        let seen = relay.send("GET", &format!("/app/{name}"), &headers, None).expect(200);
        assert_eq!(seen.text("uid"), "acme");
    }
    let again = import(entry(&old(0), "acme")).expect(200).json;
    assert_eq!(again["items"][0]["action"], "left", "{again}");
    relay.post("/app", json!({"name": "Other", "uid": "other"})).expect(201);
    let other = import(entry(&old(0), "other")).expect(200).json;
    assert_eq!(other["items"][0]["action"], "refused", "{other}");
    for number in 1..8 {
        let done = import(entry(&old(number), "acme")).expect(200).json;
        assert_eq!(done["items"][0]["action"], "updated", "{done}");
    }
    let full = import(entry(&old(8), "acme")).expect(200).json;
    assert!(full["items"][0]["notes"][0].as_str().unwrap().contains("8 further names"), "{full}");
    relay.delete("/app/acme").expect(204);
    relay.get(&format!("/app/{}", old(3))).expect(404);
    import(entry(&old(3), "other")).expect(200);
    assert_eq!(relay.get(&format!("/app/{}", old(3))).text("uid"), "other");
}

#[test]
fn event_types() {
    let relay = Relay::start();
    let schemas = json!({"1": {"type": "object", "x": 1.0}});
    let body = json!({"name": "invoice.paid", "description": "Paid", "schemas": schemas});
    relay.post("/event-type", body.clone()).expect(201);
    relay.post("/event-type", body).expect(409);
    let found = relay.get("/event-type/invoice.paid").expect(200);
    assert_eq!(found.json["schemas"], schemas);
    assert_eq!(relay.get("/event-type").json["data"][0]["schemas"], Value::Null);
    let list = relay.get("/event-type?with_content=true");
    assert_eq!(list.json["data"][0]["schemas"], schemas);
    relay.put("/event-type/a.b", json!({"description": ""})).expect(201);
    relay.put("/event-type/a.b", json!({"description": "new"})).expect(200);
    let patch = json!({"deprecated": true, "featureFlags": ["beta"], "groupName": "a"});
    let patched = relay.patch("/event-type/a.b", patch).expect(200);
    assert_eq!((patched.text("featureFlag"), patched.text("description")), ("beta", "new"));
    relay.delete("/event-type/a.b").expect(204);
    let names = |path: &str| {
        let list = relay.get(path).expect(200);
        let data = list.json["data"].as_array().unwrap().iter();
        data.map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("/event-type"), ["invoice.paid"]);
    assert_eq!(names("/event-type?include_archived=true"), ["a.b", "invoice.paid"]);
    relay.post("/event-type", json!({"name": "a.b", "description": "back"})).expect(201);
    relay.delete("/event-type/a.b?expunge=true").expect(204);
    relay.get("/event-type/a.b").expect(404);
}

#[test]
fn paging_forward_and_back() {
    let relay = Relay::start();
    let count = 260;
    for number in 0..count {
        let name = format!("type.{number:03}");
        relay.post("/event-type", json!({"name": name, "description": ""})).expect(201);
        if number % 40 == 0 {
            relay.post("/app", json!({"name": "n", "uid": format!("u{number}")})).expect(201);
        }
    }
    let walk = |first: String, backward: bool, base: &str, field: &str| {
        let (mut found, mut path) = (Vec::new(), first);
        for _ in 0..count {
            let page = relay.get(&path).expect(200);
            let items = page.json["data"].as_array().unwrap().clone();
            let names: Vec<String> =
                items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect();
            found = if backward { [names, found].concat() } else { [found, names].concat() };
            if page.json["done"] == true {
                return (found, page.json);
            }
            let next = if backward { "prevIterator" } else { "iterator" };
            path = format!("{base}&iterator={}", page.text(next));
        }
        panic!("the list does not end");
    };
    for (base, field, expected) in [
        ("/event-type?limit=250", "name", count),
        ("/event-type?limit=7", "name", count),
        ("/app?limit=2", "uid", 7),
        ("/app?limit=2&order=descending", "uid", 7),
    ] {
        let (forward, last) = walk(base.to_owned(), false, base, field);
        assert_eq!(forward.len(), expected, "{base}");
        let start = format!("{base}&iterator=-{}", last["iterator"].as_str().unwrap());
        let (backward, _) = walk(start, true, base, field);
        assert_eq!(backward, forward[..forward.len() - 1], "{base}");
    }
    assert_eq!(relay.get("/app?limit=251").problem(), "query.limit");
    assert_eq!(relay.get("/app?iterator=app_x").problem(), "query.iterator");
}
