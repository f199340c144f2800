//! The bytes of every version that was ever written, for ever.

use std::fmt::Debug;

use super::endpoint::EndpointRowV1;
use super::{EndpointRow, MessageRow, Record, RequestRow, decode, encode};
use crate::domain::delivery::{Delivery, State};
use crate::domain::id::{
    ApplicationId, AttemptId, EndpointId, MessageId, RequestId, SourceId, Stamp,
};
use crate::domain::message::Message;
use crate::domain::received::{Origin, ReceivedRequest, Verdict};
use crate::domain::time::Timestamp;
use crate::store::BodyLocation;

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

#[test]
fn deliveries() {
    let first = Delivery {
        state: State::Retrying,
        attempts: 2,
        attempt_ids: vec![AttemptId::new(Stamp(7))],
        ..Delivery::waiting(Timestamp::from_millis(1_000))
    };
    assert_eq!(decode::<Delivery>(&bytes("010302fbe8030107")).unwrap(), first);
    check(&first, "020302fbe80301070000");
    let held_until = Some(Timestamp::from_millis(1_001));
    check(&Delivery { held_until, order_key: Some(9), ..first }, "020302fbe803010701fbe9030109");
}
