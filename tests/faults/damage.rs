//! Flipped bits, pages of zeros and missing ends in every file of the data folder: all is there, or
//! the loss is told by number and file and nothing is served. Never is there silently less.
//!
//! `RELAY_FAULT_DAMAGE=200 cargo test --release --test faults damage -- --nocapture` is the long
//! form.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::client::is_whole;
use crate::support::load::Load;
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{Random, variable, wait_until};

const MESSAGES: u64 = 1_000;
const PAGE: usize = 4 << 10;
const CUTS: [usize; 4] = [1, 64, 4_096, 50_000];
/// Behind the head of a segment: the first record of all.
const IN_A_RECORD: usize = 70;
/// So many bodies may lie in a page; a bit lies in one.
const BODIES_A_PAGE: usize = 40;

/// A relay that was stopped, and every byte of its folder then.
pub struct Folder {
    settings: Settings,
    load: Load,
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Of the index: another one is not trusted by itself.
    inode: u64,
    _folder: tempfile::TempDir,
}

/// What came of a damage.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Debug)]
pub enum Way {
    /// Served, and all was there.
    Harmless,
    /// Served, and these bodies are shown as damaged.
    Shown,
    /// Ended while it served, and was whole at the next start.
    Restarted,
    /// Not served; the rest was after `relay repair --accept-loss`.
    Reported,
    /// Not served, and no repair helps: the file itself has to come back.
    Refused,
}

impl Folder {
    fn new(receiver: &Receiver) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(&folder.path().join("data"));
        settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
        settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
        let (mut made, relay) = Folder::served(folder, settings, receiver, |load| {
            wait_until("enough messages", crate::support::LONG, || {
                load.acknowledged.lock().unwrap().len() as u64 >= MESSAGES
            });
        });
        relay.stop();
        made.remember();
        made
    }

    /// A relay that still runs, with the messages that came during `meanwhile` and nothing to do.
    pub fn served(
        folder: tempfile::TempDir,
        settings: Settings,
        receiver: &Receiver,
        meanwhile: impl FnOnce(&Load),
    ) -> (Folder, Relay) {
        let relay = settings.start();
        relay.client.make_application("load", &[receiver.url("/books")]);
        let load = Load::default();
        let fill = |number: u64| if number.is_multiple_of(16) { 40_000 } else { 100 };
        load.run(&relay.client, 4, &fill, meanwhile);
        wait_until("all has ended", crate::support::LONG, || relay.client.waiting() == 0);
        let made = Folder { settings, load, files: BTreeMap::new(), inode: 0, _folder: folder };
        (made, relay)
    }

    fn remember(&mut self) {
        let paths = files(&self.settings.data);
        self.files = paths.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        self.inode = inode(&self.settings.data);
    }

    /// Back to the bytes that are remembered, in the same files where those are still there.
    fn restore(&mut self) {
        for path in files(&self.settings.data) {
            if !self.files.contains_key(&path) {
                fs::remove_file(path).unwrap();
            }
        }
        for (path, bytes) in &self.files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        if inode(&self.settings.data) != self.inode {
            self.settings.start().stop();
            self.remember();
        }
    }

    /// Has the next start make the index anew.
    pub fn distrust(&self) {
        fs::remove_dir_all(self.settings.data.join("index")).unwrap();
    }

    /// Compares everything with what was acknowledged: how many are missing and how many damaged.
    /// Nothing when the relay ends meanwhile.
    pub fn compare(&self, relay: &mut Relay) -> Option<(usize, usize)> {
        let (status, _) = relay.client.get("/api/v1/app/load").ok()?;
        let acknowledged = self.load.acknowledged.lock().unwrap();
        if status == 404 {
            return Some((acknowledged.len(), 0));
        }
        let (mut found, mut iterator) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("/api/v1/app/load/msg?limit=100&with_content=true{iterator}");
            let (status, page) =
                relay.client.get(&path).ok().filter(|(status, _)| *status == 200)?;
            assert_eq!(status, 200, "{page}");
            for message in page["data"].as_array().unwrap() {
                let id = message["id"].as_str().unwrap().to_owned();
                found.insert(id, message["payload"].clone());
            }
            if page["done"] == json!(true) {
                break;
            }
            iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
        }
        let mut counts = (0, 0);
        for (id, sent) in acknowledged.iter() {
            match found.get(id) {
                None => counts.0 += 1,
                Some(payload) if is_given_up(payload) => counts.1 += 1,
                Some(payload) => {
                    assert!(is_whole(payload, sent.number, sent.fill), "{id} is served torn");
                }
            }
        }
        Some(counts)
    }

    /// Starts on the damaged folder; `most` bodies may be unreadable.
    pub fn judge(&self, what: &str, most: usize) -> Way {
        match self.settings.try_start() {
            Err(seen) => self.judge_refusal(what, most, &seen.join("\n")),
            Ok(mut relay) => match self.compare(&mut relay) {
                Some((missing, damaged)) => {
                    assert_eq!(missing, 0, "{what}: silently less");
                    assert!(damaged <= most, "{what}: {damaged} damaged");
                    relay.stop();
                    if damaged == 0 { Way::Harmless } else { Way::Shown }
                }
                None => {
                    let (status, lines) = relay.process.ended();
                    assert!(!status.success(), "{what}: {lines:#?}");
                    let mut again = self.settings.start();
                    let found = self.compare(&mut again);
                    assert_eq!(found, Some((0, 0)), "{what}: after {lines:#?}");
                    again.stop();
                    Way::Restarted
                }
            },
        }
    }

    fn judge_refusal(&self, what: &str, most: usize, told: &str) -> Way {
        if !told.contains("are lost") {
            assert!(told.contains("hint") || told.contains("key"), "{what}: {told}");
            return Way::Refused;
        }
        assert!(told.contains("--accept-loss"), "{what}: {told}");
        let repaired = self.settings.run(&["repair", "--accept-loss"]);
        assert!(repaired.status.success(), "{what}: {repaired:?}");
        let printed = String::from_utf8_lossy(&repaired.stdout).into_owned();
        let mut relay = self.settings.start();
        let (missing, damaged) = self.compare(&mut relay).expect("it serves what is left");
        let owner = missing == self.load.acknowledged.lock().unwrap().len();
        let numbers: u64 = printed.lines().filter_map(lost).sum();
        assert!(numbers > 0, "{what}: no number is told: {printed}");
        assert!(owner || missing as u64 <= numbers, "{what}: {missing} missing of {printed}");
        assert!(damaged <= most, "{what}: {damaged} damaged");
        relay.stop();
        Way::Reported
    }
}

/// How many of "records 3 to 5 are lost".
fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("records ")?;
    let (first, rest) = rest.split_once(" to ")?;
    let (last, _) = rest.split_once(" are lost")?;
    Some(last.parse::<u64>().ok()? + 1 - first.parse::<u64>().ok()?)
}

fn is_given_up(payload: &Value) -> bool {
    payload["damaged"] == json!(true) || payload["expired"] == json!(true)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn inode(data: &Path) -> u64 {
    let index = files(&data.join("index"));
    let file = index.iter().find(|path| path.ends_with("db")).expect("an index");
    fs::metadata(file).unwrap().ino()
}

/// Up to the last byte that is not zero: segments and ballast are filled ahead.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Damages one file in place and says how; how many bodies may lie in what was hit.
fn damage(path: &Path, bytes: &[u8], random: &mut Random) -> (String, usize) {
    let (end, name) = (written(bytes), path.file_name().unwrap().to_string_lossy().into_owned());
    let mut bytes = bytes.to_vec();
    let at = random.below(end as u64) as usize;
    let (what, most) = match random.below(4) {
        0 => {
            let cut = CUTS[random.below(4) as usize].min(end);
            bytes.truncate(end - cut);
            (format!("{name} ends {cut} bytes early"), BODIES_A_PAGE)
        }
        1 => {
            let page = at / PAGE * PAGE;
            bytes[page..].iter_mut().take(PAGE).for_each(|byte| *byte = 0);
            (format!("{name} has zeros at {page}"), BODIES_A_PAGE)
        }
        _ => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            (format!("bit {bit} of byte {at} of {name}"), 1)
        }
    };
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    (what, most)
}

#[test]
fn damaged_files_are_told_of_or_harmless() {
    let rounds = variable("RELAY_FAULT_DAMAGE", 16);
    let seed = variable("RELAY_SEED", 19);
    let mut random = Random(seed);
    let receiver = Receiver::start();
    let mut folder = Folder::new(&receiver);
    let mut ways: BTreeMap<Way, u64> = BTreeMap::new();
    let segment = folder.settings.data.join("journal/00000001.seg");
    let mut bytes = folder.files[&segment].clone();
    bytes[IN_A_RECORD] ^= 1;
    fs::write(&segment, bytes).unwrap();
    folder.distrust();
    assert_eq!(folder.judge("a bit of the first record", 0), Way::Reported);
    folder.restore();
    for round in 0..rounds {
        let hit: Vec<_> = folder.files.iter().filter(|(_, bytes)| written(bytes) > 0).collect();
        let (path, bytes) = hit[random.below(hit.len() as u64) as usize];
        let (what, most) = damage(path, bytes, &mut random);
        // An index that is trusted is read alone; one that is not is made of all of the journal.
        if round % 2 == 1 {
            folder.distrust();
        }
        let way = folder.judge(&format!("{what}, seed {seed}, round {round}"), most);
        println!("{what}: {way:?}");
        *ways.entry(way).or_default() += 1;
        folder.restore();
    }
    println!("{rounds} damages: {ways:?}, none silent");
}
