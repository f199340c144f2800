//! A disk that reports writes as done that were not, or were done elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Settings;

/// Lies about one write to a segment for each [`LyingDisk::lie`].
pub struct LyingDisk {
    command: PathBuf,
}

impl LyingDisk {
    /// Under every relay of these settings, built in `folder`; why that can't be done otherwise.
    pub fn under(settings: &mut Settings, folder: &Path) -> Result<LyingDisk, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/support/lying.c");
        let library = folder.join("lying.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
        let built = compiler.output().map_err(|error| format!("cc: {error}"))?;
        if !built.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&built.stderr)));
        }
        let command = folder.join("lie");
        settings.set("LD_PRELOAD", library.to_str().unwrap());
        settings.set("RELAY_FAULT_LIE", command.to_str().unwrap());
        Ok(LyingDisk { command })
    }

    /// Has the next write done as this word says: `nothing`, `short`, `torn` (without its middle),
    /// `late` or `early` (a page away).
    pub fn lie(&self, word: &str) {
        // In one step: whoever sees it reads it whole.
        let written = self.command.with_extension("new");
        fs::write(&written, word).unwrap();
        fs::rename(written, &self.command).unwrap();
    }

    /// Whether a write was lied about since.
    pub fn has_lied(&self) -> bool {
        !self.command.exists()
    }
}
