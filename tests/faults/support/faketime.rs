//! A wall clock that a test sets for one process, at its start and while it runs (libfaketime).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::process::Settings;

const LIBRARY: &str = "faketime/libfaketime.so.1";

/// The clock of the processes that are started with its settings.
pub struct FakeClock {
    file: PathBuf,
    library: PathBuf,
}

impl FakeClock {
    /// One that goes right, set in `folder`; why there is none otherwise.
    pub fn new(folder: &Path) -> Result<FakeClock, String> {
        let paths = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
        let own = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let mut folders = paths.split(':').chain([own.as_str(), "/usr/lib", "/usr/lib64"]);
        let found = folders.find(|folder| Path::new(folder).join(LIBRARY).exists());
        let library = found.ok_or("no libfaketime.so.1 (Debian: apt-get install libfaketime)")?;
        let library = Path::new(library).join(LIBRARY);
        let clock = FakeClock { file: folder.join("faketime"), library };
        clock.set(0);
        Ok(clock)
    }

    /// Has it shown to processes started with these settings; the monotonic clock stays true.
    pub fn show_to(&self, settings: &mut Settings) {
        settings.set("LD_PRELOAD", &self.library.display().to_string());
        settings.set("FAKETIME_TIMESTAMP_FILE", &self.file.display().to_string());
        for name in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"] {
            settings.set(name, "1");
        }
        settings.set("NO_FAKE_STAT", "1");
    }

    /// From now on it is wrong by so many seconds.
    pub fn set(&self, offset: i64) {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, format!("{offset:+}\n")).unwrap();
        fs::rename(&fresh, &self.file).unwrap();
    }
}

/// The true time in Unix seconds.
pub fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}
