//! The store: what was answered is there after every kind of end.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use relay::domain::delivery::{AttemptContent, DeliveryId, Outcome, State, Trigger};
use relay::domain::id::{ApplicationId, EndpointId, MessageId};
use relay::store::{
    MessageFilter, Notice, OpenError, PageRequest, PageStart, Reference, Refusal, Reply,
    Settlement, StoredMessage, Verdict, WriteError,
};

use crate::support::folder::{Folder, Open};

fn settlement(stored: &StoredMessage, endpoint: EndpointId, verdict: Verdict) -> Settlement {
    Settlement {
        delivery: DeliveryId { message: stored.message.id, endpoint, replay: 0 },
        due: stored.message.first_due(),
        first_due: stored.message.first_due(),
        trigger: Trigger::Scheduled,
        started_at: stored.message.first_due(),
        duration_ms: 12,
        status_code: 200,
        outcome: Outcome::Delivered,
        verdict,
        content: AttemptContent { response_body: b"ok".to_vec(), ..AttemptContent::default() },
    }
}

fn settled(open: &Open, settlement: Settlement) {
    open.store.settle(settlement);
    while !matches!(open.notice(), Notice::Settled { .. }) {}
}

fn messages(open: &Open, application: ApplicationId) -> Vec<StoredMessage> {
    let page = PageRequest { limit: 250, start: PageStart::First, descending: false };
    open.store.list_messages(application, &MessageFilter::default(), &page).items
}

/// Everything that the folder should hold, whatever happened to it.
struct Expected {
    application: ApplicationId,
    endpoint: EndpointId,
    delivered: StoredMessage,
    waiting: StoredMessage,
}

fn fill(open: &Open) -> Expected {
    let application = open.application("acme");
    let endpoint = open.endpoint(application, "books");
    let delivered = open.accept(application, Some("one"), b"{\"n\":1}").unwrap();
    settled(open, settlement(&delivered, endpoint, Verdict::Delivered));
    let waiting = open.accept(application, Some("two"), b"{\"n\":2}").unwrap();
    Expected { application, endpoint, delivered, waiting }
}

fn check(open: &Open, expected: &Expected) {
    let store = &open.store;
    let found = messages(open, expected.application);
    assert_eq!(found, [expected.delivered.clone(), expected.waiting.clone()]);
    assert_eq!(&store.body(&found[1].body).unwrap()[..], b"{\"n\":2}");
    let states = |stored| -> Vec<State> {
        store.deliveries(stored).into_iter().map(|(_, delivery)| delivery.state).collect()
    };
    assert_eq!(states(&found[0]), [State::Delivered]);
    assert_eq!(states(&found[1]), [State::Waiting]);
    let delivery = &store.deliveries(&found[0])[0].1;
    let attempt = store.attempt(&found[0], delivery.attempt_ids[0]).unwrap();
    assert_eq!(store.attempt_content(&attempt.content).unwrap().response_body, b"ok");
    assert_eq!(store.lanes(), [(expected.endpoint, expected.waiting.message.first_due())]);
    let page = store.due(expected.endpoint, store.now(), 10, &[]);
    assert_eq!(page.ready.len(), 1);
    assert_eq!(page.ready[0].message, expected.waiting);
    let named = store.message(expected.application, &Reference::Name("two".to_owned()));
    assert_eq!(named, Some(expected.waiting.clone()));
    let twice = open.accept(expected.application, Some("two"), b"{}");
    assert!(matches!(twice, Err(WriteError::Refused(Refusal::Conflict(_)))), "{twice:?}");
}

fn journal_file(folder: &Folder, name: &str) -> PathBuf {
    folder.data().join("journal").join(name)
}

#[test]
fn everything_is_there_after_a_clean_stop() {
    let folder = Folder::new();
    let open = folder.open();
    let expected = fill(&open);
    check(&open, &expected);
    open.stop();
    let again = folder.open();
    assert!(!again.rebuilt);
    check(&again, &expected);
    again.stop();
}

#[test]
fn everything_is_there_after_the_index_is_gone() {
    let folder = Folder::new();
    let open = folder.open();
    let expected = fill(&open);
    open.stop();
    fs::remove_dir_all(folder.data().join("index")).unwrap();
    let again = folder.open();
    assert!(again.rebuilt);
    check(&again, &expected);
    again.stop();
}

#[test]
fn a_second_opening_of_the_same_folder_is_refused() {
    let folder = Folder::new();
    let open = folder.open();
    assert!(matches!(folder.try_open(false), Err(OpenError::InUse(_))));
    open.stop();
    folder.open().stop();
}

#[test]
fn a_damaged_record_is_reported_by_number_and_given_up_only_when_asked() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let first = open.accept(application, None, b"{\"n\":1}").unwrap();
    open.accept(application, None, b"{\"n\":2}").unwrap();
    open.stop();
    fs::remove_dir_all(folder.data().join("index")).unwrap();
    let path = journal_file(&folder, "00000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(7).position(|window| window == b"{\"n\":1}").unwrap();
    // The rows stand behind the body.
    bytes[at + 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    match folder.try_open(false) {
        Err(OpenError::Lost(losses)) => {
            assert_eq!(losses.len(), 1, "{losses:?}");
            assert_eq!(losses[0].first, losses[0].last);
            assert!(losses[0].to_string().contains("00000001.seg"), "{}", losses[0]);
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a damaged journal was served"),
    }
    let mended = folder.try_open(true).unwrap();
    let left = messages(&mended, application);
    assert_eq!(left.len(), 1);
    assert_ne!(left[0].message.id, first.message.id);
    mended.stop();
    folder.open().stop();
}

#[test]
fn the_torn_end_of_a_write_is_dropped_and_its_numbers_are_not_used_again() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    open.accept(application, None, b"{\"n\":1}").unwrap();
    open.stop();
    let path = journal_file(&folder, "00000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    // An empty record ends with zeros of its own.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 48;
    let end = end.next_multiple_of(8);
    bytes[end..end + 100].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let again = folder.open();
    assert_eq!(messages(&again, application).len(), 1);
    again.accept(application, None, b"{\"n\":2}").unwrap();
    again.stop();
    fs::remove_dir_all(folder.data().join("index")).unwrap();
    let rebuilt = folder.open();
    assert_eq!(messages(&rebuilt, application).len(), 2);
    rebuilt.stop();
}

#[test]
fn what_the_scheduler_holds_is_not_read_again() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let endpoint = open.endpoint(application, "books");
    let made: Vec<_> = (0..5).map(|_| open.accept(application, None, b"{}").unwrap()).collect();
    let due = |limit, held: &[(MessageId, u16)]| -> Vec<MessageId> {
        let page = open.store.due(endpoint, open.store.now(), limit, held);
        page.ready.iter().map(|ready| ready.message.message.id).collect()
    };
    let id = |at: usize| made[at].message.id;
    assert_eq!(due(2, &[]), [id(0), id(1)]);
    assert_eq!(due(2, &[(id(0), 0), (id(2), 0)]), [id(1), id(3)]);
    assert_eq!(due(9, &[(id(0), 1)]).len(), 5, "another time round");
    // What a person asked for is told all the same.
    let ask = |at: usize| {
        let asked = made[at].clone();
        let written = open.store.write_blocking(None, move |transaction| {
            transaction.resend(&asked, endpoint)?;
            Ok(Reply::Done)
        });
        written.unwrap();
    };
    ask(0);
    assert_eq!(due(2, &[(id(0), 0)]), [id(0), id(1), id(2)]);
    // Nor does a page grow when they asked for more than it has room for.
    ask(1);
    assert_eq!(due(1, &[(id(3), 0)]), [id(0), id(1)]);
    open.stop();
}

#[test]
fn a_retry_moves_in_the_due_index_and_a_late_success_stands() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let endpoint = open.endpoint(application, "books");
    let stored = open.accept(application, None, b"{}").unwrap();
    let later = stored.message.first_due() + Duration::from_secs(5);
    let failed = Settlement {
        outcome: Outcome::Status,
        status_code: 500,
        ..settlement(&stored, endpoint, Verdict::RetryAt(later))
    };
    settled(&open, failed);
    assert_eq!(open.store.lanes(), [(endpoint, later)]);
    assert!(open.store.due(endpoint, open.store.now(), 10, &[]).ready.is_empty());
    let page = open.store.due(endpoint, later, 10, &[]);
    assert_eq!((page.ready.len(), page.ready[0].attempts), (1, 1));
    settled(&open, settlement(&stored, endpoint, Verdict::Delivered));
    assert!(open.store.lanes().is_empty());
    let (_, delivery) = open.store.deliveries(&stored).remove(0);
    assert_eq!((delivery.state, delivery.attempts), (State::Delivered, 2));
    open.stop();
}
