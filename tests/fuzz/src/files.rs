//! What is read from files.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use relay::config::load::{self, LoadOptions};
use relay::store::disk::RealDisk;
use relay::store::{self, CheckOptions};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder can be made"));

fn write(name: &str, data: &[u8]) -> PathBuf {
    let path = FOLDER.path().join(name);
    std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("writable");
    std::fs::write(&path, data).expect("writable");
    path
}

/// `relay.toml`.
pub fn config(data: &[u8]) {
    let file = Some(write("relay.toml", data));
    let options = LoadOptions { file, variables: Vec::new(), flags: Vec::new() };
    if let Err(error) = load::load(&options) {
        assert!(!error.to_string().is_empty());
    }
}

/// The first segment of a journal.
pub fn journal(data: &[u8]) {
    write("journal/00000001.seg", data);
    let folder = FOLDER.path().to_owned();
    let (disk, simulated) = (Arc::new(RealDisk), None);
    let _ = store::check(&CheckOptions { folder, disk, index_cache: 1 << 20, simulated });
}
