//! Named points at which a test has the process panic. A release build has none of it.

#[cfg(debug_assertions)]
use std::{env, fs, path::PathBuf};

/// Names a folder: a point panics once when a file of its name is there.
#[cfg(debug_assertions)]
const FOLDER: &str = "RELAY_TEST_PANIC_POINTS";

/// Panics when the folder of the test has a file of this name, which is taken away before, so that
/// the next start passes.
#[inline]
pub fn reach(point: &str) {
    #[cfg(debug_assertions)]
    if let Some(folder) = env::var_os(FOLDER) {
        let armed = fs::remove_file(PathBuf::from(folder).join(point)).is_ok();
        assert!(!armed, "a test wants a panic at the point {point}");
    }
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// The variable of a child process that is to have the points too; none in a release build.
pub fn inherited() -> Option<(&'static str, std::ffi::OsString)> {
    #[cfg(debug_assertions)]
    return env::var_os(FOLDER).map(|folder| (FOLDER, folder));
    #[cfg(not(debug_assertions))]
    None
}
