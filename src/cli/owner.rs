//! Whose the files of a data folder are: what root makes in another user's folder is that user's.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Access, AtFlags, CWD, Dir, Mode, OFlags, accessat, openat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::failure::Failure;

/// Gives what root owns in a folder that is another user's to that user; does nothing for anybody
/// else than root. Links are not followed, and files with a second name are left as they are: who
/// owns the folder is not to be given what lies elsewhere.
pub(super) fn give_back(folder: &Path) -> Result<(), Failure> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let give = || -> io::Result<()> {
        let opened = File::open(folder)?;
        let held = opened.metadata()?;
        if held.uid() == 0 {
            return Ok(());
        }
        give_all(&opened, (held.uid(), held.gid()))
    };
    give()
        .with_context(|| format!("what was made in {} is still root's", folder.display()))
        .map_err(Failure::failed)
}

fn give_all(folder: &File, (user, group): (u32, u32)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let file = match openat(folder.as_fd(), name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            // A link, a socket, or gone meanwhile.
            Err(Errno::LOOP | Errno::NXIO | Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let held = file.metadata()?;
        if held.uid() == 0 && (held.is_dir() || (held.is_file() && held.nlink() == 1)) {
            fchown(&file, Some(user), Some(group))?;
        }
        if held.is_dir() {
            give_all(&file, (user, group))?;
        }
    }
    Ok(())
}

/// A failure to open the folder, with the first file in it that this user may not read and write
/// and with what to do about it; the same failure where there is none, or a hint already.
pub(super) fn explain(failure: Failure, folder: &Path) -> Failure {
    let Failure::Told { exit, error, hint: None } = failure else { return failure };
    let Some(closed) = closed(folder) else { return Failure::Told { exit, error, hint: None } };
    let whose = fs::symlink_metadata(&closed);
    let whose =
        whose.map_or_else(|_| "another user".to_owned(), |held| format!("user {}", held.uid()));
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let words =
        format!("{} is {whose}'s, and user {user} may not read and write it", closed.display());
    // Behind a link, which chown -R does not follow.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Failure::Told { exit, error: error.context(words), hint: None }
        .hint(format!("as root: chown -R {user}:{group} {}", folder.display()))
}

/// The folder or the first below it, in the order of their names, that is closed to this user.
fn closed(path: &Path) -> Option<PathBuf> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|held| held.is_dir());
    let mut wanted = Access::READ_OK | Access::WRITE_OK;
    if is_folder {
        wanted |= Access::EXEC_OK;
    }
    if accessat(CWD, path, wanted, AtFlags::EACCESS) == Err(Errno::ACCESS) {
        return Some(path.to_owned());
    }
    let entries = fs::read_dir(path).ok().filter(|_| is_folder);
    let mut inner: Vec<PathBuf> =
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    inner.sort();
    inner.iter().find_map(|path| closed(path))
}
