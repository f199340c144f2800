//! What is told of.

use super::{ENDPOINT, World, sees, send};

/// Tried so often that a receiver that is back is found soon.
const OFTEN: &str = "[delivery]\nretry_schedule = [\"200ms\", \"200ms\", \"200ms\", \"200ms\", \
                     \"200ms\", \"200ms\", \"200ms\", \"200ms\", \"200ms\", \"200ms\", \"1s\", \
                     \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \
                     \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]\n";

#[test]
fn an_endpoint_that_fails_is_told_once_over_restarts() {
    let world = World::new();
    let alert = "on = [\"endpoint_failing\"]\nendpoint_failing = { after = \"300ms\" }";
    let relay = world.start(alert, OFTEN);
    world.endpoint(&relay, "books");
    world.hook_answers(500);
    send(&relay);
    let told = world.expect("endpoint_failing", "firing");
    let (_, endpoint) = relay.call("GET", ENDPOINT, None);
    assert_eq!(told["count"], 1, "{told}");
    assert_eq!(told["subjects"][0]["endpointUid"], "books", "{told}");
    assert_eq!(told["subjects"][0]["endpointId"], endpoint["id"], "{told}");
    assert_eq!(told["subjects"][0]["appUid"], "default", "{told}");
    let id = endpoint["id"].as_str().unwrap();
    let text = told["text"].as_str().unwrap();
    assert!(text.contains(&format!("/endpoint/{id}/recover {{\"since\": \"")), "{text}");
    // What was told is kept by then.
    sees(&relay, 1);
    relay.kill();
    let relay = world.start(alert, OFTEN);
    sees(&relay, 1);
    world.hook_answers(200);
    let over = world.expect("endpoint_failing", "recovered");
    assert_eq!((&over["since"], &over["subjects"]), (&told["since"], &told["subjects"]), "{over}");
    sees(&relay, 0);
    relay.kill();
    let relay = world.start(alert, OFTEN);
    sees(&relay, 0);
    world.end(relay);
}

#[test]
fn a_parked_endpoint_stays_told_when_a_restart_forgets_its_park() {
    let world = World::new();
    let alert = "on = [\"endpoint_parked\"]\nendpoint_parked = { after = \"200ms\" }";
    let settings = OFTEN.replace("[delivery]\n", "[delivery]\npark_after = 1\n");
    let relay = world.start(alert, &settings);
    world.endpoint(&relay, "books");
    world.hook_answers(500);
    send(&relay);
    let told = world.expect("endpoint_parked", "firing");
    assert_eq!(told["subjects"][0]["endpointUid"], "books", "{told}");
    relay.stop();
    let relay = world.start(alert, &settings);
    sees(&relay, 1);
    world.hook_answers(200);
    world.expect("endpoint_parked", "recovered");
    world.end(relay);
}

#[test]
fn an_endpoint_that_relay_disabled_and_not_one_that_a_caller_did() {
    let world = World::new();
    let relay = world.start("on = [\"endpoint_disabled\"]", "");
    world.endpoint(&relay, "other");
    let path = "/api/v1/app/default/endpoint/other";
    assert_eq!(relay.call("PATCH", path, Some(r#"{"disabled":true}"#)).0, 200);
    world.endpoint(&relay, "books");
    world.hook_answers(410);
    send(&relay);
    let told = world.expect("endpoint_disabled", "firing");
    assert_eq!(told["subjects"][0]["endpointUid"], "books", "{told}");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("it answered 410 Gone") && text.contains("PATCH /api/v1/app/"), "{text}");
    assert_eq!(relay.call("PATCH", ENDPOINT, Some(r#"{"disabled":false}"#)).0, 200);
    world.expect("endpoint_disabled", "recovered");
    world.end(relay);
}

#[test]
fn many_dead_letters_and_where_most_are() {
    let world = World::new();
    let alert = "on = [\"dead_letters\"]\ndead_letters = { count = 3, within = \"2s\" }";
    let relay = world.start(alert, "[delivery]\nretry_schedule = [\"1ms\"]\n");
    world.endpoint(&relay, "books");
    world.hook_answers(400);
    (0..3).for_each(|_| send(&relay));
    let told = world.expect("dead_letters", "firing");
    let (_, endpoint) = relay.call("GET", ENDPOINT, None);
    let text = told["text"].as_str().unwrap();
    let most = format!("3 of them of endpoint {}", endpoint["id"].as_str().unwrap());
    assert!(text.starts_with("3 deliveries became dead letters within 2s, "), "{text}");
    assert!(text.contains(&most) && text.contains("relay dead-letters list"), "{text}");
    assert_eq!(told["subjects"], serde_json::json!([{"since": told["since"]}]), "{told}");
    world.expect("dead_letters", "recovered");
    world.end(relay);
}

#[test]
fn what_is_due_waits_for_an_endpoint_that_takes_it_slowly() {
    let world = World::new();
    let alert = "on = [\"backlog_age\"]\nbacklog_age = { after = \"1s\" }";
    let relay = world.start(alert, "");
    world.endpoint(&relay, "books");
    assert_eq!(relay.call("PATCH", ENDPOINT, Some(r#"{"throttleRate":1}"#)).0, 200);
    (0..6).for_each(|_| send(&relay));
    let told = world.expect("backlog_age", "firing");
    assert_eq!(told["subjects"][0]["endpointUid"], "books", "{told}");
    world.expect("backlog_age", "recovered");
    world.end(relay);
}

#[test]
fn a_disk_that_is_low_is_told_and_a_restart_later_that_it_is_not() {
    let world = World::new();
    let alert = "on = [\"disk_low\"]\ndisk_low = { margin = \"0\" }";
    let relay = world.start(alert, "[data]\nmin_free = \"1 TiB\"\n");
    let told = world.expect("disk_low", "firing");
    assert!(told["text"].as_str().unwrap().contains("Free some space"), "{told}");
    relay.stop();
    let relay = world.start(alert, "[data]\nmin_free = \"1 TiB\"\n");
    sees(&relay, 1);
    relay.stop();
    let relay = world.start(alert, "[data]\nmin_free = \"0\"\n");
    world.expect("disk_low", "recovered");
    world.end(relay);
}

#[test]
fn a_source_that_refuses() {
    let world = World::new();
    let source = "[[source]]\nuid = \"shop\"\nprovider = \"github\"\nsecret = \"hush\"\n\
                  token = \"0123456789abcdef\"\n";
    let many = "{ count = 5, least = 100, within = \"1s\" }";
    let most = "{ count = 100, least = 5, within = \"1s\" }";
    for thresholds in [many, most] {
        let alert = format!("on = [\"source_refusing\"]\nsource_refusing = {thresholds}");
        let relay = world.start(&alert, source);
        for _ in 0..5 {
            assert_eq!(relay.post("/in/0123456789abcdef", &[]), 401);
        }
        let told = world.expect("source_refusing", "firing");
        assert_eq!(told["subjects"][0]["sourceUid"], "shop", "{told}");
        let text = told["text"].as_str().unwrap();
        assert!(text.contains("5 of 5 requests were refused within 1s"), "{text}");
        assert!(text.contains("relay source requests src_"), "{text}");
        world.expect("source_refusing", "recovered");
        world.end(relay);
    }
}
