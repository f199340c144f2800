//! The sealing keys that lie in the data folder: the one that seals, and those that it took the
//! place of, for as long as something can be sealed with them.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::domain::secret::Secret;
use crate::store::disk::{Disk, read_small, replace};

/// The key that seals, in base64.
pub const SEALING_KEY: &str = "sealing_key";
/// A line in base64 for each of the older ones.
pub const PREVIOUS_KEYS: &str = "previous_sealing_keys";
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The older keys; none when there is no such file.
pub(super) fn read_previous(disk: &dyn Disk, data: &Path) -> io::Result<Vec<Secret>> {
    // What a crash left of a file that was being written holds keys too, and is not needed.
    for name in [SEALING_KEY, PREVIOUS_KEYS] {
        match disk.remove(&data.join(name).with_extension("new")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let Some(bytes) = read_small(disk, &data.join(PREVIOUS_KEYS))? else { return Ok(Vec::new()) };
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a line is no key in base64");
    let key = |line: &[u8]| {
        let key = BASE64.decode(line).ok().filter(|key| key.len() == KEY_BYTES);
        key.map(Secret::new).ok_or_else(wrong)
    };
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).map(key).collect()
}

/// Puts a new key into the folder. The older ones are on disk before it is, so that a crash in
/// between leaves one that opens everything.
pub(super) fn put_new(
    disk: &dyn Disk,
    data: &Path,
    new: &Secret,
    older: &[Secret],
) -> io::Result<()> {
    let lines: Vec<String> = older.iter().map(line).collect();
    replace(disk, &data.join(PREVIOUS_KEYS), lines.concat().as_bytes())?;
    replace(disk, &data.join(SEALING_KEY), line(new).as_bytes())
}

fn line(key: &Secret) -> String {
    format!("{}\n", BASE64.encode(key.expose()))
}

/// Removes the older keys; whether there were any.
pub(super) fn remove_previous(disk: &dyn Disk, data: &Path) -> io::Result<bool> {
    match disk.remove(&data.join(PREVIOUS_KEYS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        removed => removed?,
    }
    disk.sync_folder(data)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn keys_are_kept_apart_from_others_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let [one, two, three] = [1, 2, 3].map(|byte| Secret::new(vec![byte; KEY_BYTES]));
        assert_eq!(read_previous(&RealDisk, data).unwrap(), []);
        assert!(!remove_previous(&RealDisk, data).unwrap());
        put_new(&RealDisk, data, &two, std::slice::from_ref(&one)).unwrap();
        put_new(&RealDisk, data, &three, &[two.clone(), one.clone()]).unwrap();
        std::fs::write(data.join("sealing_key.new"), "half").unwrap();
        assert_eq!(read_previous(&RealDisk, data).unwrap(), [two, one]);
        assert!(!data.join("sealing_key.new").exists());
        for name in [SEALING_KEY, PREVIOUS_KEYS] {
            let mode = data.join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        std::fs::write(data.join(PREVIOUS_KEYS), "AAAA\n").unwrap();
        assert!(read_previous(&RealDisk, data).is_err());
        assert!(remove_previous(&RealDisk, data).unwrap());
        assert_eq!(read_previous(&RealDisk, data).unwrap(), []);
    }
}
