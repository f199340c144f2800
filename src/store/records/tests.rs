//! The bytes of every version that was ever written, for ever.

use std::fmt::Debug;

use super::endpoint::EndpointRowV1;
use super::{EndpointRow, MessageRow, Record, RequestRow, decode, encode};
use crate::domain::dead_letter::{DeadLetter, DeadLetterAction, DeadLetterFilter, DeadLetterWork};
use crate::domain::delivery::{DeadReason, Delivery, DeliveryId, State};
use crate::domain::id::{
    ApplicationId, AttemptId, DeadLetterId, EndpointId, MessageId, RequestId, SourceId, Stamp,
    TaskId,
};
use crate::domain::message::Message;
use crate::domain::received::{Origin, ReceivedRequest, Verdict};
use crate::domain::task::{Progress, Task, Window, Work};
use crate::domain::time::Timestamp;
use crate::store::BodyLocation;
use crate::store::dead_letters::DeadLettersRow;

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// What is written now.
fn check<T: Record + PartialEq + Debug>(row: &T, frozen: &str) {
    let hex: String = encode(row).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, frozen);
    assert_eq!(decode::<T>(&bytes(frozen)).unwrap(), *row);
}

const PLACE: BodyLocation = BodyLocation { segment: 3, offset: 300, length: 5, checksum: 9 };

fn message(origin: Option<Origin>) -> MessageRow {
    let head = origin.is_some().then_some(PLACE);
    MessageRow {
        message: Message {
            id: MessageId::new(Stamp(7)),
            application: ApplicationId::new(Stamp(8)),
            event_type: "a.b".to_owned(),
            event_id: Some("e".to_owned()),
            channels: vec!["c".to_owned()],
            tags: Vec::new(),
            content_type: "text/plain".to_owned(),
            deliver_at: Some(Timestamp::from_millis(1_000)),
            endpoints: vec![EndpointId::new(Stamp(9))],
            origin,
        },
        body: PLACE,
        head,
    }
}

fn origin() -> Origin {
    Origin {
        source: SourceId::new(Stamp(10)),
        name: "shop".to_owned(),
        request: RequestId::new(Stamp(11)),
        verified: true,
    }
}

#[test]
fn messages() {
    let first = "01070803612e62010165010163000a746578742f706c61696e01fbe803010903fb2c010509";
    assert_eq!(decode::<MessageRow>(&bytes(first)).unwrap(), message(None));
    check(
        &message(Some(origin())),
        concat!(
            "02070803612e62010165010163000a746578742f706c61696e01fbe8030109010a",
            "0473686f700b0103fb2c0105090103fb2c010509"
        ),
    );
}

#[test]
fn endpoints() {
    let first = "010908010175036874700001036f6e6501026575000001016100010001020203";
    let standing = EndpointRowV1 {
        id: EndpointId::new(Stamp(9)),
        application: ApplicationId::new(Stamp(8)),
        uid: Some("u".to_owned()),
        url: "htp".to_owned(),
        description: String::new(),
        event_types: vec!["one".to_owned()],
        channels: vec!["eu".to_owned()],
        disabled: None,
        throttle_rate: None,
        metadata: [("a".to_owned(), String::new())].into(),
        managed: true,
        created_at: Timestamp::default(),
        updated_at: Timestamp::from_millis(1),
        sealed: vec![2, 3],
    };
    let row = EndpointRow::from(standing);
    assert_eq!(decode::<EndpointRow>(&bytes(first)).unwrap(), row);
    let second = "020908010175036874700001036f6e6501026575000001016100010001020203000000";
    assert_eq!(decode::<EndpointRow>(&bytes(second)).unwrap(), row);
    check(
        &row,
        "03090801017503687470000103\
                 6f6e650102657500000101610001000102020300000000",
    );
}

#[test]
fn requests() {
    let refused = Verdict::Refused { code: "c".to_owned(), why: "w".to_owned() };
    for (verdict, message, frozen) in [
        (refused, None, "010b0a05016301770001610003fb2c01050903fb2c010509"),
        (
            Verdict::Accepted,
            Some((ApplicationId::new(Stamp(8)), MessageId::new(Stamp(7)))),
            "010b0a0001080701610003fb2c01050903fb2c010509",
        ),
    ] {
        let request = ReceivedRequest {
            id: RequestId::new(Stamp(11)),
            source: SourceId::new(Stamp(10)),
            verdict,
            message,
            event_type: "a".to_owned(),
            event_id: None,
        };
        check(&RequestRow { request, head: PLACE, body: PLACE }, frozen);
    }
}

fn delivery(dead_letter: Option<DeadLetterId>) -> Delivery {
    Delivery {
        state: State::Dead(DeadReason::Gone),
        attempts: 2,
        due: Timestamp::from_millis(1_000),
        attempt_ids: vec![AttemptId::new(Stamp(12)), AttemptId::new(Stamp(13))],
        dead_letter,
        held_until: None,
        order_key: None,
    }
}

#[test]
fn deliveries() {
    let first = "01040102fbe803020c0d";
    assert_eq!(decode::<Delivery>(&bytes(first)).unwrap(), delivery(None));
    check(&delivery(Some(DeadLetterId::new(Stamp(14)))), "02040102fbe803020c0d0000010e");
    let held_until = Some(Timestamp::from_millis(1_001));
    let held = Delivery { held_until, order_key: Some(9), ..delivery(None) };
    check(&held, "02040102fbe803020c0d01fbe903010900");
}

#[test]
fn dead_letters() {
    let id = DeliveryId {
        message: MessageId::new(Stamp(7)),
        endpoint: EndpointId::new(Stamp(9)),
        replay: 1,
    };
    let letter = DeadLetter {
        delivery: id,
        reason: DeadReason::Expired,
        event_type: "a.b".to_owned(),
        attempts: 3,
        status_code: 503,
    };
    check(&letter, "0107090104 03612e6203fbf701".replace(' ', "").as_str());
    check(&DeadLettersRow { count: 5, is_whole: true }, "010501");
}

/// Those that are under way when a newer version starts go on.
#[test]
fn tasks() {
    let task = |work, progress| Task {
        progress,
        ..Task::new(TaskId::new(Stamp(5)), work, Timestamp::from_millis(6))
    };
    check(
        &task(Work::CountByEventType, Progress::Finished),
        "01050401000000 06".replace(' ', "").as_str(),
    );
    let filter = DeadLetterFilter {
        endpoint: None,
        reasons: vec![DeadReason::Blocked],
        event_types: Vec::new(),
        status_code_class: Some(500),
        channel: None,
        tag: None,
        died: Window { since: Timestamp::from_millis(1), until: Timestamp::from_millis(2) },
    };
    let application = ApplicationId::new(Stamp(8));
    let work = DeadLetterWork { application, filter, action: DeadLetterAction::Purge };
    let behind = Progress::Behind(DeadLetterId::new(Stamp(14)));
    check(&task(Work::DeadLetters(work), behind), "010508080001030001fbf4010000010201030e00000006");
    check(&task(Work::CountByEventType, Progress::Cancelled), "0105040400000006");
}
