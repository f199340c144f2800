//! Eight readers, one writer and a full scan on one sled tree, with a stall detector.
//!
//! sled's issue 1412 reports a deadlock under concurrent gets and inserts. The store lets request
//! threads read the index while the apply thread writes it; this soak is the reason it may.
//! `RELAY_SOAK_SECONDS=3600 cargo test --release --test faults index_soak -- --nocapture` is the
//! long form; its result stands in `docs/storage.md`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const READERS: usize = 8;
const STALL: Duration = Duration::from_secs(30);
const WINDOW: u64 = 200_000;
/// Rows between two looks of the readers at how far it is.
const ROWS: u64 = 100;

/// One thread's sign of life: how often it moved, and the longest it stood still.
struct Pulse {
    name: String,
    beats: AtomicU64,
}

fn key(prefix: u8, number: u64) -> [u8; 17] {
    let mut key = [0u8; 17];
    key[0] = prefix;
    key[1..9].copy_from_slice(&(number % 64).to_be_bytes());
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}

fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

fn seconds() -> u64 {
    std::env::var("RELAY_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Rows come and go as in the store: message, delivery, attempt and due rows at the front, the
/// same rows deleted a window later.
fn write(tree: &sled::Db, newest: &AtomicU64, pulse: &Pulse, stop: &AtomicBool) {
    let value = vec![0x5A; 120];
    let mut number = 0u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..ROWS / 4 {
            for prefix in [b'm', b'd', b'a', b'q'] {
                tree.insert(key(prefix, number), value.as_slice()).expect("a row is written");
            }
            if number >= 1_000 {
                tree.remove(key(b'q', number - 1_000)).expect("a row is removed");
            }
            if number >= WINDOW {
                for prefix in [b'm', b'd', b'a'] {
                    tree.remove(key(prefix, number - WINDOW)).expect("a row is removed");
                }
            }
            number += 1;
        }
        newest.store(number, Ordering::Release);
        pulse.beats.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(tree: &sled::Db, newest: &AtomicU64, pulse: &Pulse, stop: &AtomicBool, seed: u64) {
    let mut random = seed;
    while !stop.load(Ordering::Relaxed) {
        let top = newest.load(Ordering::Acquire);
        if top == 0 {
            thread::yield_now();
            continue;
        }
        let oldest = top.saturating_sub(WINDOW) + 1_000;
        let number = oldest + mixed(&mut random) % top.saturating_sub(oldest).max(1);
        if number >= top || number < 2_000 {
            pulse.beats.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if mixed(&mut random).is_multiple_of(16) {
            let from = key(b'q', number);
            let range: RangeInclusive<&[u8]> = &from[..]..=&[b'q', 0xFF];
            for row in tree.range(range).take(64) {
                row.expect("a scanned row is readable");
            }
        } else {
            tree.get(key(b'm', number)).expect("a row is readable");
        }
        pulse.beats.fetch_add(1, Ordering::Relaxed);
    }
}

fn scan(tree: &sled::Db, pulse: &Pulse, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for row in tree.iter() {
            row.expect("a scanned row is readable");
            pulse.beats.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

#[test]
fn index_soak() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tree = sled::Config::new()
        .path(folder.path().join("index"))
        .cache_capacity(32 << 20)
        .segment_size(8 << 20)
        .flush_every_ms(Some(500))
        .open()
        .expect("sled opens");
    let stop = Arc::new(AtomicBool::new(false));
    let newest = Arc::new(AtomicU64::new(0));
    let (ended, all_ended) = mpsc::channel();
    let mut pulses = Vec::new();
    for role in 0..READERS + 2 {
        let name = match role {
            0 => "writer".to_owned(),
            1 => "scan".to_owned(),
            reader => format!("reader {}", reader - 1),
        };
        let pulse = Arc::new(Pulse { name, beats: AtomicU64::new(0) });
        pulses.push(Arc::clone(&pulse));
        let (tree, stop, newest, ended) =
            (tree.clone(), Arc::clone(&stop), Arc::clone(&newest), ended.clone());
        thread::spawn(move || {
            match role {
                0 => write(&tree, &newest, &pulse, &stop),
                1 => scan(&tree, &pulse, &stop),
                reader => read(&tree, &newest, &pulse, &stop, reader as u64),
            }
            // A detector that has already failed is not listening any more.
            let _ = ended.send(());
        });
    }
    drop(ended);

    let end = Instant::now() + Duration::from_secs(seconds());
    let mut seen = vec![(0u64, Instant::now(), Duration::ZERO); pulses.len()];
    while Instant::now() < end {
        // Nobody sends before the stop: this is the detector's tick.
        let tick = all_ended.recv_timeout(Duration::from_millis(200));
        assert!(tick.is_err(), "a thread ended before it was asked to: see its panic above");
        for (pulse, (beats, moved, longest)) in pulses.iter().zip(&mut seen) {
            let now = pulse.beats.load(Ordering::Relaxed);
            if now != *beats {
                *longest = (*longest).max(moved.elapsed());
                (*beats, *moved) = (now, Instant::now());
            }
            assert!(moved.elapsed() < STALL, "{} stands still since {STALL:?}", pulse.name);
        }
    }
    stop.store(true, Ordering::Relaxed);
    for _ in &pulses {
        all_ended.recv_timeout(STALL).expect("every thread ends when asked to");
    }
    for (pulse, (beats, _, longest)) in pulses.iter().zip(&seen) {
        println!("{:>9}: {beats} steps, longest still {longest:?}", pulse.name);
        assert!(*beats > 0, "{} never moved", pulse.name);
    }
}
