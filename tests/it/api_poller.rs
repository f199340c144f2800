//! Pollers: every message once and in the order of acceptance, whoever writes meanwhile; and where
//! consumers stand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use relay::domain::id::{ApplicationId, EndpointId, MessageId};
use relay::domain::lease::LEASED_MAX;
use relay::store::disk::RealDisk;
use relay::store::{
    CheckOptions, NewMessage, PollFilter, Reference, Reply, START, StartingPosition, Store,
    Verdict, check,
};
use serde_json::{Value, json};

use crate::support::acme::{acme, endpoint, next_ready, send, settle};

const PATH: &str = "/app/acme/poller/books";
const CONSUMER: &str = "/app/acme/poller/books/consumer/one";
const WRITERS: usize = 4;
const EACH: usize = 400;
/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn event_ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|item| item["eventId"].as_str().unwrap()).collect()
}

fn application(store: &Store) -> ApplicationId {
    store.application(&Reference::Name("acme".to_owned())).unwrap().id
}

fn message(application: ApplicationId, event_type: &str) -> NewMessage {
    NewMessage::plain(application, event_type.to_owned(), Bytes::from_static(b"{}"))
}

fn accept(store: &Store, new: NewMessage) -> MessageId {
    let written =
        store.write_blocking(None, move |transaction| transaction.accept(new).map(Reply::Message));
    match written.unwrap().reply {
        Reply::Message(stored) => stored.message.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_message_once_while_many_write() {
    let relay = acme();
    let store = &relay.state.store;
    let owner = application(store);
    let sink = store.endpoint(owner, &Reference::Name("books".to_owned())).unwrap();
    let (seen, written) = thread::scope(|scope| {
        let write = || {
            let ids = (0..EACH).map(|_| accept(store, message(owner, "a.b")));
            ids.collect::<Vec<_>>()
        };
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        let (mut seen, mut position, begun) = (Vec::new(), START, Instant::now());
        while seen.len() < WRITERS * EACH {
            assert!(begun.elapsed() < PATIENCE, "{} were seen", seen.len());
            let polled = store.poll(&sink, &PollFilter::default(), position, 7);
            position = polled.position;
            seen.extend(polled.messages.iter().map(|stored| stored.message.id));
        }
        let written: BTreeSet<_> =
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        (seen, written)
    });
    assert!(seen.is_sorted(), "in the order of acceptance");
    assert_eq!(seen, written.into_iter().collect::<Vec<_>>(), "each once");
}

#[test]
fn what_a_sink_shows() {
    let relay = acme();
    let wanted = json!({"eventTypes": ["a.*"], "channels": ["eu"]});
    relay.patch("/app/acme/endpoint/books", wanted).expect(200);
    let headers = json!({"headers": {"x-own": "1", "authorization": "secret"}});
    relay.put("/app/acme/endpoint/books/headers", headers).expect(204);
    let first = relay.get(PATH).expect(200).json;
    assert_eq!((&first["data"], &first["done"]), (&json!([]), &json!(true)));
    for (event_id, event_type, channel) in
        [("1", "a.b", "eu"), ("2", "a.b", "us"), ("3", "c.d", "eu"), ("4", "a.c", "eu")]
    {
        relay.folder.clock.advance(Duration::from_secs(60));
        let body = json!({
            "eventType": event_type, "eventId": event_id, "payload": {"n": event_id},
            "channels": [channel, "all"],
        });
        relay.post("/app/acme/msg", body).expect(202);
    }
    let all = relay.get(PATH).expect(200).json;
    assert_eq!((event_ids(&all), &all["done"]), (vec!["1", "4"], &json!(true)));
    let shown = &all["data"][0];
    assert_eq!(shown["payload"], json!({"n": "1"}));
    assert_eq!(shown["headers"], json!({"content-type": "application/json", "x-own": "1"}));
    let from = |query: &str| relay.get(&format!("{PATH}?{query}")).expect(200).json;
    let from_first = from(&format!("iterator={}", first["iterator"].as_str().unwrap()));
    assert_eq!(from_first, all, "what came after an empty page");
    let one = from("limit=1");
    assert_eq!((event_ids(&one), &one["done"]), (vec!["1"], &json!(false)));
    let next = from(&format!("limit=1&iterator={}", one["iterator"].as_str().unwrap()));
    assert_eq!(event_ids(&next), ["4"]);
    assert_eq!(event_ids(&from("event_type=a.c")), ["4"]);
    assert_eq!(event_ids(&from("channel=us")).len(), 0, "the sink does not want that");
    assert_eq!(event_ids(&from("channel=all")), ["1", "4"]);
    let time = shown["timestamp"].as_str().unwrap();
    assert_eq!(event_ids(&from(&format!("after={time}"))), ["4"]);
    assert_eq!(event_ids(&from("after=9000-01-01T00:00:00Z")).len(), 0);
    // To read and nothing else: an endpoint that takes no deliveries.
    relay.patch("/app/acme/endpoint/books", json!({"disabled": true})).expect(200);
    assert_eq!(event_ids(&relay.get(PATH).json), ["1", "4"]);
    relay.get("/app/acme/poller/nobody").expect(404);
    relay.delete("/app/acme/msg/1/content").expect(204);
    assert_eq!(relay.get(PATH).json["data"][0]["payload"], json!({"expired": true}));
}

/// What a poll looks at is bounded; the next goes on behind it.
#[test]
fn a_long_way_to_the_next() {
    let relay = acme();
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["rare"]})).expect(200);
    let store = &relay.state.store;
    let owner = application(store);
    for _ in 0..10_050 {
        let new = message(owner, "often");
        let work = move |transaction: &mut relay::store::Transaction<'_>| {
            transaction.accept(new).map(Reply::Message)
        };
        store.submit(None, work, |result| drop(result.unwrap())).unwrap();
    }
    let rare = accept(store, message(owner, "rare"));
    let first = relay.get(PATH).expect(200).json;
    assert_eq!((&first["data"], &first["done"]), (&json!([]), &json!(false)));
    let next = format!("{PATH}?iterator={}", first["iterator"].as_str().unwrap());
    let next = relay.get(&next).expect(200).json;
    assert_eq!(next["data"][0]["id"], store.ids().text(rare));
    assert_eq!(next["done"], true);
}

#[test]
fn a_consumer_goes_on_behind_what_it_committed() {
    let relay = acme();
    for event_id in ["1", "2", "3", "4"] {
        relay.folder.clock.advance(Duration::from_secs(60));
        send(&relay, event_id, "a.b");
    }
    let poll = |query: &str| relay.get(&format!("{CONSUMER}?limit=2{query}")).expect(200).json;
    let written = || relay.state.store.figures().sequence;
    let before = written();
    let first = poll("");
    assert_eq!((event_ids(&first), &first["done"]), (vec!["1", "2"], &json!(false)));
    assert_eq!(poll(""), first, "nothing is committed yet");
    assert_eq!(written(), before, "and nothing was written");
    let commit = format!("&iterator={}", first["iterator"].as_str().unwrap());
    let second = poll(&commit);
    assert_eq!((event_ids(&second), &second["done"]), (vec!["3", "4"], &json!(true)));
    let committed = written();
    assert!(committed > before);
    assert_eq!(poll(&commit), second, "an answer that was lost");
    assert_eq!((poll(""), written()), (second, committed));
    assert_eq!(event_ids(&relay.get(&CONSUMER.replace("one", "two")).json).len(), 4);
    let time = first["data"][0]["timestamp"].clone();
    let sought = relay.post(&format!("{CONSUMER}/seek"), json!({"after": time})).expect(200);
    assert_eq!(event_ids(&poll("")), ["2", "3"], "back");
    let from = format!("{PATH}?iterator={}", sought.text("iterator"));
    assert_eq!(event_ids(&relay.get(&from).json), ["2", "3", "4"]);
    let wrong = relay.post(&format!("{CONSUMER}/seek"), json!({"after": "soon"}));
    assert_eq!(wrong.problem(), "body.after");
    for number in 1..relay::store::CONSUMERS_MAX {
        let path = format!("{PATH}/consumer/n{number}/seek");
        relay.post(&path, json!({"after": time})).expect(200);
    }
    relay.post(&format!("{PATH}/consumer/more/seek"), json!({"after": time})).expect(409);
    let relay = relay.restart();
    let after = relay.get(&format!("{CONSUMER}?limit=2")).expect(200).json;
    assert_eq!(event_ids(&after), ["2", "3"]);
}

fn offsets(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|item| item["offset"].as_u64().unwrap()).collect()
}

/// Callers by one name are handed different messages; what is not committed comes again.
#[test]
fn leases() {
    const SHARED: &str = "/app/acme/polling-endpoint/books/consumer/one";
    let relay = acme();
    for event_id in ["1", "2", "3", "4"] {
        send(&relay, event_id, "a.b");
    }
    let poll = |relay: &crate::support::server::Relay, query: &str| {
        relay.get(&format!("{SHARED}?limit=2{query}")).expect(200).json
    };
    let first = poll(&relay, "&lease_duration_ms=60000");
    assert_eq!((event_ids(&first), offsets(&first)), (vec!["1", "2"], vec![1, 2]));
    assert_eq!((&first["done"], first.get("iterator")), (&json!(false), None));
    let second = poll(&relay, "");
    assert_eq!((event_ids(&second), offsets(&second)), (vec!["3", "4"], vec![3, 4]));
    let none = poll(&relay, "");
    assert_eq!((&none["data"], &none["done"]), (&json!([]), &json!(true)));
    // The second lease is the default one, and over first; it holds over a restart.
    let relay = relay.restart();
    assert_eq!(poll(&relay, "")["data"], json!([]));
    relay.folder.clock.advance(Duration::from_secs(30));
    assert_eq!(offsets(&poll(&relay, "")), [3, 4]);
    relay.folder.clock.advance(Duration::from_secs(30));
    assert_eq!(poll(&relay, "")["data"], first["data"]);
    let commit = |offset: u64| relay.post(&format!("{SHARED}/commit"), json!({"offset": offset}));
    commit(3).expect(204);
    commit(1).expect(204);
    assert_eq!(commit(5).problem(), "body.offset");
    relay.folder.clock.advance(Duration::from_secs(90));
    assert_eq!(offsets(&poll(&relay, "")), [4]);
    commit(4).expect(204);
    // The position is that of the other call too.
    assert_eq!(event_ids(&relay.get(CONSUMER).json).len(), 0);
    let time = json!({"after": "2020-01-01T00:00:00Z"});
    relay.post(&format!("{CONSUMER}/seek"), time).expect(200);
    let again = poll(&relay, "");
    assert_eq!((event_ids(&again), offsets(&again)), (vec!["1", "2"], vec![5, 6]));
    // One that begins now has nothing to read yet.
    let late = SHARED.replace("one", "late");
    let begun = relay.get(&format!("{late}?starting_position=latest")).expect(200).json;
    assert_eq!(begun["data"], json!([]));
    relay.folder.clock.advance(Duration::from_secs(1));
    send(&relay, "5", "a.b");
    assert_eq!(event_ids(&relay.get(&late).json), ["5"]);
}

/// However many poll at once, no message is handed to two of them.
#[test]
fn one_lease_for_each_message() {
    let relay = acme();
    let store = &relay.state.store;
    let owner = application(store);
    let sink = store.endpoint(owner, &Reference::Name("books".to_owned())).unwrap();
    let written: Vec<_> = (0..EACH).map(|_| accept(store, message(owner, "a.b"))).collect();
    let handed = thread::scope(|scope| {
        let poll = || {
            let mut handed = Vec::new();
            loop {
                let lease = Duration::from_secs(3_600);
                let start = StartingPosition::Earliest;
                match store.lease(&sink, "one", 7, lease, start) {
                    Ok(leased) if leased.messages.is_empty() => return handed,
                    Ok(leased) => handed.extend(leased.messages),
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let pollers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(poll)).collect();
        pollers.into_iter().flat_map(|poller| poller.join().unwrap()).collect::<Vec<_>>()
    });
    let mut handed: Vec<_> =
        handed.into_iter().map(|(offset, stored)| (offset, stored.message.id)).collect();
    handed.sort_unstable_by_key(|(offset, _)| *offset);
    assert_eq!(handed, (1..).zip(written).collect::<Vec<_>>());
}

#[test]
fn so_many_are_handed_out_at_once() {
    let relay = acme();
    let store = &relay.state.store;
    let owner = application(store);
    for _ in 0..LEASED_MAX + 1 {
        let new = message(owner, "a.b");
        let work = move |transaction: &mut relay::store::Transaction<'_>| {
            transaction.accept(new).map(Reply::Message)
        };
        store.submit(None, work, |result| drop(result.unwrap())).unwrap();
    }
    accept(store, message(owner, "a.b"));
    let path = "/app/acme/polling-endpoint/books/consumer/one";
    for _ in 0..LEASED_MAX / 250 {
        relay.get(&format!("{path}?limit=250")).expect(200);
    }
    let full = relay.get(path).expect(409);
    assert!(full.text("detail").contains("commit some of them"), "{}", full.json);
    relay.post(&format!("{path}/commit"), json!({"offset": 1})).expect(204);
    assert_eq!(offsets(&relay.get(path).json), [LEASED_MAX as u64 + 1]);
}

/// A position outlives the segment it was written to, and goes with its endpoint.
#[test]
fn positions_are_carried_and_go_with_the_endpoint() {
    let relay = acme();
    send(&relay, "1", "a.b");
    let first = relay.get(CONSUMER).expect(200).json;
    let commit = format!("{CONSUMER}?iterator={}", first["iterator"].as_str().unwrap());
    relay.get(&commit).expect(200);
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    for number in 0..30 {
        let payload = json!({"fill": "x".repeat(50_000)});
        let body = json!({"eventType": "a.b", "eventId": format!("f{number}"), "payload": payload});
        relay.post("/app/acme/msg", body).expect(202);
        settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    }
    let store = &relay.state.store;
    while let Some(oldest) = store.oldest_segment().unwrap() {
        store.reclaim(oldest, &mut |_| true).unwrap();
    }
    relay.get("/app/acme/msg/1").expect(404);
    let sink = relay.get("/app/acme/endpoint/books").text("id").to_owned();
    let sink: EndpointId = store.ids().parse(&sink).unwrap();
    let position: MessageId = store.ids().parse(first["iterator"].as_str().unwrap()).unwrap();
    assert_eq!(store.poller_position(sink, "one"), Some(position));
    endpoint(&relay, "other");
    relay.delete("/app/acme/endpoint/books").expect(204);
    assert_eq!(store.poller_position(sink, "one"), None);
    relay.get(CONSUMER).expect(404);
}

/// Rows of a position, of a broadcast and of the hidden application are sound rows.
#[test]
fn a_check_knows_the_rows() {
    let relay = acme();
    relay.post("/operational-webhook/endpoint", json!({"url": "https://o.example/"})).expect(201);
    relay.post("/msg/broadcast", json!({"eventType": "a.b", "payload": {}})).expect(202);
    endpoint(&relay, "late");
    relay.post(&format!("{CONSUMER}/seek"), json!({"after": "2020-01-01T00:00:00Z"})).expect(200);
    relay.get(&CONSUMER.replace("poller", "polling-endpoint")).expect(200);
    let entry = json!({"id": "app_2xXVVVVVVVVVVVVVVVVVVVVVVVV", "uid": "acme", "name": "Acme"});
    relay.post("/environment/import", json!({"applications": [entry]})).expect(204);
    let folder = relay.stop();
    let options = CheckOptions {
        folder: folder.data().to_owned(),
        disk: Arc::new(RealDisk),
        index_cache: 4 << 20,
        simulated: None,
    };
    let report = check(&options).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}
