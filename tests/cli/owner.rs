//! A data folder that is another user's, as under systemd, and root at work in it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::live::Live;
use crate::support::{Ended, Folder, ended};

/// `nobody`, on Debian and elsewhere; any number but 0 would do.
const OTHER: u32 = 65_534;

/// A folder that a relay has served, all of it the other user's; `None` where that can't be made.
fn served() -> Option<Folder> {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can give files to another user");
        return None;
    }
    let folder = Folder::new();
    Live::start(&folder).stop();
    for path in all(folder.path()) {
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    Some(folder)
}

/// The folder and everything below it.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if fs::symlink_metadata(&found[next]).unwrap().is_dir() {
            let inner = fs::read_dir(&found[next]).unwrap();
            found.extend(inner.map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    found
}

/// Runs as the other user; `None` where that user may not even start the program.
fn run_as_other(folder: &Folder, arguments: &[&str]) -> Option<Ended> {
    let mut command = folder.command(&["--version"]);
    match command.uid(OTHER).gid(OTHER).output() {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            println!("SKIPPED: user {OTHER} may not start the program: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    }
    Some(ended(folder.command(arguments).uid(OTHER).gid(OTHER)))
}

#[test]
fn what_root_mends_stays_the_owners() {
    let Some(folder) = served() else { return };
    let data = folder.path().join("data");
    // What is not the folder's own is no business of it.
    let outside = folder.write("outside", "");
    symlink(&outside, data.join("link")).unwrap();
    fs::hard_link(&outside, data.join("name")).unwrap();
    let inode = fs::metadata(data.join("journal/00000001.seg")).unwrap().ino();
    for way in [&["repair"][..], &["repair", "--accept-clock"], &["repair", "--accept-loss"]] {
        folder.run(way).expect(0, "", "");
    }
    folder.run(&["repair", "--rebuild-index"]).expect(0, "the index was made anew", "");
    let indexes = fs::read_dir(data.join("index")).unwrap();
    let index = indexes.map(|entry| entry.unwrap().path()).next().unwrap();
    assert!(index.join("db").is_file(), "{index:?}");
    let theirs = |path: &Path| {
        let held = fs::symlink_metadata(path).unwrap();
        held.uid() == OTHER && held.gid() == OTHER
    };
    let kept = [data.join("link"), data.join("name")];
    let others: Vec<PathBuf> =
        all(&data).into_iter().filter(|path| !theirs(path) && !kept.contains(path)).collect();
    assert_eq!(others, Vec::<PathBuf>::new());
    assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
    assert_eq!(fs::metadata(data.join("journal/00000001.seg")).unwrap().ino(), inode);
}

#[test]
fn a_file_of_root_is_named_at_the_start() {
    let Some(folder) = served() else { return };
    let segment = folder.path().join("data/journal/00000001.seg");
    chown(&segment, Some(0), Some(0)).unwrap();
    fs::set_permissions(&segment, fs::Permissions::from_mode(0o600)).unwrap();
    let Some(told) = run_as_other(&folder, &["serve", "--listen", "127.0.0.1:0"]) else { return };
    let words = "./data/journal/00000001.seg is user 0's, and user 65534 may not read and write it";
    let told = told.expect(1, "", words);
    let data = folder.path().join("data").canonicalize().unwrap();
    let hint = format!("hint: as root: chown -R 65534:65534 {}\n", data.display());
    assert!(told.err.contains(&hint), "{}", told.err);
}

#[test]
fn who_may_not_read_the_key_is_told_of_sudo() {
    let Some(folder) = served() else { return };
    chown(folder.path().join("data"), Some(0), Some(0)).unwrap();
    let Some(told) = run_as_other(&folder, &["tasks", "list"]) else { return };
    let told = told.expect(1, "", "there is no token, and ./data/operator_key can't be read");
    for part in ["Permission denied", "sudo", "--token", "RELAY_TOKEN"] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
}
