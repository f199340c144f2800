//! What can be set of an endpoint, as flags.

use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;

/// Flags that `add` and `update` share.
#[derive(clap::Args, Debug)]
pub struct SettingsArguments {
    /// Your own name for it
    #[arg(long)]
    uid: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// An event type that it wants, exactly or like invoice.*; may be given again
    #[arg(long = "event-type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// A channel that it listens to; may be given again
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// A source whose messages it wants, by uid or id; may be given again
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// What the content must be like, JSON as docs/filters.md has it
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Messages a second at most
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u16>,
    /// A header that it is sent; may be given again
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// How it is delivered to, JSON as docs/delivery.md has it
    #[arg(long, value_name = "JSON")]
    delivery: Option<String>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| "write it as `Name: value`".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl SettingsArguments {
    /// The fields that were given, but the headers.
    pub fn body(&self) -> Result<Map<String, Value>, Failure> {
        let list = |items: &[String]| (!items.is_empty()).then(|| json!(items));
        let fields = [
            ("uid", self.uid.as_ref().map(|uid| json!(uid))),
            ("description", self.description.as_ref().map(|text| json!(text))),
            ("eventTypes", list(&self.event_types)),
            ("channels", list(&self.channels)),
            ("sources", list(&self.sources)),
            ("filter", read("--filter", self.filter.as_deref())?),
            ("throttleRate", self.rate.map(|rate| json!(rate))),
            ("delivery", read("--delivery", self.delivery.as_deref())?),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(given.collect())
    }

    /// The headers by name; `None` where none was given.
    pub fn headers(&self) -> Option<Value> {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), json!(value)));
        (!self.headers.is_empty()).then(|| Value::Object(headers.collect()))
    }
}

fn read(flag: &str, text: Option<&str>) -> Result<Option<Value>, Failure> {
    let read = |text| {
        serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("{flag} is not JSON: {error}")))
    };
    text.map(read).transpose()
}
