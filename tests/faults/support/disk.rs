//! A file system of our own in a file: it can be filled, and its power can be cut. It is mounted
//! where nobody else is: a mount namespace that another process makes would keep what is unmounted
//! here, and mounting the image again would give back the one that was cut off.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::namespace::{has_own_mounts, run};

/// `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, u32)`, with 2: neither data nor log is flushed.
const SHUTDOWN: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A mounted ext4; unmounted and removed with the value.
pub struct LoopDisk {
    folder: tempfile::TempDir,
    mounted: bool,
}

impl LoopDisk {
    /// Makes and mounts one, in a test that asked for mounts of its own; why that can't be done
    /// otherwise.
    pub fn new(bytes: u64) -> Result<LoopDisk, String> {
        assert!(has_own_mounts(), "a test with a disk begins with with_own_mounts");
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut disk = LoopDisk { folder, mounted: false };
        let image = File::create(disk.image()).map_err(|error| error.to_string())?;
        image.set_len(bytes).map_err(|error| error.to_string())?;
        fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &text(&disk.image())])?;
        disk.mount()?;
        Ok(disk)
    }

    /// What has reached the image by now, mounted as another disk that goes before this one.
    pub fn copy(&self) -> Result<LoopDisk, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let copy = LoopDisk { folder, mounted: false };
        run("cp", &["--sparse=always", &text(&self.image()), &text(&copy.image())])?;
        fs::create_dir(copy.path()).map_err(|error| error.to_string())?;
        Ok(copy)
    }

    /// The block device, as `major:minor`.
    pub fn device(&self) -> Result<String, String> {
        let device = fs::metadata(self.path()).map_err(|error| error.to_string())?.dev();
        Ok(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-o", "loop", &text(&self.image()), &text(&self.path())])?;
        self.mounted = true;
        Ok(())
    }

    pub fn unmount(&mut self) -> Result<(), String> {
        run("umount", &[&text(&self.path())])?;
        self.mounted = false;
        Ok(())
    }

    /// From here on nothing reaches the image: what was not synced is gone.
    pub fn cut_power(&self) -> Result<(), String> {
        run("python3", &["-c", SHUTDOWN, &text(&self.path())])
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a test that fails may leave a process on it.
            let _ = run("umount", &["-l", &text(&self.path())]);
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
