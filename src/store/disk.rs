//! The seam between the journal and the file system; the simulation puts a faulty disk in memory
//! behind it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Zeros are written this many bytes at a time.
const FILL: usize = 1 << 20;

/// Files and folders, as little of them as the journal needs.
pub trait Disk: Send + Sync {
    /// Makes the folder, with its parents, readable by its owner alone.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Names of the entries of a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes or empties a file and fills it with `length` zeros, synced with its size; its name is
    /// durable only after [`Disk::sync_folder`].
    fn create(&self, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Moves a file over another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names made, moved and removed in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Bytes that this user may still write to the file system under `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Device and inode of a folder: a copy of it has others.
    fn identity(&self, folder: &Path) -> io::Result<(u64, u64)>;
    /// The boot of the machine, within which what was written and not synced outlives a process;
    /// empty when it is not known, and then no crash is trusted.
    fn boot(&self) -> String;
}

/// One open file.
pub trait DiskFile: Send + Sync {
    /// Fills the buffer from `offset`; a file that is too short is an error.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of it at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts off what lies beyond `length`, all of it zeros; a disk may keep it.
    fn shorten(&self, _length: u64) -> io::Result<()> {
        Ok(())
    }
}

/// The file system of this machine.
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let zeros = vec![0; FILL.min(usize::try_from(length).unwrap_or(FILL))];
        let mut offset = 0;
        while offset < length {
            let part = zeros.len().min(usize::try_from(length - offset).unwrap_or(FILL));
            file.write_all_at(&zeros[..part], offset)?;
            offset += part as u64;
        }
        file.sync_all()?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn identity(&self, folder: &Path) -> io::Result<(u64, u64)> {
        let metadata = fs::metadata(folder)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// As the kernel names it; `RELAY_TEST_BOOT_ID` stands in for it where a test has to pass for
    /// a reboot.
    fn boot(&self) -> String {
        std::env::var("RELAY_TEST_BOOT_ID")
            .or_else(|_| fs::read_to_string("/proc/sys/kernel/random/boot_id"))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn shorten(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// Puts `bytes` in the place of a file so that after a crash there is the old content or the new.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let file = disk.create(&temporary, 0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The whole content of a small file, `None` when there is no such file.
pub fn read_small(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    file.read_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}
