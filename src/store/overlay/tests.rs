use std::collections::BTreeMap;

use super::*;
use crate::store::memory::MemoryIndex;
use proptest::prelude::*;

/// Of the due index, so that rows are counted.
fn key(number: u8) -> Key {
    Key::from_bytes(&[b'q', number]).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Apply,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..40, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => (0u8..40).prop_map(Step::Delete),
        1 => Just(Step::Apply),
    ]
}

proptest! {
    /// Whatever is applied when, overlay and index together are the plain map.
    #[test]
    fn reads_are_those_of_a_map(
        steps in proptest::collection::vec(any_step(), 0..200), low in 0u8..40, high in 0u8..40,
    ) {
        let overlay = Overlay::new(Index::memory(MemoryIndex::default()), 0);
        let mut model = BTreeMap::new();
        // What is deleted without being there is counted right once the index has it.
        let mut blind = false;
        for (sequence, step) in (1u64..).zip(steps) {
            match step {
                Step::Put(number, value) => {
                    let new = !model.contains_key(&number);
                    model.insert(number, value);
                    let (key, value) = (key(number), Bytes::copy_from_slice(&[value]));
                    let change =
                        if new { Change::PutNew(key, value) } else { Change::Put(key, value) };
                    overlay.publish([(sequence, change)], sequence);
                }
                Step::Delete(number) => {
                    blind |= model.remove(&number).is_none();
                    overlay.publish([(sequence, Change::Delete(key(number)))], sequence);
                }
                Step::Apply => {
                    overlay.apply_some(u64::MAX);
                }
            }
            prop_assert!(blind || overlay.waiting() == model.len() as u64);
        }
        for number in 0..40 {
            let held = overlay.get(&key(number)).map(|value| value[0]);
            prop_assert_eq!(held, model.get(&number).copied());
        }
        for reverse in [false, true] {
            let mut seen = Vec::new();
            overlay.scan(&key(low.min(high)), &key(low.max(high)), reverse, &mut |_, value| {
                seen.push(value[0]);
                ControlFlow::Continue(())
            });
            let mut expected: Vec<u8> =
                model.range(low.min(high)..low.max(high)).map(|(_, value)| *value).collect();
            if reverse {
                expected.reverse();
            }
            prop_assert_eq!(seen, expected);
        }
        overlay.apply_all();
        prop_assert_eq!(overlay.bytes(), 0);
        prop_assert_eq!(overlay.waiting(), model.len() as u64);
    }
}

#[test]
fn a_row_that_comes_and_goes_never_reaches_the_index() {
    let overlay = Overlay::new(Index::memory(MemoryIndex::default()), 0);
    let put = Change::PutNew(key(1), Bytes::from_static(b"x"));
    overlay.publish([(1, put), (2, Change::Delete(key(1)))], 2);
    assert_eq!(overlay.bytes(), 0);
    assert!(overlay.apply_some(u64::MAX));
    assert!(overlay.is_applied(2));
    assert_eq!((overlay.index().get(&key(1)), overlay.index().applied()), (None, Some(2)));
    assert!(!overlay.apply_some(u64::MAX));
}

#[test]
fn a_scan_goes_on_where_a_part_ended() {
    let overlay = Overlay::new(Index::memory(MemoryIndex::default()), 0);
    let wide = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Key::from_bytes(&[b'm', high, low]).unwrap()
    };
    for number in 0..2_000u16 {
        let change = Change::PutNew(wide(number), Bytes::copy_from_slice(&number.to_be_bytes()));
        overlay.publish([(u64::from(number) + 1, change)], u64::from(number) + 1);
        if number % 3 == 0 {
            overlay.apply_some(u64::MAX);
        }
    }
    for reverse in [false, true] {
        let mut seen = Vec::new();
        overlay.scan(&wide(10), &wide(1_990), reverse, &mut |_, value| {
            seen.push(u16::from_be_bytes([value[0], value[1]]));
            ControlFlow::Continue(())
        });
        let expected: Vec<u16> = (10..1_990).collect();
        if reverse {
            seen.reverse();
        }
        assert_eq!(seen, expected);
    }
}
