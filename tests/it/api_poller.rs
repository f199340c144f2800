//! Pollers: every message once and in the order of acceptance, whoever writes meanwhile; and where
//! consumers stand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use relay::domain::id::{ApplicationId, EndpointId, MessageId};
use relay::store::disk::RealDisk;
use relay::store::{
    CheckOptions, NewMessage, PollFilter, Reference, Reply, START, Store, Verdict, check,
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
    NewMessage {
        application,
        event_type: event_type.to_owned(),
        event_id: None,
        channels: Vec::new(),
        tags: Vec::new(),
        content_type: "application/json".to_owned(),
        deliver_at: None,
        content_kept: None,
        body: Bytes::from_static(b"{}"),
    }
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
        store.reclaim(oldest, &mut || ()).unwrap();
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
