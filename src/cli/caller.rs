//! Whose key a command comes with.

use std::fs;
use std::io;

use super::Common;
use super::failure::Failure;
use crate::config::load::Loaded;

/// Who the caller is.
#[derive(clap::Args, Debug)]
pub struct TokenArgument {
    /// The operator key or a token; else that of the configuration or of the data folder
    #[arg(long, env = "RELAY_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl TokenArgument {
    /// For commands that call the flag otherwise.
    pub fn given(token: Option<String>) -> TokenArgument {
        TokenArgument { token }
    }

    /// The token, from the flag, the variable, the configuration or the data folder.
    pub(super) fn read(&self, common: &Common) -> Result<String, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.trim().to_owned());
        }
        let loaded = common.load(Vec::new())?;
        if let Some(key) = &loaded.secrets.operator_key {
            return Ok(String::from_utf8_lossy(key.expose()).into_owned());
        }
        let path = loaded.config.data.dir.join("operator_key");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => {
                let hint = hint(&error, &loaded);
                let words = format!("there is no token, and {} can't be read", path.display());
                Err(Failure::failed(anyhow::Error::from(error).context(words)).hint(hint))
            }
        }
    }
}

/// What to do where the key that a relay made can't be read.
fn hint(error: &io::Error, loaded: &Loaded) -> String {
    const GIVE: &str = "give the operator key with --token or RELAY_TOKEN";
    match (&loaded.file, error.kind()) {
        (_, io::ErrorKind::PermissionDenied) => {
            format!("its owner and root alone may read it: put sudo before the command, or {GIVE}")
        }
        (Some(file), _) => format!(
            "{} names the data folder (data.dir): {GIVE}, or name the configuration of the relay \
             that is meant with --config",
            file.display()
        ),
        (None, _) => format!(
            "no configuration was found, so the data folder is taken to be ./data: name the \
             relay's with --config, or {GIVE}"
        ),
    }
}
