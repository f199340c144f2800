//! `relay listen`: what comes to a source, or what an endpoint would be sent, on the developer's
//! own machine. The place is kept on the relay, so that a listener that ended, slept or moved goes
//! on where it was.

mod cursor;
mod public;
mod show;
mod target;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::signal::unix::{SignalKind, signal};

use self::cursor::Cursor;
use self::public::{Public, RENEWED};
use self::show::Show;
use self::target::{Forwarded, Target};
use self::worker::{Retry, Shared, Subscription};
use super::client::{Client, path_part};
use super::failure::{Exit, Failure};
use super::keys::{self, Keys};
use super::output::{self, ASIDE, GOOD, plain, styled};
use super::stream::Asked;
use super::tail::since;
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};
use crate::config::units::Span;

/// How long what is being forwarded may take to end when the listener does.
const GRACE: Duration = Duration::from_secs(3);

/// What `relay listen` takes.
#[derive(clap::Args, Debug)]
pub struct ListenArguments {
    /// Where to: a port (3000), a port and path (3000/hooks), or a URL
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// What came to this source, by id or uid; may be given again, and name its own target:
    /// stripe=3000/hooks
    #[arg(long = "source", value_name = "REF[=TARGET]")]
    sources: Vec<String>,
    /// The application of the endpoints, by id or uid
    #[arg(long, value_name = "REF")]
    app: Option<String>,
    /// What this endpoint of --app would be sent, by id or uid; as --source
    #[arg(long = "endpoint", value_name = "REF[=TARGET]", requires = "app")]
    endpoints: Vec<String>,
    /// The path of targets that have none
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// What passes this filter only, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "public")]
    filter: Option<String>,
    /// Of this event type only; may be given again
    #[arg(long = "event-type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// Which headers are sent on: `all`, or names with commas between; else all but those of
    /// connections and proxies, and cookies
    #[arg(long, value_name = "NAMES")]
    forward_headers: Option<String>,
    /// Under which name the relay keeps how far this is; else that of the machine, with the target
    #[arg(long, value_name = "NAME", conflicts_with = "public")]
    name: Option<String>,
    /// Begin so long ago (2h), at a time, at the `beginning`, or `now`; else where it was, the
    /// first time now
    #[arg(long, value_name = "SINCE")]
    from: Option<String>,
    /// How often a target is tried again that does not answer, before the next message: a number,
    /// or `forever`
    #[arg(long, value_name = "TIMES", default_value = "5")]
    retry: Retry,
    /// How long a target may take
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: Span,
    /// Take whatever certificate the relay and the target show
    #[arg(long)]
    skip_verify: bool,
    /// Make a URL for as long as this runs, and show every request that comes to it
    #[arg(long, conflicts_with_all = ["sources", "endpoints"])]
    public: bool,
    /// How long nothing may come before the stream counts as lost
    #[arg(long, value_name = "TIME", default_value = "40s", hide = true)]
    alive_timeout: Span,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What the main thread is told.
enum Said {
    Key(char),
    Stop,
    Ended(Result<(), Failure>),
}

/// Forwards until it is stopped.
pub(super) fn run(arguments: &ListenArguments, common: &Common) -> Outcome {
    let client = arguments.client(common)?;
    let (said, heard) = mpsc::channel();
    // Before anything is made that has to be taken away again.
    listen_to_signals(said.clone())?;
    let public = match arguments.public {
        true => Some(Public::make(&client, arguments.app.as_deref())?),
        false => None,
    };
    let outcome = serve(arguments, common, client, public.as_ref(), said, &heard);
    match public {
        None => outcome,
        Some(public) => {
            let deleted = public.delete(&arguments.client(common)?);
            outcome.and_then(|exit| deleted.map(|()| exit))
        }
    }
}

fn serve(
    arguments: &ListenArguments,
    common: &Common,
    client: Client,
    public: Option<&Public>,
    said: Sender<Said>,
    heard: &Receiver<Said>,
) -> Outcome {
    let subscriptions = match public {
        Some(public) => vec![arguments.public_subscription(public)?],
        None => arguments.subscriptions(&client)?,
    };
    let show = Show::new(common.json);
    begin(&show, &subscriptions, public)?;
    let shared = Arc::new(Shared {
        places: arguments.client(common)?.brief(),
        client,
        show,
        retry: arguments.retry,
        stopping: AtomicBool::new(false),
        busy: subscriptions.iter().map(|_| Mutex::new(())).collect(),
    });
    let targets: Vec<(String, Option<Target>)> =
        subscriptions.iter().map(|own| (own.name.clone(), own.target.clone())).collect();
    let keys = match common.json {
        true => None,
        false => Keys::read({
            let said = said.clone();
            move |key| said.send(Said::Key(key)).is_ok()
        }),
    };
    if keys.is_some() {
        shared.show.note("r sends the last again, d shows its body, q ends")?;
    }
    for own in subscriptions {
        let (shared, said) = (Arc::clone(&shared), said.clone());
        let work = move || {
            let ended = worker::run(own, &shared);
            // Nobody hears it when it was told to end.
            let _ = said.send(Said::Ended(ended));
        };
        let spawned = thread::Builder::new().name("listen".to_owned()).spawn(work);
        spawned.map_err(Failure::from)?;
    }
    let outcome = attend(&shared, &targets, public, heard);
    drop(keys);
    shared.stopping.store(true, Ordering::Relaxed);
    let until = Instant::now() + GRACE;
    for busy in &shared.busy {
        while busy.try_lock().is_err() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }
    outcome
}

/// Does what keys ask for, until it is time to end.
fn attend(
    shared: &Shared,
    targets: &[(String, Option<Target>)],
    public: Option<&Public>,
    heard: &Receiver<Said>,
) -> Outcome {
    loop {
        match heard.recv_timeout(RENEWED) {
            Ok(Said::Stop) => return Ok(Exit::Success),
            Ok(Said::Key(key)) if keys::ends(key) => return Ok(Exit::Success),
            Ok(Said::Key('r')) => match shared.show.last() {
                None => shared.show.note("nothing has come yet")?,
                Some(last) => match &targets[last.label] {
                    (name, Some(target)) => worker::again(shared, target, name, &last)?,
                    _ => shared.show.note("there is no target to send it to")?,
                },
            },
            Ok(Said::Key('d')) => match shared.show.last() {
                None => shared.show.note("nothing has come yet")?,
                Some(last) => shared.show.body(&last.original.body)?,
            },
            Ok(Said::Key(_)) => {}
            Ok(Said::Ended(ended)) => {
                ended?;
                return Ok(Exit::Success);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(public) = public {
                    public.renew(&shared.client)?;
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::failed(anyhow!("every thread of the listener has ended")));
            }
        }
    }
}

fn begin(
    show: &Show,
    subscriptions: &[Subscription],
    public: Option<&Public>,
) -> Result<(), Failure> {
    if show.is_json() {
        return match public {
            Some(public) => output::json(&serde_json::json!({
                "kind": "public", "url": public.url, "sourceId": public.id,
            })),
            None => Ok(()),
        };
    }
    if let Some(public) = public {
        output::line(format!("    {}\n", styled(GOOD.bold(), plain(&public.url))))?;
        output::line(styled(
            ASIDE,
            "Whoever knows this URL may post to it. It is gone when this ends, and after 24 h in \
             any case.",
        ))?;
    }
    for own in subscriptions {
        if let Some(target) = &own.target {
            output::line(format!("{}  ->  {}", own.name, target.url()))?;
        }
    }
    Ok(())
}

impl ListenArguments {
    fn client(&self, common: &Common) -> Result<Client, Failure> {
        let client = self.at.client(common)?;
        Ok(if self.skip_verify { client.unverified() } else { client })
    }

    fn asked(&self, path: String, query: Vec<(&'static str, String)>) -> Result<Asked, Failure> {
        let mut query = query;
        query.push(("original", "true".to_owned()));
        query.extend(self.filter.as_ref().map(|filter| ("filter", filter.clone())));
        if !self.event_types.is_empty() {
            query.push(("event_types", self.event_types.join(",")));
        }
        let after = self.from.as_deref().map(since).transpose()?.flatten();
        let patience = self.alive_timeout.0;
        Ok(Asked { path, query, after, patience, skip_verify: self.skip_verify })
    }

    fn target(&self, text: &str) -> Result<Target, Failure> {
        let forwarded = Forwarded::read(self.forward_headers.as_deref());
        Target::read(text, self.path.as_deref(), forwarded, self.timeout.0, self.skip_verify)
    }

    fn public_subscription(&self, public: &Public) -> Result<Subscription, Failure> {
        let path = format!("/api/v1/source/{}/live", path_part(&public.id));
        let query = vec![("requests", "true".to_owned())];
        let mut asked = self.asked(path, query)?;
        // What comes before the stream is there is shown too.
        asked.after = Some(super::tail::BEGINNING.to_owned());
        let target = self.target.as_deref().map(|text| self.target(text)).transpose()?;
        let name = "public".to_owned();
        Ok(Subscription { name, number: 0, asked, target, cursor: None, whole: true })
    }

    fn subscriptions(&self, client: &Client) -> Result<Vec<Subscription>, Failure> {
        let sources = self.sources.iter().map(|text| (text, None));
        let app = self.app.as_deref();
        let endpoints = self.endpoints.iter().map(|text| (text, app));
        let mut found = Vec::new();
        for (number, (text, app)) in sources.chain(endpoints).enumerate() {
            let (name, own) = match text.split_once('=') {
                Some((name, own)) => (name, Some(own)),
                None => (text.as_str(), self.target.as_deref()),
            };
            let own = own.ok_or_else(|| {
                let words = format!("where is what comes to {name} to go?");
                Failure::usage(words).hint(format!("write a target, or --source {name}=3000"))
            })?;
            let target = self.target(own)?;
            let (path, query) = match app {
                None => (format!("/api/v1/source/{}/live", path_part(name)), Vec::new()),
                Some(app) => {
                    let query = vec![("endpoint", name.to_owned())];
                    (format!("/api/v1/app/{}/live", path_part(app)), query)
                }
            };
            let mut asked = self.asked(path, query)?;
            let cursor = Cursor::find(client, app, &self.name_of(name, &target))?;
            if self.from.is_none() {
                asked.after = cursor.position().map(str::to_owned);
            }
            let name = name.to_owned();
            let (target, cursor) = (Some(target), Some(cursor));
            found.push(Subscription { name, number, asked, target, cursor, whole: false });
        }
        if found.is_empty() {
            return Err(Failure::usage("what is to be listened to?").hint(
                "name sources with --source, an endpoint with --app and --endpoint, or take a new \
                 URL with --public",
            ));
        }
        Ok(found)
    }

    /// Under which name the place of a subscription is kept: with a name that is given, wherever
    /// its target is.
    fn name_of(&self, what: &str, target: &Target) -> String {
        match &self.name {
            Some(name) => format!("{name}.{what}"),
            None => {
                let machine = rustix::system::uname();
                let machine = machine.nodename().to_string_lossy().into_owned();
                let place = target.url().split_once("://").map_or("", |(_, place)| place);
                format!("{machine}.{what}.{}", place.trim_end_matches('/'))
            }
        }
    }
}

/// The first signal ends it in order, a second one at once.
fn listen_to_signals(said: Sender<Said>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listen = move || {
        runtime.block_on(async move {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [mut interrupt, mut terminate, mut hang_up] =
                kinds.map(|kind| signal(kind).expect("a signal handler can be installed"));
            for count in 0.. {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
                if count > 0 || said.send(Said::Stop).is_err() {
                    std::process::exit(i32::from(Exit::Failed.code()));
                }
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
    Ok(())
}
