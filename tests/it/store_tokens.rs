//! Rows of operator keys and tokens: carried forward, swept in steps, known to a check.

use std::sync::Arc;
use std::time::Duration;

use relay::domain::id::{ApplicationId, KeyId};
use relay::domain::token::{ApplicationToken, Capabilities, OperatorKey, Role};
use relay::store::disk::RealDisk;
use relay::store::{CheckOptions, Refusal, Reply, WriteError, check};

use crate::support::clock::START;
use crate::support::folder::{Folder, Open};

const HOUR: Duration = Duration::from_secs(3_600);
const MOST: u64 = 1_000;
static BIG: [u8; 32 << 10] = [b' '; 32 << 10];

fn digest(number: u32) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    digest
}

fn put(open: &Open, application: ApplicationId, number: u32) -> Result<(), WriteError> {
    let token = ApplicationToken {
        digest: digest(number),
        application,
        capabilities: Capabilities::all(),
        feature_flags: Vec::new(),
        session: Some(format!("s{}", number % 2)),
        created_at: START,
        expires_at: START + HOUR,
    };
    let put = open.store.write_blocking(None, move |transaction| {
        transaction.put_token(&token, MOST)?;
        Ok(Reply::Done)
    });
    put.map(|_| ())
}

fn key(open: &Open) {
    let put = open.store.write_blocking(None, |transaction| {
        let id = KeyId::new(transaction.mint());
        let key = OperatorKey {
            id,
            name: Some("deploy".to_owned()),
            digest: [9; 32],
            created_at: START,
            expires_at: None,
            role: Role::Operator,
        };
        transaction.put_operator_key(key)?;
        Ok(Reply::Done)
    });
    put.unwrap();
}

/// Rows in the index once everything is in it.
fn rows(folder: &Folder, open: Open) -> u64 {
    rebuilt(folder, open).stop();
    let open = folder.open();
    let (mut cursor, mut rows) = (Vec::new(), 0);
    while let Some(counted) = open.store.count_rows(&mut cursor, 1_000) {
        rows += counted.rows;
    }
    open.stop();
    rows
}

fn rebuilt(folder: &Folder, open: Open) -> Open {
    open.stop();
    std::fs::remove_dir_all(folder.data().join("index")).unwrap();
    folder.open()
}

#[test]
fn they_outlive_the_segment_they_stand_in() {
    let folder = Folder::new();
    let mut open = folder.open();
    let application = open.application("acme");
    key(&open);
    put(&open, application, 1).unwrap();
    for _ in 0..100 {
        open.accept(application, None, &BIG).unwrap();
    }
    let mut gone = 0;
    while let Some(oldest) = open.store.oldest_segment().unwrap() {
        open.store.reclaim(oldest, &mut |_| true).unwrap();
        gone += 1;
    }
    assert!(gone > 1, "{gone} segments");
    open = rebuilt(&folder, open);
    assert!(open.store.token(&digest(1)).is_some());
    assert!(open.store.token(&digest(2)).is_none());
    assert!(open.store.operator_key(&[9; 32]).is_some());
    assert!(matches!(put(&open, application, 1), Err(WriteError::Refused(Refusal::Conflict(_)))));
    open.stop();
    let report = check(&CheckOptions {
        folder: folder.data().to_owned(),
        disk: Arc::new(RealDisk),
        index_cache: 4 << 20,
        simulated: None,
    });
    let report = report.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn they_are_swept_in_steps_and_leave_nothing() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let before = rows(&folder, open);
    let open = folder.open();
    for number in 0..600 {
        put(&open, application, number).unwrap();
    }
    assert!(!open.store.sweep_tokens().unwrap(), "none has ended");
    folder.clock.advance(HOUR);
    let mut steps = 0;
    while open.store.sweep_tokens().unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 2, "two whole steps and a part of one");
    assert!((0..600).all(|number| open.store.token(&digest(number)).is_none()));
    assert!(before > 0);
    assert_eq!(rows(&folder, open), before);
}

#[test]
fn their_number_is_bounded_exactly() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    (0..MOST as u32).for_each(|number| put(&open, application, number).unwrap());
    let full = |open: &Open| {
        let refused = put(open, application, 5_000);
        matches!(refused, Err(WriteError::Refused(Refusal::Limit(_))))
    };
    assert!(full(&open));
    let open = rebuilt(&folder, open);
    assert!(full(&open));
    open.store.expire_tokens(application, START, &["s1".to_owned()]).unwrap();
    assert!(open.store.token(&digest(1)).is_none() && open.store.token(&digest(2)).is_some());
    (0..MOST as u32 / 2).for_each(|number| put(&open, application, 2_000 + number).unwrap());
    assert!(full(&open));
    let late = START + Duration::from_secs(60);
    open.store.expire_tokens(application, late, &[]).unwrap();
    assert_eq!(open.store.token(&digest(2)).unwrap().expires_at, late);
    open.stop();
}
