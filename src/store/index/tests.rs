use super::*;

#[test]
fn long_values_are_split_and_their_parts_go_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index"), 1 << 20).unwrap();
    parts_go(&index, keys::salt());
    // Of a kind that hardly ever is.
    parts_go(&index, Key::from_bytes(b"b1").unwrap());
    assert!(index.count_some(&mut Vec::new(), 100).is_none(), "a part is left");
}

fn parts_go(index: &Index, key: Key) {
    let long: Bytes = (0..20_000u32).map(|number| number as u8 | 1).collect();
    let apply = |value: Option<Bytes>, applied| {
        index.apply(&[IndexChange { key, value, fresh: false }], applied);
    };
    apply(Some(long.clone()), 1);
    assert_eq!(index.get(&key), Some(long));
    apply(Some(Bytes::from_static(b"\x01short")), 2);
    assert_eq!(index.get(&key).as_deref(), Some(&b"\x01short"[..]));
    assert!(index.read_part(&key, 0).unwrap().is_none());
    apply(None, 3);
    assert_eq!((index.get(&key), index.applied()), (None, Some(3)));
}

/// A scan holds the leaf it reads; the row goes before it comes to its parts.
#[test]
fn a_long_value_that_goes_while_it_is_read_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index"), 1 << 20).unwrap();
    let key = |number: u8| Key::from_bytes(&[b'm', number]).unwrap();
    let apply = |number: u8, value: Option<Bytes>| {
        index.apply(&[IndexChange { key: key(number), value, fresh: false }], 1);
    };
    for number in 1..=4 {
        apply(number, Some(Bytes::from(vec![number; 20_000])));
    }
    let mut seen = Vec::new();
    index.scan(&key(1), &key(9), false, &mut |key, value| {
        if seen.is_empty() {
            apply(2, None);
            apply(3, Some(Bytes::from(vec![3; 9_000])));
        }
        seen.push((key.as_bytes()[1], value.len()));
        ControlFlow::Continue(())
    });
    assert_eq!(seen, [(1, 20_000), (3, 9_000), (4, 20_000)]);
}

#[test]
fn a_read_that_hangs_is_seen() {
    let rows = MemoryIndex::default();
    let index = Index::memory(rows.clone());
    // One at a time: of two that began in different epochs the later is not old yet when the
    // first one stops the ring.
    for scans in [false, true] {
        let held = rows.hold();
        std::thread::scope(|scope| {
            scope.spawn(|| match scans {
                true => index.scan(&keys::catalog(), &keys::all_due(), false, &mut |_, _| {
                    ControlFlow::Break(())
                }),
                false => drop(index.get(&keys::salt())),
            });
            // It comes to it when it is run.
            while index.watch().tick() == 0 {
                std::thread::yield_now();
            }
            drop(held);
        });
        assert_eq!(index.watch().tick(), 0);
    }
}

#[test]
fn a_scan_that_goes_on_does_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("i"), 1 << 20).unwrap();
    let key = |number: u8| Key::from_bytes(&[b'a', number]).unwrap();
    for number in 1..=5 {
        let value = Some(Bytes::copy_from_slice(&[number]));
        index.apply(&[IndexChange { key: key(number), value, fresh: true }], 1);
    }
    let mut seen = 0;
    index.scan(&key(0), &key(9), false, &mut |_, _| {
        seen += 1;
        assert!((0..50).all(|_| index.watch().tick() == 0));
        ControlFlow::Continue(())
    });
    assert_eq!(seen, 5);
}

#[test]
fn a_scan_goes_both_ways_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    for index in [
        Index::memory(MemoryIndex::default()),
        Index::open(&folder.path().join("i"), 1 << 20).unwrap(),
    ] {
        let key = |number: u8| Key::from_bytes(&[b'a', number]).unwrap();
        for number in 1..=5 {
            let value = Some(Bytes::copy_from_slice(&[number]));
            index.apply(&[IndexChange { key: key(number), value, fresh: true }], 1);
        }
        let collect = |reverse: bool, most: usize| {
            let mut seen = Vec::new();
            index.scan(&key(2), &key(5), reverse, &mut |_, value| {
                seen.push(value[0]);
                if seen.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            seen
        };
        assert_eq!(collect(false, 9), [2, 3, 4]);
        assert_eq!(collect(true, 9), [4, 3, 2]);
        assert_eq!(collect(true, 2), [4, 3]);
    }
}
