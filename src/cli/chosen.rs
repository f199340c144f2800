//! Which application a command is about.

use serde_json::Value;

use super::client::{Client, path_part};
use super::failure::Failure;
use super::output::plain;

/// `--app`, which may be left out where there is only one.
#[derive(clap::Args, Debug)]
pub struct AppArgument {
    /// The application, by id or uid; may be left out where there is only one
    #[arg(long, value_name = "APP")]
    app: Option<String>,
}

impl AppArgument {
    /// Its path in the API.
    pub fn path(&self, client: &Client) -> Result<String, Failure> {
        match &self.app {
            Some(app) => Ok(path(app)),
            None => only(client).map(|app| path(&app)),
        }
    }

    /// As a flag of another command, for hints; empty where it was left out.
    pub fn flag(&self) -> String {
        self.app.as_ref().map_or_else(String::new, |app| format!(" --app {}", plain(app)))
    }
}

/// The path of an application, by id or uid.
pub fn path(app: &str) -> String {
    format!("/api/v1/app/{}", path_part(app))
}

/// The one that there is.
fn only(client: &Client) -> Result<String, Failure> {
    let hint = "name it with --app; relay applications list shows all";
    let listed = client.get("/api/v1/app?limit=2").map_err(|failure| failure.hint(hint))?;
    match listed["data"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(name(one)),
        Some([]) => Err(Failure::usage("there is no application yet")
            .hint("relay applications add NAME makes one")),
        _ => Err(Failure::usage("there is more than one application").hint(hint)),
    }
}

/// What people call a thing that has a uid: that, else its id.
pub fn name(thing: &Value) -> String {
    let name = thing["uid"].as_str().or(thing["id"].as_str());
    plain(name.unwrap_or_default())
}

/// A text field as it may be shown.
pub fn text(thing: &Value, field: &str) -> String {
    plain(thing[field].as_str().unwrap_or_default())
}
