//! A control group (version 1) of one process, with a limit.

use std::fs;
use std::path::PathBuf;
use std::process;

/// Removed with the value, once its process has ended.
pub struct Group {
    folder: PathBuf,
}

impl Group {
    /// One of this controller; why there is none otherwise.
    pub fn new(controller: &str, name: &str) -> Result<Group, String> {
        let folder = PathBuf::from("/sys/fs/cgroup").join(controller);
        let folder = folder.join(format!("relay-{name}-{}", process::id()));
        let told = |error| format!("no cgroup of version 1 at {}: {error}", folder.display());
        fs::create_dir(&folder).map_err(told)?;
        Ok(Group { folder })
    }

    pub fn set(&self, file: &str, value: &str) -> Result<(), String> {
        let told = |error| format!("{file} can't be set to {value}: {error}");
        fs::write(self.folder.join(file), value).map_err(told)
    }

    pub fn get(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap().trim().to_owned()
    }

    /// Starts what follows within the group.
    pub fn wrapper(&self) -> Vec<String> {
        let join = format!("echo $$ >{}/cgroup.procs && exec \"$0\" \"$@\"", self.folder.display());
        ["sh", "-c", &join].map(str::to_owned).to_vec()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A test that failed may leave its process.
        let _ = fs::remove_dir(&self.folder);
    }
}
