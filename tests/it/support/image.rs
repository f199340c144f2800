//! A data folder as it lay on disk at one moment, to be copied, damaged and opened.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::folder::Folder;

/// Copies a data folder into a new one. The store that has it may be at work: what is copied then
/// is what a crash would have left.
pub fn copy(from: &Folder) -> Folder {
    let to = Folder { clock: from.clock.clone(), ..Folder::new() };
    copy_files(from.data(), to.data());
    to
}

/// The same, but it passes for the very folder that was copied, so that its index is trusted.
pub fn twin(from: &Folder) -> Folder {
    let to = copy(from);
    let path = to.data().join("checkpoint");
    let metadata = fs::metadata(to.data()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let mut checkpoint: serde_json::Value =
        serde_json::from_str(text.lines().next().unwrap()).unwrap();
    checkpoint["folder"] = serde_json::json!([metadata.dev(), metadata.ino()]);
    let index = to.data().join(format!("index/{}/db", checkpoint["index"]));
    if let Ok(index) = fs::metadata(index) {
        let born = index.created().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        checkpoint["index_file"] =
            serde_json::json!([index.dev(), index.ino(), born.as_nanos() as u64]);
    }
    let json = checkpoint.to_string();
    let checksum = crc32c::crc32c(json.as_bytes());
    fs::write(&path, format!("{json}\n{checksum:08x}\n")).unwrap();
    to
}

fn copy_files(from: &Path, to: &Path) {
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    // Checkpoint, index, journal, and of that the oldest segment first: nothing that is copied
    // speaks of what is not.
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&path).unwrap();
            copy_files(&entry.path(), &path);
        } else if entry.file_name() != "next" {
            // A segment without a number holds nothing.
            match fs::copy(entry.path(), &path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

/// The journal's segments, oldest first.
pub fn segments(folder: &Folder) -> Vec<PathBuf> {
    let mut files = files(&folder.data().join("journal"));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    files
}

/// Every file under a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Where the last byte that is not zero ends.
pub fn written_end(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Changes some bytes of a file.
pub fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}
