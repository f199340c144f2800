//! The keys a relay cannot do without: taken from the configuration, else made in the data folder.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::failure::Failure;
use crate::config::secrets::Secrets;
use crate::domain::secret::{Secret, read_operator_key, write_operator_key};
use crate::store::{KEY_BYTES, KeyOrigin, SEALING_KEY, SealingKeys};

const OPERATOR_KEY: &str = "operator_key";

/// Every key that serving needs.
pub(crate) struct Keys {
    /// May do everything.
    pub operator_key: Secret,
    /// Where it comes from, in words.
    pub origin: String,
    /// Seal endpoint secrets.
    pub sealing: SealingKeys,
    /// Verifies HS256 tokens.
    pub jwt_secret: Option<Secret>,
}

impl Keys {
    /// Takes what is configured, reads what was made before, makes the rest.
    pub fn find_or_make(data: &Path, secrets: &Secrets) -> Result<Keys, Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .with_context(|| format!("can't make the data folder {}", data.display()))
            .map_err(|error| Failure::failed(error).hint("set data.dir"))?;
        let (operator_key, origin) = match &secrets.operator_key {
            Some(key) => {
                let origin = "the configuration (auth.operator_key)".to_owned();
                (key.clone(), origin)
            }
            None => {
                let found = operator_key(&data.join(OPERATOR_KEY)).map_err(Failure::failed)?;
                (found, format!("the file {OPERATOR_KEY} in the data folder"))
            }
        };
        let sealing = sealing_keys(data, secrets)?;
        Ok(Keys { operator_key, origin, sealing, jwt_secret: secrets.jwt_secret.clone() })
    }
}

fn sealing_keys(data: &Path, secrets: &Secrets) -> Result<SealingKeys, Failure> {
    let previous = secrets.previous_sealing_keys.clone();
    let (current, origin) = match &secrets.sealing_key {
        Some(key) => (key.clone(), KeyOrigin::Configuration),
        // With the older ones at hand a new one opens nothing less.
        None if previous.is_empty()
            && !data.join(SEALING_KEY).exists()
            && data.join("journal").exists() =>
        {
            return Err(lost_sealing_key(data));
        }
        None => (sealing_key(&data.join(SEALING_KEY)).map_err(Failure::failed)?, KeyOrigin::Folder),
    };
    Ok(SealingKeys { current, origin, previous })
}

/// A new key beside an old journal would open no secret in it.
fn lost_sealing_key(data: &Path) -> Failure {
    let data = data.display();
    Failure::failed(anyhow!("the key that sealed the secrets in {data} is missing"))
        .hint("put its file sealing_key back, or set data.sealing_key")
}

fn operator_key(path: &Path) -> anyhow::Result<Secret> {
    let text = find_or_make(path, || write_operator_key(&random()))?;
    read_operator_key(&text).with_context(|| format!("{} holds no key", path.display()))
}

fn sealing_key(path: &Path) -> anyhow::Result<Secret> {
    let text = find_or_make(path, || STANDARD.encode(random()))?;
    let key = STANDARD.decode(&text).with_context(|| format!("{} holds no key", path.display()))?;
    Ok(Secret::new(key))
}

/// What the file holds; it is made where there is none.
fn find_or_make(path: &Path, make: impl FnOnce() -> String) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
    }
    let text = make();
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || {
        // Readable by its owner alone, and there as a whole or not at all. Of two first starts at
        // once one makes it and the other takes that.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{text}")?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            made => made.map_err(|lost| lost.error)?,
        };
        File::open(folder)?.sync_all()?;
        Ok::<bool, io::Error>(true)
    };
    let made = write().with_context(|| format!("can't write {}", path.display()))?;
    if !made {
        let theirs = std::fs::read_to_string(path);
        let theirs = theirs.with_context(|| format!("can't read {}", path.display()))?;
        return Ok(theirs.trim().to_owned());
    }
    tracing::info!(path = %path.display(), "made a key");
    Ok(text)
}

fn random() -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}
