//! `relay trigger`: sends a source an event as its provider would, signed.

use std::borrow::Cow;

use serde_json::{Value, json};
use url::Url;

use super::client::{Client, post_event};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, GOOD, plain, styled};
use super::signed_request::ProviderSecretArguments;
use super::source::requests::{style, why};
use super::token::{random, wall_clock};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages, source, verify_provider};
use crate::domain::provider::{
    NotSignable, Outgoing, Provider, Request, Scheme, sample, samples, sign,
};
use crate::domain::source::Verification;
use crate::engine::intake;

/// Requests among which the one that was sent is looked for.
const LOOKED_AT: usize = 20;
/// Characters of an answer that are shown.
const ANSWER_SHOWN: usize = 500;

/// What `relay trigger` takes.
#[derive(clap::Args, Debug)]
pub struct TriggerArguments {
    /// Who seems to send, like github; custom signs by the row of the source, none signs nothing
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// The type of the event, like push; the first that --list shows when not given
    #[arg(value_name = "EVENT")]
    event: Option<String>,
    /// The source it goes to, by id or uid
    #[arg(long, value_name = "REF", required_unless_present_any = ["url", "list"])]
    source: Option<String>,
    /// Where it goes instead of the source's own URL
    #[arg(long)]
    url: Option<Url>,
    #[command(flatten)]
    secret: ProviderSecretArguments,
    /// The event's id; one that was never used when not given
    #[arg(long)]
    id: Option<String>,
    /// List the events that there are samples of, offline
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    at: RemoteArguments,
}

/// The source that an event goes to.
struct Aim {
    client: Client,
    source: Value,
    /// Its newest request before the event was sent.
    before: Option<String>,
}

/// What came back.
struct Sent {
    event_type: String,
    id: String,
    status: u16,
    answer: String,
    /// What was made of it, as the API shows it.
    request: Option<Value>,
}

/// Sends and tells what came of it: exit code 0 when it was answered 2xx, else 1.
pub(super) fn run(arguments: &TriggerArguments, common: &Common) -> Outcome {
    if arguments.list {
        return list(arguments, common);
    }
    let aim = aim(arguments, common)?;
    let row = row(arguments, aim.as_ref())?;
    let secret = match arguments.secret.read()? {
        None if row.scheme != Scheme::None && row.is_signable() => return Err(no_secret(&row)),
        secret => secret.unwrap_or_default(),
    };
    let known = aim.as_ref().and_then(|aim| aim.source["ingestUrl"].as_str()).map(str::to_owned);
    // Providers sign the URL that they were given, wherever a proxy has their requests go.
    let signed_url = known.clone().or(arguments.url.as_ref().map(Url::to_string));
    let signed_url = signed_url.unwrap_or_default();
    let id = match &arguments.id {
        Some(id) => id.clone(),
        None => format!("sample_{}", hexadecimal(&random::<8>()?)),
    };
    let event = sample(&row, arguments.event.as_deref(), &id);
    warn_of_made_up(&row, &event.event_type);
    let unsigned = Request {
        method: event.method,
        url: &signed_url,
        headers: &event.headers,
        body: &event.body,
    };
    let made = sign(&row, &secret, &unsigned, wall_clock()?)
        .map_err(|error| not_signable(&row, &error))?;
    let target = target(arguments, known.as_deref(), &made, common)?;
    let (status, answer) = post_event(&target, &made.headers, &made.body)?;
    let request = aim.map(|aim| aim.find(&id)).transpose()?.flatten();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let sent = Sent { event_type: event.event_type, id, status, answer, request };
    tell(arguments, &row, &sent, common)
}

fn list(arguments: &TriggerArguments, common: &Common) -> Outcome {
    let events = match arguments.provider.as_str() {
        "custom" | "none" => Vec::new(),
        name => samples(verify_provider::find(name)?),
    };
    if common.json {
        output::json(&events)?;
    } else if events.is_empty() {
        let provider = plain(&arguments.provider);
        output::line(format!("none of {provider}: the body of any EVENT is made up"))?;
    } else {
        events.iter().try_for_each(output::line)?;
    }
    Ok(Exit::Success)
}

fn aim(arguments: &TriggerArguments, common: &Common) -> Result<Option<Aim>, Failure> {
    let Some(reference) = &arguments.source else { return Ok(None) };
    let client = arguments.at.client(common)?;
    let source = client.get(&source::path(reference))?;
    let kind = source["type"].as_str().unwrap_or_default();
    let provider = arguments.provider.as_str();
    if kind != provider && !(provider == "none" && kind == source::UNVERIFIED) {
        anstream::eprintln!(
            "{}",
            styled(ASIDE, format!("the source is one of {}, not of {provider}", plain(kind)))
        );
    }
    let before = newest(&client, &source)?;
    Ok(Some(Aim { client, source, before }))
}

fn newest(client: &Client, source: &Value) -> Result<Option<String>, Failure> {
    let newest = pages::list(client, &requests(source), "", 1)?;
    Ok(newest.first().and_then(|request| request["id"].as_str()).map(str::to_owned))
}

fn requests(source: &Value) -> String {
    format!("{}/request", source::path(source["id"].as_str().unwrap_or_default()))
}

/// How to sign: the provider's row, or that of the source.
fn row(arguments: &TriggerArguments, aim: Option<&Aim>) -> Result<Cow<'static, Provider>, Failure> {
    let own = match arguments.provider.as_str() {
        "none" => json!({ "scheme": "none", "title": "nobody" }),
        "custom" => aim.map(|aim| aim.source["verification"].clone()).unwrap_or_default(),
        name => return Ok(Cow::Borrowed(verify_provider::find(name)?)),
    };
    match Verification::own(own.to_string()) {
        Ok(Verification::Row { row, .. }) => Ok(Cow::Owned(*row)),
        _ => Err(Failure::usage("custom is for a source that has a row of its own")
            .hint("name it with --source, or name a provider: relay source providers")),
    }
}

/// A name that is misspelt makes an event all the same.
fn warn_of_made_up(row: &Provider, event_type: &str) {
    let events = samples(row);
    if !events.is_empty() && !events.iter().any(|event| event == event_type) {
        let (event_type, events) = (plain(event_type), events.join(", "));
        let words = format!("there is no sample of {event_type}, its body is made up ({events})");
        anstream::eprintln!("{}", styled(ASIDE, words));
    }
}

fn no_secret(row: &Provider) -> Failure {
    let what = row.secret.as_deref().unwrap_or("a secret");
    Failure::usage(format!("{} signs with {what}, and none is given", row.title))
        .hint("give it with --secret-file FILE, or --secret - for stdin; the relay never shows it")
}

fn not_signable(row: &Provider, error: &NotSignable) -> Failure {
    let title = &row.title;
    let failure = Failure::failed(anyhow::anyhow!("can't sign as {title}: {error}"));
    match error {
        NotSignable::PublicKey => failure.hint(format!(
            "have {title} send a test event, or try what comes behind the source with one of \
             --provider none"
        )),
        NotSignable::Body(_) => failure
            .hint(format!("take an event that --list shows: relay trigger {} --list", row.name)),
        NotSignable::Circle => failure.hint("sign it where your sender does"),
        NotSignable::Refused(_) => {
            let what = row.secret.as_deref().unwrap_or("the secret");
            failure.hint(format!("is it all of {what}, as {title} shows it? see {}", row.docs))
        }
    }
}

/// Where it is posted to, with the query that the provider has added to the URL that it signs.
fn target(
    arguments: &TriggerArguments,
    known: Option<&str>,
    made: &Outgoing,
    common: &Common,
) -> Result<String, Failure> {
    let url = match (&arguments.url, known) {
        (Some(url), _) => url.to_string(),
        // From here the relay is reached by --server, and perhaps not by the URL that it gives.
        (None, Some(known)) => match known.rfind(intake::PATH) {
            Some(at) => format!("{}{}", arguments.at.base(common), &known[at..]),
            None => known.to_owned(),
        },
        (None, None) => String::new(),
    };
    let wrong = |error| Failure::usage(format!("there is no URL to post to: {error}"));
    let mut url = Url::parse(&url).map_err(wrong)?;
    let signed = Url::parse(&made.url).map_err(wrong)?;
    if signed.query().is_some() {
        url.set_query(signed.query());
    }
    Ok(url.to_string())
}

impl Aim {
    /// The request that was sent, when the relay has kept it.
    fn find(&self, event_id: &str) -> Result<Option<Value>, Failure> {
        let found = pages::list(&self.client, &requests(&self.source), "", LOOKED_AT)?;
        let fresh =
            found.iter().take_while(|request| request["id"].as_str() != self.before.as_deref());
        let fresh: Vec<&Value> = fresh.collect();
        let ours = fresh.iter().find(|request| request["eventId"] == event_id);
        Ok(ours.or(fresh.first()).map(|request| (*request).clone()))
    }
}

fn tell(arguments: &TriggerArguments, row: &Provider, sent: &Sent, common: &Common) -> Outcome {
    let Sent { event_type, id, status, answer, request } = sent;
    let good = (200..300).contains(status);
    let exit = if good { Exit::Success } else { Exit::Failed };
    if common.json {
        output::json(&json!({
            "provider": arguments.provider, "event_type": event_type, "event_id": id,
            "status_code": status, "answer": answer, "request": request,
        }))?;
        return Ok(exit);
    }
    let (title, event_type) = (plain(&row.title), plain(event_type));
    output::line(format!("sent      {event_type} {} as {title}", styled(ASIDE, plain(id))))?;
    let shown: String = plain(answer.trim_end()).chars().take(ANSWER_SHOWN).collect();
    let status = styled(if good { GOOD } else { BAD }, status);
    output::line(format!("answered  {status} {shown}").trim_end())?;
    let Some(name) = &arguments.source else { return Ok(exit) };
    match request {
        Some(request) => {
            let word = plain(request["verdict"].as_str().unwrap_or_default());
            let word = styled(style(request), format!("{word:<9}"));
            let request_id = plain(request["id"].as_str().unwrap_or_default());
            output::line(format!("{word} {request_id} {}", styled(ASIDE, why(request))))?;
        }
        None => output::line("the relay has kept nothing of it")?,
    }
    if !good {
        let name = plain(name);
        output::line(styled(ASIDE, format!("look at it: relay source requests {name}")))?;
    }
    Ok(exit)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
