//! Another sealing key while the relay works, and when the older ones are forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use relay::domain::endpoint::EndpointKey;
use relay::domain::id::{ApplicationId, TaskId};
use relay::domain::secret::Secret;
use relay::store::{
    Author, Idempotency, KeyOrigin, OpenError, PREVIOUS_KEYS, PREVIOUS_KEYS_MAX, PageRequest,
    PageStart, Refusal, Reply, SEALING_KEY, Sealing, SealingKeys, Store, WriteError,
};
use serde_json::json;

use crate::support::folder::{Folder, Open};
use crate::support::image::{change, copy, segments, twin, written_end};
use crate::support::server::Relay;

/// More than one step seals.
const ENDPOINTS: usize = 300;
/// A step of all endpoints leaves some of them, and the replies, for the next one.
const STEPS: usize = 3;
const NOTHING: &[u8] = &[b'x'; 50_000];

fn configured(current: u8, previous: &[u8]) -> Option<SealingKeys> {
    let key = |byte: u8| Secret::new(vec![byte; 32]);
    let previous = previous.iter().copied().map(key).collect();
    Some(SealingKeys { current: key(current), origin: KeyOrigin::Configuration, previous })
}

pub fn rotate(store: &Store) -> Result<TaskId, WriteError> {
    let written = store.write_blocking(None, |transaction| {
        Ok(Reply::Task(Box::new(transaction.rotate_sealing_key()?)))
    });
    match written?.reply {
        Reply::Task(task) => Ok(task.id),
        other => panic!("{other:?}"),
    }
}

fn refused(result: Result<TaskId, WriteError>) -> String {
    match result {
        Err(WriteError::Refused(Refusal::Conflict(words))) => words,
        other => panic!("{other:?}"),
    }
}

/// Goes on with what a start finds begun.
pub fn finish(store: &Store) {
    for task in store.running_tasks() {
        while store.advance_task(task).unwrap() {}
    }
}

/// The keys of every endpoint, by its uid.
fn secrets(open: &Open, application: ApplicationId) -> BTreeMap<String, Vec<EndpointKey>> {
    let page = PageRequest { limit: 1_000, start: PageStart::First, descending: false };
    let found = open.store.list_endpoints(application, &page).items;
    found.iter().map(|one| (one.uid.clone().unwrap(), one.keys.clone())).collect()
}

fn key(number: u8) -> Idempotency {
    let window = Duration::from_secs(30 * 86_400);
    Idempotency { scope: [number; 32], request: [7; 32], window }
}

/// Changes an endpoint under an idempotency key, whose reply holds the endpoint; whether it was
/// done before.
fn describe(open: &Open, application: ApplicationId, uid: &str, number: u8) -> bool {
    let reference = relay::store::Reference::Name(uid.to_owned());
    let written = open.store.write_blocking(Some(key(number)), move |transaction| {
        let mut endpoint = (*transaction.endpoint(application, &reference)?).clone();
        endpoint.description = "changed".to_owned();
        let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
        Ok(Reply::Endpoint { endpoint, created: false })
    });
    written.unwrap().replayed
}

/// An application with endpoints, and a reply that holds one of them.
pub fn seed(open: &Open) -> ApplicationId {
    let application = open.application("acme");
    for number in 0..ENDPOINTS {
        open.endpoint(application, &format!("e{number}"));
    }
    assert!(!describe(open, application, "e7", 1));
    application
}

/// Writes until the oldest segment is beyond `through`, removing what is oldest.
pub fn let_segments_go(open: &Open, application: ApplicationId, through: u32) {
    while open.store.sealing().oldest_segment <= through {
        while open.store.oldest_segment().unwrap().is_none() {
            open.accept(application, None, NOTHING).unwrap();
        }
        let oldest = open.store.oldest_segment().unwrap().unwrap();
        open.store.reclaim(oldest, &mut |_| true).unwrap();
    }
}

fn remove_index(folder: &Folder) {
    std::fs::remove_dir_all(folder.data().join("index")).unwrap();
}

#[track_caller]
pub fn opens(folder: &Folder, application: ApplicationId, expected: &Sealing) {
    remove_index(folder);
    let open = folder.open();
    assert!(open.rebuilt);
    assert_eq!(secrets(&open, application).len(), ENDPOINTS);
    finish(&open.store);
    let sealing = open.store.sealing();
    assert_eq!((sealing.current, sealing.resealed), (expected.current, true));
    // The reply was sealed for it anew, and opens.
    assert!(describe(&open, application, "e7", 1));
    open.stop();
    // Nothing that is current needs the older key.
    let kept = folder.data().join(PREVIOUS_KEYS);
    if kept.exists() {
        std::fs::remove_file(kept).unwrap();
    }
    remove_index(folder);
    let open = folder.open();
    assert_eq!(secrets(&open, application).len(), ENDPOINTS);
    assert!(describe(&open, application, "e7", 1));
    open.stop();
}

#[test]
fn a_crash_between_any_two_steps_leaves_what_opens() {
    let folder = Folder::new();
    let open = folder.open();
    let application = seed(&open);
    let before = open.store.sealing();
    assert!(before.resealed && before.previous.is_empty() && before.task.is_none(), "{before:?}");
    assert_eq!(refused_without_a_ring(&folder), None, "the first key opens it");
    let task = rotate(&open.store).unwrap();
    let begun = open.store.sealing();
    assert_ne!(begun.current, before.current);
    assert_eq!((begun.resealed, begun.task, begun.needed_through), (false, Some(task), None));
    let [older] = begun.previous[..] else { panic!("{begun:?}") };
    assert!(older.id == before.current && older.needed && !older.configured);
    assert!(refused(rotate(&open.store)).contains("is being rotated by qtask_"));
    let mut images = vec![copy(&folder), twin(&folder)];
    // An endpoint that is written meanwhile is sealed with the new key at once.
    assert!(!describe(&open, application, "e9", 2));
    while open.store.advance_task(task).unwrap() {
        images.extend([copy(&folder), twin(&folder)]);
    }
    assert!(images.len() > STEPS, "{} images", images.len());
    let told = refused_without_a_ring(&images[0]).unwrap();
    assert!(told.contains(&format!("sealed with another key ({})", before.current)), "{told}");
    let done = open.store.sealing();
    assert!(done.resealed && done.task.is_none() && done.previous[0].needed, "{done:?}");
    assert_eq!(done.needed_through, Some(segments(&folder).len() as u32));
    let task = open.store.task(task).unwrap();
    assert!(task.counts.is_empty(), "{task:?}");
    // All endpoints but the one that was written again, and one reply.
    assert_eq!(task.done, ENDPOINTS as u64, "{task:?}");
    for image in images.iter().chain([&copy(&folder)]) {
        opens(image, application, &done);
    }
    open.stop();
}

/// What a start says when the older keys are not there.
fn refused_without_a_ring(folder: &Folder) -> Option<String> {
    let image = copy(folder);
    // The image that a crash leaves may have none.
    let _ = std::fs::remove_file(image.data().join(PREVIOUS_KEYS));
    match image.try_open(false) {
        Ok(open) => {
            open.stop();
            None
        }
        Err(error @ OpenError::Catalog(_)) => Some(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_old_key_goes_with_the_last_segment_that_may_need_it() {
    let folder = Folder::new();
    let open = folder.open();
    let application = seed(&open);
    let first = open.store.sealing().current;
    for turn in 0..3 {
        rotate(&open.store).unwrap();
        finish(&open.store);
        assert_eq!(open.store.sealing().previous.len(), turn + 1);
    }
    let through = open.store.sealing().needed_through.unwrap();
    let kept = folder.data().join(PREVIOUS_KEYS);
    let_segments_go(&open, application, through - 1);
    let sealing = open.store.sealing();
    assert!(kept.exists() && sealing.previous.iter().all(|key| key.needed), "{sealing:?}");
    assert_eq!(sealing.previous[0].id, first);
    let_segments_go(&open, application, through);
    let sealing = open.store.sealing();
    assert!(!kept.exists() && sealing.previous.is_empty(), "{sealing:?}");
    open.stop();
    remove_index(&folder);
    let open = folder.open();
    assert_eq!(secrets(&open, application).len(), ENDPOINTS);
    assert!(describe(&open, application, "e7", 1), "the reply came along");
    assert_eq!(open.store.sealing().current, sealing.current);
    open.stop();
}

#[test]
fn keys_that_the_journal_may_need_are_not_piled_up() {
    let folder = Folder::new();
    let open = folder.open();
    for _ in 0..PREVIOUS_KEYS_MAX {
        rotate(&open.store).unwrap();
        finish(&open.store);
    }
    assert!(refused(rotate(&open.store)).contains("older keys"));
    assert_eq!(open.store.sealing().previous.len(), PREVIOUS_KEYS_MAX);
    open.stop();
}

/// The files are there before the first record that speaks of the key: a crash in between.
#[test]
fn a_key_that_nothing_was_sealed_with_yet_is_gone_on_with() {
    let folder = Folder::new();
    let open = folder.open();
    let application = seed(&open);
    let before = copy(&folder);
    rotate(&open.store).unwrap();
    let made = open.store.sealing().current;
    for name in [SEALING_KEY, PREVIOUS_KEYS] {
        std::fs::copy(folder.data().join(name), before.data().join(name)).unwrap();
    }
    open.stop();
    let open = before.open();
    let sealing = open.store.sealing();
    assert!(sealing.current == made && !sealing.resealed && sealing.task.is_none());
    rotate(&open.store).unwrap();
    assert_eq!(open.store.sealing().current, made, "no further key is made");
    finish(&open.store);
    let done = open.store.sealing();
    assert!(done.resealed);
    open.stop();
    opens(&before, application, &done);
}

#[test]
fn a_configured_key_is_rotated_to_and_not_away_from() {
    let mut folder = Folder::new();
    folder.sealing = configured(1, &[]);
    let open = folder.open();
    let application = seed(&open);
    assert!(refused(rotate(&open.store)).contains("data.previous_sealing_keys"));
    open.stop();
    folder.sealing = configured(2, &[]);
    assert!(matches!(folder.try_open(false), Err(OpenError::Catalog(_))));
    folder.sealing = configured(2, &[1, 3]);
    let open = folder.open();
    let sealing = open.store.sealing();
    assert!(!sealing.resealed && sealing.previous.iter().all(|key| key.needed && key.configured));
    rotate(&open.store).unwrap();
    open.stop();
    // Another key while the task is at work: it begins anew.
    folder.sealing = configured(3, &[2, 1]);
    let open = folder.open();
    assert!(!open.store.sealing().resealed);
    finish(&open.store);
    let sealing = open.store.sealing();
    assert!(sealing.resealed, "{sealing:?}");
    assert!(!folder.data().join(PREVIOUS_KEYS).exists(), "nothing is written of configured keys");
    let_segments_go(&open, application, sealing.needed_through.unwrap());
    let sealing = open.store.sealing();
    assert!(sealing.previous.iter().all(|key| !key.needed), "{sealing:?}");
    assert_eq!(sealing.previous.len(), 2, "the operator takes them out");
    open.stop();
    folder.sealing = configured(3, &[]);
    remove_index(&folder);
    let open = folder.open();
    assert_eq!(secrets(&open, application).len(), ENDPOINTS);
    // Back to an older key: what was known of it counts no more.
    open.stop();
    folder.sealing = configured(2, &[3]);
    let open = folder.open();
    assert!(!open.store.sealing().resealed);
    open.stop();
    folder.sealing = configured(3, &[2]);
    let open = folder.open();
    let sealing = open.store.sealing();
    assert!(!sealing.resealed && sealing.previous[0].needed, "{sealing:?}");
    open.stop();
}

/// What was sealed anew is lost and given up: the older value is current again, and opens.
#[test]
fn a_loss_brings_back_what_an_older_key_sealed() {
    let folder = Folder::new();
    let open = folder.open();
    let application = seed(&open);
    let sealed_before = open.store.figures().sequence;
    rotate(&open.store).unwrap();
    finish(&open.store);
    assert!(open.store.sealing().resealed && open.store.figures().sequence > sealed_before);
    open.accept(application, None, b"{}").unwrap();
    open.stop();
    let newest = segments(&folder).pop().unwrap();
    // The first step of the task, and a byte of it only.
    let end = written_end(&newest);
    change(&newest, |bytes| bytes[end / 2] ^= 1);
    assert!(matches!(folder.try_open(false), Err(OpenError::Lost(_))));
    let open = folder.try_open(true).unwrap();
    assert_eq!(secrets(&open, application).len(), ENDPOINTS);
    let sealing = open.store.sealing();
    assert!(!sealing.resealed && sealing.previous[0].needed, "{sealing:?}");
    open.stop();
}

#[test]
fn the_calls() {
    let relay = Relay::start();
    let shown = relay.get("/sealing-key").expect(200).json;
    let id = shown["id"].as_str().unwrap().to_owned();
    assert_eq!((shown["resealed"].as_bool(), id.len()), (Some(true), 8), "{shown}");
    let headers = [("idempotency-key", "once")];
    let begun = relay.send("POST", "/sealing-key/rotate", &headers, None).expect(202);
    assert_eq!(begun.text("task"), "sealing-key.rotate");
    let again = relay.send("POST", "/sealing-key/rotate", &headers, None).expect(202);
    assert_eq!(again.text("id"), begun.text("id"), "the same reply again");
    let conflict = relay.post("/sealing-key/rotate", json!({})).expect(409);
    assert!(conflict.json["detail"].as_str().unwrap().contains(begun.text("id")), "{conflict:?}");
    let shown = relay.get("/sealing-key").expect(200).json;
    assert_eq!(shown["taskId"], begun.json["id"]);
    assert_eq!(shown["previousKeys"][0]["id"], *id);
    finish(&relay.state.store);
    let task = relay.get(&format!("/background-task/{}", begun.text("id"))).expect(200).json;
    assert_eq!(task["status"], "finished");
    let listed = relay.get("/background-task?task=sealing-key.rotate").expect(200).json;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let shown = relay.get("/sealing-key").expect(200).json;
    assert_eq!((&shown["resealed"], &shown["taskId"]), (&json!(true), &json!(null)));
    let file = std::fs::read_to_string(relay.folder.data().join(SEALING_KEY)).unwrap();
    assert!(!shown.to_string().contains(file.trim()));
}
